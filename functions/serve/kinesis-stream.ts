import { type KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { awsErrorKind } from '../../shared/aws-errors.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { type EventRecord, type EventStream, EventStreamUnavailableError } from './ports.ts';

/** Events on Kinesis streams, one per source. */
export class KinesisEventStream implements EventStream {
  readonly #client: KinesisClient;
  readonly #streamNames: Readonly<Record<string, string>>;

  /** @param options.streamNames name of the stream of each source. */
  constructor(options: { readonly client: KinesisClient; readonly streamNames: Readonly<Record<string, string>> }) {
    this.#client = options.client;
    this.#streamNames = options.streamNames;
  }

  async put(source: EventSource, records: readonly EventRecord[]): Promise<readonly EventRecord[]> {
    const command = new PutRecordsCommand({
      StreamName: this.#streamNames[source.name],
      Records: records.map(({ partitionKey, text }) => ({ PartitionKey: partitionKey, Data: Buffer.from(text) })),
    });
    try {
      const { Records: answers = [] } = await this.#client.send(command);
      return records.filter((_, index) => answers[index]?.ErrorCode !== undefined || answers[index] === undefined);
    } catch (error) {
      if (awsErrorKind(error) === 'final') throw error;
      throw new EventStreamUnavailableError(`the stream of ${source.name} did not take the records`, { cause: error });
    }
  }
}

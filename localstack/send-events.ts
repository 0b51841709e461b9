/** Puts events into a stream as a producer does: in batches, in order, and again what the stream refused. */
import { setTimeout as delay } from 'node:timers/promises';
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { LocalEnvironmentError } from './child-process.ts';
import { clientConfigurationOf } from './endpoint.ts';

/** The most that one `PutRecords` takes. */
const BATCH_RECORDS_MAX = 500;
const ATTEMPTS_MAX = 8;
const RETRY_MILLIS_MIN = 50;

/** An event, and the key whose events stay in order and reach one consumer. */
export interface KeyedEvent {
  readonly event: object;
  readonly partitionKey: string;
}

/** @param options.onSent hears which records the stream took, after each batch. @throws LocalEnvironmentError when refused. */
export async function sendEvents(options: {
  readonly endpoint: string;
  readonly streamName: string;
  readonly events: readonly KeyedEvent[];
  readonly onSent: (sequenceNumbers: readonly string[]) => void;
}): Promise<void> {
  const { streamName, events, onSent } = options;
  const client = new KinesisClient(clientConfigurationOf(options.endpoint));
  for (let start = 0; start < events.length; start += BATCH_RECORDS_MAX) {
    onSent(await putBatch(client, streamName, events.slice(start, start + BATCH_RECORDS_MAX)));
  }
}

async function putBatch(client: KinesisClient, streamName: string, batch: readonly KeyedEvent[]): Promise<string[]> {
  const sequenceNumbers: string[] = [];
  let remaining = batch.map(({ event, partitionKey }) => ({
    Data: Buffer.from(JSON.stringify(event)),
    PartitionKey: partitionKey,
  }));
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { Records = [] } = await client.send(new PutRecordsCommand({ StreamName: streamName, Records: remaining }));
    sequenceNumbers.push(...Records.map(({ SequenceNumber }) => SequenceNumber).filter((taken) => taken !== undefined));
    remaining = remaining.filter((_, index) => Records[index]?.ErrorCode !== undefined);
    if (remaining.length === 0) return sequenceNumbers;
    await delay(RETRY_MILLIS_MIN * 2 ** attempt);
  }
  throw new LocalEnvironmentError(
    `The stream ${streamName} refused ${remaining.length} records ${ATTEMPTS_MAX} times; send less at once, or give it more shards`,
  );
}

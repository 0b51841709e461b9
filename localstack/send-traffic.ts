/** Puts deliveries into a stream as a producer does: in batches, in order, and again what the stream refused. */
import { setTimeout as delay } from 'node:timers/promises';
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { LocalEnvironmentError } from './child-process.ts';
import { clientConfigurationOf } from './endpoint.ts';
import type { Delivery } from './traffic.ts';

/** The most that one `PutRecords` takes. */
const BATCH_RECORDS_MAX = 500;
const ATTEMPTS_MAX = 8;
const RETRY_MILLIS_MIN = 50;

/** @param options.onSent hears which records the stream took, after each batch. @throws LocalEnvironmentError when refused. */
export async function sendTraffic(options: {
  readonly endpoint: string;
  readonly streamName: string;
  readonly deliveries: readonly Delivery[];
  readonly onSent: (sequenceNumbers: readonly string[]) => void;
}): Promise<void> {
  const { streamName, deliveries, onSent } = options;
  const client = new KinesisClient(clientConfigurationOf(options.endpoint));
  for (let start = 0; start < deliveries.length; start += BATCH_RECORDS_MAX) {
    const batch = deliveries.slice(start, start + BATCH_RECORDS_MAX);
    onSent(await putBatch(client, streamName, batch));
  }
}

async function putBatch(client: KinesisClient, streamName: string, batch: readonly Delivery[]): Promise<string[]> {
  const sequenceNumbers: string[] = [];
  let remaining = batch.map(({ transaction }) => ({
    Data: Buffer.from(JSON.stringify(transaction)),
    // Transactions of one user stay in order, and reach one consumer.
    PartitionKey: transaction.user_id,
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

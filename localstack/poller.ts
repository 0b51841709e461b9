/**
 * Kinesis to Lambda as AWS does it, for endpoints whose own trigger does not: what happens to a batch that fails.
 *
 * 1. Each shard is read from its oldest record, in order, one batch at a time; a shard begins after its parents ended.
 * 2. A batch that fails is cut: before the first record that the function names, or in the middle when it threw.
 *    What is left is delivered again, the older part first, so that the order of a shard never changes.
 * 3. A record that fails alone too often, or is too old, goes to the on-failure destination, and its neighbours go on.
 *
 * Every record ends exactly once: acknowledged by the function or handed to `onFailure`.
 * Left out, because neither changes what is delivered: parallelisation within a shard, and the batching window.
 */
import type { KinesisStreamEvent, KinesisStreamRecord } from 'aws-lambda';
import * as z from 'zod';

/** A record as Kinesis returns it. */
export interface StreamRecord {
  readonly sequenceNumber: string;
  readonly partitionKey: string;
  readonly data: Uint8Array;
  readonly arrivedAtMillis: number;
}

export interface Shard {
  readonly shardId: string;
  /** Shards that were split or merged into this one. */
  readonly parentShardIds: readonly string[];
}

export interface ShardPage {
  readonly records: readonly StreamRecord[];
  /** Whether the shard is closed and nothing comes after these records. */
  readonly isEndOfShard: boolean;
}

/** A stream as the poller reads it. */
export interface RecordSource {
  listShards(): Promise<readonly Shard[]>;
  /** Records after one, or from the oldest when `afterSequenceNumber` is undefined. */
  read(position: {
    readonly shardId: string;
    readonly afterSequenceNumber: string | undefined;
    readonly recordLimit: number;
  }): Promise<ShardPage>;
}

/** What a function did with a batch. A port that throws instead could not reach the function: nothing is counted. */
export type Invocation =
  | { readonly kind: 'answered'; readonly payload: unknown }
  | { readonly kind: 'function-error'; readonly message: string };

export type FailureReason = 'RetryAttemptsExhausted' | 'MaximumRecordAgeExceeded';

/** Records that were given up, as an on-failure destination receives them. */
export interface FailedBatch {
  readonly shardId: string;
  readonly records: readonly StreamRecord[];
  readonly reason: FailureReason;
  readonly attemptCount: number;
}

export interface PollerPorts {
  readonly source: RecordSource;
  readonly invoke: (event: KinesisStreamEvent) => Promise<Invocation>;
  readonly onFailure: (batch: FailedBatch) => Promise<void>;
  /** Called once for every record that ends: acknowledged by the function, or taken by `onFailure`. In order. */
  readonly onEnded: (records: readonly StreamRecord[], outcome: 'acknowledged' | 'failed') => void;
  readonly nowMillis: () => number;
  /** Resolves early, and without an error, when `signal` is aborted. */
  readonly sleep: (millis: number, signal: AbortSignal) => Promise<void>;
}

/** The settings of an event source mapping. `undefined` retries and age mean without end, as in AWS. */
export interface PollerSettings {
  readonly eventSourceArn: string;
  readonly batchSize: number;
  readonly reportsBatchItemFailures: boolean;
  readonly bisectsBatchOnFunctionError: boolean;
  readonly maximumRetryAttempts: number | undefined;
  readonly maximumRecordAgeSeconds: number | undefined;
}

export interface Poller {
  /** Ends after the batches in flight. @throws what made the poller give up before, if anything did. */
  stop(): Promise<void>;
  /** Resolves after `stop`; rejects when the stream cannot be read or a port fails for good. */
  readonly ended: Promise<void>;
}

/** A Lambda invocation's payload is at most 6 MB, with the data in base 64. */
const BATCH_BYTES_MAX = 6 * 1024 * 1024;
const ENVELOPE_BYTES_PER_RECORD = 600;
const IDLE_MILLIS = 200;
const SHARD_DISCOVERY_MILLIS = 1_000;
const RETRY_MILLIS_MIN = 100;
const RETRY_MILLIS_MAX = 5_000;

/** Consecutive records of one shard that are delivered together, and how often that has failed. */
interface Batch {
  readonly records: readonly StreamRecord[];
  readonly attemptCount: number;
}

/** Starts to deliver a stream to a function. */
export function startPoller(ports: PollerPorts, settings: PollerSettings): Poller {
  const stopping = new AbortController();
  const ended = pollStream({ ports, settings, signal: stopping.signal }).finally(() => stopping.abort());
  // Whoever awaits `ended` or `stop` sees the failure; until then it must not end the process.
  ended.catch(() => {});
  return {
    stop: () => {
      stopping.abort();
      return ended;
    },
    ended,
  };
}

interface Polling {
  readonly ports: PollerPorts;
  readonly settings: PollerSettings;
  readonly signal: AbortSignal;
}

/** Reads every shard, each after its parents, and looks for new shards now and then. */
async function pollStream(polling: Polling): Promise<void> {
  const { ports, signal } = polling;
  const finished = new Set<string>();
  const reading = new Map<string, Promise<void>>();
  while (!signal.aborted) {
    const shards = await ports.source.listShards();
    const known = new Set(shards.map(({ shardId }) => shardId));
    for (const { shardId, parentShardIds } of shards) {
      // A parent that is no longer listed has been trimmed: there is nothing left to wait for.
      const isReady = parentShardIds.every((parent) => finished.has(parent) || !known.has(parent));
      if (!isReady || finished.has(shardId) || reading.has(shardId)) continue;
      const shardRead = pollShard(polling, shardId).then(() => {
        reading.delete(shardId);
        finished.add(shardId);
      });
      // The race below sees its failure; the others end because the poller then stops.
      shardRead.catch(() => {});
      reading.set(shardId, shardRead);
    }
    await Promise.race([ports.sleep(SHARD_DISCOVERY_MILLIS, signal), ...reading.values()]);
  }
  await Promise.all(reading.values());
}

async function pollShard(polling: Polling, shardId: string): Promise<void> {
  const { ports, settings, signal } = polling;
  let afterSequenceNumber: string | undefined;
  while (!signal.aborted) {
    const page = await ports.source.read({ shardId, afterSequenceNumber, recordLimit: settings.batchSize });
    for (const records of splitBySize(page.records, settings.batchSize)) await deliver(polling, shardId, records);
    afterSequenceNumber = page.records.at(-1)?.sequenceNumber ?? afterSequenceNumber;
    if (page.isEndOfShard) return;
    if (page.records.length === 0) await ports.sleep(IDLE_MILLIS, signal);
  }
}

/** Batches that respect both the mapping's batch size and the size of an invocation. */
function splitBySize(records: readonly StreamRecord[], batchSize: number): StreamRecord[][] {
  const batches: StreamRecord[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const record of records) {
    const recordBytes = Math.ceil(record.data.byteLength / 3) * 4 + ENVELOPE_BYTES_PER_RECORD;
    const current = batches.at(-1);
    if (current === undefined || current.length === batchSize || bytes + recordBytes > BATCH_BYTES_MAX) {
      batches.push([record]);
      bytes = recordBytes;
    } else {
      current.push(record);
      bytes += recordBytes;
    }
  }
  return batches;
}

/** Delivers records until each of them is acknowledged or given up, or the poller is stopped. */
async function deliver(polling: Polling, shardId: string, records: readonly StreamRecord[]): Promise<void> {
  const { ports, settings, signal } = polling;
  // What is still to be delivered, the oldest at the end.
  const pending: Batch[] = [{ records, attemptCount: 0 }];
  let failuresInARow = 0;
  while (!signal.aborted) {
    const batch = pending.pop();
    if (batch === undefined) return;
    const [expired, current] = splitByAge(batch, ports.nowMillis(), settings.maximumRecordAgeSeconds);
    if (expired.records.length > 0) await giveUp(polling, shardId, expired, 'MaximumRecordAgeExceeded');
    if (current.records.length === 0) continue;

    const result = await invokeOnce(polling, shardId, current.records);
    const acknowledgedCount = result.kind === 'acknowledged' ? result.recordCount : 0;
    if (acknowledgedCount > 0) ports.onEnded(current.records.slice(0, acknowledgedCount), 'acknowledged');
    if (acknowledgedCount === current.records.length) {
      failuresInARow = 0;
      continue;
    }
    const next = afterFailure(result, current, settings);
    if (next.isGivenUp) {
      await giveUp(
        polling,
        shardId,
        { records: current.records, attemptCount: next.attemptCount },
        'RetryAttemptsExhausted',
      );
      failuresInARow = 0;
      continue;
    }
    pending.push(...next.batches.toReversed());
    failuresInARow++;
    await ports.sleep(Math.min(RETRY_MILLIS_MIN * 2 ** (failuresInARow - 1), RETRY_MILLIS_MAX), signal);
  }
}

type DeliveryResult =
  /** The oldest so many records are done. */
  | { readonly kind: 'acknowledged'; readonly recordCount: number }
  /** The function threw, or named the first record, or answered nonsense: nothing is done. */
  | { readonly kind: 'failed' }
  /** The function was not reached. */
  | { readonly kind: 'unreached' };

type Continuation =
  | { readonly isGivenUp: true; readonly attemptCount: number }
  /** Oldest first. */
  | { readonly isGivenUp: false; readonly batches: readonly Batch[] };

/** What to deliver next of a batch that was not acknowledged as a whole. */
function afterFailure(result: DeliveryResult, batch: Batch, settings: PollerSettings): Continuation {
  const { records, attemptCount } = batch;
  switch (result.kind) {
    case 'unreached':
      return { isGivenUp: false, batches: [batch] };
    case 'acknowledged':
      // There was progress: what is left is a new batch.
      return { isGivenUp: false, batches: [{ records: records.slice(result.recordCount), attemptCount: 0 }] };
    case 'failed': {
      if (settings.bisectsBatchOnFunctionError && records.length > 1) {
        const middle = Math.ceil(records.length / 2);
        // Halving is no retry: it does not use up attempts.
        const halves = [records.slice(0, middle), records.slice(middle)];
        return { isGivenUp: false, batches: halves.map((half) => ({ records: half, attemptCount })) };
      }
      const failedAttemptCount = attemptCount + 1;
      const retriesMax = settings.maximumRetryAttempts ?? Number.POSITIVE_INFINITY;
      if (failedAttemptCount > retriesMax) return { isGivenUp: true, attemptCount: failedAttemptCount };
      return { isGivenUp: false, batches: [{ records, attemptCount: failedAttemptCount }] };
    }
  }
}

/** Expired records are the oldest ones, because records of a shard are in order of arrival. */
function splitByAge(batch: Batch, nowMillis: number, maximumAgeSeconds: number | undefined): [Batch, Batch] {
  const { records, attemptCount } = batch;
  const oldestMillis =
    maximumAgeSeconds === undefined ? Number.NEGATIVE_INFINITY : nowMillis - maximumAgeSeconds * 1_000;
  const firstCurrent = records.findIndex(({ arrivedAtMillis }) => arrivedAtMillis >= oldestMillis);
  const expiredCount = firstCurrent < 0 ? records.length : firstCurrent;
  return [
    { records: records.slice(0, expiredCount), attemptCount },
    { records: records.slice(expiredCount), attemptCount },
  ];
}

/** A destination that fails is tried again: a record given up must not be a record lost. */
async function giveUp(polling: Polling, shardId: string, batch: Batch, reason: FailureReason): Promise<void> {
  const { ports, signal } = polling;
  for (let failureCount = 0; !signal.aborted; failureCount++) {
    try {
      await ports.onFailure({ shardId, reason, ...batch });
    } catch {
      await ports.sleep(Math.min(RETRY_MILLIS_MIN * 2 ** failureCount, RETRY_MILLIS_MAX), signal);
      continue;
    }
    ports.onEnded(batch.records, 'failed');
    return;
  }
}

async function invokeOnce(
  { ports, settings }: Polling,
  shardId: string,
  records: readonly StreamRecord[],
): Promise<DeliveryResult> {
  let invocation: Invocation;
  try {
    invocation = await ports.invoke(toLambdaEvent(settings.eventSourceArn, shardId, records));
  } catch {
    return { kind: 'unreached' };
  }
  if (invocation.kind === 'function-error') return { kind: 'failed' };
  const recordCount = settings.reportsBatchItemFailures
    ? acknowledgedCountOf(invocation.payload, records)
    : records.length;
  return recordCount === 0 ? { kind: 'failed' } : { kind: 'acknowledged', recordCount };
}

const batchResponse = z
  .object({ batchItemFailures: z.array(z.object({ itemIdentifier: z.string().min(1) })).nullish() })
  .nullish();

/**
 * How many of the oldest records a partial batch response acknowledges: all before the oldest one that it names.
 * As in AWS, an empty response acknowledges everything; one that is malformed or names a stranger, nothing.
 */
export function acknowledgedCountOf(payload: unknown, records: readonly StreamRecord[]): number {
  if (payload === '') return records.length;
  const response = batchResponse.safeParse(payload);
  if (!response.success) return 0;
  const failures = response.data?.batchItemFailures ?? [];
  const positions = failures.map(({ itemIdentifier }) =>
    records.findIndex(({ sequenceNumber }) => sequenceNumber === itemIdentifier),
  );
  return Math.max(0, Math.min(records.length, ...positions));
}

/** The event that Lambda would receive. */
export function toLambdaEvent(
  eventSourceArn: string,
  shardId: string,
  records: readonly StreamRecord[],
): KinesisStreamEvent {
  const region = eventSourceArn.split(':')[3] ?? '';
  return {
    Records: records.map(
      (record): KinesisStreamRecord => ({
        kinesis: {
          kinesisSchemaVersion: '1.0',
          partitionKey: record.partitionKey,
          sequenceNumber: record.sequenceNumber,
          data: Buffer.from(record.data).toString('base64'),
          approximateArrivalTimestamp: record.arrivedAtMillis / 1_000,
        },
        eventSource: 'aws:kinesis',
        eventVersion: '1.0',
        eventID: `${shardId}:${record.sequenceNumber}`,
        eventName: 'aws:kinesis:record',
        invokeIdentityArn: 'arn:aws:iam::000000000000:role/local-poller',
        awsRegion: region,
        eventSourceARN: eventSourceArn,
      }),
    ),
  };
}

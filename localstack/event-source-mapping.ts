/**
 * Runs the event source mapping that the stack declares: its function, its stream, its failure rules, our poller.
 * The emulator keeps the settings of a mapping faithfully and ignores most of them; see `poller.ts`.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  ExpiredIteratorException,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-kinesis';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { KinesisStreamEvent } from 'aws-lambda';
import * as z from 'zod';
import { LocalEnvironmentError } from './child-process.ts';
import { clientConfigurationOf, s3EndpointOf } from './endpoint.ts';
import {
  type FailedBatch,
  type Invocation,
  type Poller,
  type PollerPorts,
  type RecordSource,
  type ShardPage,
  startPoller,
  toLambdaEvent,
} from './poller.ts';

/** AWS says −1 for "without end". */
const limit = z.coerce
  .number()
  .optional()
  .transform((value) => (value === -1 ? undefined : value));

const eventSourceMapping = z.object({
  UUID: z.string(),
  EventSourceArn: z.string(),
  FunctionArn: z.string(),
  BatchSize: z.coerce.number(),
  StartingPosition: z.literal('TRIM_HORIZON'),
  FunctionResponseTypes: z.array(z.string()).nullish(),
  BisectBatchOnFunctionError: z.union([z.boolean(), z.stringbool()]).optional(),
  MaximumRetryAttempts: limit,
  MaximumRecordAgeInSeconds: limit,
  DestinationConfig: z.object({ OnFailure: z.object({ Destination: z.string() }).optional() }).optional(),
});
type EventSourceMapping = z.infer<typeof eventSourceMapping>;

const mappingList = z.object({ EventSourceMappings: z.array(eventSourceMapping) });

const MAPPINGS_PATH = '/2015-03-31/event-source-mappings/';

/** Starts to deliver a stream to its function, as the deployed mapping says. @throws LocalEnvironmentError without one. */
export async function startEventSourceMapping(options: {
  readonly endpoint: string;
  readonly functionName: string;
  readonly onEnded: PollerPorts['onEnded'];
}): Promise<Poller> {
  const { endpoint, functionName, onEnded } = options;
  const mapping = await findMapping(endpoint, functionName);
  // The emulator's own trigger would deliver everything a second time.
  await requestJson(`${endpoint}${MAPPINGS_PATH}${mapping.UUID}`, 'PUT', { Enabled: false });
  const s3 = new S3Client({ ...clientConfigurationOf(s3EndpointOf(endpoint)), forcePathStyle: true });
  return startPoller(
    {
      source: kinesisSource(new KinesisClient(clientConfigurationOf(endpoint)), mapping.EventSourceArn),
      invoke: (event) => invokeFunction(endpoint, functionName, event),
      onFailure: (batch) => deliverToBucket(s3, mapping, batch),
      onEnded,
      nowMillis: Date.now,
      sleep: (millis, signal) => delay(millis, undefined, { signal }).catch(() => {}),
    },
    {
      eventSourceArn: mapping.EventSourceArn,
      batchSize: mapping.BatchSize,
      reportsBatchItemFailures: mapping.FunctionResponseTypes?.includes('ReportBatchItemFailures') ?? false,
      bisectsBatchOnFunctionError: mapping.BisectBatchOnFunctionError ?? false,
      maximumRetryAttempts: mapping.MaximumRetryAttempts,
      maximumRecordAgeSeconds: mapping.MaximumRecordAgeInSeconds,
    },
  );
}

async function requestJson(url: string, method: 'GET' | 'PUT', body?: object): Promise<unknown> {
  const response = await fetch(url, { method, ...(body && { body: JSON.stringify(body) }) });
  const text = await response.text();
  if (!response.ok) throw new LocalEnvironmentError(`${method} ${url} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

async function findMapping(endpoint: string, functionName: string): Promise<EventSourceMapping> {
  const url = `${endpoint}${MAPPINGS_PATH}?FunctionName=${encodeURIComponent(functionName)}`;
  const { EventSourceMappings } = mappingList.parse(await requestJson(url, 'GET'));
  const [mapping] = EventSourceMappings;
  if (mapping === undefined) {
    throw new LocalEnvironmentError(`No event source mapping feeds ${functionName}: deploy the stateless stack first`);
  }
  return mapping;
}

async function invokeFunction(endpoint: string, functionName: string, event: KinesisStreamEvent): Promise<Invocation> {
  const url = `${endpoint}/2015-03-31/functions/${functionName}/invocations`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(event) });
  const text = await response.text();
  if (!response.ok) throw new LocalEnvironmentError(`POST ${url} answered ${response.status}: ${text}`);
  if (response.headers.has('x-amz-function-error')) return { kind: 'function-error', message: text };
  return { kind: 'answered', payload: text === '' ? null : JSON.parse(text) };
}

/** A stream through Kinesis, with one iterator kept per shard. */
export function kinesisSource(client: KinesisClient, streamArn: string): RecordSource {
  const iterators = new Map<string, { readonly iterator: string; readonly afterSequenceNumber: string | undefined }>();
  const closedShardIds = new Set<string>();

  async function iteratorFor(shardId: string, afterSequenceNumber: string | undefined): Promise<string | undefined> {
    const kept = iterators.get(shardId);
    if (kept !== undefined && kept.afterSequenceNumber === afterSequenceNumber) return kept.iterator;
    const position =
      afterSequenceNumber === undefined
        ? ({ ShardIteratorType: 'TRIM_HORIZON' } as const)
        : ({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: afterSequenceNumber } as const);
    const command = new GetShardIteratorCommand({ StreamARN: streamArn, ShardId: shardId, ...position });
    return (await client.send(command)).ShardIterator;
  }

  async function nextPage(shardId: string, afterSequenceNumber: string | undefined, recordLimit: number) {
    const ShardIterator = await iteratorFor(shardId, afterSequenceNumber);
    return client.send(new GetRecordsCommand({ ShardIterator, Limit: recordLimit }));
  }

  return {
    async listShards() {
      const { Shards = [] } = await client.send(new ListShardsCommand({ StreamARN: streamArn }));
      return Shards.map(({ ShardId = '', ParentShardId, AdjacentParentShardId, SequenceNumberRange }) => {
        if (SequenceNumberRange?.EndingSequenceNumber !== undefined) closedShardIds.add(ShardId);
        const parentShardIds = [ParentShardId, AdjacentParentShardId].filter((parent) => parent !== undefined);
        return { shardId: ShardId, parentShardIds };
      });
    },

    async read({ shardId, afterSequenceNumber, recordLimit }): Promise<ShardPage> {
      // The emulator never ends the iterators of a closed shard. What is known to be closed before a read that finds
      // nothing has nothing left.
      const wasClosed = closedShardIds.has(shardId);
      const page = await nextPage(shardId, afterSequenceNumber, recordLimit).catch((error: unknown) => {
        iterators.delete(shardId);
        if (error instanceof ExpiredIteratorException) return 'expired';
        // The shard was trimmed away. A stream that is gone fails when its shards are listed.
        if (error instanceof ResourceNotFoundException) return 'trimmed';
        throw error;
      });
      if (page === 'expired' || page === 'trimmed') return { records: [], isEndOfShard: page === 'trimmed' };
      const records = (page.Records ?? []).map((record) => ({
        sequenceNumber: record.SequenceNumber ?? '',
        partitionKey: record.PartitionKey ?? '',
        data: record.Data ?? new Uint8Array(),
        arrivedAtMillis: record.ApproximateArrivalTimestamp?.getTime() ?? 0,
      }));
      if (page.NextShardIterator === undefined) return { records, isEndOfShard: true };
      const lastSequenceNumber = records.at(-1)?.sequenceNumber ?? afterSequenceNumber;
      iterators.set(shardId, { iterator: page.NextShardIterator, afterSequenceNumber: lastSequenceNumber });
      return { records, isEndOfShard: wasClosed && records.length === 0 };
    },
  };
}

/** Puts given-up records where Lambda would, in the form that it documents for an S3 destination. */
async function deliverToBucket(s3: S3Client, mapping: EventSourceMapping, batch: FailedBatch): Promise<void> {
  const bucket = mapping.DestinationConfig?.OnFailure?.Destination.split(':').at(-1);
  // Without a destination AWS drops them, too.
  if (bucket === undefined) return;
  const now = new Date().toISOString();
  const [day = ''] = now.split('T');
  const second = now.slice(0, 19).replaceAll(':', '.');
  const { Records } = toLambdaEvent(mapping.EventSourceArn, batch.shardId, batch.records);
  const first = batch.records[0];
  const last = batch.records.at(-1);
  const invocationRecord = {
    requestContext: {
      requestId: randomUUID(),
      functionArn: mapping.FunctionArn,
      condition: batch.reason,
      approximateInvokeCount: batch.attemptCount,
    },
    version: '1.0',
    timestamp: now,
    KinesisBatchInfo: {
      shardId: batch.shardId,
      startSequenceNumber: first?.sequenceNumber,
      endSequenceNumber: last?.sequenceNumber,
      batchSize: batch.records.length,
      streamArn: mapping.EventSourceArn,
    },
    payload: JSON.stringify({ Records }),
  };
  await s3.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: `aws/lambda/${mapping.UUID}/${batch.shardId}/${day.replaceAll('-', '/')}/${second}-${randomUUID()}`,
      Body: JSON.stringify(invocationRecord),
      ContentType: 'application/json',
    }),
  );
}

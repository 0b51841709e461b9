import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import { DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import middy from '@middy/core';
import type { Context, KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ENV } from '../../../functions/constants.ts';
import { type BatchHandlerParts, batchHandler } from '../../../functions/update-windows/batch-handler.ts';
import { SERVICE_NAME, TIME_BUDGET, UPDATE_WINDOWS_ENV } from '../../../functions/update-windows/constants.ts';
import { spread } from '../../../functions/update-windows/report.ts';
import { transactions, userTransactions } from '../../../shared/features/fraud.ts';
import { repository } from '../../../shared/features/index.ts';
import { OnlineStoreRequestError, OnlineStoreThrottledError } from '../../../shared/online/store.ts';
import { CollectingSink } from '../../support/rows.ts';
import { InterceptedStore, MemoryQuarantine, NOW_MILLIS, transaction } from './fixtures.ts';

/** What the function wrote, line by line, to either output. */
const output: string[] = [];
const jsonLines = () =>
  output
    .join('')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
const metricLines = () => jsonLines().filter((line) => '_aws' in line);
const logLines = () => jsonLines().filter((line) => !('_aws' in line));

beforeEach(() => {
  output.length = 0;
  const capture = (text: string | Uint8Array) => output.push(String(text)) > 0;
  vi.spyOn(process.stdout, 'write').mockImplementation(capture);
  vi.spyOn(process.stderr, 'write').mockImplementation(capture);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** What Lambda hands over; a text is taken for the base64 itself. */
function kinesisEvent(...contents: (Record<string, unknown> | string)[]): KinesisStreamEvent {
  return {
    Records: contents.map((content, index) => ({
      awsRegion: 'eu-central-1',
      eventID: `shardId-0:${1_000 + index}`,
      eventName: 'aws:kinesis:record',
      eventSource: 'aws:kinesis',
      eventSourceARN: 'arn:aws:kinesis:eu-central-1:123456789012:stream/transactions',
      eventVersion: '1.0',
      invokeIdentityArn: 'arn:aws:iam::123456789012:role/consumer',
      kinesis: {
        approximateArrivalTimestamp: NOW_MILLIS / 1_000,
        data: typeof content === 'string' ? content : Buffer.from(JSON.stringify(content)).toString('base64'),
        kinesisSchemaVersion: '1.0',
        partitionKey: 'partition-key-secret',
        sequenceNumber: String(1_000 + index),
      },
    })),
  };
}

const context = (remainingMillis: number) => ({ getRemainingTimeInMillis: () => remainingMillis }) as Context;

function lambda(replaced: Partial<BatchHandlerParts> = {}) {
  const store = new InterceptedStore();
  const quarantine = new MemoryQuarantine();
  const metrics = new Metrics({
    namespace: 'FeatureStore',
    serviceName: SERVICE_NAME,
    defaultDimensions: { source: transactions.name },
  });
  const parts: BatchHandlerParts = {
    source: transactions,
    views: [userTransactions],
    store,
    quarantine: () => quarantine,
    metrics,
    logger: new Logger({ serviceName: SERVICE_NAME, persistentKeys: { source: transactions.name } }),
    now: () => NOW_MILLIS + 400,
    ...replaced,
  };
  const handleBatch = batchHandler(parts);
  const handler = middy<KinesisStreamEvent, KinesisStreamBatchResponse>().use(logMetrics(metrics)).handler(handleBatch);
  return {
    store,
    quarantine,
    /** Without middleware, which would itself end an invocation of a few milliseconds. */
    handleBatch,
    invoke: (event: KinesisStreamEvent) => handler(event, context(60_000)),
  };
}

const transactionsFor = (count: number) =>
  Array.from({ length: count }, (_, index) => transaction({ transaction_id: `t-${index}`, user_id: `user-${index}` }));

describe('the answer to the stream', () => {
  it('has no failures when everything was counted, quarantined or late', async () => {
    const { invoke } = lambda();
    expect(await invoke(kinesisEvent(transaction(), Buffer.from('{').toString('base64')))).toEqual({
      batchItemFailures: [],
    });
  });

  it('names the failed records in order', async () => {
    const { invoke, store } = lambda();
    store.before = (key) => {
      if (/user-[13]$/.test(key)) throw new OnlineStoreRequestError('forbidden');
    };
    expect(await invoke(kinesisEvent(...transactionsFor(5)))).toEqual({
      batchItemFailures: [{ itemIdentifier: '1001' }, { itemIdentifier: '1003' }],
    });
  });

  it('is given although the store is throttled for ever: retries end with the time of the invocation', async () => {
    const { store, handleBatch } = lambda();
    store.before = () => {
      throw new OnlineStoreThrottledError('slow down');
    };
    const { batchItemFailures } = await handleBatch(kinesisEvent(...transactionsFor(2)), context(20));
    expect(batchItemFailures).toHaveLength(2);
    expect(store.updatedKeys.length).toBeGreaterThanOrEqual(2);
  });
});

describe('rows of features', () => {
  const events = kinesisEvent(...transactionsFor(3));

  it('are sent in one go, before the batch is answered', async () => {
    const sink = new CollectingSink();
    let isSent = false;
    sink.sent = delay(10).then(() => {
      isSent = true;
    });
    const { handleBatch } = lambda({ rows: { repository, sink } });
    await handleBatch(events, context(60_000));
    expect(sink.of('feature_rows')).toHaveLength(3);
    expect(sink.sends).toBe(1);
    expect(isSent).toBe(true);
  });

  it('are not waited for until the invocation runs out of time', async () => {
    const sink = new CollectingSink();
    sink.sent = new Promise(() => {});
    const { handleBatch } = lambda({ rows: { repository, sink } });
    expect(await handleBatch(events, context(TIME_BUDGET.rowsReserveMillis + 50))).toEqual({ batchItemFailures: [] });
  });
});

describe('damaged delivery', () => {
  it.each([
    ['characters that are not base64', '%%%not base64%%%'],
    ['base64 cut short', Buffer.from(JSON.stringify(transaction())).toString('base64').slice(0, -3)],
    ['an event that was never encoded', JSON.stringify(transaction())],
  ])('puts %s into quarantine as it came, and counts the neighbours', async (_name, data) => {
    const { invoke, quarantine } = lambda();
    const answer = await invoke(kinesisEvent(...transactionsFor(1), data));
    expect(answer).toEqual({ batchItemFailures: [] });
    expect(quarantine.records).toHaveLength(1);
    expect(Buffer.from(quarantine.records[0]?.data ?? []).toString()).toBe(data);
    expect(quarantine.records[0]?.problems).toEqual([
      { field: '', problem: 'the record was not delivered as base64 text' },
    ]);
    expect(metricLines().at(-1)).toMatchObject({ EventsApplied: 1, EventsQuarantined: 1 });
  });
});

describe('metrics', () => {
  it('are one line per batch and one per updated view, in the dimensions that alarms use', async () => {
    const { invoke, store } = lambda();
    store.before = (key) => {
      if (key.endsWith('user-3')) throw new OnlineStoreRequestError('forbidden');
    };
    const late = transaction({ transaction_id: 'late', user_id: 'user-0', timestamp: NOW_MILLIS - 60_000 });
    const [first = {}] = transactionsFor(1);
    const event = kinesisEvent(...transactionsFor(4), first, late, 'AAAA');
    const arrivedLast = event.Records[5]?.kinesis;
    if (arrivedLast) arrivedLast.approximateArrivalTimestamp += 0.1;
    await invoke(event);

    const [view, batch] = metricLines();
    expect(metricLines()).toHaveLength(2);
    expect(view).toMatchObject({
      service: 'update-windows',
      source: 'transactions',
      view: 'user_transactions@1',
      FeatureFreshness: [0.4, 0.4, 0.4],
    });
    expect(view._aws.CloudWatchMetrics).toEqual([
      {
        Namespace: 'FeatureStore',
        Dimensions: [['service', 'source', 'view']],
        Metrics: [{ Name: 'FeatureFreshness', Unit: 'Seconds' }],
      },
    ]);
    expect(batch).toMatchObject({
      service: 'update-windows',
      source: 'transactions',
      EventsReceived: 7,
      EventsApplied: 3,
      EventsDuplicate: 1,
      EventsLate: 1,
      EventsQuarantined: 1,
      WriteFailures: 1,
      ComputationLatency: 0,
    });
    expect(batch).not.toHaveProperty('view');
    expect(batch._aws.CloudWatchMetrics[0].Dimensions).toEqual([['service', 'source']]);
  });

  it('say zero when nothing went wrong, and say nothing of views that were not updated', async () => {
    const { invoke } = lambda();
    await invoke(kinesisEvent('AAAA'));
    await invoke(kinesisEvent(transaction()));
    const [onlyBatch, view, batch] = metricLines();
    expect(onlyBatch).toMatchObject({ EventsApplied: 0, EventsQuarantined: 1 });
    expect(view).toHaveProperty('FeatureFreshness');
    expect(batch).toMatchObject({ EventsApplied: 1, EventsLate: 0, EventsQuarantined: 0, WriteFailures: 0 });
  });

  it('stay one line per view for a large batch', async () => {
    const { invoke } = lambda();
    await invoke(kinesisEvent(...transactionsFor(500)));
    expect(metricLines()).toHaveLength(2);
    expect(metricLines()[0].FeatureFreshness).toHaveLength(50);
  });

  it('keep the greatest of many values, and their quantiles', () => {
    const values = Array.from({ length: 1_000 }, (_, index) => (index * 7) % 1_000);
    const kept = spread(values, 50);
    expect(kept).toHaveLength(50);
    expect(Math.max(...kept)).toBe(999);
    expect(kept[25]).toBe(499);
    expect(spread([3, 1, 2], 50)).toEqual([3, 1, 2]);
  });
});

describe('the log', () => {
  it('is silent about a batch in which everything was counted', async () => {
    const { invoke } = lambda();
    await invoke(kinesisEvent(transaction(), transaction()));
    expect(logLines()).toEqual([]);
  });

  it('tells in one line how much was not counted, why and in which fields', async () => {
    const { invoke, store } = lambda();
    store.before = (key) => {
      if (key.endsWith('user-1')) throw new OnlineStoreRequestError('no', { cause: new RangeError('inner') });
    };
    const negative = transaction({ amount: -1 });
    const unknown = transaction({ favourite_colour: 'red' });
    await invoke(kinesisEvent(...transactionsFor(2), negative, unknown, negative, 'AAAA'));
    expect(logLines()).toHaveLength(1);
    expect(logLines()[0]).toMatchObject({
      level: 'WARN',
      service: 'update-windows',
      source: 'transactions',
      counts: { received: 6, applied: 1, quarantined: 4, failed: 1 },
      problemsByField: { amount: 2, 'unknown field': 1, 'whole event': 1 },
      failuresByError: { 'OnlineStoreRequestError: RangeError': 1 },
    });
  });

  it('carries no value, no key and no undeclared name of any event, and neither do the metrics', async () => {
    const failing = { put: () => Promise.reject(new Error('object of secret-user was refused')) };
    const { invoke, store } = lambda({ quarantine: () => failing });
    store.before = (key) => {
      if (key.includes('secret-failing')) throw new Error(`cannot update ${key}`);
    };
    const secret = (differences: Record<string, unknown>) =>
      transaction({ user_id: 'secret-user', merchant_id: 'secret-merchant', amount: 77_123.45, ...differences });
    await invoke(
      kinesisEvent(
        secret({ transaction_id: 'secret-1' }),
        secret({ transaction_id: 'secret-2', user_id: 'secret-failing' }),
        secret({ transaction_id: 'secret-3', amount: '-77123.45' }),
        secret({ transaction_id: 'secret-4', 'secret@example.com': 1, ['secret'.repeat(100)]: 1 }),
        secret({ transaction_id: 'secret-5', timestamp: 'secret-time' }),
        'secret not base64',
      ),
    );
    const { invoke: invokeWorking } = lambda();
    await invokeWorking(kinesisEvent(secret({ 'secret@example.com': 1 }), secret({ amount: 'secret' })));
    expect(jsonLines().length).toBeGreaterThanOrEqual(4);
    expect(output.join('')).not.toMatch(/secret|77123|c2VjcmV0/i);
  });
});

describe('the deployed handler', () => {
  beforeEach(() => {
    vi.resetModules();
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    vi.stubEnv(ENV.tableName, 'online');
    vi.stubEnv(UPDATE_WINDOWS_ENV.quarantineBucket, 'quarantine-bucket');
    vi.stubEnv(UPDATE_WINDOWS_ENV.sourceName, 'transactions');
  });
  const load = () => import('../../../functions/update-windows/handler.ts');

  it('counts in DynamoDB, quarantines in S3 and answers the stream', async () => {
    const dynamoDb = mockClient(DynamoDBClient);
    const s3 = mockClient(S3Client);
    dynamoDb.on(UpdateItemCommand).resolves({ Attributes: { h: { N: String(NOW_MILLIS) } } });
    s3.on(PutObjectCommand).resolves({});
    const { handler } = await load();
    expect(await handler(kinesisEvent(transaction(), 'AAAA'), context(60_000))).toEqual({ batchItemFailures: [] });
    const [update] = dynamoDb.commandCalls(UpdateItemCommand);
    expect(update?.args[0].input).toMatchObject({
      TableName: 'online',
      Key: { key: { S: 'user_transactions@1|user-1' } },
    });
    const [put] = s3.commandCalls(PutObjectCommand);
    expect(put?.args[0].input).toMatchObject({
      Bucket: 'quarantine-bucket',
      Key: expect.stringMatching(/^quarantine\/transactions\/2026\/03\/01\/1001-/),
    });
  });

  it('does not start for a source that is not declared, and names those that are', async () => {
    vi.stubEnv(UPDATE_WINDOWS_ENV.sourceName, 'transaction');
    await expect(load()).rejects.toThrow(
      'SOURCE_NAME names "transaction", which is no source; the sources are transactions',
    );
  });

  it('does not start without its environment, and names what is missing', async () => {
    vi.stubEnv(UPDATE_WINDOWS_ENV.quarantineBucket, '');
    await expect(load()).rejects.toThrow('QUARANTINE_BUCKET_NAME');
  });
});

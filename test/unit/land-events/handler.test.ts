import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { Context, FirehoseTransformationEvent, FirehoseTransformationResult } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LAND_EVENTS_ENV, LAND_EVENTS_SERVICE } from '../../../functions/land-events/constants.ts';
import { transformationHandler } from '../../../functions/land-events/transformation-handler.ts';
import { transactions } from '../../../shared/features/fraud.ts';
import { aggregated } from '../../support/kpl.ts';
import { NOW_MILLIS, transaction } from '../update-windows/fixtures.ts';
import { POISONS } from '../update-windows/poison.ts';
import { type Content, firehoseEvent, firehoseEventOf, firehoseRecord, textOf } from './fixtures.ts';

/** What the function wrote, to either output. */
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

const context = { getRemainingTimeInMillis: () => 60_000 } as Context;

function invoke(event: FirehoseTransformationEvent, source = transactions): Promise<FirehoseTransformationResult> {
  const metrics = new Metrics({
    namespace: 'FeatureStore',
    serviceName: LAND_EVENTS_SERVICE,
    defaultDimensions: { source: source.name },
  });
  const logger = new Logger({ serviceName: LAND_EVENTS_SERVICE, persistentKeys: { source: source.name } });
  const handler = middy<FirehoseTransformationEvent, FirehoseTransformationResult>()
    .use(logMetrics(metrics))
    .handler(transformationHandler({ source, metrics, logger }));
  return handler(event, context);
}

async function answersFor(...contents: Content[]) {
  return (await invoke(firehoseEventOf(...contents))).records;
}

const ROW = {
  transaction_id: 'transaction-1',
  user_id: 'user-1',
  merchant_id: 'merchant-1',
  amount: '12.50',
  timestamp: NOW_MILLIS,
  arrived_at: NOW_MILLIS,
};

describe('a record that is an event', () => {
  it('becomes one line of JSON with every field, its arrival in the stream, and its partition', async () => {
    const [answer] = await answersFor(transaction());
    expect(answer).toMatchObject({
      recordId: 'record-0',
      result: 'Ok',
      metadata: { partitionKeys: { event_date: '2026-03-01', event_hour: '12' } },
    });
    expect(textOf(answer ?? { recordId: '', result: 'Ok' })).toBe(`${JSON.stringify(ROW)}\n`);
  });

  it.each([
    ['decimal text', { amount: '12.5' }, {}],
    ['an exponent', { amount: 1.25e1 }, {}],
    ['ISO 8601 time', { timestamp: '2026-03-01T13:00:00+01:00' }, {}],
    ['the largest amount', { amount: '9999999999999.99' }, { amount: '9999999999999.99' }],
    ['text beyond the basic plane', { user_id: '\u{1f600}' }, { user_id: '\u{1f600}' }],
    ['names of members of every object', { user_id: '__proto__' }, { user_id: '__proto__' }],
  ])('is normalised when it is written with %s', async (_name, differences, expected) => {
    const answers = await answersFor(transaction(differences));
    expect(answers.map(textOf).map((text) => JSON.parse(text))).toEqual([{ ...ROW, ...expected }]);
  });

  it('is landed as often as it is delivered', async () => {
    const answers = await answersFor(transaction(), transaction());
    expect(answers.map(({ recordId, result }) => `${recordId} ${result}`)).toEqual(['record-0 Ok', 'record-1 Ok']);
  });

  it('has the arrival in Firehose where nobody knows that in the stream', async () => {
    const { kinesisRecordMetadata, ...record } = firehoseRecord(transaction());
    expect(kinesisRecordMetadata).toBeDefined();
    const { records } = await invoke(firehoseEvent(record));
    expect(records.map(textOf).map((text) => JSON.parse(text).arrived_at)).toEqual([NOW_MILLIS + 30_000]);
  });
});

describe('a record that is no event', () => {
  it.each(POISONS)('is refused with its bytes, and its neighbours are landed: $name', async ({ content }) => {
    const answers = await answersFor(
      transaction({ transaction_id: 'before' }),
      content,
      transaction({ transaction_id: 'after' }),
    );
    expect(answers.map(({ recordId, result }) => `${recordId} ${result}`)).toEqual([
      'record-0 Ok',
      'record-1 ProcessingFailed',
      'record-2 Ok',
    ]);
    expect(answers[1]).toEqual({
      recordId: 'record-1',
      result: 'ProcessingFailed',
      data: Buffer.from(content).toString('base64'),
    });
  });

  it.each([
    ['damaged base64', { data: '%%%not base64%%%' }],
    ['no time of arrival', { kinesisRecordMetadata: undefined, approximateArrivalTimestamp: Number.NaN }],
  ])('is refused as it came when it has %s', async (_name, damage) => {
    const damaged = { ...firehoseRecord(transaction()), ...damage };
    const { records } = await invoke(firehoseEvent(damaged, firehoseRecord(transaction(), 1)));
    expect(records.map(({ result }) => result)).toEqual(['ProcessingFailed', 'Ok']);
    expect(records[0]?.data).toBe(damaged.data);
  });

  it('takes no neighbour along when a declaration fails over it', async () => {
    const failing = {
      ...transactions,
      schema: transactions.schema.refine(({ user_id }) => {
        if (user_id === 'secret-user') throw new RangeError('cannot read secret-user');
        return true;
      }),
    };
    const event = firehoseEventOf(transaction({ user_id: 'secret-user' }), transaction());
    const { records } = await invoke(event, failing);
    expect(records.map(({ result }) => result)).toEqual(['ProcessingFailed', 'Ok']);
    expect(logLines()).toMatchObject([{ counts: { received: 2, refused: 1 }, failuresByError: { RangeError: 1 } }]);
    expect(output.join('')).not.toContain('secret');
  });
});

describe('an aggregated record that Firehose did not take apart', () => {
  const HOUR_MILLIS = 3_600_000;
  const eventOf = (id: string, behindMillis = 0) =>
    transaction({ transaction_id: id, timestamp: NOW_MILLIS - behindMillis });
  const together = (...contents: (Record<string, unknown> | string)[]) =>
    aggregated(
      contents.map((content) => ({
        partitionKey: 'user-1',
        data: typeof content === 'string' ? content : JSON.stringify(content),
      })),
    );

  it('lands as a line for each event, under one answer', async () => {
    const answers = await answersFor(eventOf('a'), together(eventOf('b'), eventOf('c')));
    expect(answers).toMatchObject([
      { recordId: 'record-0', result: 'Ok' },
      {
        recordId: 'record-1',
        result: 'Ok',
        metadata: { partitionKeys: { event_date: '2026-03-01', event_hour: '12' } },
      },
    ]);
    const lines = answers
      .map(textOf)
      .join('')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ transaction_id }) => transaction_id)).toEqual(['a', 'b', 'c']);
    expect(lines.map(({ arrived_at }) => arrived_at)).toEqual([NOW_MILLIS, NOW_MILLIS, NOW_MILLIS]);
    expect(metricLines()).toMatchObject([{ EventsLanded: 3, EventsRefused: 0 }]);
    expect(logLines()).toEqual([]);
  });

  it.each([
    ['one of its events is none', together(eventOf('a'), '{', eventOf('b')), 3],
    ['its events are of several hours', together(eventOf('a'), eventOf('b', HOUR_MILLIS)), 2],
    ['it is damaged', together(eventOf('a'), eventOf('b')).subarray(0, -1), 1],
  ])('is refused whole with its bytes when %s, and its neighbours land', async (_, record, events) => {
    const answers = await answersFor(eventOf('before'), record, eventOf('after'));
    expect(answers.map(({ result }) => result)).toEqual(['Ok', 'ProcessingFailed', 'Ok']);
    expect(answers[1]).toEqual({ recordId: 'record-1', result: 'ProcessingFailed', data: record.toString('base64') });
    expect(metricLines()).toMatchObject([{ EventsLanded: 2, EventsRefused: events }]);
    expect(logLines()).toMatchObject([
      { counts: { received: 2 + events, refused: events }, problemsByField: { 'whole event': 1 } },
    ]);
  });
});

describe('metrics and log', () => {
  it('say how many were landed and refused, in the dimensions that alarms use', async () => {
    await answersFor(transaction(), transaction({ amount: -1 }), transaction());
    expect(metricLines()).toMatchObject([
      { service: 'land-events', source: 'transactions', EventsLanded: 2, EventsRefused: 1 },
    ]);
    expect(metricLines()[0]._aws.CloudWatchMetrics[0].Dimensions).toEqual([['service', 'source']]);
  });

  it('say zero, and nothing in the log, when nothing was refused', async () => {
    await answersFor(transaction());
    expect(metricLines()).toMatchObject([{ EventsLanded: 1, EventsRefused: 0 }]);
    expect(logLines()).toEqual([]);
  });

  it('tell in one line how much was refused and in which fields', async () => {
    await answersFor(transaction({ amount: -1 }), transaction({ amount: 'x' }), transaction({ colour: 'red' }), '{');
    expect(logLines()).toMatchObject([
      {
        level: 'WARN',
        source: 'transactions',
        counts: { received: 4, refused: 4 },
        problemsByField: { amount: 2, 'unknown field': 1, 'whole event': 1 },
      },
    ]);
  });

  it('carry no value, no key and no undeclared name of any event', async () => {
    const secret = (differences: Record<string, unknown>) =>
      transaction({ user_id: 'secret-user', merchant_id: 'secret-merchant', amount: 77_123.45, ...differences });
    await answersFor(
      secret({ transaction_id: 'secret-1' }),
      secret({ transaction_id: 'secret-2', amount: '-77123.45' }),
      secret({ transaction_id: 'secret-3', 'secret@example.com': 1 }),
      secret({ transaction_id: 'secret-4', timestamp: 'secret-time' }),
      'secret not JSON',
    );
    expect(jsonLines()).toHaveLength(2);
    expect(output.join('')).not.toMatch(/secret|77123|c2VjcmV0/i);
  });
});

describe('the deployed handler', () => {
  beforeEach(() => vi.resetModules());
  const load = () => import('../../../functions/land-events/handler.ts');

  it('lands the events of the source that its environment names', async () => {
    vi.stubEnv(LAND_EVENTS_ENV.sourceName, 'transactions');
    const { handler } = await load();
    const { records } = await handler(firehoseEventOf(transaction(), '{'), context);
    expect(records.map(({ result }) => result)).toEqual(['Ok', 'ProcessingFailed']);
  });

  it('does not start for a source that is not declared, and names those that are', async () => {
    vi.stubEnv(LAND_EVENTS_ENV.sourceName, 'transaction');
    await expect(load()).rejects.toThrow(
      'SOURCE_NAME names "transaction", which is no source; the sources are transactions',
    );
  });
});

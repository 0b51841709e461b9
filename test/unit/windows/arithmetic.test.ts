import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { nearestDouble } from '../../../localstack/nearest-double.ts';
import { oracleFeatures } from '../../../localstack/oracle.ts';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import {
  decimal,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  max,
  mean,
  min,
  quantile,
  stddev,
  sum,
  variance,
  type WindowedView,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { DUCKDB } from '../../../shared/offline/sql/dialect.ts';
import { historyQuery } from '../../../shared/offline/sql/history-query.ts';
import { sweepEntity } from '../../../shared/offline/sweep/sweep-view.ts';
import { applyEvents } from '../../../shared/online/apply-events.ts';
import { itemKeysOf } from '../../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import type { WindowEvent } from '../../../shared/windows/event.ts';
import { readWindows } from '../../../shared/windows/read.ts';

const START = Date.UTC(2026, 0, 1);

const MOMENTS = { sum: sum('value'), mean: mean('value'), least: min('value'), greatest: max('value') };
const SPREAD = { variance: variance('value'), stddev: stddev('value') };
const MEDIAN = { median: quantile('value', 0.5), high: quantile('value', 0.95) };

function viewOf(value: z.ZodType<number>, features: object) {
  const source = eventSource({
    name: 'numbers',
    description: 'Numbers.',
    owner: 'tests',
    schema: z.strictObject({ id: identifier(), owner_id: identifier(), at: eventTime(), value }),
    eventId: 'id',
    eventTime: 'at',
    partitionKey: 'owner_id',
    allowedLateness: '1h',
  });
  return windowedView({
    name: 'aggregated',
    version: 1,
    description: 'Aggregates of numbers.',
    owner: 'tests',
    entity: entity({ name: 'owner', description: 'Whose numbers they are.', joinKeys: ['owner_id'] }),
    source,
    windows: { '1h': '1h' },
    features: features as typeof MOMENTS,
    ttl: '1d',
  });
}

function eventsOf(view: WindowedView, values: readonly number[]): WindowEvent[] {
  return values.map((value, index) => {
    const at = START + index;
    const decoded = decodeEvent(view.source, { id: `e${index}`, owner_id: 'acc', at, value }, at);
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
    return decoded.event;
  });
}

type Answer = Readonly<Record<string, unknown>>;

function named(view: WindowedView, values: readonly unknown[]): Answer {
  return Object.fromEntries(view.layout.features.map(({ name }, index) => [name.replace('_1h', ''), values[index]]));
}

async function online(view: WindowedView, events: readonly WindowEvent[]): Promise<Answer> {
  const store = new MemoryOnlineStore();
  for (let from = 0; from < events.length; from += 100) {
    const batch = events.slice(from, from + 100);
    await applyEvents(store, view, 'acc', batch, { everyEvents: 1_000_000, minimumBytesFreed: 1 });
  }
  const items = (await store.get(itemKeysOf(view, 'acc'))).filter((item) => item !== undefined);
  return named(view, readWindows(view.layout, items, START + events.length).values);
}

function swept(view: WindowedView, events: readonly WindowEvent[]): Answer {
  const at = START + events.length;
  const [answer = []] = sweepEntity(view, events, [{ timestampMillis: at, knownAtMillis: at }], 'bitemporal');
  return named(view, answer);
}

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect();
});
afterAll(() => connection.closeSync());

async function inSql(view: WindowedView, events: readonly WindowEvent[]): Promise<Answer> {
  const isInteger = view.source.fields.value?.type.kind === 'integer';
  const rows = events.map(
    ({ id, timeMillis, values }) => `('${id}', 'acc', ${timeMillis}, ${timeMillis}, CAST('${values.value}' AS DOUBLE))`,
  );
  const history = `(SELECT * REPLACE (CAST("value" AS ${isInteger ? 'BIGINT' : 'DOUBLE'}) AS "value") FROM (VALUES ${rows.join(', ')}) AS "rows" ("id", "owner_id", "at", "arrived_at", "value"))`;
  const service = featureService({
    name: 'numbers',
    version: 1,
    description: 'All.',
    owner: 'tests',
    views: [view],
  });
  const sql = historyQuery({
    service,
    mode: 'event-time',
    dialect: DUCKDB,
    spine: {
      table: `(SELECT 0 AS n, 'acc' AS owner_id, ${START + events.length} AS "timestamp")`,
      columns: ['owner_id', 'timestamp'],
      rowNumber: 'n',
    },
    history: { numbers: history },
  });
  const [row = []] = (await connection.runAndReadAll(sql)).getRows();
  return named(view, row.slice(2));
}

const times = (count: number, value: number) => Array.from({ length: count }, () => value);
const alternating = (first: number, low: number, high: number) => [
  first,
  ...Array.from({ length: 1_000 }, (_, index) => (index % 2 === 0 ? low : high)),
];

interface Case {
  readonly of: string;
  /** Digits behind the point; undefined for whole numbers. */
  readonly scale?: number;
  readonly values: readonly number[];
  readonly expected: Answer;
}

/** Expected values by Python's `fractions`, whose conversion to float rounds once. */
const CASES: readonly Case[] = [
  // One amount again and again: a mean that is rounded twice leaves the values.
  { of: '11 × 999999999.123457', scale: 6, values: times(11, 999999999.123457), expected: { mean: 999999999.123457 } },
  { of: '11 × 987654321.000001', scale: 6, values: times(11, 987654321.000001), expected: { mean: 987654321.000001 } },
  { of: '73 × 123456789.123457', scale: 6, values: times(73, 123456789.123457), expected: { mean: 123456789.123457 } },
  {
    of: '11 × 9999999999999.99',
    scale: 2,
    values: times(11, 9999999999999.99),
    expected: { mean: 9999999999999.99, sum: 109999999999999.89 },
  },
  { of: '7 × 99999999999.9999', scale: 4, values: times(7, 99999999999.9999), expected: { mean: 99999999999.9999 } },
  { of: '11 × (1 − 10^−15)', scale: 15, values: times(11, 0.999999999999999), expected: { mean: 0.999999999999999 } },
  { of: '5 × (2^53 − 1)', values: times(5, 2 ** 53 - 1), expected: { mean: 2 ** 53 - 1, sum: 45035996273704950 } },
  { of: '3 × (2^53 − 1)', values: times(3, 2 ** 53 - 1), expected: { mean: 2 ** 53 - 1, sum: 27021597764222972 } },
  { of: '−5 × (2^53 − 1)', values: times(5, 1 - 2 ** 53), expected: { mean: 1 - 2 ** 53 } },
  // Halfway between two doubles: the even one.
  { of: '2^53 − 1 and 2', values: [2 ** 53 - 1, 2], expected: { mean: 4503599627370496, sum: 2 ** 53 } },
  { of: '2^53 − 1 and 2^53 − 2', values: [2 ** 53 - 1, 2 ** 53 - 2], expected: { mean: 2 ** 53 - 2 } },
  { of: '2^53 − 1 and 2^53 − 4', values: [2 ** 53 - 1, 2 ** 53 - 4], expected: { mean: 2 ** 53 - 2 } },
  // NIST StRD, univariate summary statistics: NumAcc1 to NumAcc4, with their certified values.
  {
    of: 'NumAcc1',
    values: [10000001, 10000003, 10000002],
    expected: { mean: 10000002, variance: 1, stddev: 1 },
  },
  {
    of: 'NumAcc2',
    scale: 1,
    values: alternating(1.2, 1.1, 1.3),
    expected: { mean: 1.2, variance: 0.01, stddev: 0.1 },
  },
  {
    of: 'NumAcc3',
    scale: 1,
    values: alternating(1000000.2, 1000000.1, 1000000.3),
    expected: { mean: 1000000.2, variance: 0.01, stddev: 0.1 },
  },
  {
    of: 'NumAcc4',
    scale: 1,
    values: alternating(10000000.2, 10000000.1, 10000000.3),
    expected: { mean: 10000000.2, variance: 0.01, stddev: 0.1 },
  },
  // The catastrophic cancellation of Wikipedia's "Algorithms for calculating variance", and the same further out.
  {
    of: '10^9 + {4, 7, 13, 16}',
    values: [4, 7, 13, 16].map((value) => 1e9 + value),
    expected: { mean: 1000000010, variance: 30 },
  },
  {
    of: '10^14 + {4, 7, 13, 16}',
    values: [4, 7, 13, 16].map((value) => 1e14 + value),
    expected: { mean: 100000000000010, variance: 30, stddev: 5.477225575051661 },
  },
  {
    of: '10^8 + {4, 7, 13, 16} · 10^−6',
    scale: 6,
    values: [100000000.000004, 100000000.000007, 100000000.000013, 100000000.000016],
    expected: { mean: 100000000.00001, variance: 3e-11, stddev: 5.477225575051661e-6 },
  },
  // PostgreSQL's regression tests: "test accuracy with a large input offset".
  {
    of: '100000003 to 100000007',
    values: [100000003, 100000004, 100000006, 100000007],
    expected: { mean: 100000005, variance: 3.3333333333333335 },
  },
  {
    of: '7000000000005 and 7000000000007',
    values: [7000000000005, 7000000000007],
    expected: { mean: 7000000000006, variance: 2, stddev: Math.SQRT2 },
  },
  // 10^30 is not a double, nor is any tenth.
  {
    of: 'neighbours of 0.123456789012345',
    scale: 15,
    values: [0.123456789012345, 0.123456789012346, 0.123456789012348],
    expected: { sum: 0.370370367037039, variance: 2.3333333333333334e-30, stddev: 1.5275252316519468e-15 },
  },
  { of: 'tenths', scale: 1, values: [0.1, 0.2, 0.3], expected: { sum: 0.6, mean: 0.2, variance: 0.01, stddev: 0.1 } },
];

describe.each(CASES)('the aggregates of $of', ({ scale, values, expected }) => {
  const hasSpread = values.every((value) => Math.abs(value) < 1e15);
  const whole = hasSpread
    ? z
        .int()
        .min(1 - 1e15)
        .max(1e15 - 1)
    : z.int();
  const view = viewOf(
    scale === undefined ? whole : decimal({ scale }),
    hasSpread ? { ...MOMENTS, ...SPREAD } : MOMENTS,
  );
  const events = eventsOf(view, values);

  it('are the nearest doubles, online, swept, in SQL and by the oracle', async () => {
    const answers = {
      online: await online(view, events),
      swept: swept(view, events),
      sql: await inSql(view, events),
      oracle: named(view, oracleFeatures(view, events, START + values.length)),
    };
    for (const answer of Object.values(answers)) expect(answers).toMatchObject({ oracle: answer });
    expect(answers.online).toMatchObject(expected);
  });

  it('have a mean between the least and the greatest value', async () => {
    const { mean: average, least, greatest } = await online(view, events);
    expect(average).toBeGreaterThanOrEqual(Number(least));
    expect(average).toBeLessThanOrEqual(Number(greatest));
  });
});

describe('quantiles beside the least and greatest value', () => {
  const view = viewOf(decimal({ scale: 6 }), { ...MOMENTS, ...MEDIAN });

  it.each<[string, readonly number[], Answer]>([
    ['one value', [12.5], { median: 12.5, high: 12.5 }],
    ['the first of two', [1, 100], { median: 1 }],
    ['three equal values', [3, 3, 3], { median: 3, high: 3 }],
    ['a value below zero', [-7.77], { median: -7.77, high: -7.77 }],
    ['0 above two equal values', [0, -5, -5], { median: -5 }],
    ['one cent', [0.01, 0.01], { median: 0.01, high: 0.01 }],
    ['the greatest that has 15 digits', times(5, 999999999.999999), { median: 999999999.999999 }],
    ['the greatest of many', [1, ...times(30, 250)], { median: 250, high: 250 }],
    ['least and greatest in one bin', [100, 100.4, 100.8], {}],
  ])('lie between them: %s', async (_, values, expected) => {
    const events = eventsOf(view, values);
    for (const answer of [await online(view, events), swept(view, events)]) {
      expect(answer).toMatchObject(expected);
      for (const name of ['median', 'high']) {
        expect(answer[name]).toBeGreaterThanOrEqual(Math.min(...values));
        expect(answer[name]).toBeLessThanOrEqual(Math.max(...values));
      }
    }
  });

  it('store nothing for it, and stay within 1 % where one of them is missing', async () => {
    const alone = viewOf(decimal({ scale: 6 }), MEDIAN);
    const half = viewOf(decimal({ scale: 6 }), { ...MEDIAN, least: min('value') });
    expect(alone.layout.cells).toHaveLength(1);
    expect(half.layout.cells).toHaveLength(2);
    const answers = await Promise.all([alone, half].map(async (one) => online(one, eventsOf(one, [12.5]))));
    expect(answers[0]?.median).toBeCloseTo(12.5, 0);
    expect(answers[1]?.median).toBe(answers[0]?.median);
  });

  it('do not follow a minimum and maximum that were declared later and have seen less', async () => {
    const before = viewOf(decimal({ scale: 6 }), MEDIAN);
    const events = eventsOf(before, [1, 1, 1, 50]);
    const store = new MemoryOnlineStore();
    const policy = { everyEvents: 1_000_000, minimumBytesFreed: 1 };
    await applyEvents(store, before, 'acc', events.slice(0, 3), policy);
    await applyEvents(store, view, 'acc', events.slice(3), policy);
    const items = (await store.get(itemKeysOf(view, 'acc'))).filter((item) => item !== undefined);
    const { median, least } = named(view, readWindows(view.layout, items, START + 10).values);
    expect(least).toBe(50);
    expect(Math.abs(Number(median) - 1)).toBeLessThanOrEqual(0.01);
  });
});

describe("the oracle's rounding", () => {
  it.each<[string, bigint, bigint, number]>([
    ['a third', 1n, 3n, 1 / 3],
    ['halfway, down to even', 2n ** 53n + 1n, 1n, 2 ** 53],
    ['halfway, up to even', 2n ** 53n + 3n, 1n, 2 ** 53 + 4],
    ['just above halfway', 10n ** 30n * (2n ** 53n + 1n) + 1n, 10n ** 30n, 2 ** 53 + 2],
    ['just below a power of two', 10n ** 30n * 2n ** 53n - 1n, 10n ** 30n, 2 ** 53],
    ['less than zero', -1n, 10n, -0.1],
    ['the least double', 1n, 2n ** 1_074n, Number.MIN_VALUE],
  ])('%s', (_, numerator, denominator, expected) => expect(nearestDouble(numerator, denominator)).toBe(expected));
});

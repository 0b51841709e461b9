import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  last,
  mean,
  sum,
  variance,
  windowedView,
} from '../../../../shared/definitions/index.ts';
import { fraudDetection } from '../../../../shared/features/fraud.ts';
import { SpineError } from '../../../../shared/offline/offline-store.ts';
import { DUCKDB, quoteName, TRINO } from '../../../../shared/offline/sql/dialect.ts';
import { type HistoryQuery, historyQuery } from '../../../../shared/offline/sql/history-query.ts';

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 1);

const payments = eventSource({
  name: 'payments',
  description: 'Payments.',
  owner: 'tests',
  schema: z.strictObject({
    payment_id: identifier(),
    shop: z.int(),
    country: z.string(),
    amount: decimal({ scale: 2 }),
    at: eventTime(),
  }),
  eventId: 'payment_id',
  eventTime: 'at',
  partitionKey: 'shop',
  allowedLateness: '1min',
});

const shops = windowedView({
  name: 'shops',
  version: 1,
  description: 'Of a shop in a country.',
  owner: 'tests',
  entity: entity({ name: 'shop', description: 'A shop.', joinKeys: ['shop', 'country'] }),
  source: payments,
  where: ({ amount }) => amount.isGreaterThan(0),
  windows: { '5min': '5min' },
  features: { payments: count(), total: sum('amount'), average: mean('amount'), spread: variance('amount') },
  ttl: '1d',
});

const countries = windowedView({
  name: 'countries',
  version: 1,
  description: 'Of a country.',
  owner: 'tests',
  entity: entity({ name: 'country', description: 'A country.', joinKeys: ['country'] }),
  source: payments,
  windows: { '1h': '1h' },
  features: { country_payments: count(), last_shop: last('shop') },
  ttl: '1d',
});

const service = featureService({
  name: 'shopping',
  version: 1,
  description: 'Two views and what follows from them.',
  owner: 'tests',
  views: [shops, countries],
  features: ['total_5min', 'country_payments_1h', 'average_5min', 'last_shop_1h', 'spread_5min'],
  decides: payments,
  derived: {
    share: ({ amount, total_5min }) => amount.dividedBy(total_5min),
    is_first: ({ country_payments_1h }) => country_payments_1h.equals(1),
  },
});

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect();
});

async function rowsOf(sql: string): Promise<Record<string, unknown>[]> {
  return (await connection.runAndReadAll(sql)).getRowObjectsJS();
}

const HISTORY = `(SELECT * FROM (VALUES
  ('p1', 1, 'DE', 10.00, ${START}, ${START}),
  ('p2', 1, 'DE', 5.50, ${START + MINUTE}, ${START + MINUTE}),
  ('p2', 1, 'DE', 5.50, ${START + MINUTE}, ${START + 3 * MINUTE}),
  ('p3', 1, 'FR', 7.25, ${START + MINUTE}, ${START + MINUTE}),
  ('p4', 2, 'DE', 0.00, ${START + MINUTE}, ${START + MINUTE})
) AS "events" ("payment_id", "shop", "country", "amount", "at", "arrived_at"))`;

/** The rows of a spine of shop, country and instant, with other columns. */
function query(spine: string, columns: readonly string[], overrides: Partial<HistoryQuery> = {}): string {
  return historyQuery({
    service,
    mode: 'bitemporal',
    dialect: DUCKDB,
    spine: { table: `(${spine})`, columns, rowNumber: 'n' },
    history: { payments: HISTORY },
    ...overrides,
  });
}

const KEYS = ['shop', 'country', 'timestamp'];
const ONE_ROW = `SELECT 0 AS n, 1 AS shop, 'DE' AS country, ${START + 2 * MINUTE} AS "timestamp"`;

describe('a history query', () => {
  it('answers every view of a service, in its order, with derived features after them', async () => {
    const [row] = await rowsOf(query(`${ONE_ROW}, 3.1 AS amount`, [...KEYS, 'amount']));
    expect(Object.entries(row ?? {}).slice(KEYS.length + 1)).toEqual([
      ['total_5min', 15.5],
      ['country_payments_1h', 3],
      ['average_5min', 7.75],
      // Of shops 1 and 2 in the same millisecond, the greater.
      ['last_shop_1h', 2],
      ['spread_5min', 10.125],
      ['share', 0.2],
      ['is_first', false],
    ]);
  });

  it('takes a field of the event as null when the spine does not have it', async () => {
    const [row] = await rowsOf(query(ONE_ROW, KEYS));
    expect(row?.share).toBeNull();
  });

  it('hands on rows in the order of their numbers, equal ones and unknown entities included', async () => {
    const spine = `SELECT * FROM (VALUES (2, 9, 'XX', 0), (0, 1, 'DE', ${START}), (1, 1, 'DE', ${START}), (3, NULL, NULL, 1))
      AS "rows" ("n", "shop", "country", "timestamp")`;
    const rows = await rowsOf(query(spine, KEYS));
    expect(rows.map(({ country, total_5min, average_5min }) => [country, total_5min, average_5min])).toEqual([
      ['DE', 10, 10],
      ['DE', 10, 10],
      ['XX', 0, null],
      [null, 0, null],
    ]);
  });

  it('hands columns through whatever their names are', async () => {
    const names = [`a"b`, `x; DROP TABLE spine; --`, `'`, 'row number', 'ü 😀', 'select', 'is exact', "\\'"];
    const extra = names.map((name, index) => `${index} AS ${quoteName(name)}`).join(', ');
    const [row] = await rowsOf(query(`${ONE_ROW}, ${extra}`, [...KEYS, ...names]));
    expect(names.map((name) => row?.[name])).toEqual(names.map((_, index) => index));
    expect(row?.total_5min).toBe(15.5);
  });

  it('refuses a spine that lacks a column or has one of a feature', () => {
    expect(() => query(ONE_ROW, ['shop', 'timestamp'])).toThrow(SpineError);
    expect(() => query(ONE_ROW, ['shop', 'timestamp'])).toThrow('"country"');
    expect(() => query(ONE_ROW, [...KEYS, 'Total_5min'])).toThrow('rename it');
    expect(() => query(ONE_ROW, [...KEYS, 'is_first'])).toThrow(SpineError);
    expect(() => query(ONE_ROW, [...KEYS, 'SHOP'])).toThrow(SpineError);
  });

  it('says which history is missing', () => {
    expect(() => query(ONE_ROW, KEYS, { history: {} })).toThrow('payments');
  });

  it('does not look at arrival where only event time counts', async () => {
    const history = `(SELECT "payment_id", "shop", "country", "amount", "at" FROM ${HISTORY})`;
    const sql = query(ONE_ROW, KEYS, { mode: 'event-time', history: { payments: history } });
    expect((await rowsOf(sql))[0]?.total_5min).toBe(15.5);
  });

  it('sums exactly beyond what a double holds, and moves the point without a second rounding', async () => {
    const amount = '9999999999999.99';
    const history = `(SELECT 'e' || i AS "payment_id", 1 AS "shop", 'DE' AS "country", CAST(${amount} AS DECIMAL(18, 2)) AS "amount",
      ${START} + i AS "at", ${START} + i AS "arrived_at" FROM range(1001) AS "numbers" (i))`;
    const [row] = await rowsOf(query(ONE_ROW, KEYS, { history: { payments: history } }));
    expect(row?.total_5min).toBe(Number('10009999999999989.99'));
    expect(row?.spread_5min).toBe(0);
  });

  it('fails rather than being wrong when a variance exceeds 38 digits', async () => {
    const history = `(SELECT 'e' || i AS "payment_id", 1 AS "shop", 'DE' AS "country", 9999999999999.99 AS "amount",
      ${START} + i // 100 AS "at", ${START} + i // 100 AS "arrived_at" FROM range(20000) AS "numbers" (i))`;
    await expect(rowsOf(query(ONE_ROW, KEYS, { history: { payments: history } }))).rejects.toThrow(/[Oo]verflow/);
  });

  it.each([DUCKDB, TRINO])('of the fraud service reads well: $name', async (dialect) => {
    const sql = historyQuery({
      service: fraudDetection,
      mode: 'bitemporal',
      dialect,
      spine: {
        table: '"spine"',
        columns: ['transaction_id', 'user_id', 'merchant_id', 'timestamp', 'amount', 'is_fraud'],
        rowNumber: 'row',
      },
      history: { transactions: '"transactions"', labels: '"labels"' },
    });
    await expect(`${sql}\n`).toMatchFileSnapshot(`__snapshots__/fraud-detection.${dialect.name}.sql`);
  });
});

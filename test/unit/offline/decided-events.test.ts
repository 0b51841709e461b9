/** Spines that name the events that their rows decide: who leaves them out, and which spines are refused. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  count,
  decimal,
  type EventSource,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  max,
  sum,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { columnsOf, openParquet } from '../../../shared/offline/athena/columns.ts';
import { checkedSpine, leastColumnsOf } from '../../../shared/offline/athena/spine.ts';
import { EmbeddedOfflineStore } from '../../../shared/offline/embedded/embedded-offline-store.ts';
import { type HistoryMode, SpineError } from '../../../shared/offline/offline-store.ts';
import { DUCKDB } from '../../../shared/offline/sql/dialect.ts';
import { historyQuery } from '../../../shared/offline/sql/history-query.ts';
import { readParquet, values, writeParquet } from '../../support/parquet.ts';

const T = Date.UTC(2026, 0, 1);
const shop = entity({ name: 'shop', description: 'A shop.', joinKeys: ['shop'] });

/** A source whose ids are whole numbers, or texts, and a view of it with and without the decided event. */
function declared(name: string, id: z.ZodInt | ReturnType<typeof identifier>) {
  const source = eventSource({
    name,
    description: 'Money.',
    owner: 'tests',
    schema: z.strictObject({ id, shop: identifier(), amount: decimal({ scale: 2 }), at: eventTime() }),
    eventId: 'id',
    eventTime: 'at',
    partitionKey: 'shop',
    allowedLateness: '1min',
  });
  const view = windowedView({
    name: `of_${name}`,
    version: 1,
    description: 'Money.',
    owner: 'tests',
    entity: shop,
    source,
    windows: { '5min': '5min' },
    features: {
      [`${name}_total`]: sum('amount'),
      [`${name}_before`]: sum('amount', { excludesCurrent: true }),
      [`${name}_most_before`]: max('amount', { excludesCurrent: true }),
      [`${name}_count_before`]: count({ excludesCurrent: true }),
    },
    ttl: '1d',
  });
  return { source, view };
}

const payments = declared('payments', z.int());
const refunds = declared('refunds', z.int());
const texts = declared('texts', identifier());

function serviceOf(views: readonly (typeof payments.view)[], decides?: EventSource) {
  const description = { name: 'shopping', version: 1, description: 'Of shops.', owner: 'tests' };
  return featureService({ ...description, views, ...(decides && { decides }) });
}
const service = serviceOf([payments.view, refunds.view], payments.source);

let directory: string;
const path = (name: string) => join(directory, `${name}.parquet`);
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'decided-events-'));
  const columns = ['id BIGINT', 'shop VARCHAR', 'amount DECIMAL(18,2)', 'at BIGINT', 'arrived_at BIGINT'];
  const rows = [
    [1, 's1', 10, T, T],
    [2, 's1', 5.5, T + 1_000, T + 1_000],
    [2, 's1', 5.5, T + 1_000, T + 9_000],
    [3, 's2', 7, T, T],
  ];
  for (const name of ['payments', 'refunds']) await writeParquet(path(name), values(columns, rows));
  await writeParquet(path('texts'), `SELECT * REPLACE ('e' || id AS id) FROM '${path('payments')}'`);
});
afterAll(() => rm(directory, { recursive: true }));

const writeSpine = (columns: string[], rows: (string | number | null)[][]) =>
  writeParquet(path('spine'), values(columns, rows));

type Service = typeof service;

const HISTORY = ['payments', 'refunds', 'texts'];

async function embedded(asked: Service, mode: HistoryMode) {
  const history = Object.fromEntries(asked.views.map(({ source }) => [source.name, path(source.name)]));
  await new EmbeddedOfflineStore().getHistoricalFeatures({
    service: asked,
    mode,
    spine: path('spine'),
    history,
    output: path('output'),
  });
  return readParquet(path('output'));
}

async function queried(asked: Service, mode: HistoryMode) {
  const connection = await (await DuckDBInstance.create()).connect();
  await connection.run(`CREATE TABLE spine AS SELECT row_number() OVER () AS n, * FROM '${path('spine')}'`);
  const columns = (await connection.runAndReadAll('DESCRIBE spine')).getRows().map(([name]) => String(name));
  const sql = historyQuery({
    service: asked,
    mode,
    dialect: DUCKDB,
    spine: { table: 'spine', columns: columns.filter((name) => name !== 'n'), rowNumber: 'n' },
    history: Object.fromEntries(HISTORY.map((name) => [name, `'${path(name)}'`])),
  });
  return (await connection.runAndReadAll(sql)).getRowObjectsJS();
}

const spineColumns = async () => columnsOf(await openParquet(new Uint8Array(await readFile(path('spine'))).buffer));
const checked = async (asked: Service) =>
  checkedSpine(await spineColumns(), { service: asked, mode: 'bitemporal', nowMillis: T + 86_400_000 });

const ENGINES = [
  ['the sweep', embedded],
  ['SQL', queried],
] as const;
const CASES = ENGINES.flatMap(([name, engine]) =>
  (['bitemporal', 'event-time'] as const).map((mode) => [name, mode, engine] as const),
);

describe.each(CASES)('rows that name what they decide, by %s, %s', (_name, mode, engine) => {
  it('leave that event out by its id, and no event of another entity or source', async () => {
    await writeSpine(
      ['shop VARCHAR', 'timestamp BIGINT', 'id BIGINT'],
      [
        ['s1', T + 2_000, 2],
        ['s1', T + 2_000, 3],
        ['s1', T + 2_000, 99],
        ['s1', T + 2_000, null],
        ['s1', T + 500, 2],
        ['s2', T + 2_000, 3],
      ],
    );
    const rows = await engine(service, mode);
    expect(rows.map((row) => row.payments_before_5min)).toEqual([10, 15.5, 15.5, 15.5, 10, 0]);
    expect(rows.map((row) => row.payments_most_before_5min)).toEqual([10, 10, 10, 10, 10, null]);
    expect(rows.map((row) => row.payments_count_before_5min)).toEqual([1, 2, 2, 2, 1, 0]);
    expect(rows.map((row) => row.payments_total_5min)).toEqual([15.5, 15.5, 15.5, 15.5, 10, 7]);
    expect(rows.map((row) => row.refunds_before_5min)).toEqual([15.5, 15.5, 15.5, 15.5, 10, 7]);
  });

  it.each([
    ['whole numbers as text', payments, 'id VARCHAR', '2'],
    ['texts', texts, 'id VARCHAR', 'e2'],
  ])('know it by %s', async (_what, { view, source }, column, id) => {
    await writeSpine(['shop VARCHAR', 'timestamp BIGINT', column], [['s1', T + 2_000, id]]);
    const [row] = await engine(serviceOf([view], source), mode);
    expect(row?.[`${source.name}_before_5min`]).toBe(10);
  });

  it('need no such column where nothing is ever decided', async () => {
    await writeSpine(['shop VARCHAR', 'timestamp BIGINT'], [['s1', T + 2_000]]);
    for (const asked of [serviceOf([payments.view]), serviceOf([payments.view], texts.source)]) {
      expect(await engine(asked, mode)).toMatchObject([{ payments_before_5min: 15.5, payments_total_5min: 15.5 }]);
    }
  });
});

describe('spines of a service whose features leave the decided event out', () => {
  const refusals = [
    ['by the sweep', (asked: Service) => embedded(asked, 'bitemporal')],
    ['before Athena sees them', checked],
  ] as const;

  it.each([...refusals, ['by SQL', (asked: Service) => queried(asked, 'bitemporal')] as const])(
    'are refused without the column, %s',
    async (_by, check) => {
      await writeSpine(['shop VARCHAR', 'timestamp BIGINT'], [['s1', T]]);
      const error = await check(service).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(SpineError);
      expect(String(error)).toBe(
        'SpineError: the spine has no column "id"; it names the decided event, which payments_before_5min and ' +
          '2 other features leave out: add it (null where nothing was decided)',
      );
    },
  );

  it.each(refusals)('are refused where an id cannot be one, %s', async (_by, check) => {
    const columns = (type: string) => ['shop VARCHAR', 'timestamp BIGINT', `id ${type}`];
    await writeSpine(columns('VARCHAR'), [
      ['s1', T, null],
      ['s1', T, 'two'],
    ]);
    await expect(check(service)).rejects.toThrow(
      'in 1 row of the spine, the first of them row 2, "id" must be a whole number in digits; got another text',
    );
    const ofTexts = serviceOf([texts.view], texts.source);
    await writeSpine(columns('VARCHAR'), [['s1', T, '']]);
    await expect(check(ofTexts)).rejects.toThrow('"id" is empty: give a value, or null');
    await writeSpine(columns('DOUBLE'), [['s1', T, 1.5]]);
    await expect(check(ofTexts)).rejects.toThrow('column "id" of the spine is DOUBLE; it must be a text');
  });

  it('reach Athena with the column, as texts or whole numbers like the field, and have it without rows too', async () => {
    await writeSpine(
      ['shop VARCHAR', 'timestamp BIGINT', 'id VARCHAR'],
      [
        ['s1', T, '2'],
        ['s1', T, null],
      ],
    );
    const { needed } = await checked(service);
    expect(needed.find(({ name }) => name === 'id')).toEqual({ name: 'id', kind: 'integer', cells: [2n, null] });
    expect(leastColumnsOf(service).map(({ name, kind }) => [name, kind])).toContainEqual(['id', 'integer']);
    expect(leastColumnsOf(serviceOf([payments.view])).map(({ name }) => name)).toEqual(['shop', 'timestamp']);
  });
});

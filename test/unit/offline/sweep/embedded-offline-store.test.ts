import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agrees, oracleHistoricalFeatures } from '../../../../localstack/oracle.ts';
import { featureService, type WindowedView } from '../../../../shared/definitions/index.ts';
import { EmbeddedOfflineStore } from '../../../../shared/offline/embedded/embedded-offline-store.ts';
import { HistoryError } from '../../../../shared/offline/embedded/errors.ts';
import { type HistoryMode, SpineError } from '../../../../shared/offline/offline-store.ts';
import type { WindowEvent } from '../../../../shared/windows/event.ts';
import { deliveriesOf, everyAggregateView, rawEventsArbitrary, START_MILLIS } from '../../../support/arbitraries.ts';
import { readParquet, values, writeParquet } from '../../../support/parquet.ts';
import { transactionsService } from '../../../support/transactions-service.ts';

let directory: string;
const path = (name: string) => join(directory, name);
const store = new EmbeddedOfflineStore({ memoryLimit: '256MB' });
const T = START_MILLIS;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'embedded-test-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Without the features for which a spine must say what its rows decide; see `decided-events.test.ts`. */
const OF_ALL_EVENTS = {
  ...transactionsService,
  features: transactionsService.features.filter(({ excludesCurrent }) => !excludesCurrent),
};

const HISTORY_COLUMNS = [
  'transaction_id VARCHAR',
  'user_id VARCHAR',
  'merchant_id VARCHAR',
  'amount DECIMAL(18,2)',
  'timestamp BIGINT',
  'arrived_at BIGINT',
];

/** Transactions of two users; one of `u1` arrived an hour after it happened. */
function writeTransactions(name = 'history.parquet'): Promise<void> {
  return writeParquet(
    path(name),
    values(HISTORY_COLUMNS, [
      ['a', 'u1', 'm1', 10.25, T, T + 50],
      ['b', 'u1', 'm2', 5.5, T + 1_000, T + 3_600_000],
      ['a', 'u1', 'm1', 10.25, T, T + 900],
      ['c', 'u2', "it's; --", 99, T + 500, T + 600],
    ]),
  );
}

interface Asked {
  readonly spine?: string;
  readonly output?: string;
  readonly mode?: HistoryMode;
  readonly history?: Record<string, string>;
}

function ask({ spine = 'spine.parquet', output = 'out.parquet', mode = 'bitemporal', history }: Asked = {}) {
  return store.getHistoricalFeatures({
    service: OF_ALL_EVENTS,
    mode,
    spine: path(spine),
    history: history ?? { transactions: path('history.parquet') },
    output: path(output),
  });
}

const spineOf = (columns: string[], rows: (string | number | null)[][]) =>
  writeParquet(path('spine.parquet'), values(columns, rows));

describe('the training set', () => {
  it('has the spine as it was, then window features, then derived ones', async () => {
    await writeTransactions();
    await spineOf(
      ['label INTEGER', 'user_id VARCHAR', 'timestamp BIGINT', 'amount DOUBLE'],
      [
        [1, 'u2', T + 1_000, 198],
        [0, 'nobody', T + 1_000, 1],
        [2, 'u1', T + 2_000, 20.5],
        [3, 'u1', T - 1, 7],
      ],
    );
    const made = await ask();
    const rows = await readParquet(path('out.parquet'));
    expect(made).toMatchObject({ engine: 'sweep', rows: 4, service: 'fraud_detection@1', sqlHash: null });
    expect(Object.keys(rows[0] ?? {})).toEqual(made.columns);
    expect(made.columns.slice(0, 5)).toEqual(['label', 'user_id', 'timestamp', 'amount', 'tx_count_1min']);
    expect(made.columns.slice(-2)).toEqual(['amount_to_avg_ratio', 'is_burst']);
    expect(rows.map(({ label }) => label)).toEqual([1, 0, 2, 3]);
    expect(rows[0]).toMatchObject({
      tx_count_1min: 1,
      max_amount_7d: 99,
      distinct_merchants_1h: 1,
      amount_to_avg_ratio: 2,
      is_burst: false,
    });
    expect(rows[1]).toMatchObject({
      tx_count_1min: 0,
      total_amount_1min: 0,
      avg_amount_1min: null,
      max_amount_1min: null,
    });
    expect(rows[2]).toMatchObject({ tx_count_1min: 1, total_amount_1min: 10.25 });
    expect(rows[3]).toMatchObject({ tx_count_1min: 0, avg_amount_1min: null });
  });

  it('does not know what had happened but not arrived, unless asked for event time', async () => {
    await writeTransactions();
    await spineOf(['user_id VARCHAR', 'timestamp BIGINT'], [['u1', T + 2_000]]);
    await ask();
    expect(await readParquet(path('out.parquet'))).toMatchObject([{ tx_count_1min: 1, total_amount_1min: 10.25 }]);
    await ask({ mode: 'event-time' });
    expect(await readParquet(path('out.parquet'))).toMatchObject([{ tx_count_1min: 2, total_amount_1min: 15.75 }]);
  });

  it('knows what had arrived by `known_at`, before or after the timestamp', async () => {
    await writeTransactions();
    await spineOf(
      ['user_id VARCHAR', 'timestamp BIGINT', 'known_at BIGINT'],
      [
        ['u1', T + 2_000, T + 3_600_000],
        ['u1', T + 2_000, T + 2_000],
        ['u1', T + 2_000, T + 49],
      ],
    );
    await ask();
    const rows = await readParquet(path('out.parquet'));
    expect(rows.map((row) => row.tx_count_1min)).toEqual([2, 1, 0]);
  });

  it('is the same from timestamps, doubles and several files', async () => {
    await writeTransactions();
    await spineOf(
      ['user_id VARCHAR', 'timestamp BIGINT'],
      [
        ['u1', T + 2_000],
        ['u2', T + 2_000],
      ],
    );
    await ask();
    const expected = await readParquet(path('out.parquet'));
    const times = 'epoch_ms("timestamp") AS "timestamp", epoch_ms(arrived_at)::TIMESTAMPTZ AS arrived_at';
    const others = `SELECT transaction_id, user_id, merchant_id, amount::DOUBLE AS amount, ${times} FROM '${path('history.parquet')}'`;
    await writeParquet(path('part-1.parquet'), `${others} WHERE user_id = 'u1'`);
    await writeParquet(path('part-2.parquet'), `${others} WHERE user_id = 'u2'`);
    await writeParquet(
      path('spine.parquet'),
      `SELECT user_id, epoch_ms("timestamp") AS "timestamp" FROM '${path('spine.parquet')}'`,
    );
    await ask({ history: { transactions: path('part-*.parquet') } });
    const withoutTimes = (rows: object[]) => rows.map((row) => ({ ...row, timestamp: undefined }));
    expect(withoutTimes(await readParquet(path('out.parquet')))).toEqual(withoutTimes(expected));
  });

  it('has all columns when the spine has no rows', async () => {
    await writeTransactions();
    await spineOf(['user_id VARCHAR', 'timestamp BIGINT'], []);
    const made = await ask();
    expect(made.rows).toBe(0);
    expect(await readParquet(path('out.parquet'))).toEqual([]);
    expect(made.columns).toContain('tx_count_7d');
  });

  it('hands names and values through that look like SQL', async () => {
    await writeTransactions(`it's "odd"; --.parquet`);
    const name = `a"b'; DROP TABLE spine; --`;
    await writeParquet(
      path("spine's.parquet"),
      values(
        ['user_id VARCHAR', 'timestamp BIGINT', `${name} VARCHAR`],
        [
          ["u'; DROP TABLE spine; --", T, "'"],
          ['u2', T + 500, ';'],
        ],
      ),
    );
    await ask({
      spine: "spine's.parquet",
      output: "out's.parquet",
      history: { transactions: path(`it's "odd"; --.parquet`) },
    });
    const rows = await readParquet(path("out's.parquet"));
    expect(rows.map((row) => [row.user_id, row[name]])).toEqual([
      ["u'; DROP TABLE spine; --", "'"],
      ['u2', ';'],
    ]);
    expect((await readdir(directory)).filter((file) => file.endsWith('.unfinished'))).toEqual([]);
  });

  it('names the same spine by the same hash, and another by another', async () => {
    await writeTransactions();
    const hashes = [];
    for (const instant of [T, T, T + 1]) {
      await spineOf(['user_id VARCHAR', 'timestamp BIGINT'], [['u1', instant]]);
      hashes.push((await ask()).spineHash);
    }
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[0]).not.toBe(hashes[2]);
  });
});

describe('what cannot be used is refused, saying why', () => {
  it.each([
    ['a missing timestamp', ['user_id VARCHAR'], [['u1']], 'has no column "timestamp"'],
    [
      'a timestamp of another type',
      ['user_id VARCHAR', 'timestamp BOOLEAN'],
      [['u1', 'true']],
      'is BOOLEAN; it must be an instant',
    ],
    [
      'an unparsable timestamp',
      ['user_id VARCHAR', 'timestamp VARCHAR'],
      [
        ['u1', '2026-01-01T00:00:00Z'],
        ['u1', 'soon'],
      ],
      'in 1 row of the spine, the first of them row 2, "timestamp" must be ISO 8601 text',
    ],
    ['a missing join key', ['timestamp BIGINT'], [[T]], 'has no column "user_id", which identifies the user'],
    [
      'null keys',
      ['user_id VARCHAR', 'timestamp BIGINT'],
      [
        ['u1', T],
        [null, T],
        ['', T],
      ],
      'in 2 rows of the spine, the first of them row 2, "user_id" is missing',
    ],
    ['a key that is a fraction', ['user_id DOUBLE', 'timestamp BIGINT'], [[1.5, T]], 'is DOUBLE; it must be a text'],
    [
      'a column with the name of a feature',
      ['user_id VARCHAR', 'timestamp BIGINT', 'tx_count_1h INTEGER'],
      [['u1', T, 1]],
      'which is a feature of fraud_detection@1; rename it',
    ],
  ])('%s', async (_case, columns, rows, message) => {
    await writeTransactions();
    await spineOf(columns, rows);
    const error = await ask().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SpineError);
    expect(String(error)).toContain(message);
  });

  it('a spine that is not there', async () => {
    await expect(ask({ spine: 'nowhere.parquet' })).rejects.toThrow(SpineError);
  });

  it('history that is not there, not given, given for nobody, or lacks a column', async () => {
    await spineOf(['user_id VARCHAR', 'timestamp BIGINT'], [['u1', T]]);
    await expect(ask({ history: { transactions: path('none-*.parquet') } })).rejects.toThrow(HistoryError);
    await expect(ask({ history: {} })).rejects.toThrow('the history of source transactions is not given');
    const transactions = path('history.parquet');
    await writeTransactions();
    await expect(ask({ history: { transactions, orders: '*' } })).rejects.toThrow('has no source "orders"');
    await writeParquet(path('narrow.parquet'), `SELECT * EXCLUDE (amount) FROM '${transactions}'`);
    await expect(ask({ history: { transactions: path('narrow.parquet') } })).rejects.toThrow(
      'has no column "amount"; it has',
    );
    await writeParquet(path('unarrived.parquet'), `SELECT * EXCLUDE (arrived_at) FROM '${transactions}'`);
    await expect(ask({ history: { transactions: path('unarrived.parquet') } })).rejects.toThrow('event-time');
    await expect(
      ask({ history: { transactions: path('unarrived.parquet') }, mode: 'event-time' }),
    ).resolves.toBeDefined();
  });
});

const EVENT_COLUMNS = [
  'event_id VARCHAR',
  'account_id VARCHAR',
  'at BIGINT',
  'amount DOUBLE',
  'quantity BIGINT',
  'label VARCHAR',
  'flag BOOLEAN',
  'ratio DOUBLE',
  'arrived_at BIGINT',
];

function eventRow({ values: event, arrivedAtMillis }: WindowEvent) {
  const names = ['event_id', 'account_id', 'at', 'amount', 'quantity', 'label', 'flag', 'ratio'];
  return [...names.map((name) => event[name] ?? null), arrivedAtMillis];
}

async function answersOf(
  view: WindowedView,
  deliveries: readonly WindowEvent[],
  asked: readonly { readonly timestampMillis: number; readonly decidedId: string | null }[],
  mode: HistoryMode,
) {
  const service = featureService({
    name: 'test_service',
    version: 1,
    description: 'All.',
    owner: 'tests',
    views: [view],
    decides: view.source,
  });
  await writeParquet(path('events.parquet'), values(EVENT_COLUMNS, deliveries.map(eventRow)));
  await spineOf(
    ['account_id VARCHAR', 'timestamp BIGINT', 'event_id VARCHAR'],
    asked.map(({ timestampMillis, decidedId }) => ['acc', timestampMillis, decidedId]),
  );
  await store.getHistoricalFeatures({
    service,
    mode,
    spine: path('spine.parquet'),
    history: { test_events: path('events.parquet') },
    output: path('out.parquet'),
  });
  return readParquet(path('out.parquet'));
}

it('every aggregate from Parquet equals the naive oracle, with and without lanes', { timeout: 120_000 }, async () => {
  const run = fc.record({
    rawEvents: rawEventsArbitrary,
    lanes: fc.constantFrom(1, 3),
    delay: fc.constantFrom(0, 40_000),
    mode: fc.constantFrom<HistoryMode>('bitemporal', 'event-time'),
  });
  await fc.assert(
    fc.asyncProperty(run, async ({ rawEvents, lanes, delay, mode }) => {
      const windows = [
        { length: '10s', hop: '1s' },
        { length: '1h', hop: '1min' },
      ] as const;
      const choice = { windows, lateness: '30s', lanes, filtered: true, endpoints: true, excluding: true } as const;
      const view = everyAggregateView(choice);
      const source = view.source as Parameters<typeof deliveriesOf>[0];
      const deliveries = deliveriesOf(source, rawEvents, 1).map((event, index) => ({
        ...event,
        arrivedAtMillis: event.arrivedAtMillis + (index % 3) * delay,
      }));
      const asked = deliveries.slice(0, 8).flatMap(({ id, timeMillis }, index) => [
        { timestampMillis: timeMillis, decidedId: id },
        { timestampMillis: timeMillis + 1_500, decidedId: [id, 'nowhere', null][index % 3] ?? null },
      ]);
      const answers = await answersOf(view, deliveries, asked, mode);
      for (const [row, { timestampMillis, decidedId }] of asked.entries()) {
        const at = { timestampMillis, knownAtMillis: timestampMillis, decidedId, mode };
        const expected = oracleHistoricalFeatures(view, deliveries, at);
        for (const [index, { name, aggregate }] of view.layout.features.entries()) {
          const answer = answers[row]?.[name] as string | number | boolean | null;
          expect({ name, agrees: agrees(aggregate.name, answer, expected[index]) }).toEqual({ name, agrees: true });
        }
      }
    }),
    { numRuns: 25 },
  );
});

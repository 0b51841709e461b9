import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DeleteTableCommand, EntityNotFoundException, GlueClient } from '@aws-sdk/client-glue';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import type { FeatureService } from '../../../../shared/definitions/service.ts';
import { fraudDetection } from '../../../../shared/features/fraud.ts';
import { AthenaOfflineStore } from '../../../../shared/offline/athena/athena-offline-store.ts';
import type { AthenaResult } from '../../../../shared/offline/athena/athena-queries.ts';
import { type Column, columnsOf, openParquet, parquetOf } from '../../../../shared/offline/athena/columns.ts';
import { AthenaQueryError } from '../../../../shared/offline/athena/errors.ts';
import { objectOf } from '../../../../shared/offline/athena/s3-objects.ts';
import { MemoryBucket } from '../../../support/memory-bucket.ts';
import { values, writeParquet } from '../../../support/parquet.ts';

const NOW_MILLIS = Date.UTC(2026, 5, 15, 12);
const OUTPUT = 'training-sets/one/data/training-set.parquet';
const FEATURES = [...fraudDetection.features, ...fraudDetection.derived];

const glue = mockClient(GlueClient);
let bucket: MemoryBucket;
let queried: string[];

beforeEach(() => {
  glue.reset();
  bucket = new MemoryBucket();
  queried = [];
});

/** A store whose queries are answered by `answer`. */
function storeThat(
  answer: (sql: string) => Partial<AthenaResult> | Promise<Partial<AthenaResult>>,
  { attemptId = '0b5e', sqlEngine = 'duckdb' as 'duckdb' | 'trino' } = {},
) {
  const run = async (sql: string) => {
    queried.push(sql);
    return { queryId: 'query-1', bytesScanned: 0, reused: false, columns: [], rows: [], ...(await answer(sql)) };
  };
  return new AthenaOfflineStore({
    queries: { run, execute: run },
    glue: new GlueClient({ region: 'eu-central-1' }),
    s3: bucket.client,
    database: 'a_database',
    scratch: 's3://history/scratch/one/',
    attemptId,
    sqlEngine,
    clock: () => NOW_MILLIS,
  });
}

function make(store: AthenaOfflineStore, service: FeatureService = fraudDetection) {
  return store.getHistoricalFeatures({
    service,
    mode: 'bitemporal',
    spine: 's3://history/spines/one.parquet',
    history: { transactions: 'raw_transactions', labels: 'raw_labels' },
    output: `s3://history/${OUTPUT}`,
  });
}

/** Puts a spine with these columns, `name TYPE`, as DuckDB writes it. */
async function putSpine(columns: string[], rows: (string | number | boolean | null)[][], options = '') {
  const path = join(tmpdir(), `spine-${process.pid}.parquet`);
  await writeParquet(path, values(columns, rows), options);
  bucket.objects.set('spines/one.parquet', await readFile(path));
  await rm(path);
}

async function readColumns(key: string): Promise<Record<string, Column>> {
  const columns = await columnsOf(await openParquet(await objectOf(bucket.client, { bucket: 'history', key })));
  return Object.fromEntries(columns.map((column) => [column.name, column]));
}

const KEYS = ['transaction_id VARCHAR', 'user_id VARCHAR', 'merchant_id VARCHAR'];
const ROWS: (string | number | null)[][] = [
  ['t1', 'u1', 'm1', '2026-06-01T00:00:00Z'],
  ['t2', 'u2', 'm1', '2026-06-02T00:00:00+02:00'],
  [null, 'u3', 'm2', '2026-06-03T00:00Z'],
];

/** An answer with a count for every row, in an order of its own. */
const counts = (...rows: number[]) => ({
  columns: ['spine_row', ...FEATURES.map(({ name }) => name)],
  rows: rows.map((row) => [
    String(row),
    ...FEATURES.map(({ name }) => {
      if (name === 'is_burst') return row === 0 ? null : String(row === 1);
      return name === 'tx_count_1h' ? String(row + 0.5) : null;
    }),
  ]),
  bytesScanned: 77,
});

describe('training sets by Athena', () => {
  it('brings answers in any order back to the rows of the spine', async () => {
    await putSpine([...KEYS, 'timestamp VARCHAR'], ROWS);
    const made = await make(storeThat(() => counts(2, 0, 1)));
    const columns = await readColumns(OUTPUT);
    expect(columns.user_id?.cells).toEqual(['u1', 'u2', 'u3']);
    expect(columns.timestamp?.cells).toEqual(ROWS.map((row) => row[3]));
    expect(columns.tx_count_1h).toMatchObject({ kind: 'double', cells: [0.5, 1.5, 2.5] });
    expect(columns.is_burst).toMatchObject({ kind: 'boolean', cells: [null, true, false] });
    expect(made).toEqual({
      service: 'fraud_detection@1',
      mode: 'bitemporal',
      engine: 'athena',
      sqlHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      spineHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      rows: 3,
      columns: ['transaction_id', 'user_id', 'merchant_id', 'timestamp', ...FEATURES.map(({ name }) => name)],
      notes: ['the spine has no column "amount", which amount_to_avg_ratio uses: null in every row'],
      bytesScanned: 77,
    });
    expect(Object.keys(columns)).toEqual(made.columns);
  });

  it('reads only the days that matter', async () => {
    await putSpine([...KEYS, 'timestamp VARCHAR'], ROWS);
    await make(storeThat(() => counts(0, 1, 2)));
    const days = [...(queried[0] ?? '').matchAll(/"raw_(\w+)" WHERE "event_date" BETWEEN '(.+?)' AND '(.+?)'/g)];
    expect(days.length).toBeGreaterThan(0);
    // The longest window reaches back by some weeks; the last row asks at midnight what is known, and events may be ahead.
    for (const [, , first = '', last] of days) {
      expect(first < '2026-05-25' && first > '2025-01-01').toBe(true);
      expect(last).toBe('2026-06-03');
    }
  });

  it('shows Athena numbers, keys, instants and inputs of derived features, and nothing else', async () => {
    const columns = [...KEYS, 'timestamp VARCHAR', 'amount INTEGER', `"label";'-- VARCHAR`];
    await putSpine(
      columns,
      ROWS.map((row, index) => [...row, index, 'secret']),
    );
    await make(storeThat(() => counts(0, 1, 2)));
    const [table] = glue.commandCalls(CreateTableCommand);
    expect(table?.args[0].input).toMatchObject({
      DatabaseName: 'a_database',
      TableInput: {
        Name: 'spine_0b5e',
        StorageDescriptor: {
          Location: 's3://history/scratch/one/spine/',
          Columns: [
            { Name: 'spine_row', Type: 'bigint' },
            { Name: 'amount', Type: 'double' },
            { Name: 'user_id', Type: 'string' },
            { Name: 'merchant_id', Type: 'string' },
            { Name: 'transaction_id', Type: 'string' },
            { Name: 'timestamp', Type: 'double' },
          ],
        },
      },
    });
    const stored = await readColumns('scratch/one/spine/spine.parquet');
    expect(stored.timestamp?.cells).toEqual([1780272000000, 1780351200000, 1780444800000]);
    expect(stored.amount?.cells).toEqual([0, 1, 2]);
    expect((await readColumns(OUTPUT))[`"label";'--`]?.cells).toEqual(['secret', 'secret', 'secret']);
  });

  it('unloads where an engine can, from as many files as there are', async () => {
    await putSpine([...KEYS, 'timestamp VARCHAR'], ROWS);
    const file = (...rows: number[]) =>
      parquetOf([
        { name: 'tx_count_1h', kind: 'double', cells: rows.map((row) => row + 0.5) },
        { name: 'spine_row', kind: 'integer', cells: rows.map(BigInt) },
        ...FEATURES.filter(({ name }) => name !== 'tx_count_1h').map(({ name }) => ({
          name,
          kind: 'double' as const,
          cells: rows.map(() => null),
        })),
      ]);
    const store = storeThat(
      () => {
        bucket.objects.set('scratch/one/features/b', file(2, 0));
        bucket.objects.set('scratch/one/features/a', file(1));
        return { bytesScanned: 5 };
      },
      { sqlEngine: 'trino' },
    );
    const made = await make(store);
    expect(queried).toEqual([expect.stringMatching(/^UNLOAD \(\nWITH /)]);
    expect(queried[0]).toMatch(
      /\n\) TO 's3:\/\/history\/scratch\/one\/features\/' WITH \(format = 'PARQUET', compression = 'SNAPPY'\)$/,
    );
    expect((await readColumns(OUTPUT)).tx_count_1h?.cells).toEqual([0.5, 1.5, 2.5]);
    expect(made.bytesScanned).toBe(5);
  });

  it('drops its table after a success, a failure, and a table that could not be made', async () => {
    await putSpine([...KEYS, 'timestamp VARCHAR'], ROWS);
    const failure = new AthenaQueryError('the query failed: no such column');
    await make(storeThat(() => counts(0, 1, 2)));
    bucket.objects.delete(OUTPUT);
    await expect(make(storeThat(() => Promise.reject(failure)))).rejects.toBe(failure);
    glue.on(CreateTableCommand).rejects(new Error('lost'));
    glue.on(DeleteTableCommand).rejects(new EntityNotFoundException({ $metadata: {}, message: 'none' }));
    await expect(make(storeThat(() => counts(0, 1, 2)))).rejects.toThrow('lost');
    expect(glue.commandCalls(DeleteTableCommand).map(({ args }) => args[0].input)).toEqual(
      Array(3).fill({ DatabaseName: 'a_database', Name: 'spine_0b5e' }),
    );
    expect(bucket.objects.has(OUTPUT)).toBe(false);
  });

  it('writes nothing when a feature is missing in the answer', async () => {
    await putSpine([...KEYS, 'timestamp VARCHAR'], ROWS);
    const { columns, ...answer } = counts(0, 1, 2);
    const renamed = columns.map((name) => (name === 'tx_count_1h' ? 'TX_COUNT_1H' : name));
    await expect(make(storeThat(() => ({ ...answer, columns: renamed })))).rejects.toThrow(
      'Athena did not answer the column tx_count_1h',
    );
    expect(bucket.objects.has(OUTPUT)).toBe(false);
  });

  it('writes nothing when rows are missing in the answer', async () => {
    await putSpine([...KEYS, 'timestamp VARCHAR'], ROWS);
    await expect(make(storeThat(() => counts(0, 1)))).rejects.toThrow('Athena answered 2 rows for a spine of 3');
    expect(bucket.objects.has(OUTPUT)).toBe(false);
  });

  it('has one hash for one query, whichever attempt made it, and another hash for other rows', async () => {
    await putSpine([...KEYS, 'timestamp VARCHAR'], ROWS);
    const first = await make(storeThat(() => counts(0, 1, 2)));
    const again = await make(storeThat(() => counts(0, 1, 2), { attemptId: 'ffff' }));
    await putSpine([...KEYS, 'timestamp VARCHAR'], [...ROWS.slice(0, 2), ['t4', 'u4', 'm2', '2026-06-03T00:00Z']]);
    const other = await make(storeThat(() => counts(0, 1, 2)));
    expect([again.sqlHash, again.spineHash]).toEqual([first.sqlHash, first.spineHash]);
    expect(queried[0]).not.toBe(queried[1]);
    expect(other.sqlHash).toBe(first.sqlHash);
    expect(other.spineHash).not.toBe(first.spineHash);
  });

  it('makes an empty set of an empty spine, with all columns, and asks nobody', async () => {
    await putSpine([...KEYS, 'timestamp TIMESTAMP'], []);
    expect(await make(storeThat(() => counts()))).toMatchObject({ rows: 0, sqlHash: null, bytesScanned: 0 });
    const columns = await readColumns(OUTPUT);
    expect(columns.timestamp).toEqual({ name: 'timestamp', kind: 'instant', cells: [] });
    expect(Object.keys(columns)).toHaveLength(4 + FEATURES.length);
    expect([queried, glue.calls()]).toEqual([[], []]);
  });

  it.each(['SNAPPY', 'ZSTD', 'GZIP', 'UNCOMPRESSED'])('hands every type through from %s', async (codec) => {
    const columns = [
      ...KEYS,
      'timestamp TIMESTAMP',
      'known_at BIGINT',
      'big BIGINT',
      'small TINYINT',
      'unsigned UINTEGER',
      'money DECIMAL(9,2)',
      'ratio FLOAT',
      'day DATE',
      'zoned TIMESTAMPTZ',
      'id UUID',
      'flag BOOLEAN',
      'empty VARCHAR',
      'exact DECIMAL(38,2)',
    ];
    const uuid = '0190a5f0-1111-7222-8333-444455556666';
    await putSpine(
      columns,
      [
        [
          't1',
          'u1',
          'm1',
          '2026-06-01 10:00:00.123',
          null,
          '9007199254740993',
          -5,
          4e9,
          '12.34',
          0.5,
          '2026-01-31',
          '2026-01-31 00:00:00+01',
          uuid,
          true,
          '',
          '-123456789012345678901234567890.05',
        ],
        [
          't2',
          'u2',
          'm1',
          '2026-06-01',
          1_780_000_000_000,
          null,
          null,
          null,
          null,
          null,
          null,
          null,
          null,
          null,
          null,
          null,
        ],
      ],
      `, COMPRESSION ${codec}`,
    );
    await make(storeThat(() => counts(0, 1)));
    const written = await readColumns(OUTPUT);
    expect(columns.map((column) => written[column.split(' ')[0] ?? '']?.cells)).toEqual([
      ['t1', 't2'],
      ['u1', 'u2'],
      ['m1', 'm1'],
      [new Date('2026-06-01T10:00:00.123Z'), new Date('2026-06-01T00:00:00Z')],
      [null, 1_780_000_000_000n],
      [9007199254740993n, null],
      [-5n, null],
      [4_000_000_000n, null],
      [12.34, null],
      [0.5, null],
      [new Date('2026-01-31T00:00:00Z'), null],
      [new Date('2026-01-30T23:00:00Z'), null],
      [uuid, null],
      [true, null],
      ['', null],
      ['-123456789012345678901234567890.05', null],
    ]);
    const stored = await readColumns('scratch/one/spine/spine.parquet');
    expect(stored.known_at?.cells).toEqual([Date.parse('2026-06-01T10:00:00.123Z'), 1_780_000_000_000]);
  });
});

describe('spines that cannot be used', () => {
  const good = [...KEYS, 'timestamp VARCHAR'];
  const row = ROWS[0] ?? [];
  it.each<[string, string[], (string | number | boolean | null)[][], string]>([
    [
      'no timestamp',
      KEYS,
      [['t1', 'u1', 'm1']],
      'the spine has no column "timestamp", the instant for which features are wanted; it has transaction_id, user_id, merchant_id',
    ],
    [
      'no join key',
      ['merchant_id VARCHAR', 'timestamp VARCHAR'],
      [['m1', '2026-06-01T00:00Z']],
      'the spine has no column "user_id", which identifies the user; it has merchant_id, timestamp',
    ],
    [
      'a null instant',
      good,
      [row, ['t1', 'u1', 'm1', null]],
      'in 1 row of the spine, the first of them row 2, "timestamp" is missing',
    ],
    [
      'no instant',
      good,
      [row, ['t1', 'u1', 'm1', 'today'], ['t1', 'u1', 'm1', '2026-02-30']],
      'in 2 rows of the spine, the first of them row 2, "timestamp" must be ISO 8601 text',
    ],
    [
      'the future',
      good,
      [row, ['t1', 'u1', 'm1', '2026-06-15T12:00:00.001Z']],
      'in 1 row of the spine, the first of them row 2, "timestamp" must not lie in the future',
    ],
    [
      'a bad known_at',
      [...good, 'known_at VARCHAR'],
      [
        [...row, null],
        [...row, '?'],
      ],
      'in 1 row of the spine, the first of them row 2, "known_at" must be ISO 8601 text',
    ],
    [
      'instants as doubles',
      [...KEYS, 'timestamp DOUBLE'],
      [['t1', 'u1', 'm1', 1.5]],
      'in 1 row of the spine, the first of them row 1, "timestamp" must be whole milliseconds; got a rounded number',
    ],
    [
      'a null key',
      good,
      [row, ['t1', null, 'm1', '2026-06-01T00:00Z']],
      'in 1 row of the spine, the first of them row 2, "user_id" is missing',
    ],
    [
      'an empty key',
      good,
      [['t1', '', 'm1', '2026-06-01T00:00Z']],
      'in 1 row of the spine, the first of them row 1, "user_id" is missing',
    ],
    [
      'keys as doubles',
      ['user_id DOUBLE', 'merchant_id VARCHAR', 'timestamp VARCHAR'],
      [[1.5, 'm1', '2026-06-01T00:00Z']],
      'column "user_id" of the spine is DOUBLE; it must be a text',
    ],
    [
      'a feature',
      [...good, 'TX_count_1h BIGINT'],
      [[...row, 1]],
      'the spine has a column "TX_count_1h", which is a feature of fraud_detection@1',
    ],
    [
      'an input of another type',
      [...good, 'amount VARCHAR'],
      [[...row, 'much']],
      '"amount" must be a number with at most 2 digits after the point; got text',
    ],
    ['lists', [...good, 'tags INTEGER[]'], [[...row, '[1]']], 'column "tags" of the spine has values inside values'],
    ['bytes', [...good, 'raw BLOB'], [[...row, 'x']], 'column "raw" of the spine is binary'],
  ])('are refused: %s', async (_what, columns, rows, message) => {
    await putSpine(columns, rows);
    const attempt = make(storeThat(() => counts()));
    await expect(attempt).rejects.toMatchObject({ name: 'SpineError', message: expect.stringContaining(message) });
    expect([queried, glue.calls()]).toEqual([[], []]);
  });

  it('are refused: no Parquet', async () => {
    bucket.objects.set('spines/one.parquet', Buffer.from('user_id,timestamp\nu1,2026-06-01\n'));
    await expect(make(storeThat(() => counts()))).rejects.toMatchObject({
      name: 'SpineError',
      message: expect.stringMatching(/^the spine s3:\/\/history\/spines\/one.parquet must be a Parquet file/),
    });
  });

  it('are refused: none there', async () => {
    await expect(make(storeThat(() => counts()))).rejects.toMatchObject({
      name: 'SpineError',
      message: 'the spine s3://history/spines/one.parquet does not exist, or may not be read',
    });
  });

  it('are refused: more than a million rows, of which none is read', async () => {
    const path = join(tmpdir(), `many-${process.pid}.parquet`);
    await writeParquet(path, "SELECT uuid() AS user_id, 'm' AS merchant_id, now() AS timestamp FROM range(1000001)");
    bucket.objects.set('spines/one.parquet', await readFile(path));
    await rm(path);
    await expect(make(storeThat(() => counts()))).rejects.toThrow(
      'the spine has 1000001 rows; here at most 1000000 are allowed. Split it, or use the command training-set',
    );
    expect(bucket.bytesRead).toBeLessThan(1_000_000);
  });
});

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { main } from '../../../cli/main.ts';
import { repository } from '../../../shared/features/index.ts';
import { readParquet, values, writeParquet } from '../../support/parquet.ts';

let directory: string;
const path = (name: string) => join(directory, name);
const T = Date.UTC(2026, 0, 1);
const DAY = 24 * 3_600_000;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cli-test-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Runs a command line and keeps what it printed. */
async function run(...commandLine: string[]) {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await main(commandLine, { print: (line) => lines.push(line), printError: (line) => errors.push(line) });
  return { code, output: lines.join('\n'), errors: errors.join('\n') };
}

const importTransactions = (file: string, ...more: string[]) =>
  run('import', '--source', 'transactions', '--from', path(file), '--to', path('history'), ...more);

const trainingSet = (...more: string[]) =>
  run(
    'training-set',
    '--spine',
    path('spine.parquet'),
    '--history',
    `transactions=${path('history')}`,
    '--history',
    `labels=${path('labels')}`,
    '--output',
    path('out/training.parquet'),
    ...more,
  );

it('imports a foreign file, and makes a training set of it', async () => {
  await writeFile(
    path('transactions.csv'),
    `tx,user_id,merchant_id,amount,timestamp,extra
1,u1,m1,10.10,2026-01-01T00:00:00Z,x
2,u1,m2,0.95,${T + 1_000},y
3,u1,m2,0.955,${T + 1_000},three digits
4,,m2,1,${T + 1_000},nobody
`,
  );
  const imported = await importTransactions(
    'transactions.csv',
    '--map',
    'transaction_id=tx',
    '--arrival',
    'event-time',
    '--max-rejects',
    '50%',
  );
  expect(imported).toMatchObject({ code: 0, errors: '' });
  expect(imported.output).toContain('2 events imported');
  expect(imported.output).toContain('2 rows put aside');
  const rejects = (await readFile(path('history/transactions.rejects.jsonl'), 'utf8')).trim().split('\n');
  expect(rejects.map((line) => JSON.parse(line).problems[0].field)).toEqual(['amount', 'user_id']);

  await writeFile(
    path('labels.csv'),
    `label_id,transaction_id,user_id,merchant_id,is_fraud,labelled_at
l1,0,u9,m1,1,${T - 2 * DAY}
l2,0,u9,m1,0,${T - 2 * DAY}
l3,0,u9,m1,1,${T}
`,
  );
  const known = await run(
    'import',
    '--source',
    'labels',
    '--from',
    path('labels.csv'),
    '--to',
    path('labels'),
    '--arrival',
    'event-time',
  );
  expect(known).toMatchObject({ code: 0, errors: '' });

  await writeParquet(
    path('spine.parquet'),
    values(
      ['user_id VARCHAR', 'merchant_id VARCHAR', 'timestamp BIGINT', 'transaction_id VARCHAR'],
      [['u1', 'm1', T + 2_000, null]],
    ),
  );
  const made = await trainingSet('--service', 'fraud_detection');
  expect(made).toMatchObject({ code: 0, errors: '' });
  expect(made.output).toMatch(/^1 rows with 36 features in [\d.]+ s/);
  expect(await readParquet(path('out/training.parquet'))).toMatchObject([
    { tx_count_1min: 2, total_amount_1min: 11.05, label_count_7d: 2, fraud_share_7d: 0.5 },
  ]);
  const manifest = JSON.parse(await readFile(path('out/training.manifest.json'), 'utf8'));
  expect(manifest).toMatchObject({ service: 'fraud_detection@1', mode: 'bitemporal', rows: 1, engine: 'sweep' });
  expect(manifest.registryVersion).toBe(repository.registryVersion);
  const note = 'the spine has no column "amount", which amount_to_avg_ratio uses: null in every row';
  expect(made.output).toContain(`note: ${note}`);
  expect(manifest.notes).toContain(note);
});

it('imports lines of JSON, with every digit seen, and Parquet with its types', async () => {
  const event = { transaction_id: 'j1', user_id: 'u', merchant_id: 'm', amount: 1.5, timestamp: T, arrived_at: T + 7 };
  await writeFile(
    path('lines.jsonl'),
    [
      JSON.stringify(event),
      'not json',
      JSON.stringify({ ...event, transaction_id: 'j2' }).replace('1.5', '1.500000000000000001'),
    ].join('\n'),
  );
  const lines = await importTransactions('lines.jsonl', '--max-rejects', '2');
  expect(lines.output).toContain('1 event imported');
  expect(lines.output).toContain('2 rows put aside');
  expect(await readParquet(path('history/lines.parquet'))).toEqual([
    { ...event, amount: '1.50', timestamp: String(T), arrived_at: String(T + 7) },
  ]);

  await writeParquet(
    path('typed.parquet'),
    `SELECT 7 AS transaction_id, 8 AS user_id, 'm' AS merchant_id, 1.5::DOUBLE AS amount, epoch_ms(${T}) AS "timestamp", epoch_ms(${T + 7}) AS arrived_at`,
  );
  const typed = await importTransactions('typed.parquet');
  expect(typed.output).toContain('1 event imported');
  expect(typed.output).not.toContain('put aside');
  expect(await readParquet(path('history/typed.parquet'))).toMatchObject([
    { transaction_id: '7', user_id: '8', amount: '1.50', timestamp: String(T) },
  ]);
});

it.each([
  ['an unknown service', ['--service', 'nope'], 'there is no service "nope"; there is fraud_detection@1'],
  ['an unknown version', ['--service', 'fraud_detection@9'], 'there is no service "fraud_detection@9"'],
  [
    'a module that is not there',
    ['--service', 'fraud_detection', '--features', '/nowhere.ts'],
    'there is no file /nowhere.ts',
  ],
  ['history that is no pair', ['--service', 'fraud_detection', '--history', 'x'], 'write source=GLOB'],
  [
    'a spine of text',
    ['--service', 'fraud_detection', '--spine', 'spine.csv.gz'],
    "the spine spine.csv.gz must be Parquet, with a type for each column; write it with pandas, pd.read_csv('spine.csv').to_parquet",
  ],
  [
    'an output that is no Parquet',
    ['--service', 'fraud_detection', '--output', 'out/training.csv'],
    '--output out/training.csv: it is written as Parquet; name it FILE.parquet',
  ],
  ['an unknown mode', ['--service', 'fraud_detection', '--mode', 'x'], 'Allowed choices are bitemporal, event-time'],
])('%s is refused with one sentence and code 2', async (_case, options, message) => {
  await writeParquet(path('spine.parquet'), values(['user_id VARCHAR', 'timestamp BIGINT'], [['u1', T]]));
  const { code, errors, output } = await trainingSet(...options);
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(errors).toContain(message);
});

it('an import without an arrival, a column or a known kind of file is refused with code 2', async () => {
  await writeFile(path('short.csv'), 'transaction_id,user_id\n1,2\n');
  await writeFile(path('data.xml'), '<a/>');
  expect(await importTransactions('short.csv')).toMatchObject({
    code: 2,
    errors: expect.stringContaining('--arrival event-time'),
  });
  expect(await importTransactions('short.csv', '--arrival', 'event-time')).toMatchObject({
    code: 2,
    errors: expect.stringContaining('--map merchant_id=COLUMN'),
  });
  expect(await importTransactions('data.xml')).toMatchObject({
    code: 2,
    errors: expect.stringContaining('must be .parquet, .csv, .tsv, .txt, .jsonl'),
  });
  expect(await importTransactions('nowhere.csv')).toMatchObject({
    code: 2,
    errors: expect.stringContaining('there is no file'),
  });
  expect(await importTransactions('short.csv', '--map', 'x=y')).toMatchObject({
    code: 2,
    errors: expect.stringContaining('write field=column'),
  });
});

it('explains itself', async () => {
  const { code, output } = await run('training-set', '--help');
  expect(code).toBe(0);
  expect(output).toContain('--history <source=glob>');
});

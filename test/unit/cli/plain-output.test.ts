/** What commands print goes into files and pipes, too: escape sequences are for terminals that want colours. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WriteStream } from 'node:tty';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../../cli/main.ts';
import type { FeaturesResult } from '../../../localstack/api-client.ts';
import { decisionsTable, featuresTable } from '../../../localstack/report.ts';
import { repository } from '../../../shared/features/index.ts';
import { MemoryObjectStore } from '../../support/memory-object-store.ts';
import { values, writeParquet } from '../../support/parquet.ts';
import { DAY, playDay, writeDay } from '../../support/served-day.ts';
import { smallModelPackage } from '../../support/small-model.ts';

let directory: string;
const path = (name: string) => join(directory, name);
const store = new MemoryObjectStore();
const bucket = Object.assign(store, {
  list: async (prefix: string) =>
    [...store.objects]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, { length }]) => ({ name, bytes: length, writtenAt: new Date(0) })),
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plain-'));
  await writeDay(directory, await playDay({ users: 3, transactions: 40, lagMillis: 0 }));
  await writeFile(
    path('messy.csv'),
    'transaction_id,user_id,merchant_id,amount,timestamp\nt1,u,m,1,1\nt2,u,m,1.001,2026-01-01T00:00:00Z\n',
  );
  const columns = ['user_id VARCHAR', 'merchant_id VARCHAR', 'transaction_id VARCHAR', 'timestamp VARCHAR'];
  await writeParquet(path('spine.parquet'), values(columns, [['u', 'm', null, `${DAY}T12:00:00Z`]]));
  const scores = [
    'user_id VARCHAR',
    'timestamp BIGINT',
    'amount DOUBLE',
    'is_fraud BIGINT',
    'a@1 DOUBLE',
    'b@1 DOUBLE',
  ];
  await writeParquet(
    path('scores.parquet'),
    values(scores, [
      ['u', 1, 1, 1, 0.9, 0.2],
      ['v', 2, 1, 0, 0.1, 0.3],
    ]),
  );
  await writeFile(path('package'), smallModelPackage(repository));
  await writeFile(path('configuration.json'), JSON.stringify({ note: 'a note' }));
  await writeFile(
    path('model.json'),
    JSON.stringify({
      format: 'logistic-regression',
      formatVersion: 1,
      estimator: 'by hand',
      inputNames: ['tx_count_1min'],
      coefficients: [0.5],
      intercept: -5,
      standardisation: null,
    }),
  );
}, 60_000);
afterAll(() => rm(directory, { recursive: true }));

async function printed(commandLine: readonly string[]): Promise<string> {
  const lines: string[] = [];
  await main(
    commandLine,
    { print: (line) => lines.push(line), printError: (line) => lines.push(line) },
    { withBucket: (_options, work) => work(bucket) },
  );
  return lines.join('\n');
}

const history = () =>
  ['transactions', 'labels'].flatMap((source) => ['--history', `${source}=${path(`${source}.parquet`)}`]);
const inBucket = ['--bucket', 'decisions'];
const ofService = ['--service', 'fraud_detection', ...inBucket];

/** In this order; each with something that it prints when it worked. */
const commands: readonly [string, string, () => readonly string[]][] = [
  [
    'import',
    'put aside',
    () => [
      'import',
      '--source',
      'transactions',
      '--from',
      path('messy.csv'),
      '--to',
      path('h'),
      '--arrival',
      'event-time',
      '--max-rejects',
      '90%',
      '--dry-run',
    ],
  ],
  [
    'training-set',
    'note: ',
    () => [
      'training-set',
      '--service',
      'fraud_detection',
      '--spine',
      path('spine.parquet'),
      ...history(),
      '--output',
      path('training.parquet'),
    ],
  ],
  [
    'audit',
    '│ tx_count_1min',
    () => [
      'audit',
      '--served',
      path('served.parquet'),
      ...history(),
      '--from',
      DAY,
      '--to',
      '2026-11-21',
      '--report',
      path('audit.html'),
    ],
  ],
  [
    'evaluate',
    '│ b@1',
    () => [
      'evaluate',
      '--scores',
      path('scores.parquet'),
      '--champion',
      'a@1',
      '--draws',
      '20',
      '--report',
      path('e.html'),
    ],
  ],
  [
    'model package',
    'model small@2',
    () => [
      'model',
      'package',
      '--model',
      path('model.json'),
      '--training-set',
      path('training.parquet'),
      '--name',
      'small',
      '--version',
      '2',
      '--imputation',
      '0',
      '--output',
      path('small@2'),
    ],
  ],
  ['model push', 'lets it decide', () => ['model', 'push', '--file', path('package'), ...inBucket]],
  ['model list', 'small@1', () => ['model', 'list', ...inBucket]],
  ['config set', 'a note', () => ['config', 'set', '--file', path('configuration.json'), ...ofService]],
  ['config history', '  the default one', () => ['config', 'history', ...ofService]],
  ['config show', 'a note', () => ['config', 'show', ...ofService]],
  ['config rollback', 'is active again', () => ['config', 'rollback', '--to', '0', ...ofService]],
  ['a refusal', '[request]', () => ['model', 'push', '--file', path('none'), ...inBucket]],
  ['a wrong command line', '[usage]', () => ['model', 'list', '--buckets']],
  ['help', 'Exit codes', () => ['--help']],
];

/** Has standard output be a pipe, or a terminal with colours, for the time of some work. */
async function to<Result>(
  stream: 'pipe' | 'terminal',
  environment: Readonly<Record<string, string>>,
  work: () => Promise<Result>,
): Promise<Result> {
  const { stdout } = process;
  const { isTTY } = stdout;
  for (const name of ['CI', 'FORCE_COLOR', 'NO_COLOR', 'NODE_DISABLE_COLORS']) vi.stubEnv(name, undefined);
  vi.stubEnv('TERM', 'xterm-256color');
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const getColorDepth = () => WriteStream.prototype.getColorDepth.call(stdout);
  Object.assign(stdout, { isTTY: stream === 'terminal', getColorDepth });
  try {
    return await work();
  } finally {
    Object.assign(stdout, { isTTY });
    // That of its own comes to light again.
    Reflect.deleteProperty(stdout, 'getColorDepth');
    vi.unstubAllEnvs();
  }
}

/** What `npm start` shows at its end. */
const reportOfStart = () =>
  decisionsTable([]) + featuresTable({ features: {} } as FeaturesResult, { features: [], windows: ['1h'] });

describe('in a pipe, and in a terminal where NO_COLOR is set', () => {
  it.each(commands)('%s prints no escape sequence', async (_, expected, commandLine) => {
    const text = await to('pipe', {}, () => printed(commandLine()));
    expect(text).toContain(expected);
    const plain = await to('terminal', { NO_COLOR: '1' }, () => printed(commandLine()));
    expect(text + plain).not.toContain('\u001b');
  });

  it('nor does the report of npm start', async () => {
    const plain = await to('terminal', { NO_COLOR: '1' }, async () => reportOfStart());
    const piped = await to('pipe', {}, async () => reportOfStart());
    expect(piped + plain).not.toContain('\u001b');
  });
});

it('a terminal with colours gets them, so that they would have been seen', async () => {
  const [, , audit] = commands[2] ?? [];
  expect(await to('terminal', {}, () => printed(audit?.() ?? []))).toContain('\u001b[');
  expect(await to('terminal', {}, async () => reportOfStart())).toContain('\u001b[');
});

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { main } from '../../../cli/main.ts';
import { values, writeParquet } from '../../support/parquet.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 5, 30);

const SERVED_COLUMNS = ['event_id VARCHAR', 'event VARCHAR', 'scores VARCHAR', 'served_at BIGINT', 'service VARCHAR'];
const LABEL_COLUMNS = [
  'label_id VARCHAR',
  'transaction_id VARCHAR',
  'is_fraud BIGINT',
  'labelled_at BIGINT',
  'arrived_at BIGINT',
];
const MODEL_COLUMNS = ['a@1', 'b@1', 'c@1'].map((key) => `${key} DOUBLE`);
const SCORE_COLUMNS = ['user_id VARCHAR', 'timestamp BIGINT', 'amount DOUBLE', 'is_fraud BIGINT', ...MODEL_COLUMNS];

let directory: string;
const path = (name: string) => join(directory, name);

const Report = z.object({
  rows: z.int(),
  frauds: z.int(),
  fraudAmount: z.number(),
  models: z.array(
    z.object({ key: z.string(), quality: z.object({ aucRoc: z.number() }), improvements: z.object({}).optional() }),
  ),
});

async function run(...commandLine: string[]) {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await main(commandLine, { print: (line) => lines.push(line), printError: (line) => errors.push(line) });
  return { code, output: lines.join('\n'), errors: errors.join('\n') };
}

async function evaluate(...more: string[]) {
  const files = ['--report', path('report.html'), '--json', path('report.json')];
  return run('evaluate', '--draws', '20', ...files, ...more);
}

const report = async () => Report.parse(JSON.parse(await readFile(path('report.json'), 'utf8')));

/** A decided transaction of `daysAgo`, as it was logged. */
function served(id: string, daysAgo: number, scores: Record<string, number>, amount = 10) {
  const servedAt = NOW - daysAgo * DAY;
  const event = JSON.stringify({ transaction_id: id, user_id: `user-${id}`, amount, timestamp: servedAt });
  return [id, event, JSON.stringify(scores), servedAt, 'fraud_detection@1'] as const;
}

function label(id: string, transaction: string, isFraud: 0 | 1, daysAgo: number) {
  return [id, transaction, isFraud, NOW - daysAgo * DAY, NOW - daysAgo * DAY + 1_000] as const;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'evaluate-test-'));
  const both = (champion: number, rival: number) => ({ 'champion@1': champion, 'rival@2': rival });
  await writeParquet(
    path('served.parquet'),
    values(SERVED_COLUMNS, [
      served('fraud', 60, both(0.9, 0.2), 500),
      served('corrected', 50, both(0.4, 0.8)),
      served('honest', 45, both(0.1, 0.1)),
      // Decided again by mistake: the first answer counts.
      served('honest', 44, both(0.99, 0.99)),
      // Its label arrives after the day on which it is asked.
      served('feature-store-test:block', 60, both(0.9, 0.2), 500),
      served('known too late', 40, both(0.3, 0.3)),
      // Not old enough, although it has a label.
      served('young', 5, both(0.5, 0.5)),
      // From before the rival was there.
      served('without rival', 55, { 'champion@1': 0.6 }),
    ]),
  );
  await writeParquet(
    path('labels.parquet'),
    values(LABEL_COLUMNS, [
      label('l1', 'fraud', 1, 40),
      label('l2', 'corrected', 1, 35),
      label('l3', 'corrected', 0, 20),
      label('l4', 'known too late', 1, -1),
      label('l5', 'young', 1, 2),
      label('l6', 'feature-store-test:block', 1, 20),
    ]),
  );
});
afterAll(() => rm(directory, { recursive: true }));

const fromServed = () => [
  '--served',
  path('served.parquet'),
  '--labels',
  path('labels.parquet'),
  '--as-of',
  new Date(NOW).toISOString(),
];

describe('evaluate', () => {
  test('joins what was served with the labels that are mature and known, the latest of each transaction', async () => {
    const { code, output } = await evaluate(...fromServed(), '--champion', 'champion@1');

    expect(code).toBe(0);
    expect(output).toContain('left out: 1 row that not every model had scored');
    const { rows, frauds, fraudAmount, models } = await report();
    expect({ rows, frauds, fraudAmount }).toEqual({ rows: 4, frauds: 1, fraudAmount: 500 });
    // The champion scored the fraud highest; the rival only above one of three.
    expect(models.map(({ key, quality }) => [key, quality.aucRoc])).toEqual([
      ['champion@1', 1],
      ['rival@2', 1 / 3],
    ]);
  });

  test('compares with named challengers alone', async () => {
    await writeParquet(
      path('scores.parquet'),
      values(SCORE_COLUMNS, [
        ['u1', NOW, 5, 1, 0.9, 0.8, 0.1],
        ['u2', NOW, 5, 0, 0.2, 0.1, 0.9],
      ]),
    );

    const { code } = await evaluate('--scores', path('scores.parquet'), '--champion', 'a@1', '--challenger', 'b@1');

    expect(code).toBe(0);
    expect((await report()).models.map(({ key }) => key)).toEqual(['a@1', 'b@1']);
  });

  test.each([
    [['--champion', 'nobody@1', '--scores', 'scores.parquet'], 'has no scores of nobody@1; it has user_id'],
    [['--champion', 'a@1'], 'give either --scores, or --served with --labels'],
    [['--champion', 'a@1', '--scores', 'scores.parquet', '--card', 'card'], 'has no column "card"'],
    [['--champion', 'a@1', '--scores', 'scores.parquet', '--draws', 'many'], '--draws many: write a whole number'],
    [['--champion', 'a@1', '--scores', 'missing.parquet'], 'cannot be read'],
  ])('refuses %j, saying why', async (flags, reason) => {
    const { code, errors } = await evaluate(...flags.map((flag) => (flag.endsWith('.parquet') ? path(flag) : flag)));

    expect(code).toBe(2);
    expect(errors).toContain(reason);
  });

  test('does not say whose transaction it cannot read', async () => {
    await writeParquet(
      path('strange.parquet'),
      values(SERVED_COLUMNS, [
        ['fraud', '{"user_id":"secret-user"}', '{"champion@1":0.1}', NOW - 60 * DAY, 'fraud_detection@1'],
      ]),
    );
    const flags = fromServed().map((flag) => flag.replace('served.parquet', 'strange.parquet'));

    const { code, errors } = await evaluate(...flags, '--champion', 'champion@1');

    expect(code).toBe(2);
    expect(errors).toContain("a served row's event cannot be read: timestamp");
    expect(errors).not.toContain('secret-user');
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { DAY_MILLIS, type Label, simulate, writeSimulation } from '../../../examples/train/simulate.ts';
import { DAYS, MATURITY_DAYS, SPLITS, writeSpine } from '../../../examples/train/splits.ts';
import { readParquet, writeParquet } from '../../support/parquet.ts';

const START_MILLIS = Date.UTC(2026, 0, 5);
const simulation = simulate({ seed: 3, transactions: 20_000, startMillis: START_MILLIS, days: DAYS });

/** Big integers come as text. */
const SpineRow = z
  .object({
    transaction_id: z.string(),
    split: z.string(),
    timestamp: z.coerce.number(),
    known_at: z.coerce.number(),
    is_fraud: z.number(),
  })
  .transform((row) => ({
    id: row.transaction_id,
    split: row.split,
    timestamp: row.timestamp,
    knownAt: row.known_at,
    isFraud: row.is_fraud,
  }));

let directory: string;
let rows: z.output<typeof SpineRow>[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'splits-test-'));
  const files = await writeSimulation(simulation, directory);
  const history = { transactions: join(directory, 'transactions.parquet'), labels: join(directory, 'labels.parquet') };
  await writeParquet(history.transactions, `SELECT * FROM read_csv('${files.transactions}')`);
  await writeParquet(history.labels, `SELECT * FROM read_csv('${files.labels}')`);
  const output = join(directory, 'spine.parquet');
  const connection = await (await DuckDBInstance.create()).connect();
  await writeSpine(connection, { history, startMillis: START_MILLIS, output });
  connection.closeSync();
  rows = z.array(SpineRow).parse(await readParquet(output));
});
afterAll(() => rm(directory, { recursive: true }));

/** First and last day of a split's rows. */
function daysOf(split: string) {
  const days = rows
    .filter((row) => row.split === split)
    .map(({ timestamp }) => (timestamp - START_MILLIS) / DAY_MILLIS);
  return { first: Math.min(...days), last: Math.max(...days) };
}

/** The newest label that had arrived, by a filter and a loop. */
function labelBy(labels: readonly Label[] | undefined, asOfMillis: number): number {
  const known = (labels ?? []).filter(({ arrived_at }) => arrived_at <= asOfMillis);
  return known.sort((left, right) => left.labelled_at - right.labelled_at).at(-1)?.is_fraud ?? 0;
}

describe('the spine of training', () => {
  test('tests on days after the one on which all labels of training and validation were known', () => {
    const [training, validation, testing] = SPLITS.map(daysOf);

    const trainedOn = Math.floor(testing?.first ?? Number.NaN);
    expect((validation?.last ?? Number.NaN) + MATURITY_DAYS).toBeLessThanOrEqual(trainedOn);
    // The longest window of a user lies between.
    expect((validation?.first ?? Number.NaN) - (training?.last ?? Number.NaN)).toBeGreaterThanOrEqual(7);
    expect((testing?.last ?? Number.NaN) + MATURITY_DAYS).toBeLessThanOrEqual(DAYS);
  });

  test('says of each transaction what was known on the day of training, or of judging', () => {
    const byTransaction = Map.groupBy(simulation.labels, ({ transaction_id }) => transaction_id);
    const trainedOn = START_MILLIS + Math.floor(daysOf('test').first) * DAY_MILLIS;
    const asOf = (split: string) => (split === 'test' ? START_MILLIS + DAYS * DAY_MILLIS : trainedOn);

    const expected = rows.map(({ id, split }) => labelBy(byTransaction.get(id), asOf(split)));

    expect(rows.map(({ isFraud }) => isFraud)).toEqual(expected);
    for (const split of SPLITS) expect(rows.some((row) => row.split === split && row.isFraud === 1)).toBe(true);
  });

  test('has every transaction of its days once, as of its arrival', () => {
    const arrivals = new Map(
      simulation.transactions.map(({ transaction_id, arrived_at }) => [transaction_id, arrived_at]),
    );
    const { first, last } = daysOf('training');
    const ofDays = simulation.transactions.filter(({ timestamp }) => {
      const day = (timestamp - START_MILLIS) / DAY_MILLIS;
      return day >= first && day <= last;
    });

    expect(rows.filter(({ split }) => split === 'training').map(({ id }) => id)).toEqual(
      ofDays.map(({ transaction_id }) => transaction_id),
    );
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    expect(rows.filter(({ id, knownAt }) => knownAt !== arrivals.get(id))).toEqual([]);
  });
});

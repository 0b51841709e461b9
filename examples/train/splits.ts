/**
 * Which transactions a model learns from, is tuned on and is judged by: by time, as it will be used.
 *
 *     0    30         95  102      115               145       165            195 days
 *     ├─────┼──────────┼────┼───────┼─────────────────┼─────────┼──────────────┤
 *     │ warm│ training │gap │ valid.│ labels come in  │  test   │ labels come in
 *     │  up │          │    │       │ maturity        │         │ maturity
 *                                          trained here ┘            judged here ┘
 *
 * 1. Windows and merchants' labels fill up first.
 * 2. On the day of training, only transactions older than the maturity of labels have one. So the youngest a model can
 *    have learned from is that old, and the first it decides comes after it.
 * 3. Between training and validation lies the longest window of a user, so that no row of one counts transactions of the other.
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import { parquetFiles } from '../../shared/offline/embedded/duckdb.ts';
import { type LabelHistory, maturedRowsSql } from '../../shared/offline/embedded/matured-labels.ts';
import { ARRIVED_AT, SPINE } from '../../shared/offline/offline-store.ts';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';
import { DAY_MILLIS } from './simulate.ts';

export const MATURITY_DAYS = 30;
const WARM_UP_DAYS = 30;
const GAP_DAYS = 7;
const TRAINING_DAYS = 65;
const VALIDATION_DAYS = 13;
const TEST_DAYS = 20;

const TRAINING_END = WARM_UP_DAYS + TRAINING_DAYS;
const VALIDATION_END = TRAINING_END + GAP_DAYS + VALIDATION_DAYS;
/** The day on which the models are trained, and after which they are tested. */
const TRAINED_ON = VALIDATION_END + MATURITY_DAYS;
const TEST_END = TRAINED_ON + TEST_DAYS;
/** Days of history that it takes. */
export const DAYS = TEST_END + MATURITY_DAYS;

export const SPLITS = ['training', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** From the first day on, the last one not included; and the day as of which its labels are those that were known. */
const PERIODS: Readonly<Record<Split, { from: number; to: number; labelledBy: number }>> = {
  training: { from: WARM_UP_DAYS, to: TRAINING_END, labelledBy: TRAINED_ON },
  validation: { from: TRAINING_END + GAP_DAYS, to: VALIDATION_END, labelledBy: TRAINED_ON },
  test: { from: TRAINED_ON, to: TEST_END, labelledBy: DAYS },
};

function labelsAt(path: string): LabelHistory {
  const relation = parquetFiles(path);
  return { relation, labelId: 'label_id', eventId: 'transaction_id', outcome: 'is_fraud', knownAt: 'labelled_at' };
}

/** The spine of all three, in order of time: each transaction as of its arrival, so that its features count it. */
function spineSql(history: { readonly transactions: string; readonly labels: string }, startMillis: number): string {
  const splits = SPLITS.map((split) => {
    const { from, to, labelledBy } = PERIODS[split];
    const [fromMillis, toMillis, asOfMillis] = [from, to, labelledBy].map((day) => startMillis + day * DAY_MILLIS);
    const rows = `SELECT transaction_id, user_id, merchant_id, amount, "timestamp" AS ${SPINE.timestamp},
      ${ARRIVED_AT} AS ${SPINE.knownAt}, ${textLiteral(split)} AS split
      FROM read_parquet(${textLiteral(history.transactions)})
      WHERE "timestamp" >= ${fromMillis} AND "timestamp" < ${toMillis}`;
    return maturedRowsSql(rows, labelsAt(history.labels), {
      asOfMillis: asOfMillis ?? Number.NaN,
      maturityMillis: MATURITY_DAYS * DAY_MILLIS,
    });
  });
  return `${splits.join(' UNION ALL ')} ORDER BY ${SPINE.timestamp}, transaction_id`;
}

export interface SplitSize {
  readonly split: string;
  readonly rows: number;
  readonly frauds: number;
}

/** Writes the spine to a Parquet file. @param history Parquet files of both sources, as globs. */
export async function writeSpine(
  connection: DuckDBConnection,
  options: {
    readonly history: { readonly transactions: string; readonly labels: string };
    readonly startMillis: number;
    readonly output: string;
  },
): Promise<SplitSize[]> {
  const { history, startMillis, output } = options;
  await connection.run(`COPY (${spineSql(history, startMillis)}) TO ${textLiteral(output)} (FORMAT parquet)`);
  const sizes = `SELECT split, count(*), sum(is_fraud) FROM read_parquet(${textLiteral(output)}) GROUP BY split`;
  const rows = (await connection.runAndReadAll(sizes)).getRows();
  return SPLITS.flatMap((split) =>
    rows
      .filter(([name]) => name === split)
      .map(([, rows, frauds]) => ({ split, rows: Number(rows), frauds: Number(frauds) })),
  );
}

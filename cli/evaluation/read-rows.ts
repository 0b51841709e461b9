/** Scored transactions from files: of models that were tried out, or as they were served. */
import type { DuckDBConnection } from '@duckdb/node-api';
import * as z from 'zod';
import {
  describeColumns,
  PARQUET_FILES,
  parquetFiles,
  queryRows,
  quoted,
  withDuckDb,
} from '../../shared/offline/embedded/duckdb.ts';
import { type Maturity, maturedRowsSql } from '../../shared/offline/embedded/matured-labels.ts';
import { RESERVED_ID_PREFIX } from '../../shared/reserved-ids.ts';
import { UserError } from '../user-error.ts';
import type { ScoredRow } from './scored-rows.ts';

/** Names of what a transaction must say, in a file's columns or in the event that was served. */
export interface FieldNames {
  readonly card: string;
  readonly time: string;
  readonly amount: string;
}

export interface ReadRows {
  readonly rows: readonly ScoredRow[];
  /** Keys of all models that scored at least one row. */
  readonly models: readonly string[];
}

const MODEL_KEY = /^[a-z][a-z0-9_]*@\d+$/;
const IS_FRAUD = 'is_fraud';

/**
 * A Parquet file of scores: a column `is_fraud` of 0 and 1, those of `names`, and one for each model by its key, such as
 * `boosted_trees@1`.
 * @throws UserError naming the column that is missing.
 */
export async function readScores(file: string, names: FieldNames): Promise<ReadRows> {
  return withDuckDb({}, async (connect) => {
    const connection = await connect();
    const columns = await columnsOf(connection, file);
    const models = columns.filter((name) => MODEL_KEY.test(name));
    if (models.length === 0) {
      throw new UserError(
        `${file} has no column named after a model, such as boosted_trees@1, but ${columns.join(', ')}`,
      );
    }
    for (const name of [IS_FRAUD, ...Object.values(names)]) requireColumn(file, columns, name);
    const scores = models.map((name) => `${quoted(name)}::DOUBLE`);
    const found = await queryRows(
      connection,
      `SELECT ${quoted(names.card)}::VARCHAR, ${quoted(names.time)}::BIGINT, ${quoted(names.amount)}::DOUBLE,
       ${IS_FRAUD}::INTEGER, ${scores.join(', ')} FROM ${PARQUET_FILES}`,
      [file],
    );
    const rows = found.map(([card, time, amount, isFraud, ...values]) => ({
      card: String(card),
      timeMillis: Number(time),
      amount: Number(amount),
      isFraud: isFraud === 1,
      scores: Object.fromEntries(
        models.flatMap((model, index) => (typeof values[index] === 'number' ? [[model, values[index]]] : [])),
      ),
    }));
    return { rows, models };
  });
}

const jsonObject = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue('must be JSON text');
    return z.NEVER;
  }
});
const Scores = jsonObject.pipe(z.record(z.string(), z.number().min(0).max(1)));

/**
 * Decisions as they were served, with what became of them. Of a transaction that was decided twice, the first counts.
 * @param served Parquet files of served rows, as a glob.
 * @param labels Parquet files of the history of labels, as a glob.
 * @throws UserError
 */
export async function readServed(
  files: { readonly served: string; readonly labels: string },
  names: FieldNames,
  maturity: Maturity,
): Promise<ReadRows> {
  const { served, labels } = files;
  return withDuckDb({}, async (connect) => {
    const connection = await connect();
    const columns = await columnsOf(connection, served);
    for (const name of ['event_id', 'event', 'scores', 'served_at']) requireColumn(served, columns, name);
    // A transaction is as old as its answer: it was decided when it happened.
    const decided = `SELECT event_id AS transaction_id, served_at AS "timestamp", event, scores
      FROM ${parquetFiles(served)} WHERE event_id IS NOT NULL AND NOT starts_with(event_id, '${RESERVED_ID_PREFIX}') AND scores IS NOT NULL
      QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY served_at) = 1`;
    const sql = `SELECT event, scores, is_fraud FROM (${maturedRowsSql(decided, labels, maturity)})`;
    const rows = (await queryRows(connection, sql)).map(([event, scores, isFraud]) => ({
      ...eventOf(event, names),
      isFraud: isFraud === 1,
      scores: parsed(Scores, scores, 'scores'),
    }));
    return { rows, models: [...new Set(rows.flatMap(({ scores }) => Object.keys(scores)))] };
  });
}

function eventOf(text: unknown, { card, time, amount }: FieldNames): Pick<ScoredRow, 'card' | 'timeMillis' | 'amount'> {
  const fields = z.object({ [card]: z.union([z.string(), z.number()]), [time]: z.number(), [amount]: z.number() });
  const event = parsed(jsonObject.pipe(fields), text, 'event');
  return { card: String(event[card]), timeMillis: Number(event[time]), amount: Number(event[amount]) };
}

function parsed<Schema extends z.ZodType>(schema: Schema, text: unknown, column: string): z.output<Schema> {
  const result = schema.safeParse(text);
  if (result.success) return result.data;
  // Values are not quoted: they are somebody's transactions.
  const [issue] = result.error.issues;
  throw new UserError(
    `a served row's ${column} cannot be read: ${issue?.path.join('.')} ${issue?.message}; ` +
      'name fields with --card, --time and --amount',
  );
}

async function columnsOf(connection: DuckDBConnection, files: string): Promise<string[]> {
  try {
    return (await describeColumns(connection, PARQUET_FILES, [files])).map(({ name }) => name);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new UserError(`${files} cannot be read: ${reason}`, { cause: error });
  }
}

function requireColumn(files: string, columns: readonly string[], name: string): void {
  if (columns.includes(name)) return;
  throw new UserError(
    `${files} has no column "${name}" but ${columns.join(', ')}; name it with --card, --time or --amount`,
  );
}

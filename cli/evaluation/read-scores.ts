/** Scored rows from one file: of models that were tried out, such as a training set with what each model says. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { type FileColumn, readColumn } from '../../shared/offline/embedded/column-types.ts';
import { parquetFiles, queryRows, withDuckDb } from '../../shared/offline/embedded/duckdb.ts';
import { SPINE } from '../../shared/offline/offline-store.ts';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';
import { UserError } from '../user-error.ts';
import {
  AMOUNT,
  type Compared,
  columnsOf,
  comparedModels,
  listOf,
  type ReadRows,
  requireColumn,
  rowsText,
  scoredByAll,
} from './read-rows.ts';

/** Names of columns. */
export interface ScoreColumns {
  /** Default: the only column of 0 and 1, or of true and false. */
  readonly label: string | undefined;
  readonly card: string | undefined;
  /** Default: `timestamp`. */
  readonly time: string | undefined;
  /** Default: `amount`, where there is one. */
  readonly amount: string | undefined;
}

const MODEL_KEY = /^[a-z][a-z0-9_]*@\d+$/;
const NUMBER = /^(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\))$/;
const FLOATING = /^(?:FLOAT|DOUBLE)$/;

interface ScoreFile {
  readonly path: string;
  readonly connection: DuckDBConnection;
  readonly columns: readonly FileColumn[];
  /** Columns of scores that are compared. */
  readonly models: readonly string[];
}

/**
 * A Parquet file of scores and outcomes. Outcomes are 1 and 0, or true and false; null is not known yet. Columns of scores are
 * those that are named like `boosted_trees@1`, and those that `compared` names.
 * @throws UserError naming the column, and the row, that cannot be used.
 */
export async function readScores(path: string, named: ScoreColumns, compared: Compared): Promise<ReadRows> {
  return withDuckDb({ reading: { offsetFix: 'add Z, or write timestamps' } }, async (connect) => {
    const connection = await connect();
    const columns = await columnsOf(connection, path);
    const keys = columns.map(({ name }) => name);
    const models = comparedModels(path, compared, {
      every: keys,
      byDefault: keys.filter((key) => MODEL_KEY.test(key)),
    });
    const file = { path, connection, columns, models };
    const names = {
      label: named.label ?? (await onlyOutcome(file, [...Object.values(named), AMOUNT])),
      card: named.card,
      amount: named.amount ?? columns.find(({ name, type }) => name === AMOUNT && NUMBER.test(type))?.name,
    };
    const read = {
      outcome: outcomeColumn(file, names.label),
      amount: names.amount === undefined ? undefined : amountColumn(file, names.amount),
      card: names.card === undefined ? undefined : cardColumn(file, names.card),
      time: names.card === undefined ? undefined : timeColumn(file, named.time ?? SPINE.timestamp),
      scores: models.map((model) => scoreColumn(file, model)),
    };
    const every = [read.outcome, read.amount, read.card, read.time, ...read.scores];
    for (const column of every) if (column !== undefined) await refuseUnusable(file, column);
    const selected = [
      read.outcome,
      read.amount ?? { sql: '1' },
      read.card ?? { sql: 'NULL' },
      read.time ?? { sql: '0' },
    ];
    const found = await queryRows(
      connection,
      `SELECT ${[...selected, ...read.scores].map(({ sql }) => sql).join(', ')} FROM ${parquetFiles(path)} s`,
    );
    if (found.length === 0) throw new UserError(`${path} has no rows`);
    const known = found.filter(([outcome]) => outcome !== null);
    if (known.length === 0) {
      throw new UserError(
        `${path} has no value in "${names.label}", which says what became of a row; name another --label`,
      );
    }
    const rows = known.map(([outcome, amount, card, time, ...scores]) => ({
      isFraud: outcome === true,
      amount: Number(amount),
      card: card === null || card === undefined ? undefined : String(card),
      timeMillis: Number(time),
      scores: Object.fromEntries(
        models.flatMap((model, index) => (typeof scores[index] === 'number' ? [[model, scores[index]]] : [])),
      ),
    }));
    const unknown = found.length - known.length;
    const scored = scoredByAll(rows, models);
    return {
      rows: scored.rows,
      models,
      names,
      notes: [
        ...(unknown === 0 ? [] : [`left out: ${rowsText(unknown)} without a value of ${names.label}`]),
        ...scored.notes,
        ...(await unusedScores(file, compared, names)),
      ],
    };
  });
}

/** A column as it is read, and which of its values stop everything. */
interface ReadColumn {
  readonly name: string;
  readonly sql: string;
  readonly isRefused: string;
  /** SQL of the rest of the sentence "row 17 …". */
  readonly refusal: string;
}

const isMissing = (column: FileColumn) =>
  FLOATING.test(column.type) ? `(${column.sql} IS NULL OR isnan(${column.sql}))` : `${column.sql} IS NULL`;

function outcomeColumn({ path, columns }: ScoreFile, name: string): ReadColumn {
  const column = requireColumn(path, columns, name, 'name what became of a row with --label');
  const refusal = textLiteral('must be 1 or 0, or true or false, or missing where it is not known yet');
  if (column.type === 'BOOLEAN') return { name, sql: column.sql, isRefused: 'false', refusal };
  if (!NUMBER.test(column.type)) {
    throw new UserError(`column "${name}" is ${column.type}; the outcome must be 1 and 0, or true and false`);
  }
  const sql = `CASE ${column.sql} WHEN 1 THEN true WHEN 0 THEN false END`;
  return { name, sql, isRefused: `NOT ${isMissing(column)} AND (${sql}) IS NULL`, refusal };
}

function scoreColumn({ path, columns }: ScoreFile, name: string): ReadColumn {
  const column = requireColumn(path, columns, name, 'name a column of scores');
  if (!NUMBER.test(column.type)) throw new UserError(`column "${name}" is ${column.type}; scores must be numbers`);
  return {
    name,
    sql: `CASE WHEN NOT ${isMissing(column)} THEN CAST(${column.sql} AS DOUBLE) END`,
    isRefused: `NOT ${isMissing(column)} AND NOT ${column.sql} BETWEEN 0 AND 1`,
    refusal: `'has the score ' || CAST(${column.sql} AS DOUBLE) || ${textLiteral(
      '; scores must be probabilities from 0 to 1: apply the sigmoid to margins, or divide percentages by 100',
    )}`,
  };
}

function amountColumn({ path, columns }: ScoreFile, name: string): ReadColumn {
  const column = requireColumn(path, columns, name, 'name the amount with --amount');
  if (!NUMBER.test(column.type)) throw new UserError(`column "${name}" is ${column.type}; amounts must be numbers`);
  const sql = `CAST(${column.sql} AS DOUBLE)`;
  return { name, sql, isRefused: `coalesce(NOT isfinite(${sql}), true)`, refusal: textLiteral('must have an amount') };
}

function cardColumn({ path, columns }: ScoreFile, name: string): ReadColumn {
  const column = requireColumn(path, columns, name, 'name whose row it is with --card');
  const refusal = textLiteral('must say whose row it is');
  return { name, sql: `CAST(${column.sql} AS VARCHAR)`, isRefused: isMissing(column), refusal };
}

function timeColumn({ path, columns }: ScoreFile, name: string): ReadColumn {
  const column = requireColumn(path, columns, name, 'cards are ranked by day: name the instant with --time');
  const read = readColumn({ kind: 'timestamp' }, column);
  if (read === undefined) {
    throw new UserError(`column "${name}" is ${column.type}; it must be instants, or milliseconds since 1970`);
  }
  const isRefused = `(${isMissing(column)} OR ${read.isRefused ?? 'false'})`;
  return { name, sql: read.value, isRefused, refusal: `coalesce(${read.refusal}, 'must say when it happened')` };
}

async function refuseUnusable(file: ScoreFile, { name, isRefused, refusal }: ReadColumn): Promise<void> {
  const [first] = await queryRows(
    file.connection,
    `SELECT number, sentence FROM (SELECT row_number() OVER () AS number, ${refusal} AS sentence, ${isRefused} AS refused
     FROM ${parquetFiles(file.path)} s) WHERE refused LIMIT 1`,
  );
  if (first !== undefined) throw new UserError(`column ${name}: row ${first.map(String).join(' ')}`);
}

/** The only column whose values are true and false, or 1 and 0. @param others what is something else. */
async function onlyOutcome(
  { path, connection, columns, models }: ScoreFile,
  others: readonly (string | undefined)[],
): Promise<string> {
  const possible = columns.filter(
    ({ name, type }) =>
      (type === 'BOOLEAN' || NUMBER.test(type)) && !MODEL_KEY.test(name) && ![...models, ...others].includes(name),
  );
  const tests = possible.map((column) => {
    const value = `CAST(${column.sql} AS DOUBLE)`;
    return `coalesce(bool_and(${value} IN (0, 1)) FILTER (WHERE NOT ${isMissing(column)}), false)`;
  });
  const [holds = []] =
    tests.length === 0 ? [] : await queryRows(connection, `SELECT ${tests.join(', ')} FROM ${parquetFiles(path)} s`);
  const found = possible.filter((_, index) => holds[index] === true).map(({ name }) => name);
  const [label] = found;
  if (label !== undefined && found.length === 1) return label;
  throw new UserError(
    `name the column that says what became of a row with --label; in ${path}, ${listOf(found)} ${
      found.length > 1 ? 'hold' : 'holds'
    } 1 and 0, or true and false`,
  );
}

/** What is not compared although it looks as if it should be. */
async function unusedScores(
  { path, connection, columns, models }: ScoreFile,
  { challengers }: Compared,
  names: { readonly label: string; readonly amount: string | undefined },
): Promise<string[]> {
  if (challengers !== undefined) return [];
  const others = columns.filter(
    ({ name, type }) => FLOATING.test(type) && ![...models, names.label, names.amount].includes(name),
  );
  if (others.length === 0) return [];
  const tests = others.map(
    (column) => `bool_and(${column.sql} BETWEEN 0 AND 1) FILTER (WHERE NOT ${isMissing(column)})`,
  );
  const [holds = []] = await queryRows(connection, `SELECT ${tests.join(', ')} FROM ${parquetFiles(path)} s`);
  const found = others.filter((_, index) => holds[index] === true).map(({ name }) => name);
  if (found.length === 0) return [];
  return [`not compared, though numbers from 0 to 1: ${found.join(', ')}; name a model among them with --challenger`];
}

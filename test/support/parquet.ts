/** Parquet files for tests, from SQL and back to rows. */
import { type DuckDBConnection, DuckDBInstance, type Json } from '@duckdb/node-api';

let shared: Promise<DuckDBConnection> | undefined;

function connection(): Promise<DuckDBConnection> {
  shared ??= DuckDBInstance.create(':memory:').then((instance) => instance.connect());
  return shared;
}

/** Writes what a query yields. `options` are DuckDB's, each after a comma. */
export async function writeParquet(path: string, query: string, options = ''): Promise<void> {
  await (await connection()).run(`COPY (${query}) TO $1 (FORMAT parquet${options})`, [path]);
}

/** Rows as SQL: `columns` are `name TYPE`, values are written as literals. */
export function values(
  columns: readonly string[],
  rows: readonly (readonly (string | number | boolean | null)[])[],
): string {
  // Numbers as text too: DuckDB reads a bare one as a decimal, and rounds it.
  const literal = (value: string | number | boolean | null) =>
    value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`;
  const types = columns.map((column) => column.slice(column.lastIndexOf(' ') + 1));
  const names = columns.map((column) => column.slice(0, column.lastIndexOf(' ')));
  const selects = rows.map(
    (row) => `SELECT ${row.map((value, index) => `CAST(${literal(value)} AS ${types[index]})`).join(', ')}`,
  );
  const none = `SELECT ${types.map((type) => `CAST(NULL AS ${type})`).join(', ')} WHERE false`;
  const body = rows.length === 0 ? none : selects.join(' UNION ALL ');
  return `SELECT * FROM (${body}) rows(${names.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ')})`;
}

/** The rows of a Parquet file, in its order; big integers as text. */
export async function readParquet(path: string): Promise<Record<string, Json>[]> {
  const reader = await (await connection()).runAndReadAll('SELECT * FROM read_parquet($1)', [path]);
  return reader.getRowObjectsJson();
}

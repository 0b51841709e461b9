import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, type DuckDBDataChunk, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { textDecoder } from '@duckdb/node-api/lib/vectors/dataAccessors.js';
import type { Reading } from '../../definitions/decoded.ts';
import { FILE_OFFSET_FIX } from '../../definitions/forms.ts';
import { UnusableColumnsError } from '../library-reason.ts';
import { textLiteral } from '../sql/dialect.ts';
import { type FileColumn, registerDecoder } from './column-types.ts';

/** The library takes U+FEFF at the beginning of a text for the mark of a file, and drops it: another text would come out. */
const exactDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
textDecoder.decode = exactDecoder.decode.bind(exactDecoder);

export interface DuckDbOptions {
  /** What DuckDB may hold in memory; the rest of a sort goes to the temporary directory. Default `512MB`. */
  readonly memoryLimit?: string;
  /** Where what does not fit is put; by default a directory of its own below the system's, removed afterwards. */
  readonly temporaryDirectory?: string;
  /** How values of files are read that leave something open. */
  readonly reading?: Reading;
}

/** Opens a database in memory for the time of `use`. */
export async function withDuckDb<Result>(
  options: DuckDbOptions,
  use: (connect: () => Promise<DuckDBConnection>) => Promise<Result>,
): Promise<Result> {
  const directory = options.temporaryDirectory ?? (await mkdtemp(join(tmpdir(), 'feature-store-')));
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: options.memoryLimit ?? '512MB',
    temp_directory: directory,
  });
  const connections: DuckDBConnection[] = [];
  try {
    return await use(async () => {
      const connection = await instance.connect();
      connections.push(connection);
      await connection.run("SET TimeZone = 'UTC'");
      if (connections.length === 1) registerDecoder(connection, { offsetFix: FILE_OFFSET_FIX, ...options.reading });
      return connection;
    });
  } finally {
    for (const connection of connections) connection.closeSync();
    instance.closeSync();
    if (options.temporaryDirectory === undefined) await rm(directory, { recursive: true, force: true });
  }
}

/** A name as SQL writes it, whatever characters it has. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A path as a glob in which no character is a wildcard. */
export function literalGlob(path: string): string {
  return path.replaceAll(/[[*?]/g, '[$&]');
}

export interface ColumnInfo {
  readonly name: string;
  /** As DuckDB writes it: `BIGINT`, `DECIMAL(18,2)`, `TIMESTAMP WITH TIME ZONE`. */
  readonly type: string;
}

/** The columns of a relation: a table's name, or a function with parameters. */
export async function describeColumns(
  connection: DuckDBConnection,
  relation: string,
  parameters: DuckDBValue[] = [],
): Promise<ColumnInfo[]> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${relation}`, parameters);
  return described.getRows().map(([name, type]) => ({ name: String(name), type: String(type) }));
}

/** Parquet files as a relation; the path is its parameter. Folders are no columns, whatever their names look like. */
export const PARQUET_FILES = 'read_parquet($1, union_by_name = true, hive_partitioning = false)';

/** The same, where a statement takes no parameters. */
export function parquetFiles(path: string): string {
  return PARQUET_FILES.replace('$1', textLiteral(path));
}

/**
 * The columns of Parquet files, as those of a table that is called `alias`.
 * @param needed names of those that are read; by default all.
 * @throws UnusableColumnsError naming the one that cannot be read as it is, and errors of DuckDB.
 */
export async function parquetColumns(
  connection: DuckDBConnection,
  path: string,
  alias: string,
  needed?: readonly string[],
): Promise<FileColumn[]> {
  const described = await describeColumns(connection, PARQUET_FILES, [path]);
  const written = Map.groupBy(await writtenColumns(connection, path), ({ name }) => name.toLowerCase());
  for (const name of needed ?? described.map((column) => column.name)) {
    const alike = written.get(name.toLowerCase()) ?? [];
    const names = [...new Set(alike.map((column) => `"${column.name}"`))];
    if (names.length > 1) {
      throw new UnusableColumnsError(`the columns ${names.join(' and ')} differ by case alone; rename one of them`);
    }
    if (new Set(alike.map(({ file }) => file)).size < alike.length) {
      throw new UnusableColumnsError(`two columns are called ${names.join('')}; rename one of them`);
    }
    const digits = Math.max(0, ...alike.map(({ precision }) => precision));
    if (digits > DECIMAL_DIGITS) {
      throw new UnusableColumnsError(
        `column "${name}" must have decimals of at most ${DECIMAL_DIGITS} digits; got ${digits}. Cast it to decimal128 (Arrow) or DECIMAL(38, …)`,
      );
    }
  }
  return described.map(({ name, type }) => ({ name, type, sql: `${alias}.${quoted(name)}` }));
}

/** DuckDB reads wider ones wrongly. */
const DECIMAL_DIGITS = 38;

/** The columns as files name them: DuckDB gives another name to one that differs from another by case alone. */
async function writtenColumns(
  connection: DuckDBConnection,
  path: string,
): Promise<{ readonly file: string; readonly name: string; readonly precision: number }[]> {
  const schema = await queryRows(
    connection,
    'SELECT file_name, name, num_children, "precision" FROM parquet_schema($1)',
    [path],
  );
  const columns: { file: string; name: string; precision: number }[] = [];
  // The tree of each file is told node by node; its root comes first.
  let file: unknown;
  let nested = 0;
  for (const [fileName, name, children, precision] of schema) {
    const isRoot = fileName !== file;
    if (isRoot) nested = 0;
    else {
      if (nested === 0) columns.push({ file: String(fileName), name: String(name), precision: Number(precision ?? 0) });
      nested = Math.max(0, nested - 1) + Number(children ?? 0);
    }
    file = fileName;
  }
  return columns;
}

/** The rows of a small result. */
export async function queryRows(
  connection: DuckDBConnection,
  sql: string,
  parameters: DuckDBValue[] = [],
): Promise<DuckDBValue[][]> {
  return (await connection.runAndReadAll(sql, parameters)).getRows();
}

/**
 * Whether a column has any value: of one without, its type says nothing. NaN is how libraries for tables write that a number is
 * missing.
 * @param relation what follows FROM.
 */
export async function hasValues(
  connection: DuckDBConnection,
  { type, sql }: FileColumn,
  relation: string,
): Promise<boolean> {
  const isFloating = type === 'DOUBLE' || type === 'FLOAT';
  const count = isFloating ? `count(*) FILTER (WHERE NOT isnan(${sql}))` : `count(${sql})`;
  const [[found] = []] = await queryRows(connection, `SELECT ${count} FROM ${relation}`);
  return Number(found) > 0;
}

/** The chunks of a large result, as DuckDB makes them. */
export async function* streamChunks(
  connection: DuckDBConnection,
  sql: string,
  parameters: DuckDBValue[] = [],
): AsyncGenerator<DuckDBDataChunk> {
  const result = await connection.stream(sql, parameters);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    yield chunk;
  }
}

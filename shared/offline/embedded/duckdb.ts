import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, type DuckDBDataChunk, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';

export interface DuckDbOptions {
  /** What DuckDB may hold in memory; the rest of a sort goes to the temporary directory. Default `512MB`. */
  readonly memoryLimit?: string;
  /** Where what does not fit is put; by default a directory of its own below the system's, removed afterwards. */
  readonly temporaryDirectory?: string;
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

/** The rows of a small result. */
export async function queryRows(
  connection: DuckDBConnection,
  sql: string,
  parameters: DuckDBValue[] = [],
): Promise<DuckDBValue[][]> {
  return (await connection.runAndReadAll(sql, parameters)).getRows();
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

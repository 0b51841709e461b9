import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { LocalTrino } from '../../localstack/trino.ts';
import { tableName, textLiteral } from '../../shared/offline/sql/dialect.ts';

/** Writes the rows of a query of DuckDB to a Parquet file and makes it a table of Trino, in the schema `default`. */
export async function createTrinoTable(trino: LocalTrino, connection: DuckDBConnection, name: string, select: string) {
  const directory = join(trino.dataDirectory, name);
  await mkdir(directory);
  await connection.run(`COPY (${select}) TO ${textLiteral(join(directory, 'rows.parquet'))} (FORMAT parquet)`);
  const described = await connection.runAndReadAll(`DESCRIBE ${select}`);
  const columns = described.getRows().map(([column, type]) => `${tableName(String(column))} ${String(type)}`);
  const location = `external_location = 'local:///${name}', format = 'PARQUET'`;
  await trino.query(`CREATE TABLE ${tableName(name)} (${columns.join(', ')}) WITH (${location})`);
}

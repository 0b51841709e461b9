/** The service's one query, in DuckDB and in Trino. Every transaction arrived at its own instant. */
import { DuckDBInstance } from '@duckdb/node-api';
import { handbookService, handbookTransactions } from '../../examples/handbook/declarations.ts';
import { historySql, spineSql } from '../../examples/handbook/sql.ts';
import { startTrino } from '../../localstack/trino.ts';
import type { Value } from '../../shared/expressions/index.ts';
import { DUCKDB, type SqlDialect, TRINO } from '../../shared/offline/sql/dialect.ts';
import { historyQuery } from '../../shared/offline/sql/history-query.ts';
import { createTrinoTable } from '../support/trino-table.ts';
import { type Engine, peakMemoryMegabytes, secondsSince } from './engine.ts';

const SPINE_COLUMNS = ['transaction', 'customer_id', 'terminal_id', 'timestamp'];

function querySql(dialect: SqlDialect, spineTable: string, historyTable: string): string {
  return historyQuery({
    service: handbookService,
    mode: 'bitemporal',
    dialect,
    spine: { table: spineTable, columns: SPINE_COLUMNS, rowNumber: 'n' },
    history: { [handbookTransactions.name]: historyTable },
  });
}

export function byTransaction(columns: readonly string[], rows: readonly (readonly unknown[])[]) {
  return new Map(
    rows.map((row) => {
      const entries = columns.map((name, index) => [name, row[index] as Value] as const);
      return [Number(row[0]), Object.fromEntries(entries)];
    }),
  );
}

export const duckDb: Engine = async ({ directory }) => {
  const connection = await (await DuckDBInstance.create()).connect();
  const startedAt = performance.now();
  const sql = querySql(DUCKDB, `(${spineSql(directory)})`, `(${historySql(directory)})`);
  const result = await connection.runAndReadAll(sql);
  const seconds = secondsSince(startedAt);
  const answers = byTransaction(result.columnNames(), result.getRows());
  return { byTransaction: answers, seconds, peakMemoryMegabytes: peakMemoryMegabytes() };
};

export const trino: Engine = async ({ directory }) => {
  const connection = await (await DuckDBInstance.create()).connect();
  const server = await startTrino();
  try {
    await server.query('CREATE SCHEMA hive.default');
    await createTrinoTable(server, connection, 'history', historySql(directory));
    await createTrinoTable(server, connection, 'spine', spineSql(directory));
    const startedAt = performance.now();
    const { columns, rows, peakMemoryBytes } = await server.query(querySql(TRINO, '"spine"', '"history"'));
    const seconds = secondsSince(startedAt);
    const peakMegabytes = Math.round(peakMemoryBytes / 1_024 ** 2);
    return { byTransaction: byTransaction(columns, rows), seconds, peakMemoryMegabytes: peakMegabytes };
  } finally {
    await server.stop();
  }
};

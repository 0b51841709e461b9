/** The embedded engine: one sorted sweep per entity, Parquet in, Parquet out. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { handbookService, handbookTransactions } from '../../examples/handbook/declarations.ts';
import { historySql, spineSql } from '../../examples/handbook/sql.ts';
import { EmbeddedOfflineStore } from '../../shared/offline/embedded/embedded-offline-store.ts';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';
import { type Engine, peakMemoryMegabytes, secondsSince } from './engine.ts';
import { byTransaction } from './sql-engines.ts';

export const sweep: Engine = async ({ directory }) => {
  const files = await mkdtemp(join(tmpdir(), 'handbook-'));
  try {
    const connection = await (await DuckDBInstance.create()).connect();
    const [history, spine, output] = ['history', 'spine', 'output'].map((name) => join(files, `${name}.parquet`)) as [
      string,
      string,
      string,
    ];
    await connection.run(`COPY (${historySql(directory)}) TO ${textLiteral(history)} (FORMAT parquet)`);
    const spineColumns = 'SELECT transaction, customer_id, terminal_id, timestamp';
    await connection.run(
      `COPY (${spineColumns} FROM (${spineSql(directory)})) TO ${textLiteral(spine)} (FORMAT parquet)`,
    );
    const startedAt = performance.now();
    await new EmbeddedOfflineStore().getHistoricalFeatures({
      service: handbookService,
      mode: 'bitemporal',
      spine,
      history: { [handbookTransactions.name]: history },
      output,
    });
    const seconds = secondsSince(startedAt);
    const result = await connection.runAndReadAll('SELECT * FROM read_parquet($1)', [output]);
    const answers = byTransaction(result.columnNames(), result.getRows());
    return { byTransaction: answers, seconds, peakMemoryMegabytes: peakMemoryMegabytes() };
  } finally {
    await rm(files, { recursive: true });
  }
};

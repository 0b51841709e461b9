/** The transactions before the live ones, as the foreign file that our `import` takes. */
import { DuckDBInstance } from '@duckdb/node-api';
import { textLiteral } from '../../../shared/offline/sql/dialect.ts';
import type { Transaction } from '../published.ts';
import { historySql } from '../sql.ts';
import { LIVE_FROM } from './features.ts';

/**
 * Writes the transactions before a day to a Parquet file.
 * @param of limits them to the customers and terminals of these.
 * @param before that day; by default the first live one.
 */
export async function writePast(
  data: string,
  file: string,
  of: readonly Transaction[] | undefined,
  before = LIVE_FROM,
): Promise<{ readonly transactions: number }> {
  const connection = await (await DuckDBInstance.create()).connect();
  try {
    const customers = [...new Set(of?.map(({ customer }) => customer))].join(', ');
    const terminals = [...new Set(of?.map(({ terminal }) => terminal))].join(', ');
    const related = of === undefined ? 'TRUE' : `(customer_id IN (${customers}) OR terminal_id IN (${terminals}))`;
    const past = `SELECT * EXCLUDE (arrived_at) FROM (${historySql(data)})
      WHERE "at" < ${Date.parse(before)} AND ${related} ORDER BY "at", transaction_id`;
    await connection.run(`COPY (${past}) TO ${textLiteral(file)} (FORMAT parquet)`);
    const [[count] = []] = (await connection.runAndReadAll('SELECT count(*) FROM read_parquet($1)', [file])).getRows();
    return { transactions: Number(count) };
  } finally {
    connection.closeSync();
  }
}

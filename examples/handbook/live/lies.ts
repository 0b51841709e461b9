/** Served rows in which some values are not what was served: what an audit is for. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import * as z from 'zod';
import { textLiteral } from '../../../shared/offline/sql/dialect.ts';

const featuresSchema = z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()]));
type Features = z.infer<typeof featuresSchema>;

/** One feature of each of the first rows is changed a little, as a bug in serving would. */
const LIES: readonly ((features: Features) => Features)[] = [
  (features) => ({ ...features, customer_tx_count_7d: Number(features.customer_tx_count_7d) + 1 }),
  (features) => ({ ...features, terminal_tx_count_30d: Number(features.terminal_tx_count_30d) + 1 }),
  (features) => ({ ...features, during_night: !features.during_night }),
];

/**
 * Writes rows of answers to a folder, one value each of the first few of them changed.
 * @returns how many values are.
 */
export async function plantLies(served: string, folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const connection = await (await DuckDBInstance.create()).connect();
  try {
    const rows = `read_parquet(${textLiteral(served)})`;
    const first = `SELECT event_id, features FROM ${rows} ORDER BY served_at, event_id LIMIT ${LIES.length}`;
    const told = (await connection.runAndReadAll(first)).getRows().map(([id, features], index) => {
      const lie = LIES[index]?.(featuresSchema.parse(JSON.parse(String(features))));
      return `WHEN ${textLiteral(String(id))} THEN ${textLiteral(JSON.stringify(lie))}`;
    });
    const changed = `SELECT * REPLACE (CASE event_id ${told.join(' ')} ELSE features END AS features) FROM ${rows}`;
    await connection.run(`COPY (${changed}) TO ${textLiteral(join(folder, 'served.parquet'))} (FORMAT parquet)`);
    return told.length;
  } finally {
    connection.closeSync();
  }
}

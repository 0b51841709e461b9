/** Rows to Parquet by DuckDB, whose threads leave the event loop to the poller. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { HistoryDelivery } from '../../shared/offline/deliveries.ts';
import { quoted } from '../../shared/offline/embedded/duckdb.ts';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';

/** One thread: the machine is busy with an endpoint, its functions and the traffic. */
const SETTINGS = { threads: '1', memory_limit: '512MB' };

const SQL_TYPES: Readonly<Record<string, string>> = { string: 'VARCHAR' };

export class ParquetWriter {
  #opening: Promise<{ readonly instance: DuckDBInstance; readonly connection: DuckDBConnection }> | undefined;

  /**
   * Writes rows below a prefix of a folder, one file per partition: `event_date=…/event_hour=…/<beginning><uuid>.parquet`.
   * @param options.rows checked: every value as JSON holds the type of its column, decimals as text.
   */
  async write(options: {
    readonly delivery: HistoryDelivery;
    readonly rows: readonly object[];
    readonly folder: string;
  }): Promise<void> {
    const { schema, prefix, fileNameBeginning } = options.delivery;
    const { rows, folder } = options;
    const lines = `${folder}.jsonl`;
    const target = join(folder, prefix);
    await mkdir(target, { recursive: true });
    await writeFile(lines, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const { connection } = await this.#open();
    const columns = [...schema.columns, ...schema.partitionColumns];
    const types = columns.map(({ name, hiveType }) => `${quoted(name)}: '${SQL_TYPES[hiveType] ?? hiveType}'`);
    const partitions = schema.partitionColumns.map(({ name }) => quoted(name));
    await connection.run(`
      COPY (SELECT * FROM read_json(${textLiteral(lines)}, format = 'newline_delimited', columns = {${types.join(', ')}}))
      TO ${textLiteral(target)}
      (FORMAT parquet, PARTITION_BY (${partitions.join(', ')}), FILENAME_PATTERN '${fileNameBeginning}{uuid}')`);
    await rm(lines);
  }

  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    opened?.connection.closeSync();
    opened?.instance.closeSync();
  }

  #open() {
    this.#opening ??= DuckDBInstance.create(':memory:', SETTINGS)
      .then(async (instance) => ({ instance, connection: await instance.connect() }))
      .catch((error: unknown) => {
        // The next write tries again.
        this.#opening = undefined;
        throw error;
      });
    return this.#opening;
  }
}

import type { DuckDBConnection } from '@duckdb/node-api';
import type { EventSource } from '../../definitions/source.ts';
import { type AuditSource, AuditSourceError } from '../audit/audit-source.ts';
import { SERVED_RECORD_COLUMNS } from '../audit/served-record.ts';
import { SqlAuditSource } from '../audit/sql-audit-source.ts';
import { reasonOfLibrary } from '../library-reason.ts';
import { DUCKDB } from '../sql/dialect.ts';
import type { FileColumn } from './column-types.ts';
import { type DuckDbOptions, parquetColumns, parquetFiles, queryRows, quoted, withDuckDb } from './duckdb.ts';
import { typedHistory } from './history.ts';

export interface EmbeddedAuditOptions extends DuckDbOptions {
  /** Parquet files of served rows, as a glob. */
  readonly served: string;
  /** Parquet files of the history of sources, each as a glob. */
  readonly history: readonly { readonly source: EventSource; readonly glob: string }[];
}

/** Columns of served rows by which they are sampled. */
const SAMPLED_BY = ['request_id'] as const;

/**
 * Reads served rows and history from Parquet files on this machine, for the time of `use`.
 * @throws AuditSourceError naming what the files lack.
 */
export async function withEmbeddedAuditSource<Result>(
  options: EmbeddedAuditOptions,
  use: (source: AuditSource) => Promise<Result>,
): Promise<Result> {
  return withDuckDb(options, async (connect) => {
    const connection = await connect();
    await createServedView(connection, options.served);
    for (const { source, glob } of options.history) await createHistoryView(connection, source, glob);
    const source = new SqlAuditSource({
      dialect: DUCKDB,
      served: 'served',
      history: Object.fromEntries(options.history.map(({ source: { name } }) => [name, historyViewOf(name)])),
      isPartitioned: false,
      query: async (sql) =>
        (await queryRows(connection, sql)).map((row) => row.map((value) => (value === null ? null : String(value)))),
    });
    return use(source);
  });
}

function historyViewOf(sourceName: string): string {
  return quoted(`history of ${sourceName}`);
}

async function createServedView(connection: DuckDBConnection, glob: string): Promise<void> {
  const columns = await columnsOf(connection, 'served rows', glob);
  const selected = [...SERVED_RECORD_COLUMNS, ...SAMPLED_BY].map((name) => {
    if (columns.some((column) => column.name === name)) return quoted(name);
    throw new AuditSourceError(`served rows ${glob} have no column "${name}"; they have ${namesOf(columns)}`);
  });
  await connection.run(`CREATE VIEW served AS SELECT ${selected.join(', ')} FROM ${parquetFiles(glob)}`);
}

/** History with the columns of its source alone, as numbers and texts whatever their types in the files are. */
async function createHistoryView(connection: DuckDBConnection, source: EventSource, glob: string): Promise<void> {
  const history = await typedHistory(connection, source, glob, { fields: Object.keys(source.fields) });
  await connection.run(`CREATE VIEW ${historyViewOf(source.name)} AS FROM ${history}`);
}

async function columnsOf(connection: DuckDBConnection, subject: string, glob: string): Promise<FileColumn[]> {
  try {
    return await parquetColumns(connection, glob, 's');
  } catch (error) {
    throw new AuditSourceError(`${subject}, ${glob}, cannot be read: ${reasonOfLibrary(error)}`, { cause: error });
  }
}

function namesOf(columns: readonly FileColumn[]): string {
  return columns.map(({ name }) => name).join(', ');
}

import type { DuckDBConnection } from '@duckdb/node-api';
import type { EventSource } from '../../definitions/source.ts';
import { type AuditSource, AuditSourceError } from '../audit/audit-source.ts';
import { SERVED_RECORD_COLUMNS } from '../audit/served-record.ts';
import { SqlAuditSource } from '../audit/sql-audit-source.ts';
import { ARRIVED_AT } from '../offline-store.ts';
import { DUCKDB, textLiteral } from '../sql/dialect.ts';
import { columnNamed, fieldOf, keyOf, millisOf } from './column-types.ts';
import { type ColumnInfo, type DuckDbOptions, describeColumns, queryRows, quoted, withDuckDb } from './duckdb.ts';
import { firstLine } from './spine.ts';

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
  await connection.run(`CREATE VIEW served AS SELECT ${selected.join(', ')} FROM ${relationOf(glob)}`);
}

/** History with the columns of its source alone, as numbers and texts whatever their types in the files are. */
async function createHistoryView(connection: DuckDBConnection, source: EventSource, glob: string): Promise<void> {
  const subject = `the history of ${source.name}`;
  const columns = await columnsOf(connection, subject, glob);
  const required = (name: string, read: (info: ColumnInfo, sql: string) => string | undefined): string => {
    const column = columnNamed(columns, name, 'h');
    if (column === undefined) {
      throw new AuditSourceError(`${subject} has no column "${name}"; it has ${namesOf(columns)}`);
    }
    const sql = read(column.info, column.sql);
    if (sql === undefined) throw new AuditSourceError(`column "${name}" of ${subject} is ${column.info.type}`);
    return `${sql} AS ${quoted(name)}`;
  };
  const selected = Object.entries(source.fields).map(([name, field]) =>
    required(name, (info, sql) => (field.type.kind === 'integer' ? keyOf : fieldOf)(field, info, sql)),
  );
  selected.push(required(ARRIVED_AT, millisOf));
  await connection.run(
    `CREATE VIEW ${historyViewOf(source.name)} AS SELECT ${selected.join(', ')} FROM ${relationOf(glob)} h`,
  );
}

/** Views take no parameters. */
function relationOf(glob: string): string {
  return `read_parquet(${textLiteral(glob)}, union_by_name = true, hive_partitioning = false)`;
}

async function columnsOf(connection: DuckDBConnection, subject: string, glob: string): Promise<ColumnInfo[]> {
  try {
    return await describeColumns(connection, relationOf(glob));
  } catch (error) {
    throw new AuditSourceError(`${subject}, ${glob}, cannot be read: ${firstLine(error)}`, { cause: error });
  }
}

function namesOf(columns: readonly ColumnInfo[]): string {
  return columns.map(({ name }) => name).join(', ');
}

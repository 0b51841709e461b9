import { RESERVED_ID_PREFIX } from '../../reserved-ids.ts';
import { PARTITION } from '../history-schema.ts';
import { ARRIVED_AT } from '../offline-store.ts';
import { quoteName, type SqlDialect, textLiteral } from '../sql/dialect.ts';
import { type AuditSample, type AuditSource, AuditSourceError, type SampleHistory } from './audit-source.ts';
import { SERVED_RECORD_COLUMNS, type StoredRow } from './served-record.ts';

export interface SqlAuditSourceOptions {
  readonly dialect: SqlDialect;
  /** SQL that names the table of served rows. */
  readonly served: string;
  /** SQL that names the history of each source, by the source's name. Instants in it are milliseconds. */
  readonly history: Readonly<Record<string, string>>;
  /** Whether the tables have the partition columns, by which the engine finds the files it has to read. */
  readonly isPartitioned: boolean;
  /** Runs a query whose columns are all text. Rows in the order of their columns. */
  readonly query: (sql: string) => Promise<readonly (readonly (string | null)[])[]>;
}

/**
 * What an audit reads, as SQL. Entities are found by joining the sample: their values are in no text of a query, which
 * engines keep and show.
 */
export class SqlAuditSource implements AuditSource {
  readonly #options: SqlAuditSourceOptions;

  constructor(options: SqlAuditSourceOptions) {
    this.#options = options;
  }

  async servedRows(sample: AuditSample): Promise<readonly StoredRow[]> {
    const sql = `SELECT ${SERVED_RECORD_COLUMNS.map(asText).join(', ')}\nFROM (\n${this.#sampleSql(sample)}\n) AS "sample"`;
    return this.#rows(sql, SERVED_RECORD_COLUMNS);
  }

  async deliveries(sample: AuditSample, history: SampleHistory): Promise<readonly StoredRow[]> {
    const { source, earliestMillis, latestMillis } = history;
    const table = this.#options.history[source.name];
    if (table === undefined) throw new AuditSourceError(`the history of source ${source.name} is not given`);
    const columns = [...Object.keys(source.fields), ARRIVED_AT];
    const time = quoteName(source.eventTime);
    const within = [`${time} >= ${earliestMillis}`, `${time} <= ${latestMillis}`];
    const conditions = [
      ...within,
      ...this.#partitions(earliestMillis, latestMillis),
      this.#isOfSample(sample, history),
    ];
    return this.#rows(
      `SELECT ${columns.map(asText).join(', ')}\nFROM ${table} AS "history"\nWHERE ${conditions.join('\n  AND ')}`,
      columns,
    );
  }

  /** The rows whose hashes are the smallest: a sample of exact size that repeats. What an id forced says nothing of skew. */
  #sampleSql({ fromMillis, toMillis, rowsMax, seed }: AuditSample): string {
    const { dialect, served } = this.#options;
    const identity = `coalesce("event_id", '') || '|' || coalesce("request_id", '') || '|' || "entity"`;
    const hash = dialect.hashOf(`${textLiteral(`${seed}|`)} || ${identity}`, 0);
    const within = [
      `"served_at" >= ${fromMillis}`,
      `"served_at" < ${toMillis}`,
      `NOT starts_with(coalesce("event_id", ''), ${textLiteral(RESERVED_ID_PREFIX)})`,
    ];
    const order = [hash, '"served_at"', '"entity"', 'coalesce("event_id", \'\')', 'coalesce("request_id", \'\')'];
    return `SELECT *\nFROM ${served} AS "served"\nWHERE ${[...within, ...this.#partitions(fromMillis, toMillis)].join('\n  AND ')}\nORDER BY ${order.join(', ')}\nLIMIT ${rowsMax}`;
  }

  #isOfSample(sample: AuditSample, { joinKeys }: SampleHistory): string {
    const own = joinKeys.map((joinKey) => `CAST(${quoteName(joinKey)} AS VARCHAR)`);
    const keys = joinKeys.map((joinKey) => this.#keyOf(joinKey));
    const known = keys.map((key) => `${key} IS NOT NULL`);
    const row = own.length === 1 ? own.join() : `(${own.join(', ')})`;
    return `${row} IN (SELECT ${keys.join(', ')} FROM (\n${this.#sampleSql(sample)}\n) AS "sample" WHERE ${known.join(' AND ')})`;
  }

  /** Names are checked when they are declared: letters, digits and underscores. */
  #keyOf(joinKey: string): string {
    const path = textLiteral(`$.${joinKey}`);
    const call = this.#options.dialect.name === 'trino' ? 'json_extract_scalar' : 'json_extract_string';
    return `${call}("entity", ${path})`;
  }

  #partitions(earliestMillis: number, latestMillis: number): string[] {
    if (!this.#options.isPartitioned) return [];
    const [earliest, latest] = [earliestMillis, latestMillis].map((millis) =>
      textLiteral(new Date(Math.max(0, millis)).toISOString().slice(0, 10)),
    );
    return [`${quoteName(PARTITION.date)} BETWEEN ${earliest} AND ${latest}`];
  }

  async #rows(sql: string, columns: readonly string[]): Promise<StoredRow[]> {
    const rows = await this.#options.query(sql);
    return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index] ?? null])));
  }
}

function asText(column: string): string {
  return `CAST(${quoteName(column)} AS VARCHAR) AS ${quoteName(column)}`;
}

import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import type { FieldValue } from '../../definitions/fields.ts';
import type { EventSource } from '../../definitions/source.ts';
import { ARRIVED_AT, type HistoryMode } from '../offline-store.ts';
import { INSTANT_TYPES } from '../spine-problems.ts';
import { columnNamed, fieldOf, keyOf, millisOf } from './column-types.ts';
import { type ColumnInfo, describeColumns, queryRows } from './duckdb.ts';
import { HistoryError } from './errors.ts';
import { firstLine, namesOf } from './spine.ts';

/** How the values of a field come out of DuckDB. */
export type ValueReading =
  | { readonly kind: 'number' }
  /** Places in a dictionary. */
  | { readonly kind: 'coded'; readonly dictionary: readonly FieldValue[] }
  /** Texts of which there are too many for a dictionary. */
  | { readonly kind: 'text' };

/** A query of events in order of entity and time, and what its columns are. */
export interface HistoryQuery {
  readonly sql: string;
  readonly parameters: DuckDBValue[];
  /** By field, in the order of the columns after the fixed ones. */
  readonly fields: readonly (readonly [name: string, reading: ValueReading])[];
}

/** Columns that every history query begins with. */
export const HISTORY_COLUMNS = { entity: 0, time: 1, arrival: 2, idHash: 3, id: 4, firstField: 5 } as const;

/** A field with more different texts is read text by text: a dictionary would no longer fit memory. */
const DICTIONARY_SIZE = 262_144;

const BOOLEANS: readonly FieldValue[] = [false, true];

/** Which events matter: of these entities, in these bounds. */
export interface HistoryScope {
  readonly mode: HistoryMode;
  /** Table of entities: `code`, then `key0`, `key1`, … */
  readonly entityTable: string;
  readonly joinKeys: readonly string[];
  readonly fields: readonly string[];
  readonly earliestMillis: number;
  /** By event time, or in bitemporal mode by arrival. */
  readonly latestMillis: number;
}

/** A number that differs for most different ids, of events as of the spine's rows. */
export function idHashSql(id: string): string {
  return `(hash(${id}) >> 33)::INTEGER`;
}

/**
 * Builds the query of one source's events. Text is replaced by places in a dictionary, which is made here.
 * @throws HistoryError naming what the files lack.
 */
export async function historyQuery(
  connection: DuckDBConnection,
  source: EventSource,
  path: string,
  scope: HistoryScope,
): Promise<HistoryQuery> {
  const columns = await historyColumns(connection, source, path);
  const time = required(source, columns, source.eventTime, millisOf, INSTANT_TYPES);
  const id = required(
    source,
    columns,
    source.eventId,
    (info, sql) => keyOf(source.fields[source.eventId], info, sql),
    'text or whole numbers',
  );
  const hasArrivals = columns.some(({ name }) => name === ARRIVED_AT);
  if (!hasArrivals && scope.mode === 'bitemporal') {
    throw new HistoryError(
      `the history of ${source.name} has no column "${ARRIVED_AT}", when events arrived; ` +
        'import it with an arrival, or ask for the mode event-time',
    );
  }
  const arrival = hasArrivals ? required(source, columns, ARRIVED_AT, millisOf, INSTANT_TYPES) : time;
  const fields: Awaited<ReturnType<typeof readingOf>>[] = [];
  for (const [index, name] of scope.fields.entries()) {
    fields.push(await readingOf(connection, source, path, columns, { name, index }));
  }
  const keys = scope.joinKeys.map((joinKey, index) => {
    const key = required(
      source,
      columns,
      joinKey,
      (info, sql) => keyOf(source.fields[joinKey], info, sql),
      'text or whole numbers',
    );
    return `${key} = e.key${index}`;
  });
  const latest = scope.mode === 'bitemporal' ? arrival : time;
  const sql = `
    SELECT e.code, ${[time, arrival, idHashSql(id), `(${id})::VARCHAR`, ...fields.map((field) => field.sql)].join(', ')}
    FROM read_parquet($1, union_by_name = true, hive_partitioning = false) h
    JOIN ${scope.entityTable} e ON ${keys.join(' AND ')}
    ${fields.map((field) => field.join).join('\n')}
    WHERE ${time} >= $2 AND ${latest} <= $3
    ORDER BY e.code, ${time}`;
  return {
    sql,
    parameters: [path, scope.earliestMillis, scope.latestMillis],
    fields: fields.map(({ name, reading }) => [name, reading] as const),
  };
}

/** The columns of a source's files. @throws HistoryError when they cannot be read. */
export async function historyColumns(
  connection: DuckDBConnection,
  source: EventSource,
  path: string,
): Promise<ColumnInfo[]> {
  try {
    return await describeColumns(connection, 'read_parquet($1, union_by_name = true, hive_partitioning = false)', [
      path,
    ]);
  } catch (error) {
    throw new HistoryError(`the history of ${source.name}, ${path}, cannot be read: ${firstLine(error)}`, {
      cause: error,
    });
  }
}

/** SQL of a column, as `h`'s. @throws HistoryError when it is missing or cannot be read as it should. */
export function required(
  source: EventSource,
  columns: readonly ColumnInfo[],
  name: string,
  read: (info: ColumnInfo, sql: string) => string | undefined,
  wanted: string,
): string {
  const column = columnNamed(columns, name, 'h');
  if (column === undefined) {
    throw new HistoryError(`the history of ${source.name} has no column "${name}"; it has ${namesOf(columns)}`);
  }
  const sql = read(column.info, column.sql);
  if (sql === undefined) {
    throw new HistoryError(
      `column "${name}" of the history of ${source.name} is ${column.info.type}; it must be ${wanted}`,
    );
  }
  return sql;
}

async function readingOf(
  connection: DuckDBConnection,
  source: EventSource,
  path: string,
  columns: readonly ColumnInfo[],
  { name, index }: { readonly name: string; readonly index: number },
): Promise<{ readonly name: string; readonly reading: ValueReading; readonly sql: string; readonly join: string }> {
  const field = source.fields[name];
  if (field === undefined) throw new HistoryError(`source ${source.name} has no field "${name}"`);
  const value = required(source, columns, name, (info, sql) => fieldOf(field, info, sql), `of type ${field.type.kind}`);
  if (field.type.kind === 'boolean') {
    const sql = `CASE WHEN ${value} THEN 1 WHEN NOT ${value} THEN 0 ELSE -1 END::INTEGER`;
    return { name, reading: { kind: 'coded', dictionary: BOOLEANS }, sql, join: '' };
  }
  if (field.type.kind !== 'text') {
    return { name, reading: { kind: 'number' }, sql: `coalesce(${value}, 'NaN'::DOUBLE)`, join: '' };
  }
  const table = `dictionary_${source.name}_${name}`;
  const dictionary = await dictionaryOf(connection, table, value, path);
  if (dictionary === undefined) return { name, reading: { kind: 'text' }, sql: value, join: '' };
  const alias = `d${index}`;
  const join = `LEFT JOIN ${table} ${alias} ON ${alias}.value = ${value}`;
  return { name, reading: { kind: 'coded', dictionary }, sql: `coalesce(${alias}.code, -1)::INTEGER`, join };
}

/** Makes the table of a field's different texts, numbered. `undefined` when they are too many. */
async function dictionaryOf(
  connection: DuckDBConnection,
  table: string,
  value: string,
  path: string,
): Promise<FieldValue[] | undefined> {
  await connection.run(
    `CREATE OR REPLACE TABLE ${table} AS SELECT (row_number() OVER () - 1)::INTEGER AS code, value FROM (
       SELECT DISTINCT ${value} AS value FROM read_parquet($1, union_by_name = true, hive_partitioning = false) h
       WHERE ${value} IS NOT NULL LIMIT ${DICTIONARY_SIZE + 1})`,
    [path],
  );
  const rows = await queryRows(connection, `SELECT value FROM ${table} ORDER BY code`);
  return rows.length > DICTIONARY_SIZE ? undefined : rows.map(([text]) => String(text));
}

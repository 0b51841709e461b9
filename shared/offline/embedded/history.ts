import type { DuckDBConnection } from '@duckdb/node-api';
import type { FieldType, FieldValue } from '../../definitions/fields.ts';
import { expectedOf, sqlTypeOf } from '../../definitions/forms.ts';
import type { EventSource } from '../../definitions/source.ts';
import { reasonOfLibrary } from '../library-reason.ts';
import { ARRIVED_AT, type HistoryMode } from '../offline-store.ts';
import { type FileColumn, type ReadColumn, readColumn } from './column-types.ts';
import { hasValues, parquetColumns, parquetFiles, queryRows, quoted } from './duckdb.ts';
import { HistoryError } from './errors.ts';

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
 * The events of a source as a relation: its columns of these names and `arrived_at`, as VARCHAR, BOOLEAN, BIGINT (whole
 * numbers) and DOUBLE. Where no file has an optional field it is null.
 * @returns what can follow FROM.
 * @throws HistoryError naming the column that is missing, or whose values mean nothing to its field.
 */
export async function typedHistory(
  connection: DuckDBConnection,
  source: EventSource,
  path: string,
  wanted: { readonly fields: Iterable<string>; readonly arrival?: 'needed' | 'event-time' },
): Promise<string> {
  const subject = `the history of ${source.name}`;
  const columns = await columnsOf(connection, subject, path);
  const names = new Set([...wanted.fields, source.eventTime]);
  const isArrivalKnown = columns.some(({ name }) => name === ARRIVED_AT);
  if (isArrivalKnown) names.add(ARRIVED_AT);
  else if (wanted.arrival !== 'event-time') {
    throw new HistoryError(
      `${subject} has no column "${ARRIVED_AT}", when events arrived; ` +
        'import it with an arrival, or ask for the mode event-time',
    );
  }
  const read = [];
  for (const name of names) read.push({ name, ...(await historyColumn(connection, { source, path, columns }, name)) });
  await refuseUnreadable(connection, subject, path, read);
  const selected = read.map(({ name, value }) => `${value} AS ${quoted(name)}`);
  if (!isArrivalKnown) {
    const time = read.find(({ name }) => name === source.eventTime)?.value;
    selected.push(`${time} AS ${quoted(ARRIVED_AT)}`);
  }
  return `(SELECT ${selected.join(', ')} FROM ${parquetFiles(path)} h)`;
}

async function columnsOf(connection: DuckDBConnection, subject: string, path: string): Promise<FileColumn[]> {
  try {
    return await parquetColumns(connection, path, 'h');
  } catch (error) {
    throw new HistoryError(`${subject}, ${path}, cannot be read: ${reasonOfLibrary(error)}`, { cause: error });
  }
}

const ARRIVAL: FieldType = { kind: 'timestamp' };

async function historyColumn(
  connection: DuckDBConnection,
  {
    source,
    path,
    columns,
  }: { readonly source: EventSource; readonly path: string; readonly columns: readonly FileColumn[] },
  name: string,
) {
  const field = name === ARRIVED_AT ? { type: ARRIVAL, optional: false } : source.fields[name];
  if (field === undefined) throw new HistoryError(`source ${source.name} has no field "${name}"`);
  const column = columns.find((one) => one.name === name);
  if (column === undefined) {
    const wireName = source.fieldList.find((one) => one.name === name)?.wireName ?? name;
    if (columns.some((one) => one.name === wireName)) {
      throw new HistoryError(
        `the history of ${source.name} has "${wireName}", as producers say it, for "${name}"; rename the column, or import the files`,
      );
    }
    if (field.optional) return nothing(field.type);
    const known = columns.map((one) => one.name).join(', ');
    throw new HistoryError(`the history of ${source.name} has no column "${name}"; it has ${known}`);
  }
  const read = readColumn(field.type, column);
  if (read !== undefined) return read;
  if (!(await hasValues(connection, column, `${parquetFiles(path)} h`))) return nothing(field.type);
  throw new HistoryError(
    `column "${name}" of the history of ${source.name} is ${column.type}; it must be ${expectedOf(field.type)}`,
  );
}

/** A column without values. */
function nothing(type: FieldType): ReadColumn {
  return { value: `CAST(NULL AS ${readTypeOf(type)})`, isRefused: undefined, refusal: 'NULL' };
}

/** What `readColumn` makes of a kind. */
function readTypeOf(type: FieldType): string {
  return type.kind === 'decimal' || type.kind === 'timestamp' ? 'DOUBLE' : sqlTypeOf(type);
}

async function refuseUnreadable(
  connection: DuckDBConnection,
  subject: string,
  path: string,
  read: readonly { readonly name: string; readonly isRefused: string | undefined; readonly refusal: string }[],
): Promise<void> {
  const doubtful = read.filter(({ isRefused }) => isRefused !== undefined);
  const counts = doubtful.flatMap(({ isRefused, refusal }) => [
    `count(*) FILTER (WHERE ${isRefused})`,
    `min(CASE WHEN ${isRefused} THEN ${refusal} END)`,
  ]);
  const [row = []] = await queryRows(connection, `SELECT ${counts.join(', ')} FROM ${parquetFiles(path)} h`);
  for (const [index, { name }] of doubtful.entries()) {
    const [count, problem] = [Number(row[2 * index]), String(row[2 * index + 1])];
    if (count === 0) continue;
    throw new HistoryError(
      `in ${count} ${count === 1 ? 'row' : 'rows'} of ${subject}, "${name}" ${problem}. ` +
        'Import the files: what cannot be read is put aside then',
    );
  }
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
  const { mode, entityTable, joinKeys } = scope;
  const history = await typedHistory(connection, source, path, {
    fields: [source.eventId, ...joinKeys, ...scope.fields],
    arrival: mode === 'bitemporal' ? 'needed' : 'event-time',
  });
  const [time, arrival, id] = [source.eventTime, ARRIVED_AT, source.eventId].map((name) => `h.${quoted(name)}`);
  const fields: Awaited<ReturnType<typeof readingOf>>[] = [];
  for (const [index, name] of scope.fields.entries()) {
    fields.push(await readingOf(connection, source, history, { name, index }));
  }
  const keys = joinKeys.map((joinKey, index) => `h.${quoted(joinKey)} = e.key${index}`);
  const latest = mode === 'bitemporal' ? arrival : time;
  const sql = `
    SELECT e.code, ${[time, arrival, idHashSql(String(id)), `(${id})::VARCHAR`, ...fields.map((field) => field.sql)].join(', ')}
    FROM ${history} h
    JOIN ${entityTable} e ON ${keys.join(' AND ')}
    ${fields.map((field) => field.join).join('\n')}
    WHERE ${time} >= ${scope.earliestMillis} AND ${latest} <= ${scope.latestMillis}
    ORDER BY e.code, ${time}`;
  return { sql, fields: fields.map(({ name, reading }) => [name, reading] as const) };
}

async function readingOf(
  connection: DuckDBConnection,
  source: EventSource,
  history: string,
  { name, index }: { readonly name: string; readonly index: number },
): Promise<{ readonly name: string; readonly reading: ValueReading; readonly sql: string; readonly join: string }> {
  const kind = source.fields[name]?.type.kind;
  const value = `h.${quoted(name)}`;
  if (kind === 'boolean') {
    const sql = `CASE WHEN ${value} THEN 1 WHEN NOT ${value} THEN 0 ELSE -1 END::INTEGER`;
    return { name, reading: { kind: 'coded', dictionary: BOOLEANS }, sql, join: '' };
  }
  if (kind !== 'text') {
    return { name, reading: { kind: 'number' }, sql: `coalesce(${value}::DOUBLE, 'NaN'::DOUBLE)`, join: '' };
  }
  const table = `dictionary_${source.name}_${name}`;
  const dictionary = await dictionaryOf(connection, table, value, history);
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
  history: string,
): Promise<FieldValue[] | undefined> {
  await connection.run(
    `CREATE OR REPLACE TABLE ${table} AS SELECT (row_number() OVER () - 1)::INTEGER AS code, value FROM (
       SELECT DISTINCT ${value} AS value FROM ${history} h WHERE ${value} IS NOT NULL LIMIT ${DICTIONARY_SIZE + 1})`,
  );
  const rows = await queryRows(connection, `SELECT value FROM ${table} ORDER BY code`);
  return rows.length > DICTIONARY_SIZE ? undefined : rows.map(([text]) => String(text));
}

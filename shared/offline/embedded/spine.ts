import { hash } from 'node:crypto';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { FieldType } from '../../definitions/fields.ts';
import type { FeatureService } from '../../definitions/service.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { type DecidedEvents, decidedEventsOf } from '../decided-events.ts';
import { reasonOfLibrary } from '../library-reason.ts';
import { type HistoryMode, SPINE, SpineError } from '../offline-store.ts';
import {
  keyMayBeAbsent,
  keyTypeOf,
  namedLikeFeature,
  noDecidedEvent,
  noJoinKey,
  noTimestamp,
  type Presence,
  unusableRows,
  wrongType,
} from '../spine-problems.ts';
import { type FileColumn, type ReadColumn, readColumn } from './column-types.ts';
import { hasValues, parquetColumns, parquetFiles, queryRows, quoted } from './duckdb.ts';

/**
 * The table that holds the spine's rows; their order is that of `rowid`. Its columns have names of ours, so that none of a
 * user's can hide `rowid` or another name in a query.
 */
export const SPINE_TABLE = 'spine';

/** The spine, read and found to be usable. */
export interface Spine {
  /** In the order of the file, by the names that they have there. */
  readonly columns: readonly FileColumn[];
  readonly rowCount: number;
  /** SQL of a row's instants, milliseconds as doubles. `s` is the table. */
  readonly timestamp: string;
  readonly knownAt: string;
  /** SQL of the id of the event that a row decides; absent where no feature leaves it out. */
  readonly decidedId?: string;
  readonly earliestMillis: number;
  readonly latestMillis: number;
  readonly latestKnownMillis: number;
}

const INSTANT: FieldType = { kind: 'timestamp' };

/** @throws SpineError when the files are no Parquet, a column is missing, or a row lacks its keys or its instant. */
export async function loadSpine(
  connection: DuckDBConnection,
  request: { readonly service: FeatureService; readonly mode: HistoryMode; readonly spine: string },
): Promise<Spine> {
  const { service, mode } = request;
  const columns = await readSpine(connection, request.spine);
  refuseFeatureNames(columns, service);
  const timestamp = await checkedColumn(connection, columns, SPINE.timestamp, INSTANT, 'needed');
  if (timestamp === undefined) throw noTimestamp(columns.map(({ name }) => name));
  const asked =
    mode === 'bitemporal' ? await checkedColumn(connection, columns, SPINE.knownAt, INSTANT, 'optional') : undefined;
  const knownAt = asked === undefined ? timestamp : `coalesce(${asked}, ${timestamp})`;
  for (const view of service.views) await checkKeys(connection, service, view, columns);
  const decided = decidedEventsOf(service);
  const decidedId = decided && (await decidedIdOf(connection, decided, columns));
  const [[rowCount, earliest, latest, latestKnown] = []] = await queryRows(
    connection,
    `SELECT count(*), min(${timestamp}), max(${timestamp}), max(${knownAt}) FROM ${SPINE_TABLE} s`,
  );
  return {
    columns,
    rowCount: Number(rowCount),
    timestamp,
    knownAt,
    ...(decidedId !== undefined && { decidedId }),
    earliestMillis: Number(earliest ?? 0),
    latestMillis: Number(latest ?? 0),
    latestKnownMillis: Number(latestKnown ?? 0),
  };
}

async function readSpine(connection: DuckDBConnection, path: string): Promise<FileColumn[]> {
  try {
    const columns = await parquetColumns(connection, path, 'f');
    const own = columns.map(({ sql }, index) => `${sql} AS ${ownName(index)}`);
    await connection.run(`CREATE TABLE ${SPINE_TABLE} AS SELECT ${own.join(', ')} FROM ${parquetFiles(path)} f`);
    return columns.map(({ name, type }, index) => ({ name, type, sql: `s.${ownName(index)}` }));
  } catch (error) {
    throw new SpineError(`the spine ${path} cannot be read: ${reasonOfLibrary(error)}`, { cause: error });
  }
}

/** A name with a space cannot be that of a feature. */
function ownName(index: number): string {
  return quoted(`column ${index}`);
}

function refuseFeatureNames(columns: readonly FileColumn[], service: FeatureService): void {
  if (columns.some(({ name }) => name === '')) throw new SpineError('a column of the spine has no name; name it');
  const names = new Set(columns.map(({ name }) => name.toLowerCase()));
  const twice = [...service.features, ...service.derived].find(({ name }) => names.has(name));
  if (twice) throw namedLikeFeature(twice.name, service);
}

/**
 * SQL of a column's values as those of a field; `undefined` where the spine has none of that name.
 * @throws SpineError naming the first row whose value means nothing, or is missing though it is needed.
 */
export async function checkedColumn(
  connection: DuckDBConnection,
  columns: readonly FileColumn[],
  name: string,
  type: FieldType,
  presence: Presence,
): Promise<string | undefined> {
  const column = columns.find((one) => one.name === name);
  if (column === undefined) return undefined;
  const read = readColumn(type, column) ?? (await nothingIn(connection, column));
  if (read === undefined) throw wrongType(name, column.type, type);
  await refuseRows(connection, column, read, presence);
  return read.value;
}

/** A column without values; `undefined` for one that has some. */
async function nothingIn(connection: DuckDBConnection, column: FileColumn): Promise<ReadColumn | undefined> {
  if (await hasValues(connection, column, `${SPINE_TABLE} s`)) return undefined;
  return { value: 'NULL', isRefused: undefined, refusal: 'NULL' };
}

async function refuseRows(
  connection: DuckDBConnection,
  { name }: FileColumn,
  { value, isRefused = 'false', refusal }: ReadColumn,
  presence: Presence,
): Promise<void> {
  const isEmpty = `CAST(${value} AS VARCHAR) = ''`;
  const isMissing = { needed: `${value} IS NULL OR ${isEmpty}`, named: isEmpty, optional: 'false' }[presence];
  const isUnusable = `${isRefused} OR ${isMissing}`;
  const [[count, first, problem] = []] = await queryRows(
    connection,
    `SELECT count(*), min(s.rowid) + 1, arg_min(CASE WHEN ${isRefused} THEN ${refusal} END, s.rowid)
     FROM ${SPINE_TABLE} s WHERE ${isUnusable}`,
  );
  if (Number(count) === 0) return;
  throw unusableRows(Number(count), Number(first), name, {
    presence,
    problem: problem === null ? undefined : String(problem),
  });
}

/** SQL of the join keys of a row of the spine, null where it names no entity. @throws SpineError naming the one that the spine lacks. */
export function spineKeysOf(view: WindowedView, columns: readonly FileColumn[]): string[] {
  return view.entity.joinKeys.map((joinKey) => {
    const column = columns.find(({ name }) => name === joinKey);
    const names = () => columns.map(({ name }) => name);
    if (column === undefined) throw noJoinKey(joinKey, view, names());
    const type = keyTypeOf(view.source, joinKey);
    const read = readColumn(type, column);
    if (read === undefined) throw wrongType(joinKey, column.type, type);
    return type.kind === 'text' ? `nullif(${read.value}, '')` : read.value;
  });
}

async function checkKeys(
  connection: DuckDBConnection,
  service: FeatureService,
  view: WindowedView,
  columns: readonly FileColumn[],
): Promise<void> {
  spineKeysOf(view, columns);
  for (const joinKey of view.entity.joinKeys) {
    const presence = keyMayBeAbsent(service, view, joinKey) ? 'optional' : 'needed';
    await checkedColumn(connection, columns, joinKey, keyTypeOf(view.source, joinKey), presence);
  }
}

/** SQL of the ids of decided events. @throws SpineError where there is no such column, or a row has what is no id. */
async function decidedIdOf(
  connection: DuckDBConnection,
  decided: DecidedEvents,
  columns: readonly FileColumn[],
): Promise<string> {
  const { source } = decided;
  const id = await checkedColumn(connection, columns, source.eventId, keyTypeOf(source, source.eventId), 'named');
  if (id === undefined) throw noDecidedEvent(decided);
  return id;
}

/** Rows whose text is hashed together, so that no text is longer than DuckDB likes. */
const ROWS_PER_DIGEST = 16_384;

/** SHA-256 over the SHA-256 of every 16,384 rows, each as JSON text in a line. */
export async function hashSpine(connection: DuckDBConnection, columns: readonly FileColumn[]): Promise<string> {
  const row = `struct_pack(${columns.map(({ name, sql }) => `${quoted(name)} := ${sql}`).join(', ')})`;
  const digests = await queryRows(
    connection,
    `SELECT sha256(string_agg(to_json(${row})::VARCHAR, chr(10) ORDER BY s.rowid)) FROM ${SPINE_TABLE} s
     GROUP BY s.rowid // ${ROWS_PER_DIGEST} ORDER BY s.rowid // ${ROWS_PER_DIGEST}`,
  );
  return hash('sha256', digests.map(([digest]) => String(digest)).join('\n'));
}

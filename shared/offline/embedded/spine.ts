import { hash } from 'node:crypto';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { FeatureService } from '../../definitions/service.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { type DecidedEvents, decidedEventsOf } from '../decided-events.ts';
import { type HistoryMode, SPINE, SpineError } from '../offline-store.ts';
import {
  INSTANT_TYPES,
  namedLikeFeature,
  noDecidedEvent,
  noJoinKey,
  noTimestamp,
  ROW_PROBLEMS,
  unusableRows,
  wrongType,
} from '../spine-problems.ts';
import { columnNamed, keyOf, millisOf } from './column-types.ts';
import { type ColumnInfo, describeColumns, queryRows } from './duckdb.ts';

/** The table that holds the spine's rows; their order is that of `rowid`. */
export const SPINE_TABLE = 'spine';

/** The spine, read and found to be usable. */
export interface Spine {
  readonly columns: readonly ColumnInfo[];
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

/** @throws SpineError when the files are no Parquet, a column is missing, or a row lacks its keys or its instant. */
export async function loadSpine(
  connection: DuckDBConnection,
  request: { readonly service: FeatureService; readonly mode: HistoryMode; readonly spine: string },
): Promise<Spine> {
  await readSpine(connection, request.spine);
  const columns = await describeColumns(connection, SPINE_TABLE);
  refuseFeatureNames(columns, request.service);
  const timestamp = instantOf(columns, SPINE.timestamp);
  if (timestamp === undefined) throw noTimestamp(columns.map(({ name }) => name));
  const knownAt = (request.mode === 'bitemporal' ? instantOf(columns, SPINE.knownAt) : undefined) ?? timestamp;
  await refuseRowsWithout(connection, timestamp, ROW_PROBLEMS.timestamp);
  if (knownAt !== timestamp) await refuseRowsWithout(connection, knownAt, ROW_PROBLEMS.knownAt);
  for (const view of request.service.views) await refuseRowsWithoutKeys(connection, view, columns);
  const decided = decidedEventsOf(request.service);
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

async function readSpine(connection: DuckDBConnection, path: string): Promise<void> {
  try {
    await connection.run(`CREATE TABLE ${SPINE_TABLE} AS SELECT * FROM read_parquet($1, hive_partitioning = false)`, [
      path,
    ]);
  } catch (error) {
    throw new SpineError(`the spine ${path} cannot be read: ${firstLine(error)}`, { cause: error });
  }
}

export function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}

export function namesOf(columns: readonly ColumnInfo[]): string {
  return columns.map(({ name }) => name).join(', ');
}

function refuseFeatureNames(columns: readonly ColumnInfo[], service: FeatureService): void {
  const names = new Set(columns.map(({ name }) => name.toLowerCase()));
  const twice = [...service.features, ...service.derived].find(({ name }) => names.has(name));
  if (twice) throw namedLikeFeature(twice.name, service);
}

function instantOf(columns: readonly ColumnInfo[], name: string): string | undefined {
  const column = columnNamed(columns, name, 's');
  if (column === undefined) return undefined;
  const millis = millisOf(column.info, column.sql);
  if (millis === undefined) throw wrongType(name, column.info.type, INSTANT_TYPES);
  return millis;
}

async function refuseRowsWithout(connection: DuckDBConnection, expression: string, problem: string): Promise<void> {
  const [[count, first] = []] = await queryRows(
    connection,
    `SELECT count(*), min(s.rowid) + 1 FROM ${SPINE_TABLE} s WHERE (${expression}) IS NULL`,
  );
  if (Number(count) > 0) throw unusableRows(Number(count), Number(first), problem);
}

/** SQL of the join keys of a row of the spine. @throws SpineError naming the one that the spine lacks. */
export function spineKeysOf(view: WindowedView, columns: readonly ColumnInfo[]): string[] {
  return view.entity.joinKeys.map((joinKey) => {
    const column = columnNamed(columns, joinKey, 's');
    if (column === undefined) {
      throw noJoinKey(
        joinKey,
        view,
        columns.map(({ name }) => name),
      );
    }
    const key = keyOf(view.source.fields[joinKey], column.info, column.sql);
    if (key === undefined) throw wrongType(joinKey, column.info.type, 'text or whole numbers');
    return key;
  });
}

async function refuseRowsWithoutKeys(
  connection: DuckDBConnection,
  view: WindowedView,
  columns: readonly ColumnInfo[],
): Promise<void> {
  for (const [index, key] of spineKeysOf(view, columns).entries()) {
    const joinKey = view.entity.joinKeys[index] ?? '';
    await refuseRowsWithout(connection, `nullif((${key})::VARCHAR, '')`, ROW_PROBLEMS.joinKey(joinKey, view));
  }
}

/** SQL of the ids of decided events. @throws SpineError where there is no such column, or a row has what is no id. */
async function decidedIdOf(
  connection: DuckDBConnection,
  decided: DecidedEvents,
  columns: readonly ColumnInfo[],
): Promise<string> {
  const { source } = decided;
  const column = columnNamed(columns, source.eventId, 's');
  if (column === undefined) throw noDecidedEvent(decided);
  const id = keyOf(source.fields[source.eventId], column.info, column.sql);
  if (id === undefined) throw wrongType(source.eventId, column.info.type, 'text or whole numbers');
  const idOrNothing = `CASE WHEN ${column.sql} IS NULL THEN 'nothing' ELSE nullif((${id})::VARCHAR, '') END`;
  await refuseRowsWithout(connection, idOrNothing, ROW_PROBLEMS.decidedEvent(source));
  return id;
}

/** Rows whose text is hashed together, so that no text is longer than DuckDB likes. */
const ROWS_PER_DIGEST = 16_384;

/** SHA-256 over the SHA-256 of every 16,384 rows, each as JSON text in a line. */
export async function hashSpine(connection: DuckDBConnection): Promise<string> {
  const digests = await queryRows(
    connection,
    `SELECT sha256(string_agg(to_json(s)::VARCHAR, chr(10) ORDER BY s.rowid)) FROM ${SPINE_TABLE} s
     GROUP BY s.rowid // ${ROWS_PER_DIGEST} ORDER BY s.rowid // ${ROWS_PER_DIGEST}`,
  );
  return hash('sha256', digests.map(([digest]) => String(digest)).join('\n'));
}

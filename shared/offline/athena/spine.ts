/** The spine in memory: found to be usable, and what of it a query needs. */
import { createHash } from 'node:crypto';
import type { AsyncBuffer } from 'hyparquet';
import { type Decoded, Refusal } from '../../definitions/decoded.ts';
import type { FieldType } from '../../definitions/fields.ts';
import { decodeJson, decodeValue, type Form, takesForm } from '../../definitions/forms.ts';
import type { FeatureService } from '../../definitions/service.ts';
import type { EventSource } from '../../definitions/source.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { columnsOf as columnsOfExpression } from '../../expressions/index.ts';
import { decidedEventsOf } from '../decided-events.ts';
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
import { type Cell, type Column, type ColumnKind, columnsOf, openParquet, SQL_TYPES } from './columns.ts';

/** What is held in memory while a training set is made; the CLI has no such limit. */
export const SPINE_ROWS_MAX = 1_000_000;

export function tooManyRows(count: number): SpineError {
  return new SpineError(
    `the spine has ${count} rows; here at most ${SPINE_ROWS_MAX} are allowed. ` +
      'Split it, or use the command training-set, which has no such limit',
  );
}

/** The columns of a spine in a Parquet file. @throws SpineError for what is none, is damaged, or has too many rows. */
export async function spineColumnsOf(spine: string, object: AsyncBuffer): Promise<Column[]> {
  try {
    const file = await openParquet(object);
    if (!(file.rowCount <= SPINE_ROWS_MAX)) throw tooManyRows(file.rowCount);
    return await columnsOf(file);
  } catch (error) {
    // Failures of S3 have metadata, and pass.
    if (error instanceof SpineError || !(error instanceof Error) || '$metadata' in error) throw error;
    throw new SpineError(`the spine ${spine} must be a Parquet file that can be read: ${reasonOfLibrary(error)}`, {
      cause: error,
    });
  }
}

export interface Spine {
  /** As they are handed through. */
  readonly columns: readonly Column[];
  readonly rowCount: number;
  /**
   * What a query needs, under the same names: join keys and ids of decided events of the type of their fields, instants in
   * milliseconds, and the inputs of derived features. No other column leaves this process, whatever its name.
   */
  readonly needed: readonly Column[];
  /** 0 for a spine without rows. */
  readonly earliestMillis: number;
  readonly latestMillis: number;
  readonly latestKnownMillis: number;
}

export interface SpineScope {
  readonly service: FeatureService;
  readonly mode: HistoryMode;
  /** Rows after it are refused. */
  readonly nowMillis: number;
}

/** @throws SpineError naming the column, and the first row, that cannot be used. */
export function checkedSpine(columns: readonly Column[], { service, mode, nowMillis }: SpineScope): Spine {
  refuseNames(columns, service);
  const [{ cells } = { cells: [] }] = columns;
  if (cells.length > SPINE_ROWS_MAX) throw tooManyRows(cells.length);
  const timestamp = instants(columns, SPINE.timestamp, 'needed');
  if (timestamp === undefined) throw noTimestamp(columns.map(({ name }) => name));
  const isAhead = (instant: number | null) => Number(instant) > nowMillis;
  if (timestamp.some(isAhead)) {
    const problem = 'must not lie in the future: features are computed of the past alone';
    throw unusableRows(timestamp.filter(isAhead).length, timestamp.findIndex(isAhead) + 1, SPINE.timestamp, {
      problem,
    });
  }
  const known = mode === 'bitemporal' ? instants(columns, SPINE.knownAt, 'optional') : undefined;
  const asked = known?.map((instant, row) => instant ?? timestamp[row] ?? null);
  const needed = new Map<string, Column>();
  for (const column of inputsOf(service, columns)) needed.set(column.name, column);
  for (const view of service.views) {
    for (const joinKey of view.entity.joinKeys) needed.set(joinKey, joinKeysOf(service, view, joinKey, columns));
  }
  const decidedIds = decidedIdsOf(service, columns);
  if (decidedIds !== undefined) needed.set(decidedIds.name, decidedIds);
  // As doubles, because derived features calculate with them.
  needed.set(SPINE.timestamp, { name: SPINE.timestamp, kind: 'double', cells: timestamp });
  if (asked !== undefined) needed.set(SPINE.knownAt, { name: SPINE.knownAt, kind: 'double', cells: asked });
  const [earliestMillis, latestMillis] = extremesOf(timestamp);
  return {
    columns,
    rowCount: cells.length,
    needed: [...needed.values()],
    earliestMillis,
    latestMillis,
    latestKnownMillis: extremesOf(asked ?? timestamp)[1],
  };
}

/** The columns that a spine has at least. */
export function leastColumnsOf(service: FeatureService): Column[] {
  const keys = service.views.flatMap(({ entity, source }) =>
    entity.joinKeys.map((name) => ({ name, kind: keyKindOf(source, name), cells: [] })),
  );
  const { source } = decidedEventsOf(service) ?? {};
  if (source) keys.push({ name: source.eventId, kind: keyKindOf(source, source.eventId), cells: [] });
  const columns = [...keys, { name: SPINE.timestamp, kind: 'integer' as const, cells: [] }];
  return [...new Map(columns.map((column) => [column.name, column])).values()];
}

function refuseNames(columns: readonly Column[], service: FeatureService): void {
  const features = new Set([...service.features, ...service.derived].map(({ name }) => name));
  const seen = new Set<string>();
  for (const { name } of columns) {
    // Readers of Parquet do not tell names apart that differ by case.
    const known = name.toLowerCase();
    if (features.has(known)) throw namedLikeFeature(name, service);
    if (seen.has(known)) throw new SpineError(`the spine's column "${name}" has the name of another; rename it`);
    if (name === '' || !name.isWellFormed()) {
      throw new SpineError(`${JSON.stringify(name)} cannot be the name of a column of the spine; rename it`);
    }
    seen.add(known);
  }
}

const isMissing = (cell: Cell) => cell === null || cell === '';

const FORMS: Readonly<Record<ColumnKind, Form>> = {
  boolean: 'boolean',
  integer: 'whole',
  double: 'double',
  text: 'text',
  decimal: 'decimal',
  date: 'date',
  instant: 'instant',
};

/** A cell in the form that the kind of its column has. */
function decodedCell(type: FieldType, { kind, isFloat }: Column, cell: Cell, given?: unknown): Decoded {
  if (given !== undefined) return decodeJson(type, given);
  switch (typeof cell) {
    case 'bigint':
      return decodeValue(type, 'whole', cell);
    case 'number':
      return decodeValue(type, isFloat ? 'float' : 'double', cell);
    case 'string':
      if (kind !== 'decimal') return decodeValue(type, 'text', cell);
      return cell.includes('.') ? decodeValue(type, 'decimal', cell) : decodeValue(type, 'whole', BigInt(cell));
    case 'boolean':
      return decodeValue(type, 'boolean', cell);
    default:
      if (cell === null) return null;
      return kind === 'date'
        ? decodeValue(type, 'date', cell.toISOString().slice(0, 10))
        : decodeValue(type, 'instant', cell.getTime());
  }
}

/**
 * A column as the values of a field; `undefined` when there is none of that name.
 * @throws SpineError naming the first row whose value means nothing, or is missing though it is needed.
 */
function decodedColumn(
  columns: readonly Column[],
  name: string,
  type: FieldType,
  presence: Presence,
): (string | number | boolean | null)[] | undefined {
  const column = columns.find((candidate) => candidate.name === name);
  if (column === undefined) return undefined;
  // A column without a value has no type of its own.
  const isWhole = column.kind === 'decimal' && !column.cells.some((cell) => String(cell).includes('.'));
  const form = isWhole ? 'whole' : column.isFloat ? 'float' : FORMS[column.kind];
  if (column.given === undefined && !takesForm(type, form) && column.cells.some((cell) => cell !== null)) {
    throw wrongType(name, SQL_TYPES[column.kind], type);
  }
  const decoded = column.cells.map((cell, row) => decodedCell(type, column, cell, column.given?.[row]));
  const isUnusable = (value: Decoded) =>
    value instanceof Refusal || (value === '' && presence !== 'optional') || (value === null && presence === 'needed');
  const first = decoded.findIndex(isUnusable);
  if (first >= 0) {
    const value = decoded[first];
    const problem = value instanceof Refusal ? value.problem : undefined;
    throw unusableRows(decoded.filter(isUnusable).length, first + 1, name, { presence, problem });
  }
  return decoded.map((value) => (value instanceof Refusal ? null : value));
}

/** A column of instants, in milliseconds. `undefined` when there is none of that name. */
function instants(columns: readonly Column[], name: string, presence: Presence): (number | null)[] | undefined {
  const cells = decodedColumn(columns, name, { kind: 'timestamp' }, presence);
  return cells?.map((cell) => (typeof cell === 'number' ? cell : null));
}

function keyKindOf(source: EventSource, name: string): ColumnKind {
  return keyTypeOf(source, name).kind === 'integer' ? 'integer' : 'text';
}

function joinKeysOf(service: FeatureService, view: WindowedView, joinKey: string, columns: readonly Column[]): Column {
  const presence = keyMayBeAbsent(service, view, joinKey) ? 'optional' : 'needed';
  const keys = keysOf(columns, view.source, joinKey, presence);
  const names = () => columns.map(({ name }) => name);
  if (keys === undefined) throw noJoinKey(joinKey, view, names());
  return keys;
}

/** The ids of decided events; `undefined` where no feature leaves them out. */
function decidedIdsOf(service: FeatureService, columns: readonly Column[]): Column | undefined {
  const decided = decidedEventsOf(service);
  if (decided === undefined) return undefined;
  const ids = keysOf(columns, decided.source, decided.source.eventId, 'named');
  if (ids === undefined) throw noDecidedEvent(decided);
  return ids;
}

/** A column as texts or whole numbers; null where a cell is none, and for the empty text, which names nothing. */
function keysOf(columns: readonly Column[], source: EventSource, name: string, presence: Presence): Column | undefined {
  const kind = keyKindOf(source, name);
  const cells = decodedColumn(columns, name, keyTypeOf(source, name), presence);
  return (
    cells && {
      name,
      kind,
      cells: cells.map((cell) => (isMissing(cell) ? null : kind === 'integer' ? BigInt(Number(cell)) : String(cell))),
    }
  );
}

/** The fields of the decided event that derived features take from the spine. */
function inputsOf(service: FeatureService, columns: readonly Column[]): Column[] {
  const features = new Set(service.features.map(({ name }) => name));
  const names = new Set(service.derived.flatMap(({ expression }) => [...columnsOfExpression(expression)]));
  return columns.flatMap(({ name }) => {
    const field = service.decides?.fields[name];
    if (field === undefined || !names.has(name) || features.has(name)) return [];
    const { kind } = field.type;
    const cells = decodedColumn(columns, name, field.type, 'optional') ?? [];
    return [{ name, kind: kind === 'text' || kind === 'boolean' ? kind : 'double', cells }];
  });
}

function extremesOf(millis: readonly (number | null)[]): [earliest: number, latest: number] {
  let [earliest, latest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const instant of millis) {
    if (instant === null) continue;
    earliest = Math.min(earliest, instant);
    latest = Math.max(latest, instant);
  }
  return earliest > latest ? [0, 0] : [earliest, latest];
}

/** SHA-256 over the rows, each as JSON text in a line; instants in ISO 8601. */
export function hashOfRows(columns: readonly Column[]): string {
  const hash = createHash('sha256');
  const rowCount = columns[0]?.cells.length ?? 0;
  for (let row = 0; row < rowCount; row++) {
    const values = columns.map(({ name, cells }) => {
      const cell = cells[row] ?? null;
      return `${JSON.stringify(name)}:${typeof cell === 'bigint' ? cell : JSON.stringify(cell)}`;
    });
    hash.update(`{${values.join(',')}}\n`);
  }
  return hash.digest('hex');
}

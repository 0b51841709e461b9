/** The spine in memory: found to be usable, and what of it a query needs. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Field } from '../../definitions/fields.ts';
import type { FeatureService } from '../../definitions/service.ts';
import type { EventSource } from '../../definitions/source.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { columnsOf as columnsOfExpression } from '../../expressions/index.ts';
import { decidedEventsOf } from '../decided-events.ts';
import { type HistoryMode, SPINE, SpineError } from '../offline-store.ts';
import {
  INSTANT_TYPES,
  namedLikeFeature,
  noDecidedEvent,
  noJoinKey,
  noTimestamp,
  ROW_PROBLEMS,
  unusableRows,
  wrongInput,
  wrongType,
} from '../spine-problems.ts';
import { type Cell, type Column, type ColumnKind, SQL_TYPES } from './columns.ts';

/** What is held in memory while a training set is made; the CLI has no such limit. */
export const SPINE_ROWS_MAX = 1_000_000;

export function tooManyRows(count: number): SpineError {
  return new SpineError(
    `the spine has ${count} rows; here at most ${SPINE_ROWS_MAX} are allowed. ` +
      'Split it, or use the command training-set, which has no such limit',
  );
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
  const timestamp = instants(columns, SPINE.timestamp, ROW_PROBLEMS.timestamp);
  if (timestamp === undefined) throw noTimestamp(columns.map(({ name }) => name));
  refuseRows(
    timestamp,
    (cell) => Number(cell) > nowMillis,
    `"${SPINE.timestamp}" lies in the future: features are computed of the past alone`,
  );
  const asked = mode === 'bitemporal' ? instants(columns, SPINE.knownAt, ROW_PROBLEMS.knownAt) : undefined;
  const needed = new Map<string, Column>();
  for (const column of inputsOf(service, columns)) needed.set(column.name, column);
  for (const view of service.views) {
    for (const joinKey of view.entity.joinKeys) needed.set(joinKey, joinKeysOf(view, joinKey, columns));
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

function refuseRows(cells: readonly Cell[], isUnusable: (cell: Cell) => boolean, problem: string): void {
  const first = cells.findIndex(isUnusable);
  if (first >= 0) throw unusableRows(cells.filter(isUnusable).length, first + 1, problem);
}

const isMissing = (cell: Cell) => cell === null || cell === '';

/** A column of instants, in milliseconds. `undefined` when there is none of that name. */
function instants(columns: readonly Column[], name: string, problem: string): (number | null)[] | undefined {
  const column = columns.find((candidate) => candidate.name === name);
  if (column === undefined) return undefined;
  const millis = column.cells.map(millisOf);
  // A column without a value has no type of its own.
  if (!['integer', 'instant', 'text'].includes(column.kind) && column.cells.some((cell) => cell !== null)) {
    throw wrongType(name, SQL_TYPES[column.kind], INSTANT_TYPES);
  }
  const wanted =
    name === SPINE.knownAt ? column.cells.map((cell, row) => cell === null || millis[row] !== null) : undefined;
  const unusable = wanted === undefined ? millis : wanted.map((isUsable) => (isUsable ? true : null));
  refuseRows(unusable, (cell) => cell === null, problem);
  return millis;
}

const INSTANT_TEXT = z.union([z.iso.datetime({ offset: true, local: true }), z.iso.date()]);
const HAS_OFFSET = /(?:Z|[+-]\d\d:?\d\d)$/;

function millisOf(cell: Cell): number | null {
  const millis = typeof cell === 'string' ? millisOfText(cell) : Number(cell instanceof Date ? cell.getTime() : cell);
  return cell === null || Number.isNaN(new Date(millis).getTime()) ? null : millis;
}

/** Text without an offset is UTC. */
function millisOfText(text: string): number {
  if (!INSTANT_TEXT.safeParse(text).success) return Number.NaN;
  return Date.parse(text.includes('T') && !HAS_OFFSET.test(text) ? `${text}Z` : text);
}

function keyKindOf({ fields }: EventSource, name: string): ColumnKind {
  return fields[name]?.type.kind === 'integer' ? 'integer' : 'text';
}

function joinKeysOf(view: WindowedView, joinKey: string, columns: readonly Column[]): Column {
  const column = columns.find(({ name }) => name === joinKey);
  if (column === undefined)
    throw noJoinKey(
      joinKey,
      view,
      columns.map(({ name }) => name),
    );
  const keys = keysOf(column, keyKindOf(view.source, joinKey));
  refuseRows(keys.cells, isMissing, ROW_PROBLEMS.joinKey(joinKey, view));
  return keys;
}

/** The ids of decided events; `undefined` where no feature leaves them out. */
function decidedIdsOf(service: FeatureService, columns: readonly Column[]): Column | undefined {
  const decided = decidedEventsOf(service);
  if (decided === undefined) return undefined;
  const { source } = decided;
  const column = columns.find(({ name }) => name === source.eventId);
  if (column === undefined) throw noDecidedEvent(decided);
  const ids = keysOf(column, keyKindOf(source, source.eventId));
  const idsOrNothing = ids.cells.map((id, row) => (column.cells[row] === null ? 'nothing' : id));
  refuseRows(idsOrNothing, isMissing, ROW_PROBLEMS.decidedEvent(source));
  return ids;
}

/** A column as texts or whole numbers; null where a cell is none. */
function keysOf(column: Column, kind: ColumnKind): Column {
  const isKey = column.kind === 'integer' || column.kind === 'text' || (kind === 'text' && column.kind === 'boolean');
  if (!isKey) throw wrongType(column.name, SQL_TYPES[column.kind], 'text or whole numbers');
  return {
    name: column.name,
    kind,
    cells: column.cells.map((cell) => (kind === 'text' ? textOf(cell) : wholeOf(cell))),
  };
}

function textOf(cell: Cell): string | null {
  return cell === null ? null : String(cell);
}

const WHOLE = /^[+-]?\d{1,18}$/;

function wholeOf(cell: Cell): bigint | null {
  if (typeof cell === 'bigint') return cell;
  return typeof cell === 'string' && WHOLE.test(cell) ? BigInt(cell.replace('+', '')) : null;
}

/** The fields of the decided event that derived features take from the spine. */
function inputsOf(service: FeatureService, columns: readonly Column[]): Column[] {
  const features = new Set(service.features.map(({ name }) => name));
  const names = new Set(service.derived.flatMap(({ expression }) => [...columnsOfExpression(expression)]));
  return columns.flatMap((column) => {
    const field = service.decides?.fields[column.name];
    if (field === undefined || !names.has(column.name) || features.has(column.name)) return [];
    return [inputOf(field, column, service)];
  });
}

function inputOf({ type }: Field, column: Column, service: FeatureService): Column {
  const { name, kind, cells } = column;
  const refusal = () => wrongInput(name, SQL_TYPES[kind], service, type.kind);
  const isEmpty = cells.every((cell) => cell === null);
  switch (type.kind) {
    case 'boolean':
      if (kind !== 'boolean' && !isEmpty) throw refusal();
      return { name, kind: 'boolean', cells };
    case 'text':
      if (!['integer', 'text', 'boolean'].includes(kind) && !isEmpty) throw refusal();
      return { name, kind: 'text', cells: cells.map(textOf) };
    case 'timestamp':
      if (!['integer', 'text', 'instant'].includes(kind) && !isEmpty) throw refusal();
      return { name, kind: 'double', cells: cells.map(millisOf) };
    default:
      if (kind !== 'integer' && kind !== 'double' && !isEmpty) throw refusal();
      return { name, kind: 'double', cells: cells.map((cell) => (cell === null ? null : Number(cell))) };
  }
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

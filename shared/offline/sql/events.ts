/** The events of a view, as a table: typed, each once, those that belong to the view and came in time. */
import type { Field, FieldType } from '../../definitions/fields.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { columnsOf } from '../../expressions/index.ts';
import { ARRIVED_AT, type HistoryMode } from '../offline-store.ts';
import { quoteName, type SqlDialect } from './dialect.ts';
import { compileToSql } from './expression.ts';

export interface EventsTable {
  readonly view: WindowedView;
  readonly mode: HistoryMode;
  readonly dialect: SqlDialect;
  /** History of the view's source. */
  readonly table: string;
  /** Whether the table has the ids of events: `EVENT_ID`. */
  readonly identified?: boolean;
  /** Whether it has their lanes: `LANE`. For identified ones alone. */
  readonly laned?: boolean;
}

/** A column of the events table: what it is called, and its SQL over history. */
export interface EventColumn {
  readonly name: string;
  readonly type: string;
  readonly sql: string;
}

// Names with a space cannot be those of fields or features.
export const EVENT_TIME = quoteName('event time');
export const ARRIVAL = quoteName('arrived at');
export const EVENT_ID = quoteName('event id');
export const LANE = quoteName('lane');

export function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}

/** The column that holds a join key: as a whole number or text, so that it equals the spine's, however that is stored. */
export function keyColumn(view: WindowedView, joinKey: string): { name: string; cast: (value: string) => string } {
  const type = keyType(view.source.fields[joinKey]);
  return { name: quoteName(`${joinKey} key`), cast: (value) => `CAST(${value} AS ${type})` };
}

function keyType(field: Field | undefined): string {
  switch (field?.type.kind) {
    case 'integer':
    case 'timestamp':
      return 'BIGINT';
    case 'decimal':
    case 'double':
      return 'DOUBLE';
    case 'boolean':
      return 'BOOLEAN';
    default:
      return 'VARCHAR';
  }
}

/** The field as it is compared and answered: DOUBLE, VARCHAR or BOOLEAN. */
export function valueColumn(view: WindowedView, fieldName: string): EventColumn {
  const raw = quoteName(fieldName);
  const field = view.source.fields[fieldName];
  const column = { name: raw, type: 'DOUBLE' };
  switch (field?.type.kind) {
    case 'text':
      return { ...column, type: 'VARCHAR', sql: `CAST(${raw} AS VARCHAR)` };
    case 'boolean':
      return { ...column, type: 'BOOLEAN', sql: `CAST(${raw} AS BOOLEAN)` };
    case 'decimal':
      // Adding 0 turns −0 into 0.
      return { ...column, sql: `${wholeUnits(raw, field.type.scale)} / 1E${field.type.scale} + 0E0` };
    default:
      return { ...column, sql: `CAST(${raw} AS DOUBLE) + 0E0` };
  }
}

/** A decimal's or whole number's multiple of its smallest unit; doubles that carry noise are rounded to it. */
export function unitsColumn(view: WindowedView, fieldName: string, dialect: SqlDialect): EventColumn | undefined {
  const type = view.source.fields[fieldName]?.type;
  if (type?.kind !== 'decimal' && type?.kind !== 'integer') return undefined;
  const units = wholeUnits(quoteName(fieldName), scaleOf(type));
  return {
    name: quoteName(`${fieldName} units`),
    type: dialect.unitsType,
    sql: `CAST(${units} AS ${dialect.unitsType})`,
  };
}

function scaleOf(type: FieldType): number {
  return type.kind === 'decimal' ? type.scale : 0;
}

function wholeUnits(value: string, scale: number): string {
  return `round(CAST(${value} AS DOUBLE) * 1E${scale})`;
}

/** The fields that aggregates of a view read, and their units where those are summed. */
export function inputColumns(view: WindowedView, dialect: SqlDialect): EventColumn[] {
  const names = new Set(view.layout.features.flatMap(({ input }) => input.fieldName ?? []));
  return [...names].flatMap((name) => [
    valueColumn(view, name),
    ...[unitsColumn(view, name, dialect)].filter((column) => column !== undefined),
  ]);
}

/** `"view@1 events" AS (…)` */
export function eventsSql(options: EventsTable): string {
  const { view, mode, dialect } = options;
  const isBitemporal = mode === 'bitemporal';
  const distinctEvents = `SELECT *\nFROM (\n${indent(deliveriesSql(options))}\n) AS "deliveries"\nWHERE ${membershipSql(view, dialect)}`;
  const columns = [
    ...view.entity.joinKeys.map((joinKey) => keyColumn(view, joinKey).name),
    EVENT_TIME,
    ...(isBitemporal ? [ARRIVAL] : []),
    ...(options.identified ? [EVENT_ID] : []),
    ...(options.laned ? [`${laneSql(options)} AS ${LANE}`] : []),
    ...inputColumns(view, dialect).map(({ name }) => name),
  ].join(', ');
  const inTime = `SELECT ${columns}\nFROM (\n${indent(withNewestSql(options, distinctEvents))}\n) AS "events"\nWHERE "newest before" IS NULL OR ${EVENT_TIME} >= "newest before" - ${view.layout.allowedLatenessMillis}`;
  const all = `SELECT ${columns}\nFROM (\n${indent(distinctEvents)}\n) AS "events"`;
  return `${quoteName(`${view.key} events`)} AS (\n${indent(isBitemporal ? inTime : all)}\n)`;
}

/** History with typed columns, and for each delivery the how many-th of its event it is. */
function deliveriesSql({ view, mode, dialect, table, identified = false }: EventsTable): string {
  const { eventId, eventTime } = view.source;
  const id = `CAST(${quoteName(eventId)} AS VARCHAR)`;
  const wanted = [...(view.where === undefined ? [] : columnsOf(view.where))].map((name) => valueColumn(view, name));
  const values = new Map([...inputColumns(view, dialect), ...wanted].map((column) => [column.name, column]));
  const order = (mode === 'bitemporal' ? [ARRIVED_AT, eventTime] : [eventTime]).map(quoteName).join(', ');
  const columns = [
    ...view.entity.joinKeys.map((joinKey) => {
      const { name, cast } = keyColumn(view, joinKey);
      return `${cast(quoteName(joinKey))} AS ${name}`;
    }),
    `CAST(${quoteName(eventTime)} AS BIGINT) AS ${EVENT_TIME}`,
    ...(mode === 'bitemporal' ? [`CAST(${quoteName(ARRIVED_AT)} AS BIGINT) AS ${ARRIVAL}`] : []),
    ...(mode === 'bitemporal' || identified ? [`${id} AS ${EVENT_ID}`] : []),
    ...[...values.values()].map(({ name, sql }) => `${sql} AS ${name}`),
    `row_number() OVER (PARTITION BY ${id} ORDER BY ${order}) AS "delivery"`,
  ];
  return `SELECT\n${indent(columns.join(',\n'))}\nFROM ${table} AS "history"`;
}

function membershipSql(view: WindowedView, dialect: SqlDialect): string {
  const hasKeys = view.entity.joinKeys.flatMap((joinKey) => {
    const { name } = keyColumn(view, joinKey);
    const isText = keyType(view.source.fields[joinKey]) === 'VARCHAR';
    return [`${name} IS NOT NULL`, ...(isText ? [`${name} <> ''`] : [])];
  });
  const where = view.where === undefined ? [] : [compileToSql(view.where, dialect, quoteName)];
  return ['"delivery" = 1', ...hasKeys, ...where].join(' AND ');
}

/** Bytes of the hash of an event's id from which its lane follows; see `laneOf`. */
const LANE_BYTE = 4;

function laneSql({ view, dialect }: EventsTable): string {
  return view.lanes === 1 ? '0' : `${dialect.hashOf(EVENT_ID, LANE_BYTE)} % ${view.lanes}`;
}

/** The newest event of the entity, or of its lane, that arrived before each event. */
function withNewestSql(options: EventsTable, events: string): string {
  const { view } = options;
  const keys = view.entity.joinKeys.map((joinKey) => keyColumn(view, joinKey).name);
  const lane = view.lanes === 1 ? [] : [laneSql(options)];
  const before = `PARTITION BY ${[...keys, ...lane].join(', ')} ORDER BY ${ARRIVAL}, ${EVENT_TIME}, ${EVENT_ID} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING`;
  return `SELECT "distinct".*, max(${EVENT_TIME}) OVER (${before}) AS "newest before"\nFROM (\n${indent(events)}\n) AS "distinct"`;
}

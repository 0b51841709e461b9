/** The features of one view with one offset, over all events or all but the decided one: timeline, frames, and the join for what frames cannot say. */
import type { EventSource } from '../../definitions/source.ts';
import type { WindowedView } from '../../definitions/view.ts';
import type { AggregateSql } from '../../windows/aggregate.ts';
import type { Window, WindowFeature } from '../../windows/layout.ts';
import { type HistoryMode, SPINE } from '../offline-store.ts';
import { quoteName, type SqlDialect } from './dialect.ts';
import {
  ARRIVAL,
  EVENT_ID,
  EVENT_TIME,
  type EventColumn,
  indent,
  inputColumns,
  keyColumn,
  unitsColumn,
} from './events.ts';
import type { SpineTable } from './spine.ts';

export interface Unit {
  /** Distinguishes its tables from those of other units. */
  readonly name: string;
  readonly view: WindowedView;
  readonly features: readonly WindowFeature[];
  /** Of those features. They all have the offset. */
  readonly windows: readonly Window[];
  readonly offsetMillis: number;
  /** Whether those features leave out the event that a spine row names. */
  readonly leavesOut: boolean;
  readonly spine: SpineTable;
  readonly mode: HistoryMode;
  readonly dialect: SqlDialect;
}

/** `"… timeline" AS (…)`, `"… frames" AS (…)`, `"… features" AS (…)` */
export function unitSql(unit: Unit): string[] {
  const table = (name: string, sql: string) => `${quoteName(`${unit.name} ${name}`)} AS (\n${indent(sql)}\n)`;
  return [
    table('timeline', timelineSql(unit)),
    table('frames', framesSql(unit)),
    table('features', isAlwaysExact(unit) ? exactFeaturesSql(unit) : featuresSql(unit)),
  ];
}

/** Frames are the answer where only event time counts, and nothing is left out. */
function isAlwaysExact({ mode, leavesOut }: Unit): boolean {
  return mode === 'event-time' && !leavesOut;
}

// Names with a space cannot be those of fields or features.
const ROW_NUMBER = '"row number"';
const INSTANT = '"window end"';
const KNOWN_AT = '"known at"';
const AXIS = '"axis of time"';
const POSITION = '"position"';
const IS_EXACT = '"is exact"';
/** Of a spine row: the id of the event that it names. */
const NAMED = '"named"';
/** Of a spine row: the id of the event that it names, where its windows would otherwise hold it. */
const LEFT_OUT = '"left out"';
const startOf = ({ name }: Window) => quoteName(`start of ${name}`);
const frameOf = ({ name }: Window) => quoteName(`frame of ${name}`);
const REACH = quoteName('frame of all');

/** The axes, by the value of their column. */
const AXES = { eventTime: 0, arrival: 1 } as const;

/** A spine row that asks so long after its instant is placed on the axis of event time. Any value is correct. */
const SETTLED_AFTER_MILLIS = 60_000;

/** On which axes a unit's spine rows may lie; known before the query runs unless the spine says what was known when. */
function axesOf({ mode, spine, offsetMillis }: Unit): (keyof typeof AXES)[] {
  if (mode === 'event-time') return ['eventTime'];
  if (spine.columns.includes(SPINE.knownAt)) return ['eventTime', 'arrival'];
  return offsetMillis > SETTLED_AFTER_MILLIS ? ['eventTime'] : ['arrival'];
}

/** The partition of an entity. */
function partitionOf(unit: Unit): string[] {
  const keys = unit.view.entity.joinKeys.map((joinKey) => keyColumn(unit.view, joinKey).name);
  return axesOf(unit).length > 1 ? [AXIS, ...keys] : keys;
}

/** A column of the timeline, and what events and spine rows put there. */
interface TimelineColumn {
  readonly name: string;
  readonly ofEvent: string;
  readonly ofSpine: string;
}

function timelineSql(unit: Unit): string {
  const columns = timelineColumns(unit);
  const select = (side: 'ofEvent' | 'ofSpine') =>
    `SELECT\n${indent(columns.map((column) => `${column[side]} AS ${column.name}`).join(',\n'))}`;
  const bothAxes = `CROSS JOIN (VALUES (${AXES.eventTime}), (${AXES.arrival})) AS "axes" (${AXIS})`;
  const events = `FROM ${quoteName(`${unit.view.key} events`)} AS "event"`;
  return [
    select('ofEvent'),
    axesOf(unit).length > 1 ? `${events} ${bothAxes}` : events,
    'UNION ALL',
    select('ofSpine'),
    `FROM (\n${indent(unit.leavesOut ? spineWithLeftOutSql(unit) : spineSql(unit))}\n) AS "spine"`,
  ].join('\n');
}

function timelineColumns(unit: Unit): TimelineColumn[] {
  const { view, windows, mode, dialect, leavesOut } = unit;
  const isBitemporal = mode === 'bitemporal';
  const position = positionSql(unit);
  const ofEvents = ({ name, type }: Pick<EventColumn, 'name' | 'type'>): TimelineColumn => ({
    name,
    ofEvent: `"event".${name}`,
    ofSpine: `CAST(NULL AS ${type})`,
  });
  const ofSpine = (name: string, type = 'BIGINT'): TimelineColumn => ({
    name,
    ofEvent: `CAST(NULL AS ${type})`,
    ofSpine: `"spine".${name}`,
  });
  return [
    ofSpine(ROW_NUMBER),
    ...view.entity.joinKeys.map((joinKey) => {
      const { name } = keyColumn(view, joinKey);
      return { name, ofEvent: `"event".${name}`, ofSpine: `"spine".${name}` };
    }),
    ...(axesOf(unit).length > 1 ? [{ name: AXIS, ofEvent: `"axes".${AXIS}`, ofSpine: `"spine".${AXIS}` }] : []),
    { name: POSITION, ...position },
    ...(isAlwaysExact(unit) ? [] : [ofSpine(INSTANT)]),
    ...(isBitemporal ? [ofSpine(KNOWN_AT)] : []),
    ...(leavesOut ? [ofSpine(LEFT_OUT, 'VARCHAR')] : []),
    // The frame of an event is never looked at: it is as short as can be.
    ...windows.map((window) => ({
      name: startOf(window),
      ofEvent: position.ofEvent,
      ofSpine: startSql(window),
    })),
    ofEvents({ name: EVENT_TIME, type: 'BIGINT' }),
    ...(isBitemporal ? [ofEvents({ name: ARRIVAL, type: 'BIGINT' })] : []),
    ...inputColumns(view, dialect).map(ofEvents),
  ];
}

/** Where on its axis an event or spine row lies. */
function positionSql(unit: Unit): { ofEvent: string; ofSpine: string } {
  const onEventTime = { ofEvent: `"event".${EVENT_TIME}`, ofSpine: `"spine".${INSTANT}` };
  const onArrival = {
    ofEvent: `greatest("event".${EVENT_TIME}, "event".${ARRIVAL})`,
    ofSpine: `greatest("spine".${INSTANT}, "spine".${KNOWN_AT})`,
  };
  const [axis, another] = axesOf(unit);
  if (another === undefined) return axis === 'arrival' ? onArrival : onEventTime;
  const choose = (table: string, side: 'ofEvent' | 'ofSpine') =>
    `CASE WHEN ${table}.${AXIS} = ${AXES.arrival} THEN ${onArrival[side]} ELSE ${onEventTime[side]} END`;
  return { ofEvent: choose('"axes"', 'ofEvent'), ofSpine: choose('"spine"', 'ofSpine') };
}

/** The first millisecond inside a window: `floor(x / hop) > floor(t / hop) − length / hop`, solved for x. */
function startSql({ lengthMillis, hopMillis }: Window): string {
  const instant = `"spine".${INSTANT}`;
  const sinceHop = `((${instant} % ${hopMillis}) + ${hopMillis}) % ${hopMillis}`;
  return `${instant} - ${sinceHop} - ${lengthMillis - hopMillis}`;
}

/** The spine, and of the events that its rows name those that the windows would otherwise hold. */
function spineWithLeftOutSql(unit: Unit): string {
  const { view, windows, mode } = unit;
  const isInReach = [
    `"event".${EVENT_TIME} >= ${earliestStart(windows.map(startSql))}`,
    `"event".${EVENT_TIME} <= "spine".${INSTANT}`,
    ...(mode === 'bitemporal' ? [`"event".${ARRIVAL} <= "spine".${KNOWN_AT}`] : []),
  ];
  const isNamed = [
    ...view.entity.joinKeys.map((joinKey) => {
      const { name } = keyColumn(view, joinKey);
      return `"spine".${name} = "event".${name}`;
    }),
    `"spine".${NAMED} = "event".${EVENT_ID}`,
  ];
  return [
    `SELECT "spine".*, CASE WHEN ${isInReach.join(' AND ')} THEN "event".${EVENT_ID} END AS ${LEFT_OUT}`,
    `FROM (\n${indent(spineSql(unit))}\n) AS "spine"`,
    `LEFT JOIN ${quoteName(`${view.key} events`)} AS "event"\n${indent(`ON ${isNamed.join('\nAND ')}`)}`,
  ].join('\n');
}

/** The spine with its keys, the end of its windows, and the instant until which events are known. */
function spineSql(unit: Unit): string {
  const { spine, view, offsetMillis, mode, leavesOut } = unit;
  const timestamp = `CAST(${quoteName(SPINE.timestamp)} AS BIGINT)`;
  const hasKnownAt = spine.columns.includes(SPINE.knownAt);
  const knownAt = hasKnownAt ? `coalesce(CAST(${quoteName(SPINE.knownAt)} AS BIGINT), ${timestamp})` : timestamp;
  const instant = offsetMillis === 0 ? timestamp : `${timestamp} - ${offsetMillis}`;
  const isSettled = `${knownAt} - (${instant}) > ${SETTLED_AFTER_MILLIS}`;
  const columns = [
    `CAST(${quoteName(spine.rowNumber)} AS BIGINT) AS ${ROW_NUMBER}`,
    ...view.entity.joinKeys.map((joinKey) => {
      const { name, cast } = keyColumn(view, joinKey);
      return `${cast(quoteName(joinKey))} AS ${name}`;
    }),
    `${instant} AS ${INSTANT}`,
    ...(mode === 'bitemporal' ? [`${knownAt} AS ${KNOWN_AT}`] : []),
    ...(axesOf(unit).length > 1
      ? [`CASE WHEN ${isSettled} THEN ${AXES.eventTime} ELSE ${AXES.arrival} END AS ${AXIS}`]
      : []),
    ...(leavesOut ? [`${namedSql(view.source)} AS ${NAMED}`] : []),
  ];
  return `SELECT\n${indent(columns.join(',\n'))}\nFROM ${spine.table} AS "spine"`;
}

/** The id that a row names, as the text that history has of it, however the spine stores it. */
function namedSql({ eventId, fields }: EventSource): string {
  const id = quoteName(eventId);
  const whole = `CAST(${id} AS BIGINT)`;
  return `CAST(${fields[eventId]?.type.kind === 'integer' ? whole : id} AS VARCHAR)`;
}

/** Every feature over its frame, of spine rows and (to be left out) of events. */
function framesSql(unit: Unit): string {
  const { windows, features, mode, view, leavesOut } = unit;
  const isBitemporal = mode === 'bitemporal';
  const keys = view.entity.joinKeys.map((joinKey) => keyColumn(view, joinKey).name);
  const columns = [
    ROW_NUMBER,
    ...(isAlwaysExact(unit)
      ? []
      : [
          ...keys,
          INSTANT,
          ...(isBitemporal ? [KNOWN_AT] : []),
          ...(leavesOut ? [LEFT_OUT] : []),
          ...windows.map(startOf),
          `${isExactSql(unit)} AS ${IS_EXACT}`,
        ]),
    ...features.map(
      (feature) =>
        `${aggregateSql(unit, feature, (call) => `${call} OVER ${frameOf(feature.window)}`)} AS ${quoteName(feature.name)}`,
    ),
  ];
  const partition = `PARTITION BY ${partitionOf(unit).join(', ')} ORDER BY ${POSITION}`;
  const frame = (start: string) => `(${partition} RANGE BETWEEN ${POSITION} - ${start} PRECEDING AND CURRENT ROW)`;
  const frames = [
    ...windows.map((window) => `${frameOf(window)} AS ${frame(startOf(window))}`),
    ...(isBitemporal ? [`${REACH} AS ${frame(earliestStart(windows.map(startOf)))}`] : []),
  ];
  return [
    `SELECT\n${indent(columns.join(',\n'))}`,
    `FROM ${quoteName(`${unit.name} timeline`)} AS "event"`,
    `WINDOW\n${indent(frames.join(',\n'))}`,
  ].join('\n');
}

function earliestStart(starts: readonly string[]): string {
  return starts.length === 1 ? `${starts[0]}` : `least(${starts.join(', ')})`;
}

/** Whether every event in the frames of a row belongs there: it happened inside the window and had arrived. */
function isExactSql(unit: Unit): string {
  const axes = axesOf(unit);
  const nothingLeftOut = unit.leavesOut ? [`${LEFT_OUT} IS NULL`] : [];
  if (unit.mode === 'event-time') return nothingLeftOut.join();
  const conditions = [
    `max(${ARRIVAL}) OVER ${REACH} <= ${KNOWN_AT}`,
    // On the axis of event time the frame itself sees to these.
    ...(axes.includes('arrival')
      ? [
          `max(${EVENT_TIME}) OVER ${REACH} <= ${INSTANT}`,
          ...unit.windows.map((window) => `min(${EVENT_TIME}) OVER ${frameOf(window)} >= ${startOf(window)}`),
        ]
      : []),
  ];
  // Without events the condition is null, and the frame is right.
  return [...nothingLeftOut, ...conditions.map((condition) => `coalesce(${condition}, TRUE)`)].join(' AND ');
}

function aggregateSql({ view, dialect }: Unit, feature: WindowFeature, over: AggregateSql['over']): string {
  const { aggregate, input } = feature;
  const time = `"event".${EVENT_TIME}`;
  const value = input.fieldName === undefined ? time : `"event".${quoteName(input.fieldName)}`;
  const units = input.fieldName === undefined ? undefined : unitsColumn(view, input.fieldName, dialect);
  return aggregate.sql({ time, value, units: units ? `"event".${units.name}` : value, over, dialect }, input);
}

function exactFeaturesSql({ name, features }: Unit): string {
  const columns = [ROW_NUMBER, ...features.map((feature) => quoteName(feature.name))];
  return `SELECT ${columns.join(', ')}\nFROM ${quoteName(`${name} frames`)}\nWHERE ${ROW_NUMBER} IS NOT NULL`;
}

/** The answer of the frame where it is exact, and otherwise of a join with what was known. */
function featuresSql(unit: Unit): string {
  const { view, features, windows, mode, leavesOut } = unit;
  const columns = features.map((feature) => {
    const name = quoteName(feature.name);
    const joined = aggregateSql(
      unit,
      feature,
      (call) => `${call} FILTER (WHERE "event".${EVENT_TIME} >= "frame".${startOf(feature.window)})`,
    );
    return `CASE WHEN "frame".${IS_EXACT} THEN arbitrary("frame".${name}) ELSE ${joined} END AS ${name}`;
  });
  const [firstKey, ...otherKeys] = view.entity.joinKeys.map((joinKey) => keyColumn(view, joinKey).name);
  const conditions = [
    // No key, no events: exact rows are not joined with anything.
    `CASE WHEN NOT "frame".${IS_EXACT} THEN "frame".${firstKey} END = "event".${firstKey}`,
    ...otherKeys.map((key) => `"frame".${key} = "event".${key}`),
    `"event".${EVENT_TIME} >= ${earliestStart(windows.map((window) => `"frame".${startOf(window)}`))}`,
    `"event".${EVENT_TIME} <= "frame".${INSTANT}`,
    ...(mode === 'bitemporal' ? [`"event".${ARRIVAL} <= "frame".${KNOWN_AT}`] : []),
    ...(leavesOut ? [`"event".${EVENT_ID} IS DISTINCT FROM "frame".${LEFT_OUT}`] : []),
  ];
  return [
    `SELECT\n${indent([`"frame".${ROW_NUMBER}`, ...columns].join(',\n'))}`,
    `FROM ${quoteName(`${unit.name} frames`)} AS "frame"`,
    `LEFT JOIN ${quoteName(`${view.key} events`)} AS "event"\n${indent(`ON ${conditions.join('\nAND ')}`)}`,
    `WHERE "frame".${ROW_NUMBER} IS NOT NULL`,
    `GROUP BY "frame".${ROW_NUMBER}, "frame".${IS_EXACT}`,
  ].join('\n');
}

/**
 * One query for all features of a service at the rows of a spine, by the contract of the offline store.
 *
 * 1. `events` of each view: one row per event that belongs to it and came in time. Whether an event is late depends only
 *    on those that arrived before it, so it is the same for every spine row that knows of it.
 * 2. `timeline` of each view and offset: its events and the spine rows, shifted by the offset, on one axis of time. Each
 *    spine row carries the start of every window; every window is a frame that reaches back to it. Nothing is joined, so no
 *    row is multiplied, however busy an entity is.
 * 3. `frames`: every aggregate over its frame, and whether the frames held exactly the events that were known. A frame
 *    knows one time, and an event has two. Rows that ask soon after their instant are placed on the axis of arrival
 *    (when an event had happened and was known): what is missing there is an event that happened before the window and
 *    arrived inside it, which is rare, while on the axis of event time every event still on its way would be
 *    too much. Rows that ask long after are placed on the axis of event time, where all has arrived. Both axes never
 *    lose an event that belongs in the frame, so looking at the extremes of the frame's times says whether it is exact.
 * 4. `features`: the rows whose frame was not exact, and only they, are joined with the events of their entity.
 *
 * With `mode: 'event-time'` frames are always exact, and 4 is left out.
 *
 * Features that leave the decided event out have a timeline of their own. The spine is joined with the events by key and
 * id; where a row knows the event that it names, and its windows reach it, no frame is exact.
 */
import type { FeatureService, ServiceFeature } from '../../definitions/service.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { leavesOutDecided } from '../decided-events.ts';
import { type HistoryMode, SPINE } from '../offline-store.ts';
import { quoteName, type SqlDialect } from './dialect.ts';
import { eventsSql, indent } from './events.ts';
import { compileToSql } from './expression.ts';
import { checkSpine, type SpineTable } from './spine.ts';
import { type Unit, unitSql } from './unit.ts';

export interface HistoryQuery {
  readonly service: FeatureService;
  readonly mode: HistoryMode;
  readonly dialect: SqlDialect;
  readonly spine: SpineTable;
  /** What can follow FROM, for each source by its name. */
  readonly history: Readonly<Record<string, string>>;
}

/** The features of a service that are computed over one timeline: of one view, with one offset, all events or all but one. */
function unitsOf({ service, spine, mode, dialect }: HistoryQuery): Unit[] {
  const groups = Map.groupBy(service.features, (feature) => {
    const { offsetMillis } = placed(feature).window;
    const offset = offsetMillis === 0 ? '' : ` ${offsetMillis} ms earlier`;
    return `${feature.view.key}${offset}${leavesOutDecided(service, feature) ? ' before' : ''}`;
  });
  return [...groups].map(([name, features]) => {
    const [{ view }] = features as [ServiceFeature];
    const layoutFeatures = features.map(placed);
    return {
      name,
      view,
      features: layoutFeatures,
      windows: [...new Set(layoutFeatures.map(({ window }) => window))],
      offsetMillis: layoutFeatures[0]?.window.offsetMillis ?? 0,
      leavesOut: features.some((feature) => leavesOutDecided(service, feature)),
      spine,
      mode,
      dialect,
    };
  });
}

function placed({ view, index, name }: ServiceFeature): WindowedView['layout']['features'][number] {
  const feature = view.layout.features[index];
  if (!feature) throw new Error(`view ${view.key} has no feature ${name}`);
  return feature;
}

/**
 * The query. Numbers are DOUBLE, texts VARCHAR, truth values BOOLEAN.
 * @throws SpineError when the spine lacks a column, or has one with the name of a feature.
 */
export function historyQuery(query: HistoryQuery): string {
  const { service, spine, history } = query;
  checkSpine(service, spine);
  const units = unitsOf(query);
  const tables = [
    ...service.views.map((view) => {
      const table = history[view.source.name];
      if (table === undefined) throw new Error(`the history of source ${view.source.name} is missing`);
      const identified = units.some((unit) => unit.view === view && unit.leavesOut);
      return eventsSql({ ...query, view, table, identified });
    }),
    ...units.flatMap(unitSql),
  ];
  const columns = [
    ...spine.columns.map((name) => `"spine".${quoteName(name)}`),
    ...service.features.map(({ name }) => `${featureSql(units, name)} AS ${quoteName(name)}`),
    ...service.derived.map(({ name, expression }) => {
      const column = (input: string) => columnSql(query, units, input);
      return `${compileToSql(expression, query.dialect, column)} AS ${quoteName(name)}`;
    }),
  ];
  const rowNumber = `"spine".${quoteName(spine.rowNumber)}`;
  const joins = units.map(
    ({ name }) =>
      `\nJOIN ${quoteName(`${name} features`)} ON ${quoteName(`${name} features`)}."row number" = ${rowNumber}`,
  );
  const common = tables.length === 0 ? '' : `WITH ${tables.join(',\n')}\n`;
  return `${common}SELECT\n${indent(columns.join(',\n'))}\nFROM ${spine.table} AS "spine"${joins.join('')}\nORDER BY ${rowNumber}`;
}

function featureSql(units: readonly Unit[], name: string): string {
  const unit = units.find(({ features }) => features.some((feature) => feature.name === name));
  return `${quoteName(`${unit?.name} features`)}.${quoteName(name)}`;
}

/** An input of a derived feature: a feature, or a field of the decided event. That happened at the row's instant. */
function columnSql({ service, spine }: HistoryQuery, units: readonly Unit[], name: string): string {
  if (service.features.some((feature) => feature.name === name)) return featureSql(units, name);
  if (spine.columns.includes(name)) return `"spine".${quoteName(name)}`;
  return name === service.decides?.eventTime ? `"spine".${quoteName(SPINE.timestamp)}` : 'NULL';
}

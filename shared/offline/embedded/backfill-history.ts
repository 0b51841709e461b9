import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import { EntityKeyError, entityKeyOf } from '../../definitions/entity.ts';
import type { FieldValue } from '../../definitions/fields.ts';
import type { EventSource } from '../../definitions/source.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { columnsOf } from '../../expressions/index.ts';
import type { EntityHistory } from '../../online/backfill.ts';
import { idHashOf, type WindowEvent } from '../../windows/event.ts';
import { reachMillis } from '../../windows/layout.ts';
import { ARRIVED_AT } from '../offline-store.ts';
import { INSTANT_TYPES } from '../spine-problems.ts';
import { DUCKDB, quoteName } from '../sql/dialect.ts';
import { ARRIVAL, EVENT_ID, EVENT_TIME, eventsSql, keyColumn, LANE, valueColumn } from '../sql/events.ts';
import { fieldOf, keyOf, millisOf } from './column-types.ts';
import { type DuckDbOptions, queryRows, streamChunks, withDuckDb } from './duckdb.ts';
import { historyColumns, required } from './history.ts';

/** The events that backfill merges into the items of a view, from Parquet files. */
export interface BackfillHistory {
  readonly entityCount: number;
  readonly eventCount: number;
  /** Each entity once. Can be read once. */
  readonly entities: AsyncIterable<EntityHistory>;
}

const EVENTS = 'backfill_events';

/**
 * Reads what history has of a view for backfill, for the time of `use`.
 *
 * 1. Deliveries that arrived before `liveFrom` become events that count, by the SQL that also makes training sets.
 * 2. What no window reaches behind the newest event of its lane is left out, so an entity has as many as its item holds.
 * 3. They are sorted by entity and handed on entity by entity.
 *
 * @param path Parquet files as a glob.
 * @throws HistoryError saying what cannot be used.
 */
export async function withBackfillHistory<Result>(
  view: WindowedView,
  path: string,
  options: DuckDbOptions,
  use: (history: BackfillHistory) => Promise<Result>,
): Promise<Result> {
  const { liveFromMillis } = view.layout;
  if (liveFromMillis === undefined) throw new RangeError(`view ${view.key} has no liveFrom`);
  return withDuckDb(options, async (connect) => {
    const connection = await connect();
    const table = await typedHistory(connection, view, path, liveFromMillis);
    await connection.run(
      `CREATE TABLE ${EVENTS} AS WITH ${eventsSql({ view, mode: 'bitemporal', dialect: DUCKDB, table, identified: true, laned: true })}
       ${reachedSql(view)}`,
    );
    const keys = keyNames(view).join(', ');
    const [[entityCount, eventCount] = []] = await queryRows(
      connection,
      `SELECT (SELECT count(*) FROM (SELECT DISTINCT ${keys} FROM ${EVENTS})), (SELECT count(*) FROM ${EVENTS})`,
    );
    const entities = entitiesOf(connection, view);
    return use({ entityCount: Number(entityCount), eventCount: Number(eventCount), entities });
  });
}

function keyNames(view: WindowedView): string[] {
  return view.entity.joinKeys.map((joinKey) => keyColumn(view, joinKey).name);
}

/** The columns that matter, of the types that the SQL of events expects, whatever they are in the files. */
async function typedHistory(
  connection: DuckDBConnection,
  view: WindowedView,
  path: string,
  liveFromMillis: number,
): Promise<string> {
  const { source, entity } = view;
  const columns = await historyColumns(connection, source, path);
  const names = new Set([
    ...entity.joinKeys,
    source.eventId,
    source.eventTime,
    ...view.layout.features.flatMap(({ input }) => input.fieldName ?? []),
    ...(view.where === undefined ? [] : columnsOf(view.where)),
  ]);
  const arrival = required(source, columns, ARRIVED_AT, millisOf, INSTANT_TYPES);
  const selected = [...names].map((name) => {
    const sql = required(
      source,
      columns,
      name,
      columnReader(source, name),
      `of type ${source.fields[name]?.type.kind}`,
    );
    return `${sql} AS ${quoteName(name)}`;
  });
  selected.push(`${arrival} AS ${quoteName(ARRIVED_AT)}`);
  const files = `read_parquet('${path.replaceAll("'", "''")}', union_by_name = true, hive_partitioning = false)`;
  return `(SELECT ${selected.join(', ')} FROM ${files} h WHERE ${arrival} < ${liveFromMillis})`;
}

function columnReader(source: EventSource, name: string): Parameters<typeof required>[3] {
  const field = source.fields[name];
  if (name === source.eventId) return (info, sql) => keyOf(field, info, sql);
  return (info, sql) => field && fieldOf(field, info, sql);
}

/** The events that a window can reach behind the newest of their lane, or whose ids an item keeps. */
function reachedSql(view: WindowedView): string {
  const { windows, allowedLatenessMillis, eventIdRetentionMillis, eventIdSpanMillis } = view.layout;
  const reach = Math.max(
    ...windows.map((window) => reachMillis(window, allowedLatenessMillis)),
    // What was sent again with a new time is looked for in the neighbouring sets as well.
    eventIdRetentionMillis + 2 * eventIdSpanMillis,
  );
  const newest = `max(${EVENT_TIME}) OVER (PARTITION BY ${[...keyNames(view), LANE].join(', ')}) AS "newest"`;
  return `SELECT * EXCLUDE "newest" FROM (
    SELECT *, ${newest} FROM ${quoteName(`${view.key} events`)}
  ) WHERE ${EVENT_TIME} >= "newest" - ${reach}`;
}

async function* entitiesOf(connection: DuckDBConnection, view: WindowedView): AsyncGenerator<EntityHistory> {
  const keys = keyNames(view);
  const fields = [...new Set(view.layout.features.flatMap(({ input }) => input.fieldName ?? []))];
  const columns = [...keys, EVENT_ID, EVENT_TIME, ARRIVAL, ...fields.map((name) => valueColumn(view, name).name)];
  const sql = `SELECT ${columns.join(', ')} FROM ${EVENTS} ORDER BY ${keys.join(', ')}`;
  let entity: { entityKey: string; events: WindowEvent[] } | undefined;
  for await (const chunk of streamChunks(connection, sql)) {
    for (const row of chunk.getRows()) {
      const entityKey = keyOfRow(view, row);
      // No item has such a key: online, events of it are refused.
      if (entityKey === undefined) continue;
      if (entity?.entityKey !== entityKey) {
        if (entity) yield entity;
        entity = { entityKey, events: [] };
      }
      entity.events.push(eventOfRow(row.slice(keys.length), fields));
    }
  }
  if (entity) yield entity;
}

function keyOfRow(view: WindowedView, row: readonly DuckDBValue[]): string | undefined {
  const values = Object.fromEntries(view.entity.joinKeys.map((joinKey, index) => [joinKey, plainValue(row[index])]));
  try {
    return entityKeyOf(view.entity, values);
  } catch (error) {
    if (error instanceof EntityKeyError) return undefined;
    throw error;
  }
}

function eventOfRow([id, time, arrival, ...values]: readonly DuckDBValue[], fields: readonly string[]): WindowEvent {
  return {
    id: String(id),
    idHash: idHashOf(String(id)),
    timeMillis: Number(time),
    arrivedAtMillis: Number(arrival),
    values: Object.fromEntries(fields.map((name, index) => [name, plainValue(values[index])])),
  };
}

function plainValue(value: DuckDBValue | undefined): FieldValue {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

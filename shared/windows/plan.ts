import { bucketAttribute, bucketStart, EVENT_IDS_CODE, HEADER } from './bucket.ts';
import type { WindowEvent } from './event.ts';
import type { Item, ItemUpdate } from './item.ts';
import type { WindowLayout } from './layout.ts';
import { ItemUpdateBuilder } from './update-builder.ts';

/**
 * What became of an event.
 * `applied`: counted by this update. `duplicate`: counted before. `late`: older than its entity's newest event by more
 * than the allowed lateness, so not counted online.
 */
export type EventOutcome = 'applied' | 'duplicate' | 'late';

export interface UpdatePlan {
  /** The one update that folds the events in; `undefined` when none of them is to be counted. */
  readonly update: ItemUpdate | undefined;
  /** By event. Valid once the update was applied; final at once where nothing is to be counted. */
  readonly outcomes: ReadonlyMap<WindowEvent, EventOutcome>;
}

/**
 * Plans one atomic update for events of one entity, without having read its item.
 *
 * 1. The events are taken in order of arrival, against what is known of the item (`current`, or nothing): an id that is
 *    there is a duplicate, an event further behind the high water than the allowed lateness is late.
 * 2. What remains becomes changes: `ADD` for everything that can be added, set for the rest.
 * 3. Whatever was assumed becomes a condition: the ids are not there, the high water is not beyond what would have made
 *    an accepted event late, a value that was set is still the one to set. When the store refuses, it returns the item,
 *    and the plan is made again with it.
 *
 * @param current the item as some earlier answer of the store showed it; `{}` when it did not exist. Old is fine: the
 *   high water only rises and ids leave the item only when their events would be late.
 */
export function planUpdate(layout: WindowLayout, events: readonly WindowEvent[], current?: Item): UpdatePlan {
  const update = new ItemUpdateBuilder();
  const eventIds = new EventIds(layout, current);
  const highWaterSeen = highWaterOf(current);
  const accepted: WindowEvent[] = [];
  let newest = highWaterSeen ?? Number.NEGATIVE_INFINITY;

  const outcomeOf = (event: WindowEvent): EventOutcome => {
    if (eventIds.has(event)) return 'duplicate';
    if (event.timeMillis < newest - layout.allowedLatenessMillis) return 'late';
    newest = Math.max(newest, event.timeMillis);
    eventIds.add(event);
    accepted.push(event);
    return 'applied';
  };
  const outcomes = new Map(events.map((event) => [event, outcomeOf(event)]));
  if (accepted.length === 0) return { update: undefined, outcomes };

  for (const event of accepted) eventIds.store(update, event);
  storeCells(layout, update, accepted, current);
  guardHighWater(layout, update, accepted, highWaterSeen);
  const arrivedAt = Math.max(...accepted.map((event) => event.arrivedAtMillis));
  update.set(HEADER.arrivedAt, { N: String(arrivedAt) });
  // Windows reach as far behind the newest event as the item is kept, and an event may be ahead of its arrival.
  const keptFrom = Math.max(arrivedAt, newest);
  update.set(HEADER.expiresAt, { N: String(Math.ceil((keptFrom + layout.expiresAfterMillis) / 1_000)) });
  return { update: update.build(), outcomes };
}

/** The attribute that keeps the ids of events of a time. */
export function idsAttribute(layout: WindowLayout, timeMillis: number): string {
  return bucketAttribute(bucketStart(timeMillis, layout.eventIdSpanMillis), EVENT_IDS_CODE);
}

/** The newest event time that an item has seen, milliseconds; `undefined` for none. */
export function highWaterOf(item: Item | undefined): number | undefined {
  return headerNumber(item, HEADER.highWater);
}

/** When the last event that the item counts arrived, milliseconds; `undefined` for none. */
export function arrivedAtOf(item: Item | undefined): number | undefined {
  return headerNumber(item, HEADER.arrivedAt);
}

function headerNumber(item: Item | undefined, name: string): number | undefined {
  const attribute = item?.[name];
  return attribute && 'N' in attribute ? Number(attribute.N) : undefined;
}

/** The attributes that hold the id of an event if it was counted, at its time or up to a retention of ids from it. */
export function idAttributesOf(layout: WindowLayout, { timeMillis }: WindowEvent): string[] {
  const { eventIdRetentionMillis } = layout;
  const ends = [timeMillis - eventIdRetentionMillis, timeMillis + eventIdRetentionMillis];
  return [...new Set(ends.map((end) => idsAttribute(layout, end)))];
}

/** Whether one of those attributes has the id. */
export function holdsId(item: Item | undefined, attributeName: string, { idHash }: WindowEvent): boolean {
  const stored = item?.[attributeName];
  return stored !== undefined && 'SS' in stored && stored.SS.includes(idHash);
}

/**
 * The ids of recent events: what makes an update happen exactly once.
 *
 * An id is kept in the bucket of its event's time. Events of one id are one event if their times lie within the retention
 * of ids of each other (producers stamp a repeated event anew now and then); buckets are twice that long, so looking into
 * two of them is enough. The retention is at least the allowed lateness: whoever is further behind is late.
 */
class EventIds {
  readonly #layout: WindowLayout;
  readonly #current: Item | undefined;
  readonly #planned = new Map<string, Set<string>>();

  constructor(layout: WindowLayout, current: Item | undefined) {
    this.#layout = layout;
    this.#current = current;
  }

  has(event: WindowEvent): boolean {
    return idAttributesOf(this.#layout, event).some(
      (name) => holdsId(this.#current, name, event) || this.#planned.get(name)?.has(event.idHash),
    );
  }

  add(event: WindowEvent): void {
    const name = idsAttribute(this.#layout, event.timeMillis);
    const ids = this.#planned.get(name) ?? new Set();
    this.#planned.set(name, ids.add(event.idHash));
  }

  store(update: ItemUpdateBuilder, event: WindowEvent): void {
    update.addMembers(idsAttribute(this.#layout, event.timeMillis), [event.idHash]);
    for (const name of idAttributesOf(this.#layout, event))
      update.require({ kind: 'lacksMember', name, member: event.idHash });
  }
}

/** Folds the events' contributions per bucket and cell, then stores each once. */
function storeCells(
  layout: WindowLayout,
  update: ItemUpdateBuilder,
  events: readonly WindowEvent[],
  current: Item | undefined,
): void {
  for (const cell of layout.cells) {
    const states = new Map<number, unknown>();
    for (const event of events) {
      const contribution = cell.contribution(event.values, event.timeMillis);
      if (contribution === undefined) continue;
      const start = bucketStart(event.timeMillis, layout.baseHopMillis);
      const known = states.get(start);
      states.set(start, known === undefined ? contribution : cell.merge([known, contribution]));
    }
    for (const [start, state] of states) cell.store(update, bucketAttribute(start, cell.code), state, current);
  }
}

/**
 * The high water may have risen since it was seen. The plan stands while it has not risen so far that an accepted event
 * would be late, nor above the one that this update sets.
 */
function guardHighWater(
  layout: WindowLayout,
  update: ItemUpdateBuilder,
  accepted: readonly WindowEvent[],
  highWaterSeen: number | undefined,
): void {
  const times = accepted.map((event) => event.timeMillis);
  const newest = Math.max(...times);
  const latestTolerated = Math.min(...times) + layout.allowedLatenessMillis;
  const name = HEADER.highWater;
  if (highWaterSeen === undefined || newest > highWaterSeen) {
    update.set(name, { N: String(newest) });
    update.require({ kind: 'absentOrAtMost', name, value: String(Math.min(newest, latestTolerated)) });
  } else {
    update.require({ kind: 'between', name, low: String(newest), high: String(latestTolerated) });
  }
}

import { bucketStart, codeOfAttribute, EVENT_IDS_CODE, HEADER, startOfAttribute } from './bucket.ts';
import type { WindowEvent } from './event.ts';
import type { Item, ItemUpdate } from './item.ts';
import type { WindowLayout } from './layout.ts';
import { idsKeptFrom, shrunk } from './maintain.ts';
import { looseBuckets, type PackedBucket, pack, unpack } from './packed.ts';
import { arrivedAtOf, highWaterOf, idsAttribute } from './plan.ts';
import { ItemUpdateBuilder } from './update-builder.ts';

/**
 * History of one item, merged into it while the stream runs.
 *
 * 1. Events whose ids the item has were delivered to the stream again: they are left out.
 * 2. The others are folded into buckets by the code of the cells, and merged with those that are packed already. Buckets
 *    with attributes of their own stay as they are: two of one start are one bucket to whoever reads.
 * 3. Ids, high water, arrival and expiry become what they would be, had the stream brought these events.
 * 4. It is one update, on condition that the item is as it was seen. An event that was counted since has raised the high
 *    water, or its id is in one of two sets: that of the high water, and that of the oldest event that would not be late.
 *    The mark makes it happen once, and the maintenance counter keeps off whoever is about to pack the item.
 *
 *     history  ▏▏ ▏▏▏ ▏ ▏▏ ▏▏    liveFrom
 *     stream                 ▏  │▏▏ ▏▏▏ ▏▏      delivered again: left out of history
 *     item     █ ██ █ █ █ ▏ ▏   ╎▏▏ ▏▏▏ ▏▏      packed, and loose
 */

/** Events folded into buckets of the base hop. */
export interface HistoryImage {
  readonly events: readonly WindowEvent[];
  /** By index of the cell. */
  readonly states: readonly (readonly PackedBucket[])[];
}

export function foldHistory(layout: WindowLayout, events: readonly WindowEvent[]): HistoryImage {
  const states = layout.cells.map((cell) => {
    const contributions = new Map<number, unknown[]>();
    for (const event of events) {
      const contribution = cell.contribution(event.values, event.timeMillis);
      if (contribution === undefined) continue;
      const start = bucketStart(event.timeMillis, layout.baseHopMillis);
      const known = contributions.get(start);
      if (known) known.push(contribution);
      else contributions.set(start, [contribution]);
    }
    return [...contributions].map(([start, parts]) => ({ start, state: cell.merge(parts) }));
  });
  return { events, states };
}

/** The events whose ids an item does not have. */
export function missingFrom(item: Item, events: readonly WindowEvent[]): readonly WindowEvent[] {
  const ids = new Set<string>();
  for (const name in item) {
    const attribute = item[name];
    if (startOfAttribute(name) < 0 || codeOfAttribute(name) !== EVENT_IDS_CODE) continue;
    if (attribute && 'SS' in attribute) for (const id of attribute.SS) ids.add(id);
  }
  return ids.size === 0 ? events : events.filter(({ idHash }) => !ids.has(idHash));
}

/** How far history reaches: to arrivals before `liveFrom`, its newest event and its last arrival. */
export interface HistoryEnd {
  readonly liveFromMillis: number;
  readonly highWaterMillis: number;
  readonly arrivedAtMillis: number;
}

/** Whether an item with nothing but this history would have been deleted by now. No window reaches it any more. */
export function isExpired(layout: WindowLayout, end: HistoryEnd, nowMillis: number): boolean {
  return Math.max(end.highWaterMillis, end.arrivedAtMillis) + layout.expiresAfterMillis <= nowMillis;
}

/**
 * Plans the update that merges history into an item.
 * @param image of the events that are missing from `item`.
 * @param end of all of the history, whether or not the item has it.
 * @param item as the store showed it; `{}` for none.
 */
export function planBackfill(layout: WindowLayout, image: HistoryImage, end: HistoryEnd, item: Item): ItemUpdate {
  const update = new ItemUpdateBuilder();
  const highWaterSeen = highWaterOf(item);
  const highWater = Math.max(end.highWaterMillis, highWaterSeen ?? end.highWaterMillis);
  const packed = packedWith(layout, image, item, highWater);
  if (packed) update.set(HEADER.packed, packed);
  else if (HEADER.packed in item) update.remove(HEADER.packed);
  const keptFrom = idsKeptFrom(layout, highWater);
  for (const { timeMillis, idHash } of image.events) {
    if (bucketStart(timeMillis, layout.eventIdSpanMillis) < keptFrom) continue;
    update.addMembers(idsAttribute(layout, timeMillis), [idHash]);
  }
  storeHeader(layout, update, end, item, highWater);
  lock(layout, update, item, highWaterSeen);
  return update.build();
}

function packedWith(layout: WindowLayout, image: HistoryImage, item: Item, highWater: number) {
  const { known, unknown } = unpack(layout, item[HEADER.packed]);
  const loose = looseBuckets(layout, item);
  const merged = layout.cells.map((cell, index) => {
    const buckets = [...(known.get(index) ?? []), ...(image.states[index] ?? [])];
    return [index, shrunk(layout, cell, buckets, loose[index] ?? [], highWater)] as const;
  });
  return pack(layout, { known: new Map(merged), unknown });
}

function storeHeader(
  layout: WindowLayout,
  update: ItemUpdateBuilder,
  end: HistoryEnd,
  item: Item,
  highWater: number,
): void {
  const arrivedAt = Math.max(end.arrivedAtMillis, arrivedAtOf(item) ?? end.arrivedAtMillis);
  const expiresAt = Math.ceil((Math.max(arrivedAt, highWater) + layout.expiresAfterMillis) / 1_000);
  update.set(HEADER.highWater, { N: String(highWater) });
  update.set(HEADER.arrivedAt, { N: String(arrivedAt) });
  update.set(HEADER.expiresAt, { N: String(expiresAt) });
  update.set(HEADER.maintenance, { N: String(maintenanceOf(item) + 1) });
  update.set(HEADER.backfilled, { N: String(end.liveFromMillis) });
}

function maintenanceOf(item: Item): number {
  const seen = item[HEADER.maintenance];
  return seen && 'N' in seen ? Number(seen.N) : 0;
}

function lock(layout: WindowLayout, update: ItemUpdateBuilder, item: Item, highWaterSeen: number | undefined): void {
  const names = new Set<string>([HEADER.highWater, HEADER.maintenance]);
  if (highWaterSeen !== undefined) {
    names.add(idsAttribute(layout, highWaterSeen));
    names.add(idsAttribute(layout, highWaterSeen - layout.allowedLatenessMillis));
  }
  for (const name of names) {
    const value = item[name];
    update.require(value ? { kind: 'equals', name, value } : { kind: 'absent', name });
  }
  update.require({ kind: 'absent', name: HEADER.backfilled });
}

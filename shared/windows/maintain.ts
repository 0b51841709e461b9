import { LIMITS } from '../limits.ts';
import {
  bucketStart,
  codeOfAttribute,
  counterOfAttribute,
  EVENT_IDS_CODE,
  HEADER,
  startOfAttribute,
} from './bucket.ts';
import type { AnyCell } from './cell.ts';
import type { Item, ItemUpdate } from './item.ts';
import { attributeBytes } from './item-size.ts';
import { reachMillis, type WindowLayout } from './layout.ts';
import { type PackedBucket, pack, unpack } from './packed.ts';
import { highWaterOf } from './plan.ts';
import { ItemUpdateBuilder } from './update-builder.ts';

/**
 * Keeps items small. Events are counted once, in buckets of the finest hop; what has settled is then
 *
 * 1. dropped, when no window reaches it any more;
 * 2. merged into the coarsest hop at which no window that still reaches it could cut it;
 * 3. compacted by its cell, where a newer bucket makes part of an older one redundant;
 * 4. packed into one attribute.
 *
 *     events    ▏▏▏ ▏ ▏▏▏ ▏▏  ▏▏▏ ▏▏   1 s buckets, an attribute per bucket and cell
 *     settled   █ █ ██ █               1 min, as far as the 1 h window cuts  ┐
 *     older     ████   ███             20 min, then 2 h                      ┘ packed
 *
 * A bucket is settled when it lies behind the high water by more than the allowed lateness: no event can change it any
 * more, so only another maintenance update could, and that is excluded by the maintenance counter. Maintenance is never
 * needed for a right answer; without it items are merely larger.
 */
export interface Maintenance {
  readonly update: ItemUpdate;
  /** Bytes by which the item shrinks. */
  readonly bytesFreed: number;
}

/** A bucket of one cell that has an attribute of its own. */
interface LooseBucket extends PackedBucket {
  readonly name: string;
}

/** Plans the maintenance of an item as some answer of the store showed it. `undefined` when nothing is to be done. */
export function planMaintenance(layout: WindowLayout, item: Item): Maintenance | undefined {
  const highWater = highWaterOf(item);
  if (highWater === undefined) return undefined;
  const { settled, unsettled, expired } = sortAttributes(layout, item, highWater);
  const removed = [...expired, ...settled.flatMap((buckets) => buckets.map(({ name }) => name))];
  if (removed.length === 0) return undefined;

  const packed = unpack(layout, item[HEADER.packed]);
  const known = new Map(
    layout.cells.map((cell, index) => {
      const buckets = [...(packed.known.get(index) ?? []), ...(settled[index] ?? [])];
      return [index, shrunk(layout, cell, buckets, unsettled[index] ?? [], highWater)] as const;
    }),
  );
  const before = item[HEADER.packed];
  const after = pack(layout, { known, unknown: packed.unknown });
  const update = new ItemUpdateBuilder();
  for (const name of removed) update.remove(name);
  if (after !== undefined) update.set(HEADER.packed, after);
  else if (before !== undefined) update.remove(HEADER.packed);
  guard(update, item, highWater);
  const bytes = (name: string, attribute = item[name]) => (attribute ? attributeBytes(name, attribute) : 0);
  const bytesFreed =
    removed.reduce((sum, name) => sum + bytes(name), 0) +
    bytes(HEADER.packed) -
    (after ? bytes(HEADER.packed, after) : 0);
  return { update: update.build(), bytesFreed };
}

function guard(update: ItemUpdateBuilder, item: Item, highWater: number): void {
  const seen = item[HEADER.maintenance];
  const count = seen && 'N' in seen ? Number(seen.N) : 0;
  update.set(HEADER.maintenance, { N: String(count + 1) });
  update.require(
    seen ? { kind: 'equals', name: HEADER.maintenance, value: seen } : { kind: 'absent', name: HEADER.maintenance },
  );
  // An item that was deleted and came back is another item, whose high water may be lower.
  const high = String(Number.MAX_SAFE_INTEGER);
  update.require({ kind: 'between', name: HEADER.highWater, low: String(highWater), high });
}

/**
 * Buckets with attributes of their own, by cell, and the names of those that nothing needs any more. An update removes a
 * limited number of attributes; the rest stays for the next one.
 */
function sortAttributes(layout: WindowLayout, item: Item, highWater: number) {
  const settled: LooseBucket[][] = layout.cells.map(() => []);
  const unsettled: LooseBucket[][] = layout.cells.map(() => []);
  const expired: string[] = [];
  const expiredBefore = highWater - longestReachMillis(layout);
  const idsExpiredBefore = idsKeptFrom(layout, highWater);
  const idsNeededBefore = idsNeededForHistory(layout, item);
  const settledBefore = highWater - layout.allowedLatenessMillis;
  let removals = 0;
  for (const name in item) {
    const start = startOfAttribute(name);
    const attribute = item[name];
    if (start < 0 || attribute === undefined) continue;
    const code = codeOfAttribute(name);
    const isFull = removals >= LIMITS.maintenanceRemovals;
    const isExpired =
      code === EVENT_IDS_CODE ? start < idsExpiredBefore && start >= idsNeededBefore : start < expiredBefore;
    if (isExpired) {
      if (isFull) continue;
      removals++;
      expired.push(name);
      continue;
    }
    const cellIndex = layout.cellIndexByCode.get(code) ?? -1;
    const state = layout.cells[cellIndex]?.decode(attribute, counterOfAttribute(name));
    if (state === undefined) continue;
    const isSettled = start + layout.baseHopMillis <= settledBefore && !isFull;
    if (isSettled) removals++;
    (isSettled ? settled : unsettled)[cellIndex]?.push({ name, start, state });
  }
  return { settled, unsettled, expired };
}

/**
 * Buckets of ids that begin before this may go. An event that is sent again in time is not older than the allowed lateness;
 * its first time may be a retention earlier, and the bucket of that begins up to a span before it.
 */
export function idsKeptFrom(layout: WindowLayout, highWater: number): number {
  const { allowedLatenessMillis, eventIdRetentionMillis, eventIdSpanMillis } = layout;
  return highWater - allowedLatenessMillis - eventIdRetentionMillis - eventIdSpanMillis;
}

/**
 * Until history is merged into it, an item keeps the ids of events that history may have as well: of all that begin before
 * this. Such an event arrived before `liveFrom`, so it happened before then, but for how far an event may be ahead of its
 * arrival, and how far from its first time it may be when it is sent again.
 */
function idsNeededForHistory({ liveFromMillis, eventIdRetentionMillis }: WindowLayout, item: Item): number {
  if (liveFromMillis === undefined || HEADER.backfilled in item) return Number.NEGATIVE_INFINITY;
  return liveFromMillis + LIMITS.futureToleranceMillis + eventIdRetentionMillis;
}

/** Buckets further behind the high water than this are in no window any more, and may be gone. */
export function longestReachMillis(layout: WindowLayout): number {
  return Math.max(...layout.windows.map((window) => reachMillis(window, layout.allowedLatenessMillis)));
}

/**
 * Buckets of one cell as they are to be packed: unexpired, merged and compacted, oldest first.
 * @param loose buckets that keep their own attributes.
 */
export function shrunk(
  layout: WindowLayout,
  cell: AnyCell,
  settled: readonly PackedBucket[],
  loose: readonly PackedBucket[],
  highWater: number,
): PackedBucket[] {
  const expiredBefore = highWater - longestReachMillis(layout);
  const live = settled.filter(({ start }) => start >= expiredBefore);
  const limits = mergeLimits(layout, highWater);
  const groups = Map.groupBy(live, ({ start }) => mergedStart(limits, start));
  const merged = [...groups].map(([start, parts]) => ({ start, state: cell.merge(parts.map(({ state }) => state)) }));
  merged.sort((left, right) => left.start - right.start);
  if (cell.compact === undefined) return merged;
  // Buckets that keep their own attributes are shown to the cell but stay as they are.
  const toBePacked = new Set<PackedBucket>(merged);
  const newestFirst = [...loose, ...merged].sort((left, right) => right.start - left.start);
  const compacted = cell.compact(newestFirst.map(({ state }) => state));
  return newestFirst
    .flatMap((bucket, index) => {
      const state = compacted[index];
      return toBePacked.has(bucket) && state !== undefined ? [{ start: bucket.start, state }] : [];
    })
    .reverse();
}

/** A hop into which buckets may be merged now, if the merged bucket ends by then. */
interface MergeLimit {
  readonly hopMillis: number;
  readonly endsByMillis: number;
}

/** Coarsest hop first: a merged bucket is settled, and no window that could cut it reaches it any more. */
function mergeLimits(layout: WindowLayout, highWater: number): MergeLimit[] {
  return layout.compactionHopsMillis.map((hopMillis) => {
    const cutting = layout.windows.filter((window) => window.hopMillis % hopMillis !== 0);
    const reaches = cutting.map((window) => reachMillis(window, layout.allowedLatenessMillis));
    return { hopMillis, endsByMillis: highWater - Math.max(layout.allowedLatenessMillis, ...reaches) };
  });
}

/** The start of the bucket into which a bucket may be merged now; its own start when it may not. */
function mergedStart(limits: readonly MergeLimit[], start: number): number {
  const limit = limits.find(({ hopMillis, endsByMillis }) => bucketStart(start, hopMillis) + hopMillis <= endsByMillis);
  return limit === undefined ? start : bucketStart(start, limit.hopMillis);
}

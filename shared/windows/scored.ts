/**
 * The event that is being decided, in its own windows: inside them once, whatever the items hold of it; and outside of
 * those of features that exclude it.
 *
 * 1. Of each window it is known whether the items' state holds the event (`Held`). Only a repeat leaves that open: its id
 *    says that it was counted, within the retention of ids of the time that it claims, but not when.
 * 2. Where the state lacks the event, it is merged in for features that include it. Where the state holds it, it is taken
 *    back for features that exclude it.
 * 3. What cannot be told, or not be taken back, is missing.
 */
import { bucketStart, HEADER, startOfAttribute } from './bucket.ts';
import type { AnyCell } from './cell.ts';
import type { WindowEvent } from './event.ts';
import type { Item } from './item.ts';
import type { Bounds, WindowLayout } from './layout.ts';
import { longestReachMillis } from './maintain.ts';
import { looseBuckets, type PackedBucket, unpack } from './packed.ts';
import { highWaterOf, holdsId, idAttributesOf } from './plan.ts';

/**
 * An event that is being decided, and what the items that are read hold of it.
 * `next`: it counts, and the items are as they were before it did. `late`: it does not count. `counted`: it is counted, at
 * its time. `repeat`: an event of its id was counted before, perhaps with another time.
 */
export interface ScoredEvent {
  readonly event: WindowEvent;
  readonly standing: 'next' | 'late' | 'counted' | 'repeat';
}

/** Stands for a state that cannot be told. */
export const CANNOT_BE_TOLD = Symbol('cannot be told');

/** Whether the state of a window holds the event. */
type Held = 'yes' | 'no' | 'unknown';

/** The state of one cell in one window, for features that include the decided event and for those that exclude it. */
interface ScoredStates {
  readonly including: unknown;
  readonly excluding: unknown;
}

/** @param states by cell, then by window: what the items hold. */
export function scoredStates(
  layout: WindowLayout,
  items: readonly Item[],
  bounds: readonly Bounds[],
  { event, standing }: ScoredEvent,
  states: readonly (readonly unknown[])[],
): ScoredStates[][] {
  const contributions = layout.cells.map((cell) => cell.contribution(event.values, event.timeMillis));
  const start = bucketStart(event.timeMillis, layout.baseHopMillis);
  const places =
    standing === 'next' || standing === 'late'
      ? undefined
      : standing === 'counted'
        ? [start]
        : placesOfRepeat(layout, items, event, contributions);
  const held = bounds.map((window) => heldIn(window, places));
  // A window with an offset ended before the event, unless the entity's newest event is that much newer.
  const belongs = layout.windows.map(
    ({ offsetMillis }, index) => offsetMillis === 0 || (standing === 'next' && isInside(bounds[index], start)),
  );
  return layout.cells.map((cell, cellIndex) =>
    bounds.map((_, index) =>
      statesIn(cell, states[cellIndex]?.[index], contributions[cellIndex], {
        held: held[index] ?? 'unknown',
        belongs: belongs[index] ?? true,
      }),
    ),
  );
}

function isInside(window: Bounds | undefined, start: number): boolean {
  return window !== undefined && start >= window.first && start <= window.last;
}

/** @param places where the event may have been counted; `undefined` for nowhere. */
function heldIn(window: Bounds, places: readonly number[] | undefined): Held {
  if (places === undefined) return 'no';
  const inside = places.filter((start) => isInside(window, start)).length;
  if (places.length === 0 || (inside > 0 && inside < places.length)) return 'unknown';
  return inside > 0 ? 'yes' : 'no';
}

function statesIn(
  cell: AnyCell,
  state: unknown,
  contribution: unknown,
  { held, belongs }: { readonly held: Held; readonly belongs: boolean },
): ScoredStates {
  if (contribution === undefined) return { including: state, excluding: state };
  const merged = (part: unknown) => (state === undefined ? part : cell.merge([state, part]));
  if (held === 'no') return { including: belongs ? merged(contribution) : state, excluding: state };
  if (held === 'unknown') return { including: CANNOT_BE_TOLD, excluding: CANNOT_BE_TOLD };
  return { including: state, excluding: cell.inverse ? merged(cell.inverse(contribution)) : CANNOT_BE_TOLD };
}

/**
 * Starts of the buckets in which a repeated event may have been counted: those near the time it claims that have what it
 * contributes, and those that no window reaches any more, which may be gone. None when no bucket can have it, so that its
 * contents must be others.
 */
function placesOfRepeat(
  layout: WindowLayout,
  items: readonly Item[],
  event: WindowEvent,
  contributions: readonly unknown[],
): number[] {
  return items.flatMap((item) =>
    idAttributesOf(layout, event)
      .filter((name) => holdsId(item, name, event))
      .flatMap((name) => {
        const spanStart = startOfAttribute(name);
        const { eventIdRetentionMillis: retention, eventIdSpanMillis: span } = layout;
        const earliest = Math.max(spanStart, event.timeMillis - retention);
        const highWater = highWaterOf(item) ?? spanStart;
        const latest = Math.min(spanStart + span - 1, event.timeMillis + retention, highWater);
        const range = { first: bucketStart(earliest, layout.baseHopMillis), last: latest };
        const isGone = range.first < highWater - longestReachMillis(layout);
        return [...(isGone ? [range.first] : []), ...placesWithin(layout, item, range, contributions)];
      }),
  );
}

/** A bucket may be longer than the base hop once it is packed, and lack there what a newer bucket made redundant. */
function placesWithin(layout: WindowLayout, item: Item, range: Bounds, contributions: readonly unknown[]): number[] {
  const loose = looseBuckets(layout, item);
  const { known } = unpack(layout, item[HEADER.packed]);
  const packed = layout.cells.map((_, index) => known.get(index) ?? []);
  const isPlace = (start: number, buckets: readonly (readonly PackedBucket[])[], mayBeNewer: boolean) =>
    layout.cells.every((cell, index) => {
      const contribution = contributions[index];
      if (contribution === undefined) return true;
      // A cell that compacts keeps what an older bucket had in a newer one.
      const near = (bucket: PackedBucket) =>
        cell.compact && mayBeNewer ? bucket.start >= start : bucket.start === start;
      return buckets[index]?.some((bucket) => near(bucket) && (cell.mayHold?.(bucket.state, contribution) ?? true));
    });
  const kept = packed.filter((_, index) => contributions[index] !== undefined && !layout.cells[index]?.compact);
  // What only compacting cells know of packed buckets may lie anywhere.
  if (known.size > 0 && kept.length === 0) return [range.first, range.last];
  const packedStarts = startsOf(kept).filter((start) => start <= range.last);
  const before = Math.max(...packedStarts.filter((start) => start <= range.first));
  const all = packed.map((buckets, index) => [...buckets, ...(loose[index] ?? [])]);
  return [
    ...startsOf(loose).filter((start) => start >= range.first && start <= range.last && isPlace(start, loose, false)),
    ...packedStarts.filter((start) => start >= before && isPlace(start, all, true)),
  ];
}

function startsOf(buckets: readonly (readonly PackedBucket[])[]): number[] {
  return [...new Set(buckets.flatMap((ofCell) => ofCell.map(({ start }) => start)))];
}

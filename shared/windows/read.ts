import type { FeatureValue } from './aggregate.ts';
import { bucketStart, codeOfAttribute, counterOfAttribute, HEADER, startOfAttribute } from './bucket.ts';
import type { AnyCell } from './cell.ts';
import type { Item } from './item.ts';
import type { Bounds, Window, WindowLayout } from './layout.ts';
import { type PackedBucket, unpack } from './packed.ts';
import { arrivedAtOf, highWaterOf } from './plan.ts';
import { CANNOT_BE_TOLD, type ScoredEvent, scoredStates } from './scored.ts';

/** The features of one entity at one instant. */
export interface WindowReading {
  /** Whether the entity has an item. Without one every feature has its empty value. */
  readonly found: boolean;
  /** The instant for which the features hold: the one asked for, or the entity's newest event if that is later. */
  readonly asOfMillis: number;
  /** Newest event time counted. */
  readonly highWaterMillis: number | undefined;
  /** When the newest counted update's events arrived. */
  readonly arrivedAtMillis: number | undefined;
  /** In the order of `layout.features`. */
  readonly values: readonly FeatureValue[];
  /** Indexes of features whose value cannot be told for a repeated event. They stand as null above. */
  readonly missing: readonly number[];
}

export function boundsAt(window: Window, instantMillis: number): Bounds {
  const last = instantMillis - window.offsetMillis;
  return { first: bucketStart(last, window.hopMillis) - window.lengthMillis + window.hopMillis, last };
}

/**
 * Computes every feature of an entity from its item (or the items of its lanes).
 *
 * A bucket is inside a window when its start is. That holds for merged buckets too, because maintenance merges only
 * buckets that no window can cut any more. Attributes that are not of this view's making are passed over.
 */
export function readWindows(
  layout: WindowLayout,
  items: readonly Item[],
  instantMillis: number,
  scored?: ScoredEvent,
): WindowReading {
  const highWater = newestOf(items.map(highWaterOf));
  const asOfMillis = Math.max(instantMillis, highWater ?? instantMillis, scored?.event.timeMillis ?? instantMillis);
  const bounds = layout.windows.map((window) => boundsAt(window, asOfMillis));
  const buckets = layout.cells.map((): PackedBucket[] => []);
  for (const item of items) collectBuckets(layout, item, bounds, buckets);
  const narrowestFirst = [...bounds.keys()].sort((left, right) => compareBounds(bounds[left], bounds[right]));
  // By cell, then by window.
  const states = layout.cells.map((cell, index) => statesOfWindows(cell, buckets[index] ?? [], bounds, narrowestFirst));
  const told = scored && scoredStates(layout, items, bounds, scored, states);
  const missing: number[] = [];
  const values = layout.features.map(({ aggregate, input, windowIndex, cellIndexes, excludesCurrent }, index) => {
    const ofCells = told
      ? cellIndexes.map((cell) => told[cell]?.[windowIndex]?.[excludesCurrent ? 'excluding' : 'including'])
      : cellIndexes.map((cell) => states[cell]?.[windowIndex]);
    if (!ofCells.includes(CANNOT_BE_TOLD)) return aggregate.finalise(ofCells, input);
    missing.push(index);
    return null;
  });
  const arrivedAtMillis = newestOf(items.map(arrivedAtOf));
  return { found: items.length > 0, asOfMillis, highWaterMillis: highWater, arrivedAtMillis, values, missing };
}

function newestOf(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** Sorts what any window reaches by cell. */
function collectBuckets(
  layout: WindowLayout,
  item: Item,
  bounds: readonly Bounds[],
  buckets: readonly PackedBucket[][],
): void {
  const first = Math.min(...bounds.map((window) => window.first));
  for (const [cellIndex, packed] of unpack(layout, item[HEADER.packed]).known) {
    for (const bucket of packed) if (bucket.start >= first) buckets[cellIndex]?.push(bucket);
  }
  for (const name in item) {
    const start = startOfAttribute(name);
    if (start < first) continue;
    const cellIndex = layout.cellIndexByCode.get(codeOfAttribute(name));
    const attribute = item[name];
    if (cellIndex === undefined || attribute === undefined) continue;
    const state = layout.cells[cellIndex]?.decode(attribute, counterOfAttribute(name));
    if (state !== undefined) buckets[cellIndex]?.push({ start, state });
  }
}

/** Windows that end together, one after the other, the narrowest first. */
function compareBounds(left: Bounds | undefined, right: Bounds | undefined): number {
  return left && right ? right.last - left.last || right.first - left.first : 0;
}

/**
 * The state of one cell in every window. Windows that end together lie within each other, so each holds what the next
 * narrower one holds and the buckets beyond that: every bucket is merged once, however many windows there are.
 */
function statesOfWindows(
  cell: AnyCell,
  buckets: readonly PackedBucket[],
  bounds: readonly Bounds[],
  narrowestFirst: readonly number[],
): unknown[] {
  const states: unknown[] = bounds.map(() => undefined);
  let narrower: Bounds | undefined;
  let narrowerState: unknown;
  for (const windowIndex of narrowestFirst) {
    const window = bounds[windowIndex];
    if (window === undefined) continue;
    const isNested = narrower?.last === window.last;
    const beyond = isNested ? (narrower?.first ?? window.first) : Number.POSITIVE_INFINITY;
    const parts: unknown[] = isNested && narrowerState !== undefined ? [narrowerState] : [];
    for (const { start, state } of buckets) {
      if (start >= window.first && start <= window.last && start < beyond) parts.push(state);
    }
    narrower = window;
    narrowerState = parts.length === 0 ? undefined : cell.merge(parts);
    states[windowIndex] = narrowerState;
  }
  return states;
}

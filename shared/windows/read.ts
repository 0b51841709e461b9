import type { FeatureValue } from './aggregate.ts';
import { bucketStart, codeOfAttribute, counterOfAttribute, startOfAttribute } from './bucket.ts';
import type { WindowEvent } from './event.ts';
import type { Item } from './item.ts';
import type { Window, WindowLayout } from './layout.ts';
import { arrivedAtOf, highWaterOf } from './plan.ts';

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
}

/** An event that is being decided: it is inside its own windows, once, whatever the item holds. */
export interface ScoredEvent {
  readonly event: WindowEvent;
  /** Whether the items count it already. */
  readonly counted: boolean;
}

/** Bucket starts that are inside a window at an instant: `first ≤ start ≤ last`. */
interface Bounds {
  readonly first: number;
  readonly last: number;
}

function boundsAt(window: Window, instantMillis: number): Bounds {
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
  const states: unknown[][] = layout.windows.map(() => Array.from({ length: layout.cells.length }));

  for (const item of items) foldItem(layout, item, bounds, states);
  if (scored) foldScoredEvent(layout, scored, bounds, states);

  const values = layout.features.map(({ aggregate, input, windowIndex, cellIndexes }) =>
    aggregate.finalise(
      cellIndexes.map((cellIndex) => states[windowIndex]?.[cellIndex]),
      input,
    ),
  );
  const arrivedAtMillis = newestOf(items.map(arrivedAtOf));
  return { found: items.length > 0, asOfMillis, highWaterMillis: highWater, arrivedAtMillis, values };
}

function newestOf(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function foldItem(layout: WindowLayout, item: Item, bounds: readonly Bounds[], states: unknown[][]): void {
  for (const name in item) {
    const start = startOfAttribute(name);
    if (start < 0) continue;
    const cellIndex = layout.cellIndexByCode.get(codeOfAttribute(name));
    const attribute = item[name];
    if (cellIndex === undefined || attribute === undefined) continue;
    const cell = layout.cells[cellIndex];
    const state = cell?.decode(attribute, counterOfAttribute(name));
    if (cell === undefined || state === undefined) continue;
    for (let windowIndex = 0; windowIndex < bounds.length; windowIndex++) {
      const window = bounds[windowIndex];
      const windowStates = states[windowIndex];
      if (window === undefined || windowStates === undefined || start < window.first || start > window.last) continue;
      const known = windowStates[cellIndex];
      windowStates[cellIndex] = known === undefined ? state : cell.merge(known, state);
    }
  }
}

/**
 * Windows without offset end with the scored event. It is missing from them when it came too late to be counted, or when
 * it was counted but the entity's newest event has moved a short window past it.
 */
function foldScoredEvent(
  layout: WindowLayout,
  { event, counted }: ScoredEvent,
  bounds: readonly Bounds[],
  states: unknown[][],
): void {
  const start = bucketStart(event.timeMillis, layout.baseHopMillis);
  layout.windows.forEach((window, windowIndex) => {
    const { first = 0 } = bounds[windowIndex] ?? {};
    const windowStates = states[windowIndex];
    if (window.offsetMillis > 0 || (counted && start >= first) || windowStates === undefined) return;
    layout.cells.forEach((cell, cellIndex) => {
      const contribution = cell.contribution(event.values, event.timeMillis);
      if (contribution === undefined) return;
      const known = windowStates[cellIndex];
      windowStates[cellIndex] = known === undefined ? contribution : cell.merge(known, contribution);
    });
  });
}

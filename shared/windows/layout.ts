import { LIMITS } from '../limits.ts';
import type { Aggregate, AggregateInput } from './aggregate.ts';
import type { AnyCell } from './cell.ts';

/**
 * A sliding window. At instant `t` it holds the events whose bucket `floor(x / hop)` is one of the `length / hop` newest
 * at `t − offset` and which are not after `t − offset`.
 */
export interface Window {
  readonly name: string;
  readonly lengthMillis: number;
  readonly hopMillis: number;
  readonly offsetMillis: number;
}

/** Bucket starts that are inside a window at an instant: `first ≤ start ≤ last`. */
export interface Bounds {
  readonly first: number;
  readonly last: number;
}

/** One feature: an aggregate over a window. */
export interface WindowFeature {
  readonly name: string;
  readonly window: Window;
  readonly aggregate: Aggregate;
  readonly input: AggregateInput;
  /** Whether the window leaves out the event that is being decided. */
  readonly excludesCurrent: boolean;
}

/** A feature with its place in the layout: which window, and the cells that its answer is computed from. */
interface PlacedFeature extends WindowFeature {
  readonly windowIndex: number;
  readonly cellIndexes: readonly number[];
}

/** Everything that the engine needs to know of a view to update and read its items. */
export interface WindowLayout {
  readonly windows: readonly Window[];
  readonly features: readonly PlacedFeature[];
  readonly cells: readonly AnyCell[];
  readonly cellIndexByCode: ReadonlyMap<string, number>;
  /** Events are counted in buckets of this length; it divides every hop. */
  readonly baseHopMillis: number;
  /** Hops into which settled buckets are merged, coarsest first. */
  readonly compactionHopsMillis: readonly number[];
  readonly allowedLatenessMillis: number;
  /** Ids of events are kept in buckets of this length, twice their retention. */
  readonly eventIdSpanMillis: number;
  /** Ids of events that lie further behind the newest one may be forgotten. */
  readonly eventIdRetentionMillis: number;
  /** An item without updates for so long may be deleted. */
  readonly expiresAfterMillis: number;
  /** Events that arrived before this instant are left to backfill; `undefined` where the stream counts all. */
  readonly liveFromMillis: number | undefined;
  /** At most so many events go into one update, so that its expressions stay within the store's limits. */
  readonly eventsPerUpdate: number;
}

/** Events this much older than the newest are outside a window for good, and settled. */
export function reachMillis(window: Window, allowedLatenessMillis: number): number {
  return window.lengthMillis + window.offsetMillis + window.hopMillis + allowedLatenessMillis;
}

export function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right);
}

/** `(attribute_not_exists(h) OR h<=v) AND`: the guard of the high water. */
const OPERATORS_PER_UPDATE = 4;
/** `NOT contains(ids,id) AND`, in two sets of ids. */
const ID_OPERATORS_PER_EVENT = 6;
/** High water, arrival, expiry. */
const CHANGES_PER_UPDATE = 3;
/** The set that takes in its id. */
const ID_CHANGES_PER_EVENT = 1;

/** How many events fit one update if each is in a bucket of its own. @throws RangeError when not even one does. */
function eventsPerUpdateOf(cells: readonly AnyCell[]): number {
  const operatorsPerEvent = cells.reduce((sum, cell) => sum + cell.conditionOperators, ID_OPERATORS_PER_EVENT);
  const changesPerEvent = cells.length + ID_CHANGES_PER_EVENT;
  const events = Math.floor(
    Math.min(
      (LIMITS.updateOperators - OPERATORS_PER_UPDATE) / operatorsPerEvent,
      (LIMITS.updateChanges - CHANGES_PER_UPDATE) / changesPerEvent,
    ),
  );
  if (events < 1) {
    throw new RangeError(
      `one event would need ${operatorsPerEvent} condition operators and ${changesPerEvent} changes, and an update has ` +
        `at most ${LIMITS.updateOperators} and ${LIMITS.updateChanges} of them: there are too many aggregates`,
    );
  }
  return events;
}

/** The features of the same events whose cells sharpen the answer of one; none where one of them is not declared. */
function sharpeningFeatures(
  { aggregate, input, window, excludesCurrent }: WindowFeature,
  all: readonly PlacedFeature[],
) {
  const found = (aggregate.sharpenedBy ?? []).map((name) =>
    all.find(
      (other) =>
        other.aggregate.name === name &&
        other.input.fieldName === input.fieldName &&
        other.window === window &&
        other.excludesCurrent === excludesCurrent,
    ),
  );
  return found.every((feature) => feature !== undefined) ? found : [];
}

/** Lays out features over windows. @throws RangeError naming two cells whose codes clash, or saying that they are too many. */
export function layOut(options: {
  readonly windows: readonly Window[];
  readonly features: readonly WindowFeature[];
  readonly allowedLatenessMillis: number;
  readonly expiresAfterMillis: number;
  readonly liveFromMillis?: number | undefined;
}): WindowLayout {
  const { windows, allowedLatenessMillis } = options;
  const cells: AnyCell[] = [];
  const indexByIdentity = new Map<string, number>();
  const cellIndexByCode = new Map<string, number>();
  const place = (cell: AnyCell): number => {
    const known = indexByIdentity.get(cell.identity);
    if (known !== undefined) return known;
    const clash = cellIndexByCode.get(cell.code);
    if (clash !== undefined)
      throw new RangeError(`${cells[clash]?.identity} and ${cell.identity} share the code ${cell.code}`);
    const index = cells.push(cell) - 1;
    indexByIdentity.set(cell.identity, index);
    cellIndexByCode.set(cell.code, index);
    return index;
  };
  const placed = options.features.map((feature) => ({
    ...feature,
    windowIndex: windows.indexOf(feature.window),
    cellIndexes: feature.aggregate.cells(feature.input).map(place),
  }));
  const features = placed.map((feature) => {
    const sharpening = sharpeningFeatures(feature, placed).flatMap(({ cellIndexes }) => cellIndexes);
    return { ...feature, cellIndexes: [...feature.cellIndexes, ...sharpening] };
  });
  const hops = [...new Set(windows.map((window) => window.hopMillis))].sort((left, right) => right - left);
  return {
    windows,
    features,
    cells,
    cellIndexByCode,
    baseHopMillis: hops.reduce(greatestCommonDivisor),
    compactionHopsMillis: hops,
    allowedLatenessMillis,
    eventIdRetentionMillis: Math.max(allowedLatenessMillis, LIMITS.eventIdRetentionMillis),
    eventIdSpanMillis: 2 * Math.max(allowedLatenessMillis, LIMITS.eventIdRetentionMillis),
    expiresAfterMillis: options.expiresAfterMillis,
    liveFromMillis: options.liveFromMillis,
    eventsPerUpdate: eventsPerUpdateOf(cells),
  };
}

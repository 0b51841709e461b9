import type { WindowedView } from '../../definitions/view.ts';
import type { FeatureValue } from '../../windows/aggregate.ts';
import type { AnyCell } from '../../windows/cell.ts';
import type { WindowEvent } from '../../windows/event.ts';
import type { Window, WindowFeature } from '../../windows/layout.ts';
import { boundsAt } from '../../windows/read.ts';
import type { HistoryMode } from '../offline-store.ts';
import { type Contributions, contributionsTo } from './contributions.ts';
import { columnsOfEvents, decidedIdsOf, type EventColumns, fieldsOf, type SpineRows } from './event-columns.ts';
import { NOWHERE, placesOfDecided } from './places.ts';
import { Selection } from './selection.ts';
import type { Slider } from './sliders.ts';

/**
 * Features of the past of one entity after the other, in one pass over its events and rows, both in order of time.
 *
 * 1. What an event contributes is asked of the view's cells, once per event: columns of contributions.
 * 2. For each window, its state slides from row to row: what lies between its new and its old edges is added and let go
 *    of, and an event that no row sees is never touched. A row that does not know some event of the window is rare and
 *    near its end: the window then slides up to that event, and what the row knows beyond is merged in for this row only.
 *    In a lane, an event that counts though another was known before it lies within the allowed lateness of that other
 *    one, so there is little beyond. The event that a row decides is such an event for the windows that leave it out,
 *    which are windows of their own. Mostly it is the newest one; rows that ask long after what they decide are slow.
 * 3. The view's aggregates make the answers of the states, as they do online.
 *
 *     events   ── Selection ──▶   contributions      ── SlidingWindow ──▶  states       ── finalise ──▶  values
 *     time order                  per cell and event                       per window and cell           per feature
 */
export class ViewSweep {
  readonly #selection: Selection;
  readonly #knowsAll: boolean;
  readonly #leavesOut: boolean;
  readonly #contributions: readonly Contributions[];
  readonly #windows: readonly SlidingWindow[];
  readonly #features: readonly { readonly feature: WindowFeature; readonly sources: readonly StateSource[] }[];
  readonly #states: readonly unknown[][];
  readonly #values: FeatureValue[];

  /** @param featureIndexes into `view.features`: what to compute, in which order. */
  constructor(view: WindowedView, mode: HistoryMode, featureIndexes: readonly number[]) {
    this.#selection = new Selection(view, mode);
    const knowsAll = mode === 'event-time';
    this.#knowsAll = knowsAll;
    const contributions = new Map<number, Contributions>();
    const windows = new Map<string, SlidingWindow>();
    const features = featureIndexes.flatMap((index) => view.layout.features[index] ?? []);
    this.#leavesOut = features.some(({ excludesCurrent }) => excludesCurrent);
    this.#features = features.map((feature) => {
      const key = `${feature.windowIndex} ${feature.excludesCurrent}`;
      const window = windows.get(key) ?? new SlidingWindow(feature, knowsAll, view);
      windows.set(key, window);
      const sources = feature.cellIndexes.flatMap((cellIndex) => {
        const cell = view.layout.cells[cellIndex];
        if (cell === undefined) return [];
        const ofCell = contributions.get(cellIndex) ?? contributionsTo(cell, feature.input.fieldName);
        contributions.set(cellIndex, ofCell);
        return window.stateOf(cell, ofCell);
      });
      return { feature, sources };
    });
    this.#contributions = [...contributions.values()];
    this.#windows = [...windows.values()];
    this.#states = this.#features.map(({ sources }) => sources.map(() => undefined));
    this.#values = this.#features.map(() => null);
  }

  /**
   * Computes the features of every row of one entity.
   * @param visit is told the row's index and its values, which are valid until it returns.
   * @param scored the event that all these rows decide, which `rows.decided` names: as online, it is inside its own
   *   windows, once, but for those that leave it out.
   */
  sweep(
    events: EventColumns,
    rows: SpineRows,
    visit: (row: number, values: readonly FeatureValue[]) => void,
    scored?: WindowEvent,
  ): void {
    for (const window of this.#windows) window.reset();
    this.#selection.select(events);
    for (const contributions of this.#contributions) contributions.load(events, this.#selection);
    const isAsked = this.#leavesOut || scored !== undefined;
    const places = isAsked && rows.decided ? placesOfDecided(events, this.#selection, rows.decided) : undefined;
    for (let row = 0; row < rows.length; row++) {
      const timestamp = rows.timestamps[row] ?? 0;
      const knownAt = rows.knownAts[row] ?? 0;
      const place = places?.[row] ?? NOWHERE;
      for (const window of this.#windows) window.slide(this.#selection, timestamp, knownAt, place);
      this.#finalise(scored && { event: scored, timestamp, knownAt, place });
      visit(row, this.#values);
    }
  }

  #finalise(scored: ScoredAtRow | undefined): void {
    for (let index = 0; index < this.#features.length; index++) {
      const placed = this.#features[index];
      const states = this.#states[index];
      if (placed === undefined || states === undefined) continue;
      const { feature, sources } = placed;
      for (let cell = 0; cell < sources.length; cell++) states[cell] = sources[cell]?.state();
      if (scored && !feature.excludesCurrent && this.#lacks(feature.window, scored))
        fold(scored.event, sources, states);
      this.#values[index] = feature.aggregate.finalise(states, feature.input);
    }
  }

  /**
   * Whether a window that ends with the scored event is without it: it does not count, or it counts at a time that is not
   * in the window. That time is history's: who sends an event again may claim another one.
   */
  #lacks(window: Window, { timestamp, knownAt, place }: ScoredAtRow): boolean {
    if (window.offsetMillis > 0) return false;
    const { times, arrivals } = this.#selection;
    const time = times[place];
    if (time === undefined || !(this.#knowsAll || (arrivals[place] ?? 0) <= knownAt)) return true;
    const { first, last } = boundsAt(window, timestamp);
    return time < first || time > last;
  }
}

function fold({ values, timeMillis }: WindowEvent, sources: readonly StateSource[], states: unknown[]): void {
  for (const [index, { cell }] of sources.entries()) {
    const contribution = cell.contribution(values, timeMillis);
    if (contribution === undefined) continue;
    states[index] = states[index] === undefined ? contribution : cell.merge([states[index], contribution]);
  }
}

/** The decided event of a row, and where the selection has what history says of it. */
interface ScoredAtRow {
  readonly event: WindowEvent;
  readonly timestamp: number;
  readonly knownAt: number;
  readonly place: number;
}

/** The state of one cell in one window, as the row that was slid to sees it. */
interface StateSource {
  readonly cell: AnyCell;
  state(): unknown;
}

/** One window of a view, and what its cells hold. */
class SlidingWindow {
  readonly #window: Window;
  /** Whether it leaves out the event that a row decides. */
  readonly #leavesOut: boolean;
  readonly #knowsAll: boolean;
  /** From the first event that a row does not know, nothing newer by more than this is known. */
  readonly #beyondMillis: number;
  readonly #sliders: Slider[] = [];
  readonly #sources = new Map<AnyCell, StateSource>();
  /** Events inside the sliders. */
  #from = 0;
  #to = 0;
  /** Events inside the window, whether the row knows them or not. */
  #first = 0;
  #end = 0;
  /** Events that the row knows beyond `#to`. */
  #beyond: number[] = [];

  constructor({ window, excludesCurrent }: WindowFeature, knowsAll: boolean, view: WindowedView) {
    this.#window = window;
    this.#leavesOut = excludesCurrent;
    this.#knowsAll = knowsAll;
    this.#beyondMillis = view.lanes === 1 ? view.layout.allowedLatenessMillis : Number.POSITIVE_INFINITY;
  }

  stateOf(cell: AnyCell, contributions: Contributions): StateSource {
    const known = this.#sources.get(cell);
    if (known) return known;
    const slider = contributions.slider();
    const source = { cell, state: () => this.#withBeyond(cell, contributions, slider.state()) };
    this.#sliders.push(slider);
    this.#sources.set(cell, source);
    return source;
  }

  #withBeyond(cell: AnyCell, contributions: Contributions, state: unknown): unknown {
    if (this.#beyond.length === 0) return state;
    const states = [state, ...this.#beyond.map((index) => contributions.at(index))].filter(
      (part) => part !== undefined,
    );
    return states.length === 0 ? undefined : cell.merge(states);
  }

  reset(): void {
    for (const slider of this.#sliders) slider.reset();
    this.#from = 0;
    this.#to = 0;
    this.#first = 0;
    this.#end = 0;
    this.#beyond = [];
  }

  /** @param place where the event lies that the row decides. */
  slide(selection: Selection, timestamp: number, knownAt: number, place: number): void {
    const { times, length } = selection;
    const bounds = boundsAt(this.#window, timestamp);
    let end = this.#end;
    while (end < length && (times[end] ?? 0) <= bounds.last) end++;
    let first = this.#first;
    while (first < end && (times[first] ?? 0) < bounds.first) first++;
    this.#first = first;
    this.#end = end;
    if (this.#beyond.length > 0) this.#beyond = [];
    const firstUnknown = this.#knowsAll ? end : this.#firstUnknown(selection, knownAt);
    const leftOut = this.#leavesOut && place >= first && place < end ? place : NOWHERE;
    if (leftOut === NOWHERE || leftOut >= firstUnknown) this.#moveTo(first, firstUnknown);
    else this.#moveToBefore(selection, leftOut, firstUnknown);
    if (firstUnknown < end) this.#lookBeyond(selection, { firstUnknown, knownAt, leftOut });
  }

  /** Up to an event of the window that is left out, and of those beyond it what is known to be counted. */
  #moveToBefore({ times }: Selection, leftOut: number, firstUnknown: number): void {
    let to = leftOut;
    // Rows decide the events of one instant in any order, and the window must not slide back.
    while (to > this.#first && times[to - 1] === times[leftOut]) to--;
    this.#moveTo(this.#first, to);
    for (let index = to; index < firstUnknown; index++) if (index !== leftOut) this.#beyond.push(index);
  }

  /** The first event of the window that arrived after `knownAt`, or the window's end. */
  #firstUnknown({ latestArrivals, arrivals }: Selection, knownAt: number): number {
    if (this.#end === 0 || (latestArrivals[this.#end - 1] ?? 0) <= knownAt) return this.#end;
    let low = 0;
    let high = this.#end - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((latestArrivals[middle] ?? 0) > knownAt) high = middle;
      else low = middle + 1;
    }
    // That one may have left the window; then others that are unknown follow it closely.
    let index = Math.max(low, this.#first);
    while (index < this.#end && (arrivals[index] ?? 0) <= knownAt) index++;
    return index;
  }

  #lookBeyond(
    { times, arrivals }: Selection,
    { firstUnknown, knownAt, leftOut }: Readonly<Record<'firstUnknown' | 'knownAt' | 'leftOut', number>>,
  ): void {
    const lastTime = (times[firstUnknown] ?? 0) + this.#beyondMillis;
    for (let index = firstUnknown + 1; index < this.#end && (times[index] ?? 0) <= lastTime; index++) {
      if (index !== leftOut && (arrivals[index] ?? 0) <= knownAt) this.#beyond.push(index);
    }
  }

  /** A row that knows less than the one before it (`known_at` is the spine's choice) makes the sliders start again. */
  #moveTo(from: number, to: number): void {
    const continues = from < this.#to && to >= this.#to;
    for (let index = 0; index < this.#sliders.length; index++) {
      const slider = this.#sliders[index];
      if (slider === undefined) continue;
      if (continues) {
        if (to > this.#to) slider.add(this.#to, to);
        if (from > this.#from) slider.evict(this.#from, from);
      } else {
        slider.reset();
        if (to > from) slider.add(from, to);
      }
    }
    this.#from = from;
    this.#to = to;
  }
}

/**
 * Features of one entity at some rows, for callers that have its events as objects: values by row, in its order.
 * @param scored an event that all these rows decide.
 */
export function sweepEntity(
  view: WindowedView,
  events: readonly WindowEvent[],
  rows: readonly {
    readonly timestampMillis: number;
    readonly knownAtMillis: number;
    /** Id of the event that the row decides. */
    readonly decidedId?: string | null;
  }[],
  mode: HistoryMode,
  scored?: WindowEvent,
): FeatureValue[][] {
  const featureIndexes = [...view.layout.features.keys()];
  const order = [...rows.keys()].sort(
    (left, right) => (rows[left]?.timestampMillis ?? 0) - (rows[right]?.timestampMillis ?? 0),
  );
  const columns = columnsOfEvents(events, fieldsOf(view, featureIndexes));
  const spine: SpineRows = {
    length: rows.length,
    timestamps: Float64Array.from(order, (row) => rows[row]?.timestampMillis ?? 0),
    knownAts: Float64Array.from(order, (row) => rows[row]?.knownAtMillis ?? 0),
    decided: decidedIdsOf(order.map((row) => scored?.id ?? rows[row]?.decidedId ?? null)),
  };
  const answers: FeatureValue[][] = rows.map(() => []);
  const visit = (row: number, values: readonly FeatureValue[]) => {
    answers[order[row] ?? 0] = [...values];
  };
  new ViewSweep(view, mode, featureIndexes).sweep(columns, spine, visit, scored);
  return answers;
}

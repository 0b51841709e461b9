import type { AnyCell } from '../../windows/cell.ts';
import type { LogarithmicCounts } from '../../windows/cells/logarithmic.ts';
import type { Members } from '../../windows/cells/members.ts';
import { addExact, type Exact, multiplyExact } from '../../windows/exact.ts';

/**
 * The state of one cell over a window that slides over events in order of time. Events are named by their indexes; both
 * edges only move forward. `state` equals merging the contributions of all events inside, which is what tests compare.
 */
export interface Slider {
  /** Takes in the events `from … to − 1`, which follow those inside. */
  add(from: number, to: number): void;
  /** Lets go of the events `from … to − 1`, the oldest inside. */
  evict(from: number, to: number): void;
  /** Lets go of all events. */
  reset(): void;
  /** Valid until the window moves. `undefined` when no event inside contributes. */
  state(): unknown;
}

/** Adds and subtracts. */
export class TotalSlider implements Slider {
  readonly #contributions: { readonly values: Float64Array; readonly exact: readonly Exact[] | undefined };
  #sum = 0;
  #exactSum: Exact = 0;

  constructor(contributions: { readonly values: Float64Array; readonly exact: readonly Exact[] | undefined }) {
    this.#contributions = contributions;
  }

  add(from: number, to: number): void {
    const { values, exact } = this.#contributions;
    if (exact) {
      for (let index = from; index < to; index++) this.#exactSum = addExact(this.#exactSum, exact[index] ?? 0);
      return;
    }
    let sum = this.#sum;
    for (let index = from; index < to; index++) sum += values[index] ?? 0;
    this.#sum = sum;
  }

  evict(from: number, to: number): void {
    const { values, exact } = this.#contributions;
    if (exact) {
      for (let index = from; index < to; index++) {
        this.#exactSum = addExact(this.#exactSum, multiplyExact(-1, exact[index] ?? 0));
      }
      return;
    }
    let sum = this.#sum;
    for (let index = from; index < to; index++) sum -= values[index] ?? 0;
    this.#sum = sum;
  }

  reset(): void {
    this.#sum = 0;
    this.#exactSum = 0;
  }

  state(): Exact {
    return this.#contributions.exact ? this.#exactSum : this.#sum;
  }
}

/** Keeps, in order, the events that nothing newer outdoes (a monotone deque): the oldest of them is the extreme. */
export class ExtremeSlider implements Slider {
  readonly #contributions: { readonly values: Float64Array; readonly direction: 1 | -1 };
  #candidates = new Int32Array(64);
  #head = 0;
  #tail = 0;

  constructor(contributions: { readonly values: Float64Array; readonly direction: 1 | -1 }) {
    this.#contributions = contributions;
  }

  add(from: number, to: number): void {
    const { values, direction } = this.#contributions;
    this.#reserve(to - from);
    const candidates = this.#candidates;
    const head = this.#head;
    let tail = this.#tail;
    for (let index = from; index < to; index++) {
      const value = (values[index] ?? Number.NaN) * direction;
      if (Number.isNaN(value)) continue;
      while (tail > head && (values[candidates[tail - 1] ?? 0] ?? 0) * direction <= value) tail--;
      candidates[tail++] = index;
    }
    this.#tail = tail;
  }

  /** Room for so many more: what is there moves to the front, and the array grows if that is not enough. */
  #reserve(count: number): void {
    if (this.#tail + count <= this.#candidates.length) return;
    const inside = this.#candidates.subarray(this.#head, this.#tail);
    const isRoomy = 2 * (inside.length + count) <= this.#candidates.length;
    const candidates = isRoomy ? this.#candidates : new Int32Array(4 * (inside.length + count));
    candidates.set(inside);
    this.#candidates = candidates;
    this.#tail = inside.length;
    this.#head = 0;
  }

  evict(_from: number, to: number): void {
    const candidates = this.#candidates;
    let head = this.#head;
    while (head < this.#tail && (candidates[head] ?? 0) < to) head++;
    this.#head = head;
  }

  reset(): void {
    this.#head = 0;
    this.#tail = 0;
  }

  state(): number | undefined {
    if (this.#head === this.#tail) return undefined;
    return this.#contributions.values[this.#candidates[this.#head] ?? 0];
  }
}

/** Counts how often each member is inside. Those inside are kept as a list, in which a member that leaves is replaced by the last. */
export class SetSlider implements Slider {
  readonly #contributions: { readonly codes: Int32Array; readonly hashes: readonly string[] };
  #countByCode = new Int32Array(0);
  #placeByCode = new Int32Array(0);
  #inside = new Int32Array(64);
  readonly #hashes: string[] = [];

  constructor(contributions: { readonly codes: Int32Array; readonly hashes: readonly string[] }) {
    this.#contributions = contributions;
  }

  add(from: number, to: number): void {
    const { codes, hashes } = this.#contributions;
    this.#reserve(hashes.length);
    const countByCode = this.#countByCode;
    for (let index = from; index < to; index++) {
      const code = codes[index] ?? -1;
      if (code < 0) continue;
      const count = countByCode[code] ?? 0;
      countByCode[code] = count + 1;
      if (count === 0) this.#enter(code, hashes[code] ?? '');
    }
  }

  #enter(code: number, hash: string): void {
    const place = this.#hashes.push(hash) - 1;
    if (place === this.#inside.length) {
      const inside = new Int32Array(2 * place);
      inside.set(this.#inside);
      this.#inside = inside;
    }
    this.#inside[place] = code;
    this.#placeByCode[code] = place;
  }

  #leave(code: number): void {
    const place = this.#placeByCode[code] ?? 0;
    const lastHash = this.#hashes.pop() ?? '';
    const lastPlace = this.#hashes.length;
    if (place === lastPlace) return;
    const lastCode = this.#inside[lastPlace] ?? 0;
    this.#hashes[place] = lastHash;
    this.#inside[place] = lastCode;
    this.#placeByCode[lastCode] = place;
  }

  #reserve(codeCount: number): void {
    if (codeCount <= this.#countByCode.length) return;
    const counts = new Int32Array(2 * codeCount);
    counts.set(this.#countByCode);
    const places = new Int32Array(2 * codeCount);
    places.set(this.#placeByCode);
    this.#countByCode = counts;
    this.#placeByCode = places;
  }

  evict(from: number, to: number): void {
    const { codes } = this.#contributions;
    const countByCode = this.#countByCode;
    for (let index = from; index < to; index++) {
      const code = codes[index] ?? -1;
      if (code < 0) continue;
      const count = (countByCode[code] ?? 0) - 1;
      countByCode[code] = count;
      if (count === 0) this.#leave(code);
    }
  }

  reset(): void {
    for (let place = 0; place < this.#hashes.length; place++) this.#countByCode[this.#inside[place] ?? 0] = 0;
    this.#hashes.length = 0;
  }

  state(): Members | undefined {
    return this.#hashes.length === 0 ? undefined : { level: 0, hashes: this.#hashes };
  }
}

/** Counts by bin, added and subtracted in place. */
export class CountsSlider implements Slider {
  readonly #contributions: { readonly values: readonly (LogarithmicCounts | undefined)[] };
  readonly #counts = new Map<number, Exact>();

  constructor(contributions: { readonly values: readonly (LogarithmicCounts | undefined)[] }) {
    this.#contributions = contributions;
  }

  add(from: number, to: number): void {
    this.#change(from, to, 1);
  }

  evict(from: number, to: number): void {
    this.#change(from, to, -1);
  }

  #change(from: number, to: number, sign: 1 | -1): void {
    const { values } = this.#contributions;
    for (let index = from; index < to; index++) {
      for (const [bin, count] of values[index] ?? []) {
        const changed = addExact(this.#counts.get(bin) ?? 0, multiplyExact(sign, count));
        if (changed === 0) this.#counts.delete(bin);
        else this.#counts.set(bin, changed);
      }
    }
  }

  reset(): void {
    this.#counts.clear();
  }

  state(): LogarithmicCounts | undefined {
    return this.#counts.size === 0 ? undefined : this.#counts;
  }
}

/**
 * For any cell, with nothing but `merge` (two stacks; Tangwongsan et al., "General incremental sliding-window
 * aggregation", VLDB 2015).
 *
 * 1. Newer events are merged into one state as they come.
 * 2. For older ones, up to `#turn`, there is the state from each of them to the last of them, so letting go of the oldest
 *    is moving on to the next.
 * 3. When they are used up, the newer ones are turned into older ones. An event takes part in one merge as a newer one and
 *    in one as an older one.
 */
export class MergingSlider implements Slider {
  readonly #contributions: { readonly values: readonly unknown[] };
  readonly #cell: AnyCell;
  /** By index minus `#oldest`. */
  #older: unknown[] = [];
  #base = 0;
  #first = 0;
  #turn = 0;
  #end = 0;
  #newer: unknown;

  constructor(contributions: { readonly values: readonly unknown[] }, cell: AnyCell) {
    this.#contributions = contributions;
    this.#cell = cell;
  }

  add(from: number, to: number): void {
    if (this.#first === this.#end) {
      this.#first = from;
      this.#turn = from;
    }
    for (let index = from; index < to; index++) {
      this.#newer = this.#merged(this.#newer, this.#contributions.values[index]);
    }
    this.#end = to;
  }

  #merged(left: unknown, right: unknown): unknown {
    if (left === undefined) return right;
    return right === undefined ? left : this.#cell.merge([left, right]);
  }

  evict(_from: number, to: number): void {
    this.#first = to;
    if (to <= this.#turn) return;
    const count = this.#end - to;
    this.#older.length = count;
    let state: unknown;
    for (let index = this.#end - 1; index >= to; index--) {
      state = this.#merged(this.#contributions.values[index], state);
      this.#older[index - to] = state;
    }
    this.#base = to;
    this.#turn = this.#end;
    this.#newer = undefined;
  }

  reset(): void {
    this.#older = [];
    this.#newer = undefined;
    this.#base = 0;
    this.#first = 0;
    this.#turn = 0;
    this.#end = 0;
  }

  state(): unknown {
    const older = this.#first < this.#turn ? this.#older[this.#first - this.#base] : undefined;
    return this.#merged(older, this.#newer);
  }
}

import type { FieldValue } from '../../definitions/fields.ts';
import type { AnyCell } from '../../windows/cell.ts';
import type { LogarithmicCounts } from '../../windows/cells/logarithmic.ts';
import type { Members } from '../../windows/cells/members.ts';
import type { Exact } from '../../windows/exact.ts';
import { type EventColumns, type FieldColumn, valueAt } from './event-columns.ts';
import type { Selection } from './selection.ts';
import { CountsSlider, ExtremeSlider, MergingSlider, SetSlider, type Slider, TotalSlider } from './sliders.ts';

/**
 * What the events of an entity contribute to one cell, one after the other: asked of the cell once per event, however
 * many windows and rows hold it. Loaded again for every entity, in arrays that only grow.
 */
export interface Contributions {
  load(events: EventColumns, selection: Selection): void;
  /** What one event contributes, as the cell's state; `undefined` for nothing. */
  at(position: number): unknown;
  /** A window's state over these contributions. */
  slider(): Slider;
}

/** @param field the one that the cell reads; `undefined` for none. */
export function contributionsTo(cell: AnyCell, field: string | undefined): Contributions {
  switch (cell.slides) {
    case 'total':
      return new Totals(cell, field);
    case 'least':
    case 'greatest':
      return new Extremes(cell, field);
    case 'set':
      return new MemberCodes(cell, field);
    case 'counts':
      return new States<LogarithmicCounts>(cell, field, (states) => new CountsSlider(states));
    default:
      return new States(cell, field, (states) => new MergingSlider(states, cell));
  }
}

/** Asks the cell about each event, through one record that is filled again for each. */
function visitContributions(
  cell: AnyCell,
  field: string | undefined,
  events: EventColumns,
  selection: Selection,
  visit: (contribution: unknown, index: number) => void,
): void {
  const values: Record<string, FieldValue> = {};
  const column = field === undefined ? undefined : events.fields[field];
  const { positions, times } = selection;
  for (let index = 0; index < selection.length; index++) {
    if (field !== undefined) values[field] = valueAt(column, positions[index] ?? 0);
    visit(cell.contribution(values, times[index] ?? 0), index);
  }
}

function grown(array: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  return array.length >= length ? array : new Float64Array(Math.max(1_024, Math.ceil(1.25 * length)));
}

/** Exact numbers that add up; 0 for nothing, which is the same. */
export class Totals implements Contributions {
  values = new Float64Array(0);
  /** In place of `values` where a sum of them might leave the whole numbers that a double holds. */
  exact: Exact[] | undefined;
  readonly #cell: AnyCell;
  readonly #field: string | undefined;

  constructor(cell: AnyCell, field: string | undefined) {
    this.#cell = cell;
    this.#field = field;
  }

  load(events: EventColumns, selection: Selection): void {
    this.values = grown(this.values, selection.length);
    const values = this.values;
    let magnitude = 0;
    visitContributions(this.#cell, this.#field, events, selection, (contribution, index) => {
      const value = contribution === undefined ? 0 : Number(contribution);
      values[index] = value;
      magnitude += Math.abs(value);
    });
    this.exact = undefined;
    if (magnitude < Number.MAX_SAFE_INTEGER) return;
    const exact: Exact[] = [];
    visitContributions(this.#cell, this.#field, events, selection, (contribution) => {
      exact.push((contribution as Exact | undefined) ?? 0);
    });
    this.exact = exact;
  }

  at(position: number): Exact {
    return this.exact?.[position] ?? this.values[position] ?? 0;
  }

  slider(): Slider {
    return new TotalSlider(this);
  }
}

/** Numbers of which the least or the greatest is kept; NaN for nothing. */
export class Extremes implements Contributions {
  values = new Float64Array(0);
  /** 1 where the greatest is kept, −1 where the least is. */
  readonly direction: 1 | -1;
  readonly #cell: AnyCell;
  readonly #field: string | undefined;

  constructor(cell: AnyCell, field: string | undefined) {
    this.#cell = cell;
    this.#field = field;
    this.direction = cell.slides === 'greatest' ? 1 : -1;
  }

  load(events: EventColumns, selection: Selection): void {
    this.values = grown(this.values, selection.length);
    const values = this.values;
    visitContributions(this.#cell, this.#field, events, selection, (contribution, index) => {
      // Adding 0 makes −0 and 0 one number.
      values[index] = contribution === undefined ? Number.NaN : Number(contribution) + 0;
    });
  }

  at(position: number): number | undefined {
    const value = this.values[position] ?? Number.NaN;
    return Number.isNaN(value) ? undefined : value;
  }

  slider(): Slider {
    return new ExtremeSlider(this);
  }
}

/** So many values are remembered with their hashes. Then all are forgotten, between two entities. */
const REMEMBERED_VALUES = 1_000_000;
const UNKNOWN = -2;
const NOTHING = -1;

/**
 * Members of sets, as small numbers. Hashing a value costs a hundred times what counting it does, so each value of a
 * dictionary, and each value at all, is hashed by the cell once.
 */
export class MemberCodes implements Contributions {
  codes = new Int32Array(0);
  /** By code. */
  readonly hashes: string[] = [];
  readonly #codeByHash = new Map<string, number>();
  readonly #codeByValue = new Map<FieldValue, number>();
  readonly #cell: AnyCell;
  readonly #field: string | undefined;
  #dictionary: readonly FieldValue[] = [];
  /** By place in the dictionary, up to `#places`. */
  #codeByPlace = new Int32Array(0);
  #places = 0;

  constructor(cell: AnyCell, field: string | undefined) {
    this.#cell = cell;
    this.#field = field;
  }

  load(events: EventColumns, selection: Selection): void {
    if (this.#codeByValue.size > REMEMBERED_VALUES) this.#forget();
    if (this.codes.length < selection.length)
      this.codes = new Int32Array(Math.max(1_024, Math.ceil(1.25 * selection.length)));
    const column = this.#field === undefined ? undefined : events.fields[this.#field];
    if (column?.kind === 'coded') this.#loadCoded(column, selection);
    else this.#loadValues(column, selection);
  }

  #loadValues(column: FieldColumn | undefined, { positions, length }: Selection): void {
    for (let index = 0; index < length; index++) {
      this.codes[index] = this.#codeOf(valueAt(column, positions[index] ?? 0));
    }
  }

  #loadCoded({ codes, dictionary }: FieldColumn & { kind: 'coded' }, { positions, length }: Selection): void {
    this.#follow(dictionary);
    const codeByPlace = this.#codeByPlace;
    for (let index = 0; index < length; index++) {
      const place = codes[positions[index] ?? 0] ?? NOTHING;
      let code = place < 0 ? NOTHING : (codeByPlace[place] ?? NOTHING);
      if (code === UNKNOWN) {
        code = this.#codeOf(dictionary[place]);
        codeByPlace[place] = code;
      }
      this.codes[index] = code;
    }
  }

  #follow(dictionary: readonly FieldValue[]): void {
    if (dictionary === this.#dictionary && dictionary.length <= this.#places) return;
    if (this.#codeByPlace.length < dictionary.length) this.#codeByPlace = new Int32Array(2 * dictionary.length);
    this.#codeByPlace.fill(UNKNOWN, 0, dictionary.length);
    this.#dictionary = dictionary;
    this.#places = dictionary.length;
  }

  #codeOf(value: FieldValue): number {
    const known = this.#codeByValue.get(value);
    if (known !== undefined) return known;
    const field = this.#field ?? '';
    const [hash] = (this.#cell.contribution({ [field]: value }, 0) as Members | undefined)?.hashes ?? [];
    const code = hash === undefined ? NOTHING : (this.#codeByHash.get(hash) ?? this.hashes.push(hash) - 1);
    if (hash !== undefined) this.#codeByHash.set(hash, code);
    this.#codeByValue.set(value, code);
    return code;
  }

  #forget(): void {
    this.hashes.length = 0;
    this.#codeByHash.clear();
    this.#codeByValue.clear();
    this.#codeByPlace.fill(UNKNOWN);
  }

  at(position: number): Members | undefined {
    const hash = this.hashes[this.codes[position] ?? NOTHING];
    return hash === undefined ? undefined : { level: 0, hashes: [hash] };
  }

  slider(): Slider {
    return new SetSlider(this);
  }
}

/** States of any kind, `undefined` for nothing. */
export class States<State> implements Contributions {
  readonly values: (State | undefined)[] = [];
  readonly #cell: AnyCell;
  readonly #field: string | undefined;
  readonly #sliderOver: (states: States<State>) => Slider;

  constructor(cell: AnyCell, field: string | undefined, sliderOver: (states: States<State>) => Slider) {
    this.#cell = cell;
    this.#field = field;
    this.#sliderOver = sliderOver;
  }

  load(events: EventColumns, selection: Selection): void {
    this.values.length = 0;
    visitContributions(this.#cell, this.#field, events, selection, (contribution) => {
      this.values.push(contribution as State | undefined);
    });
  }

  at(position: number): State | undefined {
    return this.values[position];
  }

  slider(): Slider {
    return this.#sliderOver(this);
  }
}

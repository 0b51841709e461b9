import type { FieldValue } from '../../definitions/fields.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { columnsOf, compilePredicate } from '../../expressions/index.ts';
import { laneOf } from '../../online/item-key.ts';
import { idHashOf } from '../../windows/event.ts';
import type { HistoryMode } from '../offline-store.ts';
import { type EventColumns, valueAt } from './event-columns.ts';

type Membership = (values: Readonly<Record<string, FieldValue>>) => boolean;

/**
 * The events of an entity that a view counts, whoever asks and when.
 *
 * 1. Of the events that belong to the view (`where`), each id is kept once, with its first arrival.
 * 2. An event is late when one that is newer by more than the allowed lateness arrived before it. Late events are older
 *    than the newest one when they arrive, so they never make another late: looking at all events is looking at the
 *    counted ones. And what arrived before a known event is known too, so it does not matter who asks.
 * 3. What remains, in order of time: positions, times, arrivals, and the latest arrival up to each, by which a row
 *    finds the first event that it must not know.
 *
 * One object serves entity after entity, in arrays that only grow.
 */
export class Selection {
  length = 0;
  /** Into the columns of events. */
  positions = new Int32Array(0);
  times: Float64Array = new Float64Array(0);
  arrivals: Float64Array = new Float64Array(0);
  latestArrivals = new Float64Array(0);
  readonly #view: WindowedView;
  readonly #mode: HistoryMode;
  readonly #belongs: Membership | undefined;
  readonly #whereFields: readonly string[];
  readonly #ownTimes: { values: Float64Array } = { values: new Float64Array(0) };
  readonly #ownArrivals: { values: Float64Array } = { values: new Float64Array(0) };
  #isDropped = new Uint8Array(0);
  #slots = new Int32Array(0);

  constructor(view: WindowedView, mode: HistoryMode) {
    this.#view = view;
    this.#mode = mode;
    this.#belongs = view.where && compilePredicate(view.where);
    this.#whereFields = view.where ? [...columnsOf(view.where)] : [];
  }

  select(events: EventColumns): void {
    this.#reserve(events.length);
    this.#isDropped.fill(0, 0, events.length);
    if (this.#belongs) this.#dropOthers(events, this.#belongs);
    this.#dropRepeated(events);
    if (this.#mode === 'bitemporal') this.#dropLate(events);
    this.#keepTheRest(events);
  }

  #reserve(length: number): void {
    if (length <= this.positions.length) return;
    const capacity = Math.max(1_024, Math.ceil(1.25 * length));
    this.positions = new Int32Array(capacity);
    this.#isDropped = new Uint8Array(capacity);
    if (this.#mode === 'bitemporal') this.latestArrivals = new Float64Array(capacity);
  }

  #dropOthers(events: EventColumns, belongs: Membership): void {
    const values: Record<string, FieldValue> = {};
    const columns = this.#whereFields.map((name) => [name, events.fields[name]] as const);
    for (let position = 0; position < events.length; position++) {
      for (const [name, column] of columns) values[name] = valueAt(column, position);
      if (!belongs(values)) this.#isDropped[position] = 1;
    }
  }

  /** A hash table of positions, one above so that 0 is free: of two equal ids, the one that arrived first stays. */
  #dropRepeated(events: EventColumns): void {
    const { length, idHashes, arrivals } = events;
    const mask = 2 ** Math.ceil(Math.log2(Math.max(2, 1.5 * length))) - 1;
    if (this.#slots.length <= mask) this.#slots = new Int32Array(mask + 1);
    const slots = this.#slots;
    slots.fill(0, 0, mask + 1);
    const isDropped = this.#isDropped;
    for (let position = 0; position < length; position++) {
      if (isDropped[position] === 1) continue;
      const idHash = idHashes[position] ?? 0;
      let slot = idHash & mask;
      for (;;) {
        const other = (slots[slot] ?? 0) - 1;
        if (other < 0) {
          slots[slot] = position + 1;
          break;
        }
        if (idHashes[other] === idHash && events.idAt(other) === events.idAt(position)) {
          const isFirst = (arrivals[position] ?? 0) < (arrivals[other] ?? 0);
          isDropped[isFirst ? other : position] = 1;
          if (isFirst) slots[slot] = position + 1;
          break;
        }
        slot = (slot + 1) & mask;
      }
    }
  }

  #dropLate(events: EventColumns): void {
    const { lanes } = this.#view;
    if (lanes === 1) {
      this.#dropLateOf(events, undefined, 0);
      return;
    }
    const laneOfPosition = Uint8Array.from({ length: events.length }, (_, position) => this.#laneAt(events, position));
    for (let lane = 0; lane < lanes; lane++) this.#dropLateOf(events, laneOfPosition, lane);
  }

  #laneAt(events: EventColumns, position: number): number {
    const id = events.idAt(position);
    return laneOf(this.#view, { id, idHash: idHashOf(id), timeMillis: 0, arrivedAtMillis: 0, values: {} });
  }

  /** From the newest event to the oldest, with the first arrival among those too new for it to be in time. */
  #dropLateOf(events: EventColumns, laneOfPosition: Uint8Array | undefined, lane: number): void {
    const { length, times, arrivals } = events;
    const isDropped = this.#isDropped;
    const { allowedLatenessMillis } = this.#view.layout;
    let newer = length - 1;
    let firstArrival = Number.POSITIVE_INFINITY;
    for (let position = length - 1; position >= 0; position--) {
      if (isDropped[position] === 1 || (laneOfPosition && laneOfPosition[position] !== lane)) continue;
      const tolerated = (times[position] ?? 0) + allowedLatenessMillis;
      for (; newer > position && (times[newer] ?? 0) > tolerated; newer--) {
        // A late event need not be looked at, but it changes nothing either.
        if (isDropped[newer] === 1 || (laneOfPosition && laneOfPosition[newer] !== lane)) continue;
        firstArrival = Math.min(firstArrival, arrivals[newer] ?? 0);
      }
      // Of those that arrived at one instant the older ones come first, so that none makes another late.
      if (firstArrival < (arrivals[position] ?? 0)) isDropped[position] = 1;
    }
  }

  #keepTheRest(events: EventColumns): void {
    const isDropped = this.#isDropped;
    let kept = 0;
    for (let position = 0; position < events.length; position++) {
      if (isDropped[position] !== 1) this.positions[kept++] = position;
    }
    this.length = kept;
    this.times = this.#kept(events, events.times, this.#ownTimes);
    this.arrivals = this.#kept(events, events.arrivals, this.#ownArrivals);
    if (this.#mode === 'bitemporal') this.#findLatestArrivals();
  }

  /** Mostly all events are kept, and their columns need no copy. */
  #kept(events: EventColumns, column: Float64Array, own: { values: Float64Array }): Float64Array {
    if (this.length === events.length) return column;
    if (own.values.length < this.length) own.values = new Float64Array(this.positions.length);
    for (let index = 0; index < this.length; index++) own.values[index] = column[this.positions[index] ?? 0] ?? 0;
    return own.values;
  }

  #findLatestArrivals(): void {
    const { arrivals, latestArrivals } = this;
    let latest = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < this.length; index++) {
      const arrival = arrivals[index] ?? 0;
      if (arrival > latest) latest = arrival;
      latestArrivals[index] = latest;
    }
  }
}

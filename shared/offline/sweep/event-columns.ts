import type { FieldValue } from '../../definitions/fields.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { columnsOf } from '../../expressions/index.ts';
import { idHashOf, type WindowEvent } from '../../windows/event.ts';

/** Numbers, NaN for null: no field has NaN for a value. */
export interface NumberColumn {
  readonly kind: 'number';
  readonly values: Float64Array;
}

/** Places in a dictionary, −1 for null. A dictionary may grow at its end; one whose values change is another object. */
export interface CodedColumn {
  readonly kind: 'coded';
  readonly codes: Int32Array;
  readonly dictionary: readonly FieldValue[];
}

export type FieldColumn = NumberColumn | CodedColumn;

/**
 * The events of one entity in order of event time, as columns: a sweep over millions of them has no object per event.
 * Arrays may be longer than `length`.
 */
export interface EventColumns {
  readonly length: number;
  /** When they happened, milliseconds. */
  readonly times: Float64Array;
  /** When they arrived, milliseconds. */
  readonly arrivals: Float64Array;
  /** A number that differs for most different ids. */
  readonly idHashes: Int32Array;
  /** The id of the event at a position. Slow, and only asked for where hashes or arrivals are equal. */
  idAt(position: number): string;
  readonly fields: Readonly<Record<string, FieldColumn>>;
}

/** The rows of one entity for which features are wanted, in order of their timestamps. */
export interface SpineRows {
  readonly length: number;
  readonly timestamps: Float64Array;
  readonly knownAts: Float64Array;
  /** The events that rows decide, of the source whose events are swept. Absent where none does. */
  readonly decided?: DecidedIds;
}

/** Ids by row, null where nothing was decided, and the numbers that `EventColumns` has for them. */
export interface DecidedIds {
  readonly ids: readonly (string | null)[];
  readonly idHashes: Int32Array;
}

export function valueAt(column: FieldColumn | undefined, position: number): FieldValue {
  if (column === undefined) return null;
  if (column.kind === 'coded') return column.dictionary[column.codes[position] ?? -1] ?? null;
  const value = column.values[position] ?? Number.NaN;
  return Number.isNaN(value) ? null : value;
}

/** The fields that some features of a view are computed from, and those that say which events belong to it. */
export function fieldsOf(view: WindowedView, featureIndexes: readonly number[]): string[] {
  const inputs = featureIndexes.map((index) => view.layout.features[index]?.input.fieldName);
  return [...new Set([...inputs.filter((name) => name !== undefined), ...(view.where ? columnsOf(view.where) : [])])];
}

/** Events as columns, for callers that have them as objects. */
export function columnsOfEvents(events: readonly WindowEvent[], fields: readonly string[]): EventColumns {
  const inOrder = [...events].sort((left, right) => left.timeMillis - right.timeMillis);
  return {
    length: inOrder.length,
    times: Float64Array.from(inOrder, ({ timeMillis }) => timeMillis),
    arrivals: Float64Array.from(inOrder, ({ arrivedAtMillis }) => arrivedAtMillis),
    idHashes: Int32Array.from(inOrder, ({ idHash }) => numberOfHash(idHash)),
    idAt: (position) => inOrder[position]?.id ?? '',
    fields: Object.fromEntries(fields.map((field) => [field, columnOf(inOrder.map(({ values }) => values[field]))])),
  };
}

/** The ids of decided events, for rows over `columnsOfEvents`. */
export function decidedIdsOf(ids: readonly (string | null)[]): DecidedIds {
  return { ids, idHashes: Int32Array.from(ids, (id) => (id === null ? 0 : numberOfHash(idHashOf(id)))) };
}

function numberOfHash(idHash: string): number {
  return Buffer.from(idHash, 'base64url').readInt32BE(0);
}

function columnOf(values: readonly FieldValue[]): FieldColumn {
  if (values.every((value) => typeof value === 'number' || (value ?? null) === null)) {
    return {
      kind: 'number',
      values: Float64Array.from(values, (value) => ((value ?? null) === null ? Number.NaN : Number(value))),
    };
  }
  const dictionary = [...new Set(values.filter((value) => (value ?? null) !== null))];
  const codes = Int32Array.from(values, (value) => dictionary.indexOf(value));
  return { kind: 'coded', codes, dictionary };
}

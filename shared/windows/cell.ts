import { hash } from 'node:crypto';
import type { FieldValue } from '../definitions/fields.ts';
import { CODE_LENGTH } from './bucket.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import type { Attribute, Item } from './item.ts';
import type { ItemUpdateBuilder } from './update-builder.ts';

/**
 * One stored quantity of a bucket: the unit from which aggregates are made. `mean` is made of two cells, a count and a
 * sum, which `count` and `sum` of the same field share.
 *
 * Laws, held to by property tests of every cell and of the engine:
 * 1. `merge` is associative and commutative.
 * 2. Storing the contributions of events one by one, or merging them first, reads as the same state.
 * 3. `compact` changes no window that reaches every bucket it was given from some bucket on to the newest.
 */
export interface Cell<State> {
  /** What is kept, for example `sum(amount)`. Cells of equal identity are one cell. */
  readonly identity: string;
  /** Three characters that name the cell in attribute names. */
  readonly code: string;
  /** What one event contributes, or `undefined` for nothing (its field is null). */
  contribution(values: Readonly<Record<string, FieldValue>>, timeMillis: number): State | undefined;
  /** One state of all that several stand for; they are at least one. */
  merge(states: readonly State[]): State;
  /** Reads one of the cell's attributes. `undefined` when it is not of this cell's making. */
  decode(attribute: Attribute, counter: string): State | undefined;
  /** Optional: what takes a contribution back, so that `merge([state, contribution, inverse(contribution)])` reads as `state`. */
  inverse?(contribution: State): State;
  /** Optional: whether a contribution may be part of a bucket's state, as far as the state tells; by default it may. */
  mayHold?(state: State, contribution: State): boolean;
  /**
   * Adds to `update` what folds `state` into the bucket whose attribute is `name`, with the conditions under which that
   * is right. `current` is the item as last seen; `undefined` when it has not been seen.
   */
  store(update: ItemUpdateBuilder, name: string, state: State, current: Item | undefined): void;
  /** Operators and functions in the conditions that `store` adds for one bucket. What an update may have of them is limited. */
  readonly conditionOperators: number;
  /** Writes a state of a settled bucket so that `unpack` reads it and knows where it ends. */
  pack(state: State, writer: ByteWriter): void;
  unpack(reader: ByteReader): State;
  /**
   * Optional: what the states are, for sweeps over history, which slide them over events in order of time: exact numbers
   * that add up, the least or greatest number, a set (`Members`), counts by bin. Others are merged again and again.
   */
  readonly slides?: 'total' | 'least' | 'greatest' | 'set' | 'counts';
  /** Optional: makes the states of an item's settled buckets, newest first, smaller without changing any window. */
  compact?(newestFirst: readonly State[]): (State | undefined)[];
}

/** A cell whose state nobody looks into: what collections of different cells hold. */
// biome-ignore lint/suspicious/noExplicitAny: states of different cells are never mixed, and `unknown` would forbid handing a cell its own state back.
export type AnyCell = Cell<any>;

/**
 * A cell's code: a letter for the kind of cell and two characters for what it is about. Hashed rather than numbered, so that adding
 * a feature never renames the others; the rare clash is refused when the view is declared.
 */
export function cellCode(letter: string, subject: string): string {
  return letter + hash('sha256', subject, 'base64url').slice(0, CODE_LENGTH - 1);
}

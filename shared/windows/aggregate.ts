import type { Field, FieldType } from '../definitions/fields.ts';
import type { AnyCell } from './cell.ts';

/** A feature's value as it is answered. */
export type FeatureValue = number | string | boolean | null;

/** What the values of a feature are; the name of the type in catalogues and tables. */
export type FeatureType = 'number' | 'text' | 'boolean';

/** What an aggregate is applied to: a field of the source, or for `count()` the event itself. */
export interface AggregateInput {
  readonly fieldName: string | undefined;
  readonly field: Field | undefined;
  /** Digits after the point that the field's values have; 0 where it is no decimal. */
  readonly scale: number;
  /** Rank for quantiles, 0 to 1. */
  readonly quantile: number | undefined;
}

/**
 * What the engines of SQL write differently, as far as aggregates need it. Arguments and results are SQL, and `over`
 * finishes the call of an aggregate function.
 */
export interface AggregateDialect {
  /** Type of whole numbers with up to 38 digits. What exceeds them is an error and never a rounding. */
  readonly wholeNumber: string;
  /** How many different values there are, nulls not counted. */
  readonly countDistinct: (value: string, over: AggregateSql['over']) => string;
  /** The value at a position, from 1, when the values that are not null are sorted; null when there are fewer. */
  readonly elementByRank: (value: string, position: string, over: AggregateSql['over']) => string;
}

/**
 * The events of a window as columns of SQL. Rows that are no events, or lack the field, have null in each of them.
 * An aggregate is written once for both ways to see a window: as a frame, and as a group.
 */
export interface AggregateSql {
  /** Milliseconds. */
  readonly time: string;
  /** The field: DOUBLE, VARCHAR or BOOLEAN. Of `count()`, the time. */
  readonly value: string;
  /** The field as a multiple of its smallest unit, where it is a decimal or whole number. */
  readonly units: string;
  /** The call of an aggregate function over the window: with its `OVER`, or with its `FILTER`. */
  readonly over: (call: string) => string;
  readonly dialect: AggregateDialect;
}

/**
 * An aggregate in algebraic form: the cells it is made of and how their states become the answer. Everything that is
 * stored, merged or pruned is a cell's business; everything that is answered is here.
 */
export interface Aggregate {
  readonly name: string;
  /** Kinds of field it accepts; empty for none. */
  readonly accepts: readonly FieldType['kind'][];
  /** Whether it also works without a field. */
  readonly fieldIsOptional: boolean;
  /** Whether a window with an offset can be computed from its cells. */
  readonly supportsOffset: boolean;
  /** What a window without values answers. */
  readonly emptyValue: 0 | null;
  outputType(input: AggregateInput): FeatureType;
  cells(input: AggregateInput): readonly AnyCell[];
  /** The answer from the states of `cells(input)`, in their order; `undefined` where a cell is empty. */
  // biome-ignore lint/suspicious/noExplicitAny: see AnyCell; the states are those of the cells named just above.
  finalise(states: readonly any[], input: AggregateInput): FeatureValue;
  /** The same answer in SQL, as DOUBLE, VARCHAR or BOOLEAN by its type. */
  sql(events: AggregateSql, input: AggregateInput): string;
}

/** The double nearest to a whole number. Engines round the digits of a text correctly, and large numbers only nearly. */
export function nearestDoubleSql(wholeNumber: string): string {
  return `CAST(CAST(${wholeNumber} AS VARCHAR) AS DOUBLE)`;
}

/** `divisor · 10^scale`, a double. */
export function scaledDivisorSql(divisor: string, scale: number): string {
  return scale === 0 ? divisor : `(${divisor} * 1E${scale})`;
}

/** @throws Error when an aggregate that needs a field is used without one: declarations check this before. */
export function fieldNameOf(input: AggregateInput): string {
  if (input.fieldName === undefined) throw new Error('this aggregate needs a field');
  return input.fieldName;
}

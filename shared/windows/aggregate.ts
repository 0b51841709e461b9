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
}

/** @throws Error when an aggregate that needs a field is used without one: declarations check this before. */
export function fieldNameOf(input: AggregateInput): string {
  if (input.fieldName === undefined) throw new Error('this aggregate needs a field');
  return input.fieldName;
}

import type { Field, FieldType } from '../definitions/fields.ts';
import { LIMITS } from '../limits.ts';
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
  /** The whole part of a quotient of whole numbers. Operands may be products, but not sums. */
  readonly wholeQuotient: (dividend: string, divisor: string) => string;
  /** Computes `value` once and puts it into `body`, under the name that `body` is given. */
  readonly bind: (value: string, body: (name: string) => string) => string;
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
  /** Size of the largest whole numbers that it accepts; absent: any. */
  readonly largestInteger?: number;
  /** Whether it also works without a field. */
  readonly fieldIsOptional: boolean;
  /** Whether a window with an offset can be computed from its cells. */
  readonly supportsOffset: boolean;
  /** What a window without values answers. */
  readonly emptyValue: 0 | null;
  outputType(input: AggregateInput): FeatureType;
  cells(input: AggregateInput): readonly AnyCell[];
  /**
   * Optional: names of aggregates that sharpen the answer. Where a view has all of them for the same field and window,
   * the states of their cells follow those of `cells(input)`. Nothing is stored for it.
   */
  readonly sharpenedBy?: readonly string[];
  /** The answer from the states of `cells(input)`, in their order; `undefined` where a cell is empty. */
  // biome-ignore lint/suspicious/noExplicitAny: see AnyCell; the states are those of the cells named just above.
  finalise(states: readonly any[], input: AggregateInput): FeatureValue;
  /** The same answer in SQL, as DOUBLE, VARCHAR or BOOLEAN by its type. */
  sql(events: AggregateSql, input: AggregateInput): string;
}

/** A division of whole numbers, in SQL. Where one of them is null, so is the quotient. */
export interface QuotientSql {
  /** Of at most 38 digits. */
  readonly dividend: string;
  /** At least 1, of at most `divisorDigits` digits. */
  readonly divisor: string;
  readonly divisorDigits: number;
  /** The quotient is also divided by 10^scale. */
  readonly scale: number;
}

/**
 * The double nearest to `dividend / (divisor · 10^scale)`, of two equally near ones the even one, as `nearestQuotient` of
 * `exact.ts` answers it.
 *
 * 1. While the dividend and `divisor · 5^scale` are at most 2^53, both sides of a division of doubles are exact, and it
 *    rounds once.
 * 2. Otherwise the quotient is written as decimal text, and the cast of the text rounds once.
 */
export function nearestQuotientSql(dialect: AggregateDialect, quotient: QuotientSql): string {
  const { dividend, divisor, divisorDigits, scale } = quotient;
  // What a step of the long division multiplies by: the product has at most 38 digits.
  const shift = `'1${'0'.repeat(LIMITS.storedDigits - divisorDigits)}'`;
  const operands = [dividend, divisor, shift].map((operand) => `CAST(${operand} AS ${dialect.wholeNumber})`);
  return dialect.bind(`ARRAY[${operands.join(', ')}]`, (bound) => {
    const [whole, by] = [`${bound}[1]`, `${bound}[2]`];
    const isExact = `abs(${whole}) <= ${2 ** 53} AND ${by} <= ${Math.floor(2 ** 53 / 5 ** scale)}`;
    const direct = `CAST(${whole} AS DOUBLE) / (CAST(${by} AS DOUBLE) * 1E${scale})`;
    return `CASE WHEN ${isExact} THEN ${direct} ELSE CAST(${quotientTextSql(dialect, quotient, bound)} AS DOUBLE) END`;
  });
}

/**
 * A quotient's decimal text by long division, many digits at a time. It is cut off after 17 + scale + twice the divisor's
 * digits behind the point, or later. That decides nothing: a quotient that lies halfway between two doubles ends before,
 * and any other one is further from there than one unit of the last digit.
 *
 * @param bound the array of dividend, divisor and shift.
 */
function quotientTextSql(dialect: AggregateDialect, { divisorDigits, scale }: QuotientSql, bound: string): string {
  const [whole, by, shift] = [`${bound}[1]`, `${bound}[2]`, `${bound}[3]`];
  const digitsAtOnce = LIMITS.storedDigits - divisorDigits;
  const steps = Math.ceil((17 + scale + 2 * divisorDigits) / digitsAtOnce);
  const digits: string[] = [];
  let rest = `abs(${whole})`;
  for (let step = 0; step < steps; step++) {
    rest += ` % ${by} * ${shift}`;
    digits.push(`lpad(CAST(${dialect.wholeQuotient(rest, by)} AS VARCHAR), ${digitsAtOnce}, '0')`);
  }
  const sign = `CASE WHEN ${whole} < 0 THEN '-' ELSE '' END`;
  const wholePart = `CAST(${dialect.wholeQuotient(`abs(${whole})`, by)} AS VARCHAR)`;
  return [sign, wholePart, "'.'", ...digits, `'e-${scale}'`].join(' || ');
}

/** @throws Error when an aggregate that needs a field is used without one: declarations check this before. */
export function fieldNameOf(input: AggregateInput): string {
  if (input.fieldName === undefined) throw new Error('this aggregate needs a field');
  return input.fieldName;
}

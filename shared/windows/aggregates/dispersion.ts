import { LIMITS } from '../../limits.ts';
import {
  type Aggregate,
  type AggregateInput,
  type AggregateSql,
  fieldNameOf,
  nearestQuotientSql,
} from '../aggregate.ts';
import { powerSumCell } from '../cells/additive.ts';
import { addExact, type Exact, multiplyExact, nearestQuotient } from '../exact.ts';
import { mean } from './mean.ts';

/**
 * Sample variance `(n·Σx² − (Σx)²) / (n·(n − 1))`, as SQL's `var_samp`: the double nearest to it. Numerator and
 * denominator are computed exactly, so values that are large and close together lose nothing (the textbook objection to
 * this formula is about floats). `null` for fewer than two values.
 */
function sampleVariance(count: Exact, sum: Exact, squares: Exact, scale: number): number | null {
  if (count < 2) return null;
  const numerator = addExact(multiplyExact(count, squares), multiplyExact(-1, multiplyExact(sum, sum)));
  // Negative only while a newly declared aggregate shares cells that hold more than its own.
  if (numerator < 0) return null;
  return nearestQuotient(numerator, multiplyExact(count, addExact(count, -1)), 2 * scale);
}

/**
 * The same in SQL, and the same double, for up to 10^9 values. It fails beyond 38 digits: n values of at most u units need
 * `n² · u² < 10^38`.
 */
function varianceSql({ value, units, over, dialect }: AggregateSql, { scale }: AggregateInput): string {
  const count = over(`count(${value})`);
  const sum = over(`sum(${units})`);
  const squares = over(`sum(CAST(${units} AS ${dialect.wholeNumber}) * ${units})`);
  return nearestQuotientSql(dialect, {
    dividend: `CAST(${count} AS ${dialect.wholeNumber}) * ${squares} - ${sum} * ${sum}`,
    // Null for fewer than two values.
    divisor: `nullif(${count} * (${count} - 1), 0)`,
    divisorDigits: 18,
    scale: 2 * scale,
  });
}

function dispersion(
  name: 'variance' | 'stddev',
  ofVariance: (variance: number) => number,
  sqlOfVariance: (variance: string) => string,
): Aggregate {
  return {
    name,
    accepts: ['integer', 'decimal'],
    // Squares of 10^8 values must fit what the store adds exactly; see the relation in limits.ts.
    largestInteger: 10 ** LIMITS.decimalDigits - 1,
    fieldIsOptional: false,
    supportsOffset: true,
    emptyValue: null,
    outputType: () => 'number',
    cells: (input) => [...mean.cells(input), powerSumCell(fieldNameOf(input), input.scale, 2)],
    finalise: ([count, sum, squares]: (Exact | undefined)[], { scale }) => {
      const variance = sampleVariance(count ?? 0, sum ?? 0, squares ?? 0, scale);
      return variance === null ? null : ofVariance(variance);
    },
    sql: (events, input) => sqlOfVariance(varianceSql(events, input)),
  };
}

/** Sample variance; null for fewer than two values. */
export const variance = dispersion(
  'variance',
  (value) => value,
  (value) => value,
);
/** Square root of the variance, which is rounded before and after; null for fewer than two values. As SQL's `stddev`. */
export const stddev = dispersion('stddev', Math.sqrt, (value) => `sqrt(${value})`);

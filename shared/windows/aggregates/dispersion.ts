import {
  type Aggregate,
  type AggregateInput,
  type AggregateSql,
  fieldNameOf,
  nearestDoubleSql,
  scaledDivisorSql,
} from '../aggregate.ts';
import { powerSumCell } from '../cells/additive.ts';
import { addExact, type Exact, multiplyExact, nearestQuotient } from '../exact.ts';
import { mean } from './mean.ts';

/**
 * Sample variance `(n·Σx² − (Σx)²) / (n·(n − 1))`, as SQL's `var_samp`. The numerator is computed exactly, so values
 * that are large and close together lose nothing (the textbook objection to this formula is about floats).
 * `null` for fewer than two values.
 */
function sampleVariance(count: Exact, sum: Exact, squares: Exact, scale: number): number | null {
  const size = Number(count);
  if (size < 2) return null;
  const numerator = addExact(multiplyExact(count, squares), multiplyExact(-1, multiplyExact(sum, sum)));
  // Negative only while a newly declared aggregate shares cells that hold more than its own.
  if (numerator < 0) return null;
  return nearestQuotient(numerator, size * (size - 1), 2 * scale);
}

/** The same in SQL. It fails beyond 38 digits: n values of at most u units need `n² · u² < 10^38`. */
function varianceSql({ value, units, over, dialect }: AggregateSql, { scale }: AggregateInput): string {
  const count = over(`count(${value})`);
  const sum = over(`sum(${units})`);
  const squares = over(`sum(CAST(${units} AS ${dialect.wholeNumber}) * ${units})`);
  const numerator = `CAST(${count} AS ${dialect.wholeNumber}) * ${squares} - ${sum} * ${sum}`;
  const pairs = `(CAST(${count} AS DOUBLE) * (CAST(${count} AS DOUBLE) - 1E0))`;
  return `CASE WHEN ${count} > 1 THEN ${nearestDoubleSql(numerator)} / ${scaledDivisorSql(pairs, 2 * scale)} END`;
}

function dispersion(
  name: 'variance' | 'stddev',
  ofVariance: (variance: number) => number,
  sqlOfVariance: (variance: string) => string,
): Aggregate {
  return {
    name,
    accepts: ['integer', 'decimal'],
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
/** Sample standard deviation, as SQL's `stddev`; null for fewer than two values. */
export const stddev = dispersion('stddev', Math.sqrt, (value) => `sqrt(${value})`);

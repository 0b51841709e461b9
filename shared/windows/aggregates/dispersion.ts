import { type Aggregate, fieldNameOf } from '../aggregate.ts';
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

function dispersion(name: 'variance' | 'stddev', ofVariance: (variance: number) => number): Aggregate {
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
  };
}

/** Sample variance; null for fewer than two values. */
export const variance = dispersion('variance', (value) => value);
/** Sample standard deviation, as SQL's `stddev`; null for fewer than two values. */
export const stddev = dispersion('stddev', Math.sqrt);

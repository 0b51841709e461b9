import { type Aggregate, nearestQuotientSql } from '../aggregate.ts';
import { type Exact, nearestQuotient } from '../exact.ts';
import { count } from './count.ts';
import { sum } from './sum.ts';

/**
 * The exact sum divided by the count: the double nearest to that, so never outside of the least and greatest value. Null
 * without values. The SQL answers the same for fewer than 10^10 values.
 */
export const mean: Aggregate = {
  name: 'mean',
  accepts: ['integer', 'decimal'],
  fieldIsOptional: false,
  supportsOffset: true,
  emptyValue: null,
  outputType: () => 'number',
  cells: (input) => [...count.cells(input), ...sum.cells(input)],
  finalise: ([values, total]: [Exact | undefined, Exact | undefined], { scale }) => {
    const size = values ?? 0;
    return size === 0 ? null : nearestQuotient(total ?? 0, size, scale);
  },
  // Without values the sum is null.
  sql: ({ value, units, over, dialect }, { scale }) =>
    nearestQuotientSql(dialect, {
      dividend: over(`sum(${units})`),
      divisor: over(`count(${value})`),
      divisorDigits: 10,
      scale,
    }),
};

import { type Aggregate, fieldNameOf } from '../aggregate.ts';
import { powerSumCell } from '../cells/additive.ts';
import { type Exact, nearestQuotient } from '../exact.ts';

/**
 * Sum, kept exactly. The answer is the double nearest to it, of two equally near ones the even one: the sum itself while it
 * is at most 2^53 units of the last digit, and beyond that within 2^−53 of its size (2^53 + 1 is answered as 2^53).
 */
export const sum: Aggregate = {
  name: 'sum',
  accepts: ['integer', 'decimal'],
  fieldIsOptional: false,
  supportsOffset: true,
  emptyValue: 0,
  outputType: () => 'number',
  cells: (input) => [powerSumCell(fieldNameOf(input), input.scale, 1)],
  finalise: ([total]: [Exact | undefined], { scale }) => nearestQuotient(total ?? 0, 1, scale),
  // The point is moved in the text, so that there is one rounding.
  sql: ({ units, over }, { scale }) =>
    `coalesce(CAST(CAST(${over(`sum(${units})`)} AS VARCHAR) || 'e-${scale}' AS DOUBLE), 0E0)`,
};

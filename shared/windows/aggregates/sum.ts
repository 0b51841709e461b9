import { type Aggregate, fieldNameOf } from '../aggregate.ts';
import { powerSumCell } from '../cells/additive.ts';
import { type Exact, nearestNumber } from '../exact.ts';

/** Exact sum; the answer is the double nearest to it. */
export const sum: Aggregate = {
  name: 'sum',
  accepts: ['integer', 'decimal'],
  fieldIsOptional: false,
  supportsOffset: true,
  emptyValue: 0,
  outputType: () => 'number',
  cells: (input) => [powerSumCell(fieldNameOf(input), input.scale, 1)],
  finalise: ([total]: [Exact | undefined], { scale }) => nearestNumber(total ?? 0, scale),
  // The point is moved in the text, so that there is one rounding.
  sql: ({ units, over }, { scale }) =>
    `coalesce(CAST(CAST(${over(`sum(${units})`)} AS VARCHAR) || 'e-${scale}' AS DOUBLE), 0E0)`,
};

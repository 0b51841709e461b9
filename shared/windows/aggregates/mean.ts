import type { Aggregate } from '../aggregate.ts';
import { type Exact, nearestNumber } from '../exact.ts';
import { count } from './count.ts';
import { sum } from './sum.ts';

/** The double nearest to the exact sum, divided by the count; null without values. */
export const mean: Aggregate = {
  name: 'mean',
  accepts: ['integer', 'decimal'],
  fieldIsOptional: false,
  supportsOffset: true,
  emptyValue: null,
  outputType: () => 'number',
  cells: (input) => [...count.cells(input), ...sum.cells(input)],
  finalise: ([values, total]: [Exact | undefined, Exact | undefined], { scale }) => {
    const size = Number(values ?? 0);
    return size === 0 ? null : nearestNumber(total ?? 0, scale) / size;
  },
};

import { type Aggregate, nearestDoubleSql, scaledDivisorSql } from '../aggregate.ts';
import { type Exact, nearestQuotient } from '../exact.ts';
import { count } from './count.ts';
import { sum } from './sum.ts';

/** The exact sum divided by the count, rounded once; null without values. */
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
    return size === 0 ? null : nearestQuotient(total ?? 0, size, scale);
  },
  // Without values the sum is null.
  sql: (events, input) =>
    `${nearestDoubleSql(events.over(`sum(${events.units})`))} / ${scaledDivisorSql(count.sql(events, input), input.scale)}`,
};

import { type Aggregate, fieldNameOf } from '../aggregate.ts';
import { type LogarithmicCounts, logarithmicCell, quantileOf } from '../cells/logarithmic.ts';

/**
 * The value of rank `floor(q · (n − 1))` in order of size, within 1 %; null without values. In a view that also has `min`
 * and `max` of the field, for the same events, it lies between the two, and so is exact where all values are equal. There it
 * is missing where they are: when a decided event that was counted before has to be left out again.
 */
export const quantile: Aggregate = {
  name: 'quantile',
  accepts: ['integer', 'decimal', 'double'],
  fieldIsOptional: false,
  supportsOffset: true,
  emptyValue: null,
  outputType: () => 'number',
  cells: (input) => [logarithmicCell(fieldNameOf(input))],
  sharpenedBy: ['min', 'max'],
  finalise: ([state, least, greatest]: [LogarithmicCounts | undefined, number?, number?], { quantile: rank }) =>
    state ? quantileOf(state, rank ?? 0.5, { least, greatest }) : null,
  // The value itself, where the online answer is within 1 % of it.
  sql: ({ value, over, dialect }, { quantile: rank }) => {
    const last = `greatest(CAST(${over(`count(${value})`)} AS DOUBLE) - 1E0, 0E0)`;
    const position = `CAST(floor(${(rank ?? 0.5).toExponential()} * ${last}) AS BIGINT) + 1`;
    return dialect.elementByRank(value, position, over);
  },
};

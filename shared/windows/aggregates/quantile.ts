import { type Aggregate, fieldNameOf } from '../aggregate.ts';
import { type LogarithmicCounts, logarithmicCell, quantileOf } from '../cells/logarithmic.ts';

/** The value of rank `floor(q · (n − 1))` in order of size, within 1 %; null without values. */
export const quantile: Aggregate = {
  name: 'quantile',
  accepts: ['integer', 'decimal', 'double'],
  fieldIsOptional: false,
  supportsOffset: true,
  emptyValue: null,
  outputType: () => 'number',
  cells: (input) => [logarithmicCell(fieldNameOf(input))],
  finalise: ([state]: [LogarithmicCounts | undefined], { quantile: rank }) =>
    state ? quantileOf(state, rank ?? 0.5) : null,
};

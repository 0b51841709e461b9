import { type Aggregate, fieldNameOf } from '../aggregate.ts';
import { type Members, memberCount, membersCell } from '../cells/members.ts';

/** Number of distinct values: exact up to 8,192 of them, then an estimate with a standard error of at most 1.6 %. */
export const distinct: Aggregate = {
  name: 'distinct',
  accepts: ['text', 'boolean', 'integer', 'decimal', 'double', 'timestamp'],
  fieldIsOptional: false,
  // A value is kept in its newest bucket only, so what an earlier window would have seen is gone.
  supportsOffset: false,
  emptyValue: 0,
  outputType: () => 'number',
  cells: (input) => [membersCell(fieldNameOf(input))],
  finalise: ([state]: [Members | undefined]) => (state ? memberCount(state) : 0),
  // Exact, also where the online count is an estimate.
  sql: ({ value, over, dialect }) => `CAST(${dialect.countDistinct(value, over)} AS DOUBLE)`,
};

import type { Aggregate } from '../aggregate.ts';
import { countCell } from '../cells/additive.ts';
import type { Exact } from '../exact.ts';

/** Number of events, or of events where the field is not null. */
export const count: Aggregate = {
  name: 'count',
  accepts: ['text', 'boolean', 'integer', 'decimal', 'double', 'timestamp'],
  fieldIsOptional: true,
  supportsOffset: true,
  emptyValue: 0,
  outputType: () => 'number',
  // A field that is never null counts every event, so it shares the cell of `count()`.
  cells: ({ fieldName, field }) => [countCell(field?.optional ? fieldName : undefined)],
  finalise: ([total]: [Exact | undefined]) => Number(total ?? 0),
  sql: ({ value, over }) => `CAST(${over(`count(${value})`)} AS DOUBLE)`,
};

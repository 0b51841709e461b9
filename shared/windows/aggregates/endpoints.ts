import { type Aggregate, fieldNameOf } from '../aggregate.ts';
import { type Endpoint, endpointCell } from '../cells/endpoint.ts';

function endpoint(name: 'first' | 'last'): Aggregate {
  return {
    name,
    accepts: ['text', 'boolean', 'integer', 'decimal', 'double', 'timestamp'],
    fieldIsOptional: false,
    supportsOffset: true,
    emptyValue: null,
    outputType: ({ field }) =>
      field?.type.kind === 'text' ? 'text' : field?.type.kind === 'boolean' ? 'boolean' : 'number',
    cells: (input) => [endpointCell(fieldNameOf(input), name)],
    finalise: ([state]: [Endpoint | undefined]) => state?.value ?? null,
    sql: ({ time, value, over }) =>
      over(
        `${name === 'last' ? 'max_by' : 'min_by'}(${value}, CASE WHEN ${value} IS NOT NULL THEN ROW(${time}, ${value}) END)`,
      ),
  };
}

/** The value in the earliest event (the least value among events of that instant); null without values. */
export const first = endpoint('first');
/** The value in the latest event (the greatest value among events of that instant); null without values. */
export const last = endpoint('last');

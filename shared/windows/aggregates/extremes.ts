import { type Aggregate, fieldNameOf } from '../aggregate.ts';
import { extremeCell } from '../cells/extreme.ts';

function extreme(name: 'min' | 'max', side: 'minimum' | 'maximum'): Aggregate {
  return {
    name,
    accepts: ['integer', 'decimal', 'double', 'timestamp'],
    fieldIsOptional: false,
    supportsOffset: true,
    emptyValue: null,
    outputType: () => 'number',
    cells: (input) => [extremeCell(fieldNameOf(input), side)],
    finalise: ([value]: [number | undefined]) => value ?? null,
    sql: ({ value, over }) => over(`${name}(${value})`),
  };
}

/** The least value; null without values. */
export const min = extreme('min', 'minimum');
/** The greatest value; null without values. */
export const max = extreme('max', 'maximum');

import type { Field } from '../../definitions/fields.ts';
import type { ColumnInfo } from './duckdb.ts';
import { quoted } from './duckdb.ts';

/**
 * SQL that reads a column, whatever its type in the file, as the engine understands it: instants in milliseconds,
 * numbers as doubles, keys as text or whole numbers. `undefined` when the column's type cannot be read so.
 */

const WHOLE = /^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/;
const FRACTIONAL = /^(FLOAT|DOUBLE|DECIMAL.*)$/;
const INSTANT = /^(TIMESTAMP.*|DATE)$/;
const TEXT = /^(VARCHAR|UUID|ENUM.*)$/;

/** Milliseconds since 1970 as a double; text that is no instant is null. */
export function millisOf({ type }: ColumnInfo, column: string): string | undefined {
  if (WHOLE.test(type)) return `${column}::DOUBLE`;
  if (INSTANT.test(type)) return `epoch_ms(${column})::DOUBLE`;
  return type === 'VARCHAR' ? `epoch_ms(TRY_CAST(${column} AS TIMESTAMPTZ))::DOUBLE` : undefined;
}

/** The value of a join key or id such that equal values are equal, in the spine as in history. */
export function keyOf(field: Field | undefined, { type }: ColumnInfo, column: string): string | undefined {
  if (field?.type.kind === 'integer') {
    return WHOLE.test(type) || FRACTIONAL.test(type) || TEXT.test(type) ? `TRY_CAST(${column} AS BIGINT)` : undefined;
  }
  if (type === 'VARCHAR') return column;
  return WHOLE.test(type) || TEXT.test(type) || type === 'BOOLEAN' ? `${column}::VARCHAR` : undefined;
}

/** A field's values: a double for numbers and instants, else what they are. */
export function fieldOf(field: Field, info: ColumnInfo, column: string): string | undefined {
  switch (field.type.kind) {
    case 'timestamp':
      return millisOf(info, column);
    case 'text':
      return keyOf(field, info, column);
    case 'boolean':
      return info.type === 'BOOLEAN' ? column : undefined;
    default:
      return WHOLE.test(info.type) || FRACTIONAL.test(info.type) ? `${column}::DOUBLE` : undefined;
  }
}

export function columnNamed(columns: readonly ColumnInfo[], name: string, alias: string) {
  const info = columns.find((column) => column.name === name);
  return info && { info, sql: `${alias}.${quoted(name)}` };
}

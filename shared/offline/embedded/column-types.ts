/**
 * Columns of files as the decoder of values understands them (`shared/definitions/forms.ts`).
 *
 * 1. The type of a column says which form its values have; the kind of its field, whether that form is taken at all.
 * 2. What SQL can decide exactly it decides, at the speed of DuckDB: `BIGINT` for `integer`. For everything else, texts
 *    mostly, it asks the decoder, value by value.
 * 3. A value that is refused is null, and `isRefused`; one that is missing is null alone.
 */
import {
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  DuckDBScalarFunction,
  type DuckDBType,
  VARCHAR,
} from '@duckdb/node-api';
import { type Decoded, type Reading, Refusal } from '../../definitions/decoded.ts';
import type { FieldType } from '../../definitions/fields.ts';
import { decodeValue, type Form, takesForm } from '../../definitions/forms.ts';
import { LIMITS } from '../../limits.ts';
import { textLiteral } from '../sql/dialect.ts';

/** A column of a file. */
export interface FileColumn {
  readonly name: string;
  /** As DuckDB writes it: `BIGINT`, `DECIMAL(18,2)`, `TIMESTAMP WITH TIME ZONE`. */
  readonly type: string;
  /** How queries write it. */
  readonly sql: string;
}

/** A column as a field's values. */
export interface ReadColumn {
  /** SQL of the decoded value: VARCHAR, BOOLEAN, BIGINT for whole numbers, else DOUBLE. */
  readonly value: string;
  /** SQL of whether a value is there that means nothing to the field; `undefined` where none can be. */
  readonly isRefused: string | undefined;
  /** SQL of the sentence that says why. */
  readonly refusal: string;
}

const WHOLE = /^U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/;
/** Whole numbers that a BIGINT holds. */
const BIG = /^(?:TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER)$/;
const DECIMAL = /^DECIMAL\((\d+),(\d+)\)$/;

/** The form of a column's values; `undefined` for values inside values, bytes, and what else no field takes. */
export function formOfColumn(type: string): Form | undefined {
  if (WHOLE.test(type)) return 'whole';
  const decimal = DECIMAL.exec(type);
  if (decimal) return decimal[2] === '0' ? 'whole' : 'decimal';
  if (type === 'FLOAT') return 'float';
  if (type === 'DOUBLE') return 'double';
  if (type === 'BOOLEAN') return 'boolean';
  if (type === 'DATE') return 'date';
  if (type.startsWith('TIMESTAMP')) return 'instant';
  return /^(?:VARCHAR|UUID|ENUM\(.*)$/s.test(type) ? 'text' : undefined;
}

/** Whether a column of instants does not say of which zone they are; they are UTC then. */
export function isZoneless(type: string): boolean {
  return type === 'DATE' || (type.startsWith('TIMESTAMP') && !type.endsWith('WITH TIME ZONE'));
}

/** The values of a column as those of a field; `undefined` where the column's type has none that the field takes. */
export function readColumn(type: FieldType, column: FileColumn): ReadColumn | undefined {
  const form = formOfColumn(column.type);
  if (form === undefined || !takesForm(type, form)) return undefined;
  const { sql } = form === 'float' ? { sql: `CAST(${column.sql} AS DOUBLE)` } : column;
  // An infinity has no milliseconds.
  const text = form === 'instant' ? `coalesce(CAST(epoch_ms(${sql}) AS VARCHAR), 'NaN')` : `CAST(${sql} AS VARCHAR)`;
  const asked = `${text}, '${form}', ${textLiteral(JSON.stringify(type))}`;
  const value = valueSql(type, form, column, asked);
  const isNumber = form === 'double' || form === 'float' ? ` AND NOT isnan(${sql})` : '';
  return {
    value,
    // A text is a text.
    isRefused: type.kind === 'text' ? undefined : `(${sql} IS NOT NULL AND (${value}) IS NULL${isNumber})`,
    refusal: `${REFUSAL}(${asked})`,
  };
}

const LARGEST = Number.MAX_SAFE_INTEGER;

function valueSql(type: FieldType, form: Form, column: FileColumn, asked: string): string {
  const { sql } = column;
  switch (type.kind) {
    case 'text':
      return `CAST(${sql} AS VARCHAR)`;
    case 'boolean':
      if (form === 'boolean') return sql;
      return form === 'whole' ? `CASE ${sql} WHEN 1 THEN true WHEN 0 THEN false END` : `${DECODED_BOOLEAN}(${asked})`;
    case 'integer':
      if (form === 'whole')
        return `CASE WHEN ${sql} BETWEEN -${LARGEST} AND ${LARGEST} THEN CAST(${sql} AS BIGINT) END`;
      return `CAST(${DECODED_NUMBER}(${asked}) AS BIGINT)`;
    case 'decimal': {
      if (form !== 'whole' && form !== 'double') return `${DECODED_NUMBER}(${asked})`;
      const unit = `1E${type.scale}`;
      const double = `CAST(${sql} AS DOUBLE)`;
      const isExact = `abs(${double}) < 1E${LIMITS.decimalDigits - type.scale} AND round(${double} * ${unit}) / ${unit} = ${double}`;
      return `CASE WHEN ${isExact} THEN ${double} + 0E0 ELSE ${DECODED_NUMBER}(${asked}) END`;
    }
    case 'double':
      if (BIG.test(column.type)) return `CAST(${sql} AS DOUBLE)`;
      if (form !== 'double' && form !== 'float') return `${DECODED_NUMBER}(${asked})`;
      return `CASE WHEN ${sql} = 0 OR abs(${sql}) BETWEEN 1E-120 AND 1E120 THEN CAST(${sql} AS DOUBLE) + 0E0 END`;
    case 'timestamp':
      return instantSql(form, column, asked);
  }
}

function instantSql(form: Form, { type, sql }: FileColumn, asked: string): string {
  const { earliestInstantMillis: from, latestInstantMillis: to } = LIMITS;
  if (form === 'instant' || form === 'date') {
    return `CASE WHEN epoch_ms(${sql}) BETWEEN ${from} AND ${to} THEN CAST(epoch_ms(${sql}) AS DOUBLE) END`;
  }
  if (!BIG.test(type)) return `${DECODED_NUMBER}(${asked})`;
  const isMillis = `${sql} BETWEEN ${from} AND ${to}`;
  return `CASE WHEN ${isMillis} THEN CAST(${sql} AS DOUBLE) ELSE ${DECODED_NUMBER}(${asked}) END`;
}

const DECODED_NUMBER = 'decoded_number';
const DECODED_BOOLEAN = 'decoded_boolean';
const REFUSAL = 'refusal_of';

/** Lets queries ask the decoder. */
export function registerDecoder(connection: DuckDBConnection, reading: Reading): void {
  const types = new Map<string, FieldType>();
  const typeOf = (text: string): FieldType => {
    const known = types.get(text) ?? (JSON.parse(text) as FieldType);
    types.set(text, known);
    return known;
  };
  const register = (
    name: string,
    returnType: DuckDBType,
    pick: (decoded: Decoded) => string | number | boolean | null,
  ) =>
    connection.registerScalarFunction(
      DuckDBScalarFunction.create({
        name,
        parameterTypes: [VARCHAR, VARCHAR, VARCHAR],
        returnType,
        mainFunction: (_info, input, output) => {
          const [values, forms, fields] = [0, 1, 2].map((column) => input.getColumnVector(column));
          for (let row = 0; row < input.rowCount; row++) {
            const text = values?.getItem(row) ?? null;
            const decoded =
              text === null
                ? null
                : decodedText(
                    typeOf(String(fields?.getItem(row))),
                    String(forms?.getItem(row)) as Form,
                    String(text),
                    reading,
                  );
            output.setItem(row, pick(decoded));
          }
          output.flush();
        },
      }),
    );
  register(DECODED_NUMBER, DOUBLE, (decoded) => (typeof decoded === 'number' ? decoded : null));
  register(DECODED_BOOLEAN, BOOLEAN, (decoded) => (typeof decoded === 'boolean' ? decoded : null));
  register(REFUSAL, VARCHAR, (decoded) => (decoded instanceof Refusal ? decoded.problem : null));
}

/** A value that DuckDB made a text of. */
function decodedText(type: FieldType, form: Form, text: string, reading: Reading): Decoded {
  switch (form) {
    case 'whole':
      return decodeValue(type, form, BigInt(text), reading);
    case 'double':
    case 'float':
      return decodeValue(type, form, Number(text.replace('inf', 'Infinity')), reading);
    case 'instant':
      return decodeValue(type, form, Number(text), reading);
    case 'boolean':
      return decodeValue(type, form, text === 'true', reading);
    default:
      return decodeValue(type, form as 'text' | 'decimal' | 'date', text, reading);
  }
}

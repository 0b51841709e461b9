/**
 * The one decoder of values: what a value of each kind of field may be written as, wherever it comes from.
 *
 * A *form* is how a value is written where it comes from. Every way in (stream, API, files, history, entity dataframes)
 * says of each of its values which form it has; what it means, or why it means nothing, is said here alone. The table is
 * in `docs/forms.md`.
 *
 * 1. A value is exact or refused. What would round, pad or cut it is a refusal, unless the field declares its rounding.
 * 2. Text identifies: it is never changed, and of numbers only whole ones written in digits are a text.
 * 3. A refusal says what the value must be, what it was, and the fix. It never quotes the value.
 */
import { LIMITS } from '../limits.ts';
import { type Decoded, type Reading, Refusal, refused } from './decoded.ts';
import type { FieldType } from './fields.ts';
import {
  instantOfDigits,
  instantOfDouble,
  instantOfMillis,
  instantOfNumber,
  instantOfText,
  instantOfWhole,
  UNITS,
} from './instants.ts';
import { type RawJson, sourceOf } from './json.ts';
import {
  decimalExpected,
  decimalOf,
  decimalOfFloat,
  decimalOfNumber,
  decimalTypeOf,
  doubleOfNumber,
  doubleOfText,
  doubleWithin,
  LARGEST,
  unlessMissing,
  wholeOf,
  wholeOfDouble,
  wholeOfFloat,
  wholeOfNumber,
} from './numbers.ts';

/** What each form hands over. */
interface FormValues {
  /** A text of JSON or of a typed column. */
  readonly text: string;
  /** A field of a file without types, such as CSV. */
  readonly cell: string;
  /** A number of JSON; where its double says less, with its source text. */
  readonly number: number | RawJson;
  /** A column of whole numbers, of any width. */
  readonly whole: bigint;
  /** A column of decimals with digits after the point: their text. */
  readonly decimal: string;
  /** A column of floating-point numbers of 64 bits. */
  readonly double: number;
  /** The same of 32 bits or fewer, as a double: they have about seven digits. */
  readonly float: number;
  readonly boolean: boolean;
  /** A column of dates: `2026-01-31`. */
  readonly date: string;
  /** A column of timestamps: milliseconds since 1970 UTC. */
  readonly instant: number;
}

export type Form = keyof FormValues;

const JSON_READING: Reading = {};

/** What to do where the values of a file lack an offset. */
export const FILE_OFFSET_FIX = 'add Z, or say --time-zone UTC for all texts of the file';

type Decoders = { readonly [F in Form]?: (value: FormValues[F], type: FieldType, reading: Reading) => Decoded };

interface Kind {
  /** As it follows "must be". */
  readonly expected: (type: FieldType) => string;
  /** JSON schemas of what may be sent beside what the field's own schema says, which is of decoded values. */
  readonly alternatives: (schema: JsonHints, type: FieldType) => readonly object[];
  /** The type of a column of history, as Hive knows it, and with it Glue and Athena. */
  readonly hiveType: (type: FieldType) => string;
  /** The same of DuckDB. */
  readonly sqlType: (type: FieldType) => string;
  /** The forms that may be a value of this kind. All others are refused. */
  readonly forms: Decoders;
}

/** What a JSON schema may say. */
interface JsonHints {
  readonly minimum?: unknown;
  readonly multipleOf?: unknown;
  readonly maximum?: unknown;
  readonly anyOf?: readonly JsonHints[];
  readonly description?: unknown;
  readonly examples?: unknown;
  readonly type?: unknown;
  readonly enum?: unknown;
  readonly pattern?: unknown;
  readonly format?: unknown;
  readonly minLength?: unknown;
  readonly maxLength?: unknown;
}

const FORM_NAMES: Readonly<Record<Form, string>> = {
  text: 'text',
  cell: 'text',
  number: 'a number',
  whole: 'a whole number',
  decimal: 'a decimal',
  double: 'a floating-point number',
  float: 'a floating-point number of 32 bits',
  boolean: 'true or false',
  date: 'a date',
  instant: 'a timestamp',
};

const WHOLE_DIGITS = /^-?\d+$/;

const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, t: true, 1: true, false: false, f: false, 0: false };

function booleanOf(text: string, type: FieldType): Decoded {
  const known = text.toLowerCase();
  return Object.hasOwn(BOOLEANS, known)
    ? (BOOLEANS[known] ?? null)
    : refused(expectedOf(type), 'another text', 'send true or false');
}

function booleanOfNumber(value: number | bigint | RawJson, type: FieldType): Decoded {
  const text = typeof value === 'bigint' ? String(value) : sourceOf(value);
  return text === '1' || text === '0'
    ? text === '1'
    : refused(expectedOf(type), 'another number', 'send true or false');
}

/** How R, SQL and libraries for tables write that something is missing, where it could not be a value. */
const MISSING: ReadonlySet<string> = new Set([
  '',
  'NaN',
  'nan',
  'NA',
  '<NA>',
  'N/A',
  'NULL',
  'null',
  'None',
  '\\N',
  'NaT',
]);

/** Whether a cell says that there is nothing; in a text it may be meant. */
export function looksMissing(cell: string): boolean {
  return MISSING.has(cell.trim());
}

const trimmed =
  (decode: (text: string, type: FieldType, reading: Reading) => Decoded) =>
  (text: string, type: FieldType, reading: Reading): Decoded =>
    decode(text.trim(), type, reading);

const unlessAbsent =
  (decode: (text: string, type: FieldType, reading: Reading) => Decoded) =>
  (cell: string, type: FieldType, reading: Reading): Decoded =>
    looksMissing(cell) ? null : decode(cell, type, reading);

function wellFormed(text: string): Decoded {
  return text.isWellFormed()
    ? text
    : new Refusal('must be well-formed Unicode; got half a surrogate pair, which is no character: send the whole one');
}

const asIs = <Value extends string | boolean>(value: Value): Value => value;

/** The text of a number, where the schema bounds it by no more than its sign: a pattern can say no more. */
function numberText(
  { minimum, maximum, multipleOf }: JsonHints,
  digits: { readonly before: number; readonly after: number },
): object[] {
  const isOpen = (bound: unknown) => bound === undefined || Math.abs(Number(bound)) === LARGEST;
  if (multipleOf !== undefined || !isOpen(maximum) || !(isOpen(minimum) || minimum === 0)) return [];
  const whole = digits.before > 1 ? `(0|[1-9][0-9]{0,${digits.before - 1}})` : '0';
  const after = digits.after > 0 ? `(\\.[0-9]{1,${digits.after}})?` : '';
  return [{ type: 'string', pattern: `^${minimum === 0 ? '' : '-?'}${whole}${after}$` }];
}

const BOOLEAN_TEXT = { type: 'string', pattern: '^([tTfF01]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$' };

/** Whole numbers whose digits are a text that the schema accepts, as far as it can be told. */
function wholeAlternatives({ type, enum: members, pattern, format, minLength, maxLength }: JsonHints): object[] {
  if (type !== 'string' || members !== undefined || pattern !== undefined || format !== undefined) return [];
  if (typeof minLength === 'number' && minLength > 1) return [];
  if (typeof maxLength !== 'number' || maxLength > LIMITS.decimalDigits) return [{ type: 'integer' }];
  return [{ type: 'integer', minimum: 0, maximum: 10 ** maxLength - 1 }];
}

/** Three more digits than any decimal has, so that a scale of 15 still leaves room before the point. */
const DECIMAL_PRECISION = LIMITS.decimalDigits + 3;

const KINDS: Readonly<Record<FieldType['kind'], Kind>> = {
  text: {
    expected: () => 'a text',
    alternatives: wholeAlternatives,
    hiveType: () => 'string',
    sqlType: () => 'VARCHAR',
    forms: {
      text: wellFormed,
      cell: wellFormed,
      date: asIs,
      whole: String,
      number: (value) => {
        const digits = sourceOf(value);
        if (WHOLE_DIGITS.test(digits)) return digits;
        return refused(
          'a text, or a whole number in digits',
          'a number with a point or an exponent',
          'send the digits alone, or the text that identifies it',
        );
      },
    },
  },
  boolean: {
    expected: () => 'true or false',
    alternatives: () => [{ enum: [0, 1] }, BOOLEAN_TEXT],
    hiveType: () => 'boolean',
    sqlType: () => 'BOOLEAN',
    forms: {
      boolean: asIs,
      text: trimmed(booleanOf),
      cell: unlessAbsent(trimmed(booleanOf)),
      number: booleanOfNumber,
      whole: booleanOfNumber,
    },
  },
  integer: {
    expected: () => 'a whole number',
    alternatives: (schema) => numberText(schema, { before: LIMITS.decimalDigits, after: 0 }),
    hiveType: () => 'bigint',
    sqlType: () => 'BIGINT',
    forms: {
      number: wholeOfNumber,
      whole: (value) => wholeOfDouble(Number(value)),
      decimal: wholeOf,
      double: unlessMissing(wholeOfDouble),
      float: unlessMissing(wholeOfFloat),
      text: wholeOf,
      cell: unlessAbsent(wholeOf),
    },
  },
  decimal: {
    expected: decimalExpected,
    alternatives: (schema, type) => {
      const { scale } = decimalTypeOf(type);
      return numberText(schema, { before: LIMITS.decimalDigits - scale, after: scale });
    },
    hiveType: (type) => `decimal(${DECIMAL_PRECISION},${decimalTypeOf(type).scale})`,
    sqlType: (type) => `DECIMAL(${DECIMAL_PRECISION}, ${decimalTypeOf(type).scale})`,
    forms: {
      number: decimalOfNumber,
      whole: (value, type) => decimalOf(String(value), type),
      decimal: decimalOf,
      double: unlessMissing(decimalOfNumber),
      float: unlessMissing(decimalOfFloat),
      text: trimmed(decimalOf),
      cell: unlessAbsent(trimmed(decimalOf)),
    },
  },
  double: {
    expected: () => 'a number',
    alternatives: (schema) => numberText(schema, { before: LIMITS.decimalDigits, after: LIMITS.decimalDigits }),
    hiveType: () => 'double',
    sqlType: () => 'DOUBLE',
    forms: {
      number: doubleOfNumber,
      whole: (value) => doubleWithin(Number(value)),
      decimal: doubleOfText,
      double: unlessMissing(doubleWithin),
      float: unlessMissing(doubleWithin),
      text: trimmed(doubleOfText),
      cell: unlessAbsent(trimmed(doubleOfText)),
    },
  },
  timestamp: {
    expected: () => 'an instant: ISO 8601 text with an offset, or milliseconds since 1970 UTC',
    alternatives: () => [
      ...UNITS.slice(1).map(({ from, to }) => ({ type: 'integer', minimum: Number(from), maximum: Number(to) })),
      { type: 'string', format: 'date-time' },
    ],
    hiveType: () => 'bigint',
    sqlType: () => 'BIGINT',
    forms: {
      number: instantOfNumber,
      whole: instantOfWhole,
      decimal: instantOfDigits,
      double: unlessMissing(instantOfDouble),
      text: trimmed(instantOfText),
      cell: unlessAbsent(trimmed(instantOfText)),
      date: (value, type) => instantOfText(`${value}T00:00Z`, type, {}),
      instant: instantOfMillis,
    },
  },
};

/** What a field's values must be, as it follows "must be". */
export function expectedOf(type: FieldType): string {
  return KINDS[type.kind].expected(type);
}

/** The column of history that holds a field, as Hive knows it. */
export function hiveTypeOf(type: FieldType): string {
  return KINDS[type.kind].hiveType(type);
}

/** The same in DuckDB. */
export function sqlTypeOf(type: FieldType): string {
  return KINDS[type.kind].sqlType(type);
}

/**
 * The JSON schema of everything that may be sent for a field.
 * @param schema of the field's decoded values.
 */
export function jsonSchemaOf(type: FieldType, schema: JsonHints, mayBeNull = false): object {
  const { description, examples, ...own } = schema;
  // Of a field that may be null the schema is one of two.
  const inner = own.anyOf?.find((member) => member.type !== 'null') ?? own;
  const saysNull = inner !== own;
  const alternatives = [
    ...KINDS[type.kind].alternatives(inner, type),
    ...(mayBeNull && !saysNull ? [{ type: 'null' }] : []),
  ];
  if (alternatives.length === 0) return schema;
  return {
    anyOf: [own, ...alternatives],
    ...(description !== undefined && { description }),
    ...(examples !== undefined && { examples }),
  };
}

/** Whether any value of a form can be one of a kind. */
export function takesForm(type: FieldType, form: Form): boolean {
  return KINDS[type.kind].forms[form] !== undefined;
}

/** What a value of a form means for a field. */
export function decodeValue<F extends Form>(
  type: FieldType,
  form: F,
  value: FormValues[F],
  reading: Reading = JSON_READING,
): Decoded {
  const decode: Decoders[F] | undefined = KINDS[type.kind].forms[form];
  return decode === undefined
    ? new Refusal(`must be ${expectedOf(type)}; got ${FORM_NAMES[form]}`)
    : decode(value, type, reading);
}

/** What a value of JSON means for a field; null and what is not there are missing. */
export function decodeJson(type: FieldType, value: unknown, reading: Reading = JSON_READING): Decoded {
  switch (typeof value) {
    case 'string':
      return decodeValue(type, 'text', value, reading);
    case 'number':
      return decodeValue(type, 'number', value, reading);
    case 'boolean':
      return decodeValue(type, 'boolean', value, reading);
    case 'undefined':
      return null;
    default:
      if (value === null) return null;
      if (JSON.isRawJSON(value)) return decodeValue(type, 'number', value, reading);
      return refused(expectedOf(type), Array.isArray(value) ? 'a list' : 'an object', 'send one value');
  }
}

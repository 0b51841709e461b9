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
import type { FieldType } from './fields.ts';
import { type RawJson, sourceOf } from './json.ts';

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

/** What a value means; null for one that is missing. */
export type Decoded = string | number | boolean | null | Refusal;

/** Why a value means nothing: what it must be, what it was, and the fix. */
export class Refusal {
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

/** How the values of a file are read. */
export interface Reading {
  /** How far ahead of UTC instants are that do not say it. Without it, they are refused. */
  readonly offsetMinutes?: number;
  /** What to do about instants without an offset. */
  readonly offsetFix?: string;
}

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

const LARGEST = Number.MAX_SAFE_INTEGER;

const WHOLE_DIGITS = /^-?\d+$/;

// --- Numbers -----------------------------------------------------------------------------------------------------

const NUMBER = /^([+-]?)(?=\.?\d)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,5}))?$/i;
/** No column has decimals so wide. */
const NUMBER_CHARACTERS = 400;
/** Whole numbers may identify: what is padded is another text. */
const PLAIN_WHOLE = /^-?(?:0|[1-9]\d*)(?:\.\d*)?(?:e[+-]?\d{1,5})?$/i;

/** `digits · 10^exponent` with its sign; no zeros at either end of `digits`, which is empty for 0. */
interface Written {
  readonly isNegative: boolean;
  readonly digits: string;
  readonly exponent: number;
}

function written(text: string): Written | undefined {
  const parts = text.length > NUMBER_CHARACTERS ? null : NUMBER.exec(text);
  if (parts === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts;
  const all = (whole + fraction).replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  return {
    isNegative: sign === '-',
    digits,
    exponent: digits === '' ? 0 : Number(exponent) - fraction.length + all.length - digits.length,
  };
}

/** Whether two texts are digits of one number. */
export function sameNumber(left: string, right: string): boolean {
  const [one, other] = [written(left), written(right)];
  return one !== undefined && JSON.stringify(one) === JSON.stringify(other);
}

/** The nearest double that says no more: how a value with these digits is told. */
function doubleOf({ isNegative, digits, exponent }: Written): number {
  return Number(`${isNegative ? '-' : ''}${digits || '0'}e${exponent}`) + 0;
}

function wholeOf(text: string): Decoded {
  if (text.length > NUMBER_CHARACTERS) return bounded(Number.POSITIVE_INFINITY);
  const number = PLAIN_WHOLE.test(text) ? written(text) : undefined;
  if (number === undefined) {
    return NUMBER.test(text.trim())
      ? refused(
          'a whole number in digits',
          'padded ones',
          'send it without signs, zeros and blanks before it, or declare the field as identifier()',
        )
      : refused('a whole number in digits', 'another text', 'send digits alone, such as 42');
  }
  return number.exponent < 0 ? FRACTION : bounded(doubleOf(number));
}

const FRACTION = refused('a whole number', 'digits after the point', 'round it, or declare the field as decimal()');

function bounded(value: number): Decoded {
  if (Math.abs(value) <= LARGEST) return value + 0;
  return refused(`a whole number of at most ${LARGEST} in size`, 'a larger one', 'declare longer ids as identifier()');
}

function wholeOfNumber(value: number | RawJson): Decoded {
  return Number.isSafeInteger(value) ? Number(value) + 0 : wholeOf(sourceOf(value));
}

/** A decimal's value: what is written, or what is rounded as declared. */
function decimalOf(text: string, type: FieldType): Decoded {
  const number = written(text);
  if (number === undefined) return refused(expectedOf(type), 'text', 'send digits with a point, such as 12.50');
  const { scale, rounding } = decimalTypeOf(type);
  if (number.digits.length + number.exponent > LIMITS.decimalDigits - scale) return tooLarge(scale);
  if (-number.exponent <= scale) return doubleOf(number);
  if (rounding === undefined) return tooPrecise(scale);
  const value = doubleOf(roundedHalfEven(number, scale));
  return Math.abs(value) < 10 ** (LIMITS.decimalDigits - scale) ? value : tooLarge(scale);
}

function decimalTypeOf(type: FieldType) {
  if (type.kind !== 'decimal') throw new TypeError(`a field of kind ${type.kind} has no scale`);
  return type;
}

const tooLarge = (scale: number) =>
  new Refusal(
    `must have at most ${LIMITS.decimalDigits - scale} digits before the point; declare a smaller scale for more`,
  );
const tooPrecise = (scale: number) =>
  new Refusal(
    `must have at most ${scale} digits after the point; round it, or declare a larger scale or decimal({ scale: ${scale}, rounding: 'half-even' })`,
  );

function roundedHalfEven({ isNegative, digits, exponent }: Written, scale: number): Written {
  const cut = -exponent - scale;
  const kept = cut >= digits.length ? 0n : BigInt(digits.slice(0, digits.length - cut) || '0');
  const dropped = digits.padStart(cut, '0').slice(-cut);
  const half = `5${'0'.repeat(cut - 1)}`;
  const isUp = dropped > half || (dropped === half && kept % 2n === 1n);
  const units = kept + (isUp ? 1n : 0n);
  return { isNegative, digits: String(units), exponent: -scale };
}

function decimalOfNumber(value: number | RawJson, type: FieldType): Decoded {
  const { scale } = decimalTypeOf(type);
  // A double of at most 15 digits is the one nearest to the decimal that it is written as.
  if (typeof value === 'number' && Math.abs(value) < 10 ** (LIMITS.decimalDigits - scale)) {
    const unit = 10 ** scale;
    if (Math.round(value * unit) / unit === value) return value + 0;
  }
  return decimalOf(sourceOf(value), type);
}

/** Whole numbers up to here are floats of 32 bits; of larger ones, some. */
const FLOAT_EXACT = 2 ** 24;
const ROUNDED_FLOAT = refused(
  `a whole number of at most ${FLOAT_EXACT} in size, in a column of floats`,
  'a rounded one',
  'write whole numbers',
);

/** The double with the fewest digits that is this float of 32 bits: 0.1 for the one nearest to it. */
function shortestOfFloat(value: number): number {
  if (Number.isInteger(value)) return value;
  const shorter = [6, 7, 8].map((digits) => Number(value.toPrecision(digits)));
  return shorter.find((short) => Math.fround(short) === value) ?? value;
}

const MAGNITUDE = { least: 1e-120, most: 1e120 };

/** Of a text that is a number. What a double has no room for is not 0, though its double is. */
function doubleNearest(text: string): Decoded {
  const isZero = !/[1-9]/.test(text.split(/e/i)[0] ?? '');
  return doubleWithin(isZero ? 0 : Number(text) || Number.MIN_VALUE);
}

function doubleWithin(value: number): Decoded {
  const size = Math.abs(value);
  if (size === 0 || (size >= MAGNITUDE.least && size <= MAGNITUDE.most)) return value + 0;
  return new Refusal(
    `must be 0 or between ${MAGNITUDE.least} and ${MAGNITUDE.most} in size, which is what the store can hold; send 0 or leave it out`,
  );
}

function doubleOfText(text: string, type: FieldType): Decoded {
  return NUMBER.test(text)
    ? doubleNearest(text)
    : refused(expectedOf(type), 'text', 'send digits, such as 0.5 or 5e-7');
}

/** NaN is how libraries for tables write that a number is missing. */
const unlessMissing =
  (decode: (value: number, type: FieldType, reading: Reading) => Decoded) =>
  (value: number, type: FieldType, reading: Reading): Decoded => {
    if (Number.isNaN(value)) return null;
    return Number.isFinite(value) ? decode(value, type, reading) : refused('finite', 'an infinity', 'leave it out');
  };

// --- Booleans ----------------------------------------------------------------------------------------------------

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

// --- Instants ----------------------------------------------------------------------------------------------------

const { earliestInstantMillis: EARLIEST, latestInstantMillis: LATEST } = LIMITS;

/** Whole numbers by their size: the years 2000 to 9999 in one unit do not meet those in another. */
const UNITS = [
  { perMilli: 1n, from: BigInt(EARLIEST), to: BigInt(LATEST) },
  { perMilli: 1_000n, from: BigInt(EARLIEST) * 1_000n, to: BigInt(LATEST) * 1_000n },
  { perMilli: 1_000_000n, from: BigInt(EARLIEST) * 1_000_000n, to: BigInt(LATEST) * 1_000_000n },
];

function instantOfWhole(value: bigint): Decoded {
  const unit = UNITS.find(({ from, to }) => value >= from && value <= to);
  if (unit !== undefined) return Number(value / unit.perMilli);
  return isSeconds(Number(value)) ? SECONDS : outOfRange();
}

const SECONDS = refused(
  'an instant in whole milliseconds, microseconds or nanoseconds since 1970',
  'seconds',
  'multiply by 1,000 and round',
);

function isSeconds(value: number): boolean {
  return value >= EARLIEST / 1_000 && value <= LATEST / 1_000;
}

const outOfRange = () =>
  refused('an instant of the years 2000 to 9999', 'another', 'send ISO 8601 text, or milliseconds since 1970 UTC');

function instantOfNumber(value: number | RawJson): Decoded {
  if (typeof value === 'number' && Number.isInteger(value) && value >= EARLIEST && value <= LATEST) return value;
  return instantOfDigits(sourceOf(value));
}

function instantOfDigits(text: string): Decoded {
  if (/e/i.test(text))
    return refused('an instant in all its digits', 'an exponent', 'write it without one, it may have been rounded');
  const [whole = '', fraction = ''] = text.split('.');
  if (/[1-9]/.test(fraction)) return refused('a whole number', 'a fraction', 'send whole milliseconds');
  return whole.length > 40 ? outOfRange() : instantOfWhole(BigInt(whole));
}

const DIGITS = /^[+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?$/i;

const ISO_8601 =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,](\d+))?)?(?: ?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)(?:(?<=\d) [A-Z]{2,5})?(?:\[[\w/+:.-]+\])?)?)?$/;

function instantOfText(text: string, _type: FieldType, reading: Reading): Decoded {
  if (DIGITS.test(text)) return instantOfDigits(text.replace(/^\+/, ''));
  const parts = ISO_8601.exec(text);
  if (parts === null) {
    return refused(
      'ISO 8601 text with an offset, or milliseconds since 1970',
      'another text',
      'write it as 2026-01-31T12:00:00Z',
    );
  }
  const [, year, month, day, hour = 0, minute = 0, second = 0, fraction = '', offset] = parts;
  const offsetMinutes = offset === undefined ? reading.offsetMinutes : minutesOf(offset);
  if (offsetMinutes === undefined) {
    return refused(
      'an instant',
      'one without an offset from UTC',
      reading.offsetFix ?? 'add Z for UTC, or the offset, such as +01:00',
    );
  }
  const millis = Number(fraction.slice(0, 3).padEnd(3, '0'));
  const local = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    millis,
  );
  // What is 30 February there is 2 March here.
  const isReal = new Date(local).getUTCDate() === Number(day) && new Date(local).getUTCMonth() === Number(month) - 1;
  if (!isReal || Number.isNaN(offsetMinutes))
    return refused('an instant that exists', 'none', 'look at its day, its time and its offset');
  const instant = local - offsetMinutes * 60_000;
  return instant >= EARLIEST && instant <= LATEST ? instant : outOfRange();
}

/** `+01`, `+0100` and `+01:00`; NaN beyond a day. */
function minutesOf(offset: string): number {
  if (/^(?:z|utc)$/i.test(offset)) return 0;
  const [hours, minutes] = [Number(offset.slice(1, 3)), Number(offset.slice(3).replace(':', '') || 0)];
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (offset.startsWith('-') ? -1 : 1) * (60 * hours + minutes);
}

/** The minutes that `UTC`, `Z` or `+01:00` is ahead of UTC; `undefined` for what is no such offset. */
export function offsetMinutesOf(text: string): number | undefined {
  const minutes = /^(?:z|utc|[+-]\d\d(?::?\d\d)?)$/i.test(text) ? minutesOf(text) : Number.NaN;
  return Number.isNaN(minutes) ? undefined : minutes;
}

// --- The table ---------------------------------------------------------------------------------------------------

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
      whole: (value) => bounded(Number(value)),
      decimal: wholeOf,
      double: unlessMissing((value) => (Number.isInteger(value) ? bounded(value) : FRACTION)),
      float: unlessMissing((value) => {
        if (Math.abs(value) > FLOAT_EXACT) return ROUNDED_FLOAT;
        return Number.isInteger(value) ? value + 0 : FRACTION;
      }),
      text: wholeOf,
      cell: unlessAbsent(wholeOf),
    },
  },
  decimal: {
    expected: (type) => `a number with at most ${decimalTypeOf(type).scale} digits after the point`,
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
      float: unlessMissing((value, type) => decimalOf(sourceOf(shortestOfFloat(value)), type)),
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
      number: (value) => (typeof value === 'number' ? doubleWithin(value) : doubleNearest(value.rawJSON)),
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
      double: unlessMissing((value) =>
        isSeconds(value)
          ? SECONDS
          : Number.isSafeInteger(value)
            ? instantOfWhole(BigInt(value))
            : refused('whole milliseconds', 'a rounded number', 'write whole numbers or timestamps'),
      ),
      text: trimmed(instantOfText),
      cell: unlessAbsent(trimmed(instantOfText)),
      date: (value, type) => instantOfText(`${value}T00:00Z`, type, {}),
      instant: (value) => (value >= EARLIEST && value <= LATEST ? Math.floor(value) : outOfRange()),
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

function refused(expected: string, got: string, fix: string): Refusal {
  return new Refusal(`must be ${expected}; got ${got}: ${fix}`);
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

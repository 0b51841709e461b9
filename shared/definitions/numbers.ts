/** Numbers as they are written: whole ones, decimals of a scale and doubles, each exact or refused. */
import { LIMITS } from '../limits.ts';
import { type Decoded, type Reading, Refusal, refused } from './decoded.ts';
import type { FieldType } from './fields.ts';
import { type RawJson, sourceOf } from './json.ts';

/** Whole numbers up to here are doubles; of larger ones, some. */
export const LARGEST = Number.MAX_SAFE_INTEGER;

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

export function wholeOf(text: string): Decoded {
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

export function wholeOfNumber(value: number | RawJson): Decoded {
  return Number.isSafeInteger(value) ? Number(value) + 0 : wholeOf(sourceOf(value));
}

export function wholeOfDouble(value: number): Decoded {
  return Number.isInteger(value) ? bounded(value) : FRACTION;
}

export function wholeOfFloat(value: number): Decoded {
  return Math.abs(value) > FLOAT_EXACT ? ROUNDED_FLOAT : wholeOfDouble(value);
}

/** A decimal's value: what is written, or what is rounded as declared. */
export function decimalOf(text: string, type: FieldType): Decoded {
  const number = written(text);
  if (number === undefined) return refused(decimalExpected(type), 'text', 'send digits with a point, such as 12.50');
  const { scale, rounding } = decimalTypeOf(type);
  if (number.digits.length + number.exponent > LIMITS.decimalDigits - scale) return tooLarge(scale);
  if (-number.exponent <= scale) return doubleOf(number);
  if (rounding === undefined) return tooPrecise(scale);
  const value = doubleOf(roundedHalfEven(number, scale));
  return Math.abs(value) < 10 ** (LIMITS.decimalDigits - scale) ? value : tooLarge(scale);
}

/** As it follows "must be". */
export function decimalExpected(type: FieldType): string {
  return `a number with at most ${decimalTypeOf(type).scale} digits after the point`;
}

export function decimalTypeOf(type: FieldType) {
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

export function decimalOfNumber(value: number | RawJson, type: FieldType): Decoded {
  const { scale } = decimalTypeOf(type);
  // A double of at most 15 digits is the one nearest to the decimal that it is written as.
  if (typeof value === 'number' && Math.abs(value) < 10 ** (LIMITS.decimalDigits - scale)) {
    const unit = 10 ** scale;
    if (Math.round(value * unit) / unit === value) return value + 0;
  }
  return decimalOf(sourceOf(value), type);
}

export function decimalOfFloat(value: number, type: FieldType): Decoded {
  return decimalOf(sourceOf(shortestOfFloat(value)), type);
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

export function doubleOfNumber(value: number | RawJson): Decoded {
  return typeof value === 'number' ? doubleWithin(value) : doubleNearest(value.rawJSON);
}

export function doubleWithin(value: number): Decoded {
  const size = Math.abs(value);
  if (size === 0 || (size >= MAGNITUDE.least && size <= MAGNITUDE.most)) return value + 0;
  return new Refusal(
    `must be 0 or between ${MAGNITUDE.least} and ${MAGNITUDE.most} in size, which is what the store can hold; send 0 or leave it out`,
  );
}

export function doubleOfText(text: string): Decoded {
  return NUMBER.test(text) ? doubleNearest(text) : refused('a number', 'text', 'send digits, such as 0.5 or 5e-7');
}

/** NaN is how libraries for tables write that a number is missing. */
export const unlessMissing =
  (decode: (value: number, type: FieldType, reading: Reading) => Decoded) =>
  (value: number, type: FieldType, reading: Reading): Decoded => {
    if (Number.isNaN(value)) return null;
    return Number.isFinite(value) ? decode(value, type, reading) : refused('finite', 'an infinity', 'leave it out');
  };

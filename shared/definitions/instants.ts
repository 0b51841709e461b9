/** Instants as they are written: ISO 8601, or whole numbers since 1970 whose size tells their unit. Finer ones are floored to milliseconds. */
import { LIMITS } from '../limits.ts';
import { type Decoded, type Reading, refused } from './decoded.ts';
import type { FieldType } from './fields.ts';
import { type RawJson, sourceOf } from './json.ts';

const { earliestInstantMillis: EARLIEST, latestInstantMillis: LATEST } = LIMITS;

/** Whole numbers by their size: the years 2000 to 9999 in one unit do not meet those in another. */
export const UNITS = [
  { perMilli: 1n, from: BigInt(EARLIEST), to: BigInt(LATEST) },
  { perMilli: 1_000n, from: BigInt(EARLIEST) * 1_000n, to: BigInt(LATEST) * 1_000n },
  { perMilli: 1_000_000n, from: BigInt(EARLIEST) * 1_000_000n, to: BigInt(LATEST) * 1_000_000n },
];

export function instantOfWhole(value: bigint): Decoded {
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

export function instantOfMillis(value: number): Decoded {
  return value >= EARLIEST && value <= LATEST ? Math.floor(value) : outOfRange();
}

/** Of a column of floating-point numbers, which may have been rounded. */
export function instantOfDouble(value: number): Decoded {
  if (isSeconds(value)) return SECONDS;
  return Number.isSafeInteger(value)
    ? instantOfWhole(BigInt(value))
    : refused('whole milliseconds', 'a rounded number', 'write whole numbers or timestamps');
}

export function instantOfNumber(value: number | RawJson): Decoded {
  if (typeof value === 'number' && Number.isInteger(value) && value >= EARLIEST && value <= LATEST) return value;
  return instantOfDigits(sourceOf(value));
}

export function instantOfDigits(text: string): Decoded {
  if (/e/i.test(text))
    return refused('an instant in all its digits', 'an exponent', 'write it without one, it may have been rounded');
  const [whole = '', fraction = ''] = text.split('.');
  if (/[1-9]/.test(fraction)) return refused('a whole number', 'a fraction', 'send whole milliseconds');
  return whole.length > 40 ? outOfRange() : instantOfWhole(BigInt(whole));
}

const DIGITS = /^[+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?$/i;

const ISO_8601 =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,](\d+))?)?(?: ?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)(?:(?<=\d) [A-Z]{2,5})?(?:\[[\w/+:.-]+\])?)?)?$/;

export function instantOfText(text: string, _type: FieldType, reading: Reading): Decoded {
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
  return instantOfMillis(local - offsetMinutes * 60_000);
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

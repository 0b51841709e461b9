/**
 * What a value that a library read back means for a field, by the table of `docs/forms.md` and nothing else: written by
 * hand, so that the product's decoder is not its own referee.
 */
import type { FieldPlan } from './plan.ts';

/** A column that a library read back. */
export interface ReadColumn {
  readonly form:
    | 'text'
    | 'whole'
    | 'decimal'
    | 'double'
    | 'float'
    | 'boolean'
    | 'date'
    | 'instant'
    | 'zoned'
    | 'none'
    | 'other';
  /** Floats are their shortest text and the same value as a double. */
  readonly values: readonly (string | readonly [short: string, double: string] | null)[];
}

export type Meaning = string | number | boolean | null;

/** A value that the table refuses. */
export const REFUSED = Symbol('refused');

export interface Circumstances {
  /** Texts of CSV say by a word that there is no value. */
  readonly isCell: boolean;
  /** By how many minutes instants without an offset are ahead of UTC; without it, they are refused. */
  readonly textOffset: number | undefined;
  readonly typedOffset: number | undefined;
}

const TEXT_KINDS: ReadonlySet<FieldPlan['kind']> = new Set(['identifier', 'string', 'enum']);
const MISSING_CELLS = new Set(['', 'NaN', 'nan', 'NA', '<NA>', 'N/A', 'NULL', 'null', 'None', 'NaT', '\\N']);

const TAKEN: Readonly<Record<'text' | 'boolean' | 'integer' | 'decimal' | 'double' | 'timestamp', string>> = {
  text: 'text whole date',
  boolean: 'text boolean whole',
  integer: 'text whole decimal double float',
  decimal: 'text whole decimal double float',
  double: 'text whole decimal double float',
  timestamp: 'text whole decimal double date instant zoned',
};

const ofKind = (kind: FieldPlan['kind']) =>
  kind === 'identifier' || kind === 'string' || kind === 'enum' ? 'text' : kind;

/** Whether a field takes no value of a column, whatever it is. */
export function refusesColumn({ kind }: Pick<FieldPlan, 'kind'>, { form }: ReadColumn): boolean {
  return form !== 'none' && !TAKEN[ofKind(kind)].split(' ').includes(form);
}

export function meaningOf(
  field: FieldPlan,
  column: ReadColumn,
  row: number,
  circumstances: Circumstances,
): Meaning | typeof REFUSED {
  const value = column.values[row] ?? null;
  if (value === null) return null;
  const { form } = column;
  const isFloat = typeof value !== 'string';
  const text = isFloat ? value[0] : value;
  const isNumber = form === 'double' || form === 'float';
  if (isNumber && /^-?nan$/i.test(text)) return null;
  if (form === 'text' && circumstances.isCell && !TEXT_KINDS.has(field.kind) && MISSING_CELLS.has(text.trim())) {
    return null;
  }
  if (refusesColumn(field, column)) return REFUSED;
  if (isNumber && /inf/i.test(text)) return REFUSED;
  switch (field.kind) {
    case 'identifier':
    case 'string':
    case 'enum':
      return text;
    case 'boolean':
      return booleanOf(form === 'text' ? text.trim() : text);
    case 'integer':
      // Floats of 32 bits do not tell larger whole numbers apart.
      if (form === 'float' && Math.abs(Number(text)) > 2 ** 24) return REFUSED;
      return integerOf(isFloat ? value[1] : text, form);
    case 'decimal':
      // A float that is whole is meant; of others the shortest text is.
      return decimalOf(isFloat && Number.isInteger(Number(value[1])) ? value[1] : text.trim(), field);
    case 'double':
      return doubleOf(isFloat ? value[1] : text.trim());
    case 'timestamp':
      return instantOf(isFloat ? value[1] : text.trim(), form, circumstances);
  }
}

function booleanOf(text: string): boolean | typeof REFUSED {
  if (/^(true|t|1)$/i.test(text)) return true;
  return /^(false|f|0)$/i.test(text) ? false : REFUSED;
}

/** A number in digits as `units · 10^-places`; `undefined` for another text. */
function digitsOf(text: string): { units: bigint; places: number } | undefined {
  const parts = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text);
  if (parts === null || !/\d/.test(text.split(/e/i)[0] ?? '')) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts;
  let units = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n);
  let places = fraction.length - Number(exponent);
  while (places < 0) {
    units *= 10n;
    places++;
  }
  while (places > 0 && units % 10n === 0n) {
    units /= 10n;
    places--;
    if (units === 0n) places = 0;
  }
  return { units, places };
}

function integerOf(text: string, form: string): number | typeof REFUSED {
  if (form === 'text' && !/^-?(0|[1-9]\d*)(\.\d*)?(e[+-]?\d+)?$/i.test(text)) return REFUSED;
  const digits = digitsOf(text);
  if (digits === undefined || digits.places > 0) return REFUSED;
  const value = Number(digits.units);
  return Number.isSafeInteger(value) ? value : REFUSED;
}

function decimalOf(text: string, { scale, isRounded }: FieldPlan): number | typeof REFUSED {
  const digits = digitsOf(text);
  if (digits === undefined || (digits.places > scale && !isRounded)) return REFUSED;
  let { units } = digits;
  for (let places = digits.places; places < scale; places++) units *= 10n;
  const unit = 10n ** BigInt(Math.max(0, digits.places - scale));
  const twice = 2n * (units < 0n ? -units : units);
  // To the nearest, and from the middle to the even one.
  let rounded = twice / (2n * unit);
  const rest = twice - 2n * unit * rounded;
  if (rest > unit || (rest === unit && rounded % 2n === 1n)) rounded++;
  return rounded >= 10n ** 15n ? REFUSED : Number(`${units < 0n ? '-' : ''}${rounded}e-${scale}`) + 0;
}

function doubleOf(text: string): number | typeof REFUSED {
  if (digitsOf(text) === undefined) return REFUSED;
  const value = Number(text);
  return value === 0 || (Math.abs(value) >= 1e-120 && Math.abs(value) <= 1e120) ? value + 0 : REFUSED;
}

const EARLIEST = Date.UTC(2000, 0, 1);
const LATEST = Date.UTC(9999, 11, 31) - 1;
const within = (millis: number) => (millis >= EARLIEST && millis <= LATEST ? millis : REFUSED);

function instantOf(text: string, form: string, { textOffset, typedOffset }: Circumstances): number | typeof REFUSED {
  const ahead = (minutes: number) => minutes * 60_000;
  if (form === 'zoned') return within(Number(BigInt(text) / 1_000_000n));
  if (form === 'instant' || form === 'date') {
    const millis = form === 'date' ? Date.parse(text) : Number(BigInt(text) / 1_000_000n);
    return typedOffset === undefined ? REFUSED : within(millis - ahead(typedOffset));
  }
  const isTyped = form === 'double' || form === 'float';
  if (/^[+-]?\d+(\.0*)?$/.test(text) || isTyped) {
    const digits = digitsOf(text);
    if (digits === undefined || digits.places > 0) return REFUSED;
    if (isTyped && !Number.isSafeInteger(Number(text))) return REFUSED;
    const inUnits = [1n, 1_000n, 1_000_000n].map((perMilli) => ({ perMilli, millis: Number(digits.units / perMilli) }));
    // A unit fits where its own range does: the largest instant is one of it, and not a thousandth beyond.
    const fitting = inUnits.find(
      ({ perMilli }) => digits.units >= BigInt(EARLIEST) * perMilli && digits.units <= BigInt(LATEST) * perMilli,
    );
    return fitting?.millis ?? REFUSED;
  }
  if (form !== 'text') return REFUSED;
  const parts =
    /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?: ?(Z|UTC|[+-]\d\d(?::?\d\d)?))?)?$/i.exec(
      text.replace(/\[.*\]$/, ''),
    );
  if (parts === null) return REFUSED;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = parts;
  const local = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const millis = Number(fraction.padEnd(3, '0').slice(0, 3));
  const minutes = zone === undefined ? textOffset : minutesOf(zone);
  return minutes === undefined ? REFUSED : within(local + millis - ahead(minutes));
}

function minutesOf(zone: string): number {
  if (/^(z|utc)$/i.test(zone)) return 0;
  const [, sign, hours, minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  return (sign === '-' ? -1 : 1) * (60 * Number(hours) + Number(minutes));
}

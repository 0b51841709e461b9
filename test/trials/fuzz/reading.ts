/**
 * What an input should mean: a second reading, written from RFC 8259, RFC 4180 and `docs/forms.md`, which shares no code with
 * the product. Numbers are their texts and whole numbers of any size, never doubles.
 */

/** JSON as it is written. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'boolean'; readonly is: boolean }
  | { readonly kind: 'null' }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Node])[] };

const DEEPEST = 1_000;
const TOKEN =
  /[ \t\n\r]*(?:([[\]{}:,])|("(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/uy;
const BLANKS = /[ \t\n\r]*/y;

/** `undefined` for text that is not JSON, or nested too deeply. */
export function readJson(text: string): Node | undefined {
  TOKEN.lastIndex = 0;
  let token: RegExpExecArray | null = null;
  const next = () => {
    token = TOKEN.exec(text);
    return token !== null;
  };
  const at = (mark: string) => token?.[1] === mark;
  const value = (depth: number): Node | undefined => {
    if (token === null) return undefined;
    const [, , quoted, number, word] = token;
    if (quoted !== undefined) return { kind: 'text', text: unescaped(quoted) };
    if (number !== undefined) return { kind: 'number', text: number };
    if (word !== undefined) return word === 'null' ? { kind: 'null' } : { kind: 'boolean', is: word === 'true' };
    if (depth === DEEPEST) return undefined;
    return at('[') ? list(depth + 1) : at('{') ? object(depth + 1) : undefined;
  };
  const list = (depth: number): Node | undefined => {
    const items: Node[] = [];
    if (next() && at(']')) return { kind: 'list', items };
    for (;;) {
      const item = value(depth);
      if (item === undefined || !next()) return undefined;
      items.push(item);
      if (at(']')) return { kind: 'list', items };
      if (!at(',') || !next()) return undefined;
    }
  };
  const object = (depth: number): Node | undefined => {
    const members: [string, Node][] = [];
    if (next() && at('}')) return { kind: 'object', members };
    for (;;) {
      const name = token?.[2];
      if (name === undefined || !next() || !at(':') || !next()) return undefined;
      const member = value(depth);
      if (member === undefined || !next()) return undefined;
      members.push([unescaped(name), member]);
      if (at('}')) return { kind: 'object', members };
      if (!at(',') || !next()) return undefined;
    }
  };
  const node = next() ? value(0) : undefined;
  if (node === undefined) return undefined;
  BLANKS.lastIndex = TOKEN.lastIndex;
  BLANKS.exec(text);
  return BLANKS.lastIndex === text.length ? node : undefined;
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function unescaped(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replaceAll(/\\(?:u(....)|(.))/g, (_, code?: string, letter = '') =>
      code === undefined ? (ESCAPES[letter] ?? letter) : String.fromCharCode(Number.parseInt(code, 16)),
    );
}

/** Text of UTF-8 without a byte order mark; `undefined` for other bytes. */
export function readUtf8(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes).toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) return undefined;
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

export type Value = string | number | boolean | null;

/** What a value means: itself, a refusal, or what this reading has no opinion of. */
export type Meaning = { readonly value: Value } | 'refused' | 'unknown';

const NULL: Meaning = { value: null };
const NUMBER = /^([+-]?)(?=\.?\d)(\d*)\.?(\d*)(?:[eE]([+-]?)0*(\d+))?$/;

/** `units · 10^exponent`, or no opinion where it would be too large to calculate with. */
function exactly(text: string): { readonly units: bigint; readonly exponent: number } | undefined | 'unknown' {
  const [whole, sign, before = '', after = '', minus, power = '0'] = NUMBER.exec(text) ?? [];
  if (whole === undefined) return undefined;
  if (power.length > 4 || text.length > 400) return 'unknown';
  const units = BigInt(`${before}${after}` || '0') * (sign === '-' ? -1n : 1n);
  return { units, exponent: Number(`${minus ?? ''}${power}`) - after.length };
}

const size = (value: bigint) => (value < 0n ? -value : value);

/** The number of units of 10^-scale, and whether that is all. */
function scaled({ units, exponent }: { readonly units: bigint; readonly exponent: number }, scale: number) {
  const power = exponent + scale;
  if (power >= 0) return { whole: units * 10n ** BigInt(power), isExact: true, rest: 0n, unit: 1n };
  const unit = 10n ** BigInt(-power);
  return { whole: units / unit, isExact: units % unit === 0n, rest: size(units % unit), unit };
}

function integer(text: string): Meaning {
  if (!/^-?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d+)?$/.test(text)) return 'refused';
  const number = exactly(text);
  if (number === undefined || number === 'unknown') return number ?? 'refused';
  const { whole, isExact } = scaled(number, 0);
  return isExact && size(whole) < 2n ** 53n ? { value: Number(whole) } : 'refused';
}

function decimal(text: string, scale: number, rounds: boolean): Meaning {
  const number = exactly(text);
  if (number === undefined || number === 'unknown') return number ?? 'refused';
  const { whole, isExact, rest, unit } = scaled(number, scale);
  if (!isExact && !rounds) return 'refused';
  const isUp = 2n * rest > unit || (2n * rest === unit && whole % 2n !== 0n);
  const result = whole + (isUp && !isExact ? (number.units < 0n ? -1n : 1n) : 0n);
  if (size(result) >= 10n ** 15n) return 'refused';
  return { value: Number(`${result}e-${scale}`) + 0 };
}

function double(text: string): Meaning {
  const number = exactly(text);
  if (number === undefined || number === 'unknown') return number ?? 'refused';
  if (number.units === 0n) return { value: 0 };
  const value = Number(text);
  return Math.abs(value) >= 1e-120 && Math.abs(value) <= 1e120 ? { value } : 'refused';
}

const FIRST = BigInt(Date.UTC(2000, 0, 1));
const LAST = BigInt(Date.UTC(9999, 11, 31) - 1);

function millis(text: string): Meaning {
  const [all, digits = '', zeros = ''] = /^\+?(-?\d+)(?:\.(\d*))?$/.exec(text) ?? [];
  if (all === undefined || /[1-9]/.test(zeros) || digits.length > 40) return 'refused';
  for (const unit of [1n, 1_000n, 1_000_000n]) {
    const units = BigInt(digits);
    if (units >= FIRST * unit && units <= LAST * unit) return { value: Number(units / unit) };
  }
  return 'refused';
}

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?: ?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)(?: [A-Z]{2,5})?(?:\[[\w/+:.-]+\])?)?)?$/;

function instant(text: string): Meaning {
  if (/^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/.test(text)) return millis(text);
  const [all, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset] = ISO.exec(text) ?? [];
  if (all === undefined || offset === undefined) return 'refused';
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const isReal =
    mo >= 1 &&
    mo <= 12 &&
    d >= 1 &&
    d <= new Date(Date.UTC(2000 + (y % 400), mo, 0)).getUTCDate() &&
    h < 24 &&
    mi < 60 &&
    s < 60;
  const [, sign, hours, minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(offset) ?? [];
  if (!isReal || Number(hours ?? 0) > 23 || Number(minutes) > 59) return 'refused';
  const ahead = sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (60 * Number(hours) + Number(minutes));
  const value = Date.UTC(y, mo - 1, d, h, mi, s, Number(fraction.slice(0, 3).padEnd(3, '0'))) - 60_000 * ahead;
  return y >= 1000 && value >= FIRST && value <= LAST ? { value } : 'refused';
}

function boolean(text: string): Meaning {
  if (/^(true|t|1)$/i.test(text)) return { value: true };
  return /^(false|f|0)$/i.test(text) ? { value: false } : 'refused';
}

/** A field of the trial's sources. */
interface ModelField {
  readonly name: string;
  readonly wireName?: string;
  readonly whenMissing?: 'refused';
  /** Of a text, with nothing around it where that does not matter. */
  readonly text: (text: string) => Meaning;
  /** Of the text of a number. */
  readonly number: (text: string) => Meaning;
  readonly boolean?: true;
  /** A text that is kept as it is. */
  readonly isText?: true;
}

const within = (meaning: Meaning, low: number, high: number): Meaning =>
  typeof meaning === 'object' && (Number(meaning.value) < low || Number(meaning.value) > high) ? 'refused' : meaning;
const wellFormed = (text: string): Meaning => (text.isWellFormed() ? { value: text } : 'refused');
const identity = (text: string): Meaning =>
  text.length >= 1 && text.length <= 256 && !/\p{Cc}/u.test(text) ? wellFormed(text) : 'refused';
const digits =
  (check: (text: string) => Meaning) =>
  (text: string): Meaning =>
    /^-?\d+$/.test(text) ? check(text) : 'refused';
const choice = (text: string): Meaning => (text === 'gold' || text === 'silver' ? { value: text } : 'refused');
const trimmed = (check: (text: string) => Meaning) => (text: string) => check(text.trim());
const numeric = (name: string, check: (text: string) => Meaning): ModelField => ({
  name,
  text: trimmed(check),
  number: check,
});
const whole = (text: string) => within(integer(text), -1000, Number.MAX_SAFE_INTEGER);
const atNumber = (text: string): Meaning => (/e/i.test(text) ? 'refused' : millis(text));

/** As `features.ts` declares them, in words of this reading. */
export const MODEL_FIELDS: readonly ModelField[] = [
  { name: 'id', whenMissing: 'refused', isText: true, text: identity, number: digits(identity) },
  { name: 'card', whenMissing: 'refused', isText: true, text: identity, number: digits(identity) },
  { name: 'number', whenMissing: 'refused', text: integer, number: integer },
  { name: 'at', whenMissing: 'refused', text: trimmed(instant), number: atNumber },
  { name: 'note', wireName: 'comment', isText: true, text: wellFormed, number: digits(wellFormed) },
  { name: 'choice', isText: true, text: choice, number: () => 'refused' },
  {
    name: 'flag',
    text: trimmed(boolean),
    number: (text) => (text === '1' || text === '0' ? { value: text === '1' } : 'refused'),
    boolean: true,
  },
  { name: 'whole', text: whole, number: whole },
  numeric('money', (text) => within(decimal(text, 2, false), -1e12, Number.POSITIVE_INFINITY)),
  numeric('rounded', (text) => decimal(text, 2, true)),
  numeric('double', double),
  { name: 'seen', text: trimmed(instant), number: atNumber },
];

const wireNameOf = ({ name, wireName = name }: ModelField) => wireName;

/** What a JSON value means for a field. */
export function meaningOf(field: ModelField, node: Node | undefined): Meaning {
  if (node === undefined || node.kind === 'null') return field.whenMissing ?? NULL;
  if (node.kind === 'text') return field.text(node.text);
  if (node.kind === 'number') return field.number(node.text);
  return node.kind === 'boolean' && field.boolean ? { value: node.is } : 'refused';
}

const MISSING = ['', 'NaN', 'nan', 'NA', '<NA>', 'N/A', 'NULL', 'null', 'None', '\\N', 'NaT'];

/** What a cell of CSV means; null for nothing between two delimiters. */
export function meaningOfCell(field: ModelField, cell: string | null): Meaning {
  const isMissing = cell === null || (field.isText !== true && MISSING.includes(cell.trim()));
  return isMissing ? (field.whenMissing ?? NULL) : field.text(cell);
}

export type Values = Readonly<Record<string, Value>>;

/** What an event means: its values, the fields for which it is refused, or no opinion. */
export type EventMeaning = { readonly values: Values } | { readonly refused: readonly string[] } | 'unknown';

const FUTURE_MILLIS = 300_000;

/** The meaning of an event from those of its fields. `strangers` are refused beside them. */
export function eventOf(
  meanings: readonly (readonly [ModelField, Meaning])[],
  arrivedAtMillis: number,
  strangers: readonly string[] = [],
): EventMeaning {
  const isAhead = ([{ name }, meaning]: readonly [ModelField, Meaning]) =>
    name === 'at' && typeof meaning === 'object' && Number(meaning.value) > arrivedAtMillis + FUTURE_MILLIS;
  const isRefused = (one: readonly [ModelField, Meaning]) => one[1] === 'refused' || isAhead(one);
  if (strangers.length > 0 || meanings.some(isRefused)) {
    const suspects = meanings.filter((one) => isRefused(one) || one[1] === 'unknown');
    return { refused: [...suspects.map(([field]) => wireNameOf(field)), ...strangers] };
  }
  if (meanings.some(([, meaning]) => meaning === 'unknown')) return 'unknown';
  return {
    values: Object.fromEntries(
      meanings.map(([{ name }, meaning]) => [name, typeof meaning === 'object' ? meaning.value : null]),
    ),
  };
}

/** The first key that an object has twice. */
export function twice(members: readonly (readonly [string, Node])[]): string | undefined {
  const names = members.map(([name]) => name);
  return new Set(names).size === names.length ? undefined : names.find((name, index) => names.indexOf(name) !== index);
}

/** What JSON means as an event. */
export function eventOfNode(
  node: Node | undefined,
  arrivedAtMillis: number,
  { ignoresUnknown }: { readonly ignoresUnknown: boolean },
): EventMeaning {
  if (node?.kind !== 'object') return { refused: [''] };
  const repeated = twice(node.members);
  const members = new Map(node.members);
  const known = new Set(MODEL_FIELDS.map(wireNameOf));
  const strangers = ignoresUnknown ? [] : [...members.keys()].filter((name) => !known.has(name));
  const meanings = MODEL_FIELDS.map((field) => [field, meaningOf(field, members.get(wireNameOf(field)))] as const);
  return eventOf(meanings, arrivedAtMillis, repeated === undefined ? strangers : [...strangers, repeated]);
}

/** One event in the bytes of a record. */
export function eventOfBytes(bytes: Uint8Array, arrivedAtMillis: number, ignoresUnknown: boolean): EventMeaning {
  if (bytes.byteLength > 64 * 1024) return { refused: [''] };
  const text = readUtf8(bytes);
  return eventOfNode(text === undefined ? undefined : readJson(text), arrivedAtMillis, { ignoresUnknown });
}

/** A row of a file of JSON, where each field may have its own name or that of producers, and others do not matter. */
export function rowOfNode(node: Node | undefined): EventMeaning {
  if (node?.kind !== 'object' || twice(node.members) !== undefined) return { refused: [''] };
  const members = new Map(node.members);
  const meanings = MODEL_FIELDS.map(
    (field) => [field, meaningOf(field, members.get(field.name) ?? members.get(wireNameOf(field)))] as const,
  );
  return eventOf(meanings, Number.POSITIVE_INFINITY);
}

/** A row of CSV. */
export function rowOfCells(header: readonly string[], cells: readonly (string | null)[]): EventMeaning {
  if (cells.length !== header.length) return { refused: [''] };
  const cellOf = (field: ModelField) => {
    const at = header.indexOf(header.includes(field.name) ? field.name : wireNameOf(field));
    return at < 0 ? null : (cells[at] ?? null);
  };
  return eventOf(
    MODEL_FIELDS.map((field) => [field, meaningOfCell(field, cellOf(field))] as const),
    Number.POSITIVE_INFINITY,
  );
}

/** The records of CSV without blank ones; `undefined` where quotes are not as RFC 4180 has them. */
export function readCsv(text: string): (string | null)[][] | undefined {
  const records: (string | null)[][] = [];
  let at = 0;
  while (at < text.length) {
    const cells: (string | null)[] = [];
    for (;;) {
      const [cell = '', quoted] = /^(?:"((?:[^"]|"")*)"|[^",\n]*)/.exec(text.slice(at)) ?? [];
      at += cell.length;
      const isCrLf = quoted === undefined && cell.endsWith('\r') && text[at] === '\n';
      const content = quoted?.replaceAll('""', '"') ?? (isCrLf ? cell.slice(0, -1) : cell);
      cells.push(content === '' && quoted === undefined ? null : content);
      if (quoted !== undefined && text.startsWith('\r\n', at)) at++;
      if (text[at] === ',') at++;
      else if (text[at] === '\n' || at === text.length) break;
      else return undefined;
    }
    at++;
    if (cells.length > 1 || cells[0] !== null) records.push(cells);
  }
  return records;
}

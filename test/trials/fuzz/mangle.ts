/** Valid events, and how they are mangled: as values, as members, and as bytes. */
import { gzipSync } from 'node:zlib';
import type { Random } from '../../simulation/random.ts';

/** When requests are answered and records arrive. */
export const CLOCK_MILLIS = Date.UTC(2026, 0, 1, 18);

/** In the values of entities, so that no refusal may have it. */
export const SECRET = '4111SECRET';

export type Members = [name: string, json: string][];

const quoted = (text: string) => JSON.stringify(text);

const TEXTS = [
  '',
  ' ',
  'a',
  'gold',
  'Gold',
  'true',
  'F',
  ' 1 ',
  '0',
  '-0',
  '007',
  '+5',
  '.5',
  '5.',
  '1e3',
  '1e-400',
  '1e400',
  '1,000.00',
  '0x10',
  'NaN',
  'Infinity',
  'null',
  '\\N',
  'None',
  '12.50',
  '0.125',
  '2.675',
  '9007199254740993',
  '2026-01-01T12:00:00Z',
  '2026-01-01 12:00:00.999999+01:00',
  '2026-01-01T12:00:00',
  '2026-02-30T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T12:00Z[Europe/Berlin]',
  '0000-01-01T00:00:00Z',
  '1767268800000',
  '1767268800',
  '1767268800000000',
  '\u{1f600}',
  'e\u0301',
  '\u202etxt',
  '\u0000',
  '\u0085',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\u0663',
  '%#|',
  "'; DROP TABLE x; --",
  '=1+1',
  '__proto__',
  'constructor',
  'x'.repeat(256),
  'x'.repeat(257),
  '%'.repeat(256),
  '\u20ac'.repeat(256),
].map(quoted);

const NUMBERS = [
  '0',
  '-0',
  '-0.0',
  '1',
  '1.0',
  '-1',
  '3.5',
  '1e3',
  '1E+3',
  '1.5e1',
  '125e-2',
  '0.1',
  '0.125',
  '0.005',
  '0.015',
  '12.5',
  '0.30000000000000004',
  '1.50000000000000000000',
  '3.00000000000000000001',
  '9007199254740991',
  '9007199254740992',
  '9007199254740993',
  '-9007199254740992',
  '4000123412341234567',
  '999999999999999',
  '9999999999999.99',
  '99999999999999.9',
  '9999999999999.995',
  '1e120',
  '1.1e120',
  '1e-120',
  '9e-121',
  '1e-400',
  '1e400',
  '-1e400',
  '0e400',
  '1e99999',
  '1e-99999',
  '1e9999999',
  '1767268800',
  '1767268800000.0',
  '1767268800000.5',
  '1.7672688e12',
  '1767268800000000',
  '1767268800123456789',
  '946684799999',
  '253402214399999',
  '1'.repeat(40),
  `0.${'0'.repeat(500)}1`,
];

const OTHERS = [
  'null',
  'true',
  'false',
  '[]',
  '{}',
  '[1]',
  '{"$numberLong":"3"}',
  '"\\ud800"',
  '"\\ude00\\ud83d"',
  '"\\u0000"',
  '"\\u0041\\/"',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
];

/** Texts of JSON that are not JSON. */
const BROKEN = [
  'NaN',
  '-Infinity',
  '01',
  '+1',
  '1.',
  '.5',
  "'a'",
  'None',
  'True',
  'undefined',
  '"a',
  '',
  '0x10',
  '1_000',
];

const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '',
  'ID',
  'Card',
  'note',
  'comment',
  'extra',
  'a"b',
  '\u{1f600}',
  'x'.repeat(300),
  'events',
  'service',
];

/** What producers call the fields of the source that is mangled. */
export const FIELDS = [
  'id',
  'card',
  'number',
  'at',
  'comment',
  'choice',
  'flag',
  'whole',
  'money',
  'rounded',
  'double',
  'seen',
];

/** A text of JSON: any value in any form. */
export function anyValue(random: Random): string {
  return random.pick(random.pick([TEXTS, NUMBERS, OTHERS]));
}

/** Forms that a field may have, mostly. */
function likelyValue(random: Random, field: string): string {
  if (random.chance(0.04)) return anyValue(random);
  switch (field) {
    case 'id':
      return quoted(random.chance(0.1) ? '%'.repeat(random.integer(1, 260)) : `e${random.integer(0, 1e9)}`);
    case 'card':
      return quoted(`${SECRET}${random.integer(0, 9)}`);
    case 'number':
      return String(random.integer(-5, 5));
    case 'at':
      return random.chance(0.6)
        ? String(CLOCK_MILLIS - random.integer(0, 3_600_000))
        : random.pick([
            '1767268800000',
            '"2026-01-01T12:00:00Z"',
            '1767268800123456',
            String(CLOCK_MILLIS + 300_001),
            '"2026-01-01T12:00:00.5+01"',
          ]);
    case 'comment':
      return random.chance(0.3) ? String(random.integer(0, 1e15)) : quoted(random.pick(['', 'a', '\u{1f600}', 'null']));
    case 'choice':
      return random.pick(['"gold"', '"silver"', 'null']);
    case 'flag':
      return random.pick(['true', 'false', '1', '0', '"t"', '" False "']);
    case 'seen':
      return random.pick(['1767268800000', '"2026-01-01T12:00:00Z"', '1767268800123456789', '946684800000']);
    case 'whole':
      return random.pick(['0', '-0', '3.0', '1e3', '1.5e1', '"3"', '"1e2"', '9007199254740991']);
    default:
      return random.pick([
        '12.5',
        '0.1',
        '-3.05',
        '1e3',
        '"12.50"',
        '" 7 "',
        '"1e2"',
        '-0.0',
        '"007"',
        '1.50000000000000000000',
      ]);
  }
}

/** A valid event, mostly, with some of its optional fields. */
export function anyMembers(random: Random): Members {
  return FIELDS.filter((_, index) => index < 4 || random.chance(0.5)).map((name) => [name, likelyValue(random, name)]);
}

export function jsonOf(members: Members, random?: Random): string {
  const blank = random?.chance(0.1) ? () => random.pick(['', ' ', '\n', '\t\r\n']) : () => '';
  const parts = members.map(([name, json]) => `${blank()}${quoted(name)}${blank()}:${blank()}${json}${blank()}`);
  return `{${parts.join(',')}}`;
}

const place = <Item>(random: Random, items: readonly Item[]) => random.integer(0, Math.max(0, items.length - 1));

type MemberMangle = (members: Members, random: Random) => void;

const MEMBER_MANGLES: readonly MemberMangle[] = [
  (members, random) => members.splice(place(random, members), 1),
  (members, random) => {
    const copy = members[place(random, members)];
    if (copy) members.splice(place(random, members), 0, [copy[0], random.chance(0.5) ? copy[1] : anyValue(random)]);
  },
  (members) => members.reverse(),
  (members, random) => members.push([random.pick(NAMES), anyValue(random)]),
  (members, random) => {
    const member = members[place(random, members)];
    if (member) member[0] = random.pick([...NAMES, member[0].toUpperCase(), ` ${member[0]}`]);
  },
  (members, random) => {
    const member = members[place(random, members)];
    if (member) member[1] = anyValue(random);
  },
  (members, random) => {
    const [one, other] = [members[place(random, members)], members[place(random, members)]];
    if (one && other) [one[1], other[1]] = [other[1], one[1]];
  },
  (members, random) => {
    const member = members[place(random, members)];
    if (member) member[1] = random.pick([`[${member[1]}]`, `{"value":${member[1]}}`, quoted(member[1])]);
  },
  (members, random) => {
    const member = members[place(random, members)];
    if (member) member[1] = random.pick(BROKEN);
  },
  (members, random) => {
    const depth = random.pick([10, 999, 1000, 1001, 5000]);
    members.push(['extra', `${'['.repeat(depth)}${random.pick(['', '-0', '1e3'])}${']'.repeat(depth)}`]);
  },
  (members, random) => members.push(['extra', quoted('x'.repeat(random.pick([1_000, 65_000, 65_536, 70_000])))]),
];

/** Members that are as they were, or have some of these faults. */
export function mangledMembers(random: Random): Members {
  const members = anyMembers(random);
  // A few of the faults are large or deep, and one at a time of them is enough.
  while (random.chance(0.3)) {
    const mangle = MEMBER_MANGLES[random.integer(0, MEMBER_MANGLES.length - (random.chance(0.15) ? 1 : 3))];
    mangle?.(members, random);
  }
  return members;
}

type ByteMangle = (bytes: Buffer, random: Random) => Buffer;

const around = (bytes: Buffer, random: Random, put: Uint8Array, dropped = 0) => {
  const at = random.integer(0, bytes.length);
  return Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + dropped)]);
};

const INSERTED = [
  '',
  '\u0000',
  '\n',
  '"',
  '\\',
  '{',
  '}',
  ',',
  ':',
  '[',
  ']',
  '\u{1f600}',
  '/* */',
  '\r',
  ' ',
  '0',
  '-',
  'e9',
].map((text) => Buffer.from(text));
const INVALID = ['80', 'c3', 'ff', 'eda080', 'c0af', 'f5808080', 'e282'].map((digits) => Buffer.from(digits, 'hex'));

const BYTE_MANGLES: readonly ByteMangle[] = [
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    const at = place(random, [...copy]);
    if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << random.integer(0, 7));
    return copy;
  },
  (bytes, random) => bytes.subarray(0, random.integer(0, bytes.length)),
  (bytes, random) => bytes.subarray(random.integer(0, bytes.length)),
  (bytes, random) => around(bytes, random, random.pick(INSERTED)),
  (bytes, random) => around(bytes, random, random.pick(INVALID)),
  (bytes, random) => around(bytes, random, Buffer.alloc(0), random.integer(1, 8)),
  (bytes, random) => around(bytes, random, Buffer.alloc(0), random.integer(1, Math.max(1, bytes.length))),
  (bytes, random) => {
    const from = random.integer(0, bytes.length);
    return around(bytes, random, bytes.subarray(from, from + random.integer(1, 40)));
  },
  (bytes, random) => {
    const at = random.integer(0, bytes.length);
    return Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]);
  },
];

const WRAPPINGS: readonly ByteMangle[] = [
  (bytes) => Buffer.concat([Buffer.from('\ufeff'), bytes]),
  (bytes) => Buffer.concat([Buffer.from('\ufeff\ufeff'), bytes]),
  (bytes, random) => Buffer.concat([bytes, Buffer.from(random.pick(['', '\n', ',', '\0'])), bytes]),
  (bytes) => gzipSync(bytes),
  (bytes) => Buffer.from(bytes.toString('base64')),
  (bytes) => Buffer.from(bytes.toString(), 'utf16le'),
  (bytes) => Buffer.from(bytes.toString(), 'latin1'),
  (bytes) => Buffer.concat([Buffer.from('['), bytes, Buffer.from(']')]),
  (bytes) => Buffer.from(quoted(bytes.toString())),
  (bytes, random) => Buffer.from(`{"${random.pick(['payload', 'detail', 'Message', 'log'])}":${bytes.toString()}}`),
  (bytes, random) => Buffer.from('['.repeat(random.pick([1000, 10_000, 65_536])) + bytes.toString()),
  (bytes) => Buffer.concat([bytes, Buffer.alloc(66_000, ' ')]),
  (bytes, random) => Buffer.concat([bytes, Buffer.from(random.pick([' ', '\n\n', '\r\n', '\u00a0', '\u2028']))]),
  (_, random) => Buffer.from(random.pick(['', ' ', 'null', '0', '""', '[]', '{}', 'true', '-', '{"', '"\\'])),
  (_, random) => Buffer.from(Array.from({ length: random.integer(0, 64) }, () => random.integer(0, 255))),
];

/** Bytes that are as they were, or have some of these faults. */
export function mangledBytes(bytes: Buffer, random: Random): Buffer {
  let mangled = bytes;
  while (random.chance(0.25)) mangled = random.pick(BYTE_MANGLES)(mangled, random);
  if (random.chance(0.1)) mangled = random.pick(WRAPPINGS)(mangled, random);
  return mangled;
}

/** An event in bytes, valid or mangled. */
export const anyEvent = (random: Random) => mangledBytes(Buffer.from(jsonOf(mangledMembers(random), random)), random);

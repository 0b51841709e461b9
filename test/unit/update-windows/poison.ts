/** Every kind of record that can never be counted, with the field that its reason must name. */
import { NOW_MILLIS, transaction } from './fixtures.ts';

export interface Poison {
  readonly name: string;
  readonly content: Uint8Array | string;
  /** `''` for the record as a whole. */
  readonly field: string;
}

const VALID = JSON.stringify(transaction());
const WHOLE = '';

/** The valid text with one value replaced by text that need not be JSON. */
function withValue(field: string, text: string): string {
  return JSON.stringify(transaction({ [field]: '@' })).replace('"@"', text);
}

function without(field: string): string {
  return JSON.stringify(transaction({ [field]: undefined }));
}

/** The valid text with one more member. */
function withMember(member: string): string {
  return `${VALID.slice(0, -1)},${member}}`;
}

function nested(depth: number, inner: string): string {
  return '['.repeat(depth) + inner + ']'.repeat(depth);
}

const DAY_MILLIS = 86_400_000;

export const POISONS: readonly Poison[] = [
  { name: 'an empty record', content: '', field: WHOLE },
  { name: 'JSON null', content: 'null', field: WHOLE },
  { name: 'a JSON array', content: `[${VALID}]`, field: WHOLE },
  { name: 'a JSON number', content: '42', field: WHOLE },
  { name: 'a JSON text', content: JSON.stringify(VALID), field: WHOLE },
  { name: 'an empty object', content: '{}', field: 'transaction_id' },
  { name: 'broken JSON', content: VALID.slice(0, -2), field: WHOLE },
  { name: 'two events in one record', content: `${VALID}\n${VALID}`, field: WHOLE },
  {
    name: 'bytes that are not UTF-8',
    content: Buffer.from(withValue('user_id', '"M\xfcller"'), 'latin1'),
    field: WHOLE,
  },
  { name: 'UTF-8 that encodes a surrogate', content: Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), field: WHOLE },
  { name: 'UTF-16', content: Buffer.from(VALID, 'utf16le'), field: WHOLE },
  { name: 'one megabyte', content: Buffer.alloc(1_048_576, withMember('"note":"x"')), field: WHOLE },
  { name: 'a missing id', content: without('transaction_id'), field: 'transaction_id' },
  { name: 'a missing user', content: without('user_id'), field: 'user_id' },
  { name: 'a missing amount', content: without('amount'), field: 'amount' },
  { name: 'a missing time', content: without('timestamp'), field: 'timestamp' },
  { name: 'a null amount', content: withValue('amount', 'null'), field: 'amount' },
  { name: 'a field that is not declared', content: withMember('"card_number":"4111"'), field: 'card_number' },
  { name: 'a number with a point as id', content: withValue('transaction_id', '7.0'), field: 'transaction_id' },
  { name: 'an object as merchant', content: withValue('merchant_id', '{"id":"m"}'), field: 'merchant_id' },
  { name: 'a boolean as amount', content: withValue('amount', 'true'), field: 'amount' },
  { name: 'words as amount', content: withValue('amount', '"twelve"'), field: 'amount' },
  { name: 'an amount with a comma', content: withValue('amount', '"12,50"'), field: 'amount' },
  { name: 'NaN, which is not JSON', content: withValue('amount', 'NaN'), field: WHOLE },
  { name: 'NaN as text', content: withValue('amount', '"NaN"'), field: 'amount' },
  { name: 'Infinity, which is not JSON', content: withValue('amount', 'Infinity'), field: WHOLE },
  { name: 'Infinity as text', content: withValue('amount', '"-Infinity"'), field: 'amount' },
  { name: 'an amount that overflows to infinity', content: withValue('amount', '1e999'), field: 'amount' },
  { name: 'a negative amount', content: withValue('amount', '-0.01'), field: 'amount' },
  { name: 'an amount of 40 digits', content: withValue('amount', '1'.repeat(40)), field: 'amount' },
  { name: 'an amount of 40 digits as text', content: withValue('amount', `"${'1'.repeat(40)}"`), field: 'amount' },
  { name: 'a fraction of a cent', content: withValue('amount', '0.001'), field: 'amount' },
  { name: 'a fraction that a double drops', content: withValue('amount', '1.50000000000000000001'), field: 'amount' },
  { name: 'an empty id', content: withValue('transaction_id', '""'), field: 'transaction_id' },
  { name: 'an empty user', content: withValue('user_id', '""'), field: 'user_id' },
  { name: 'an id of 10 KB', content: withValue('transaction_id', `"${'x'.repeat(10_240)}"`), field: 'transaction_id' },
  { name: 'a user of 10 KB', content: withValue('user_id', `"${'x'.repeat(10_240)}"`), field: 'user_id' },
  { name: 'a lone surrogate', content: withValue('user_id', '"\\ud83d"'), field: 'user_id' },
  {
    name: 'surrogates in the wrong order',
    content: withValue('merchant_id', '"\\ude00\\ud83d"'),
    field: 'merchant_id',
  },
  { name: 'a control character', content: withValue('user_id', '"a\\u0000b"'), field: 'user_id' },
  { name: 'a time far ahead', content: withValue('timestamp', `${NOW_MILLIS + DAY_MILLIS}`), field: 'timestamp' },
  { name: 'a time beyond all calendars', content: withValue('timestamp', '8640000000000001'), field: 'timestamp' },
  { name: 'a time in seconds', content: withValue('timestamp', `${NOW_MILLIS / 1_000}`), field: 'timestamp' },
  { name: 'a time before 1970', content: withValue('timestamp', '-1'), field: 'timestamp' },
  { name: 'half a millisecond', content: withValue('timestamp', `${NOW_MILLIS - 1}.5`), field: 'timestamp' },
  { name: 'a time without offset', content: withValue('timestamp', '"2026-03-01T12:00:00"'), field: 'timestamp' },
  { name: 'a key that occurs twice', content: withMember('"amount":99'), field: 'amount' },
  { name: 'a key that occurs twice, once escaped', content: withMember('"\\u0061mount":99'), field: 'amount' },
  { name: 'a __proto__ key', content: withMember('"__proto__":{"amount":99}'), field: '__proto__' },
  { name: 'a __proto__ that holds the event', content: `{"__proto__":${VALID}}`, field: 'transaction_id' },
  { name: 'a constructor key', content: withMember('"constructor":{}'), field: 'constructor' },
  { name: 'deeply nested arrays', content: nested(30_000, ''), field: WHOLE },
  { name: 'a deeply nested amount', content: withValue('amount', nested(30_000, '')), field: WHOLE },
  { name: 'an amount within lists', content: withValue('amount', nested(900, '')), field: 'amount' },
  {
    name: 'deep nesting around a long number',
    content: withValue('amount', nested(30_000, '1'.repeat(30))),
    field: WHOLE,
  },
];

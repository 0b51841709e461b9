/**
 * Names of the attributes of an item.
 *
 * A bucket's attribute is the start of the bucket (7 characters: milliseconds in base 64, good until 2109), then the
 * three-character code of the cell, then for cells of many counters the index of the counter. Names describe themselves:
 * adding a window or an aggregate to a view never changes the meaning of what is stored.
 *
 *     AZpv3kASum   AZpv3kACnt   AZpv3kAQnt-12
 *     └start─┘└cell┘            └start─┘└cell┘└counter┘
 */
const ALPHABET = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';
const START_LENGTH = 7;
export const CODE_LENGTH = 3;

const DIGIT_OF_CHARACTER = new Int8Array(128).fill(-1);
for (let digit = 0; digit < ALPHABET.length; digit++) DIGIT_OF_CHARACTER[ALPHABET.charCodeAt(digit)] = digit;

/** Attributes of the item that belong to no bucket. One character, so that no bucket can have their name. */
export const HEADER = {
  /** Newest event time seen, milliseconds. */
  highWater: 'h',
  /** Newest arrival time seen by the last update, milliseconds. */
  arrivedAt: 'a',
  /** When the item may be deleted, seconds since 1970 (DynamoDB's TTL attribute). */
  expiresAt: 'x',
  /** Settled buckets, packed: see `packed.ts`. */
  packed: 'p',
  /** Number of maintenance updates; each one is guarded by the number it saw. */
  maintenance: 'm',
  /** The `liveFrom` before which history was merged into the item; absent before that, and in views without one. */
  backfilled: 'b',
} as const;

/** Cell code of the ids of recent events. Cells of aggregates begin with an upper-case letter. */
export const EVENT_IDS_CODE = 'ids';

export function bucketStart(timeMillis: number, hopMillis: number): number {
  return timeMillis - (((timeMillis % hopMillis) + hopMillis) % hopMillis);
}

export function bucketAttribute(startMillis: number, code: string): string {
  let name = '';
  let rest = startMillis;
  for (let position = 0; position < START_LENGTH; position++) {
    name = ALPHABET.charAt(rest % 64) + name;
    rest = Math.floor(rest / 64);
  }
  return name + code;
}

/** Start of the bucket to which an attribute belongs, or −1 for attributes that are no bucket's. */
export function startOfAttribute(name: string): number {
  if (name.length < START_LENGTH + CODE_LENGTH) return -1;
  let start = 0;
  for (let position = 0; position < START_LENGTH; position++) {
    const digit = DIGIT_OF_CHARACTER[name.charCodeAt(position)] ?? -1;
    if (digit < 0) return -1;
    start = start * 64 + digit;
  }
  return start;
}

export function codeOfAttribute(name: string): string {
  return name.slice(START_LENGTH, START_LENGTH + CODE_LENGTH);
}

/** What follows the cell code: the index of one of a cell's counters, or nothing. */
export function counterOfAttribute(name: string): string {
  return name.slice(START_LENGTH + CODE_LENGTH);
}

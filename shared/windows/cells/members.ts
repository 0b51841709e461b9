import { hash } from 'node:crypto';
import { LIMITS } from '../../limits.ts';
import { type Cell, cellCode } from '../cell.ts';

/**
 * The distinct values of a field, as short hashes in a string set; a union is an `ADD`, so writers never conflict.
 *
 * 1. Every value is kept, as 48 bits of its SHA-256: a count is exact (two of 8,192 values agree by chance with
 *    probability 10⁻⁷).
 * 2. Maintenance keeps each value only in its newest bucket: a window that reaches the older one reaches the newer one
 *    too. An entity with few values has a small item, however often they recur.
 * 3. When even that is many, old buckets keep a sample: at level l only hashes that end in l zero bits, and a count is
 *    the size of the sample times 2^l (adaptive sampling; Flajolet, "On adaptive sampling", 1990). A bucket is sampled
 *    only so far that every window that reaches it has at least `distinctSampleSize` hashes left, which bounds the
 *    standard error by 1/√4096 = 1.6 % for every window, also the short ones.
 *
 * Only packed buckets are sampled; writers of new ones need not know how deep.
 */
export interface Members {
  readonly level: number;
  /** Six bytes each, as characters of Latin-1, which are quick to compare and to unpack. No two are equal. */
  readonly hashes: readonly string[];
}

const HASH_BYTES = 6;
const SAMPLE_LEVELS = HASH_BYTES * 8;

function memberHash(value: string | number | boolean): string {
  return hash('sha256', String(value), 'buffer').toString('latin1', 0, HASH_BYTES);
}

/** How deep a sample a hash belongs to: the number of zero bits at its end. */
function depthOf(memberHash: string): number {
  for (let index = HASH_BYTES - 1; index >= 0; index--) {
    const byte = memberHash.charCodeAt(index);
    if (byte !== 0) return (HASH_BYTES - 1 - index) * 8 + 31 - Math.clz32(byte & -byte);
  }
  return SAMPLE_LEVELS;
}

const toBase64 = (memberHash: string) => Buffer.from(memberHash, 'latin1').toString('base64url');
const fromBase64 = (text: string) => Buffer.from(text, 'base64url').toString('latin1');

/** What a deeper sample keeps. */
function atLevel({ level, hashes }: Members, deeper: number): readonly string[] {
  return level >= deeper ? hashes : hashes.filter((member) => depthOf(member) >= deeper);
}

function merge(states: readonly Members[]): Members {
  const [only] = states;
  if (only !== undefined && states.length === 1) return only;
  const level = states.reduce((deepest, state) => Math.max(deepest, state.level), 0);
  const union = new Set<string>();
  for (const state of states) {
    for (const member of atLevel(state, level)) union.add(member);
  }
  return { level, hashes: [...union] };
}

function compact(newestFirst: readonly Members[]): (Members | undefined)[] {
  const seen = new Set<string>();
  const seenByDepth: number[] = Array.from({ length: SAMPLE_LEVELS + 1 }, () => 0);
  let level = 0;
  return newestFirst.map((state) => {
    level = Math.max(level, state.level);
    const kept = atLevel(state, level).filter((member) => !seen.has(member));
    for (const member of kept) {
      const depth = depthOf(member);
      seenByDepth[depth] = (seenByDepth[depth] ?? 0) + 1;
      seen.add(member);
    }
    const compacted = kept.length === 0 && level === 0 ? undefined : { level, hashes: kept };
    // Older buckets may be sampled one level deeper once there are two full samples at this level.
    const sampleSize = seenByDepth.slice(level).reduce((sum, count) => sum + count, 0);
    if (sampleSize >= 2 * LIMITS.distinctSampleSize) level++;
    return compacted;
  });
}

/** The number of distinct values: exact at level 0, an estimate beyond. */
export function memberCount(members: Members): number {
  return members.hashes.length * 2 ** members.level;
}

export function membersCell(field: string): Cell<Members> {
  const identity = `members(${field})`;
  return {
    identity,
    code: cellCode('D', identity),
    contribution: (values) => {
      const value = values[field];
      return value === null || value === undefined ? undefined : { level: 0, hashes: [memberHash(value)] };
    },
    merge,
    mayHold: ({ level, hashes }, contribution) =>
      atLevel(contribution, level).every((member) => hashes.includes(member)),
    slides: 'set',
    decode: (attribute) => ('SS' in attribute ? { level: 0, hashes: attribute.SS.map(fromBase64) } : undefined),
    pack: ({ level, hashes }, writer) => {
      writer.count(level);
      writer.count(hashes.length);
      for (const member of hashes) writer.bytes(Buffer.from(member, 'latin1'));
    },
    unpack: (reader) => {
      const level = reader.count();
      const count = reader.count();
      const text = reader.latin1(count * HASH_BYTES);
      const hashes: string[] = [];
      for (let index = 0; index < text.length; index += HASH_BYTES) hashes.push(text.slice(index, index + HASH_BYTES));
      return { level, hashes };
    },
    conditionOperators: 0,
    store: (update, name, state) => update.addMembers(name, state.hashes.map(toBase64)),
    compact,
  };
}

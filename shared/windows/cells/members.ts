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
 * The level travels in the set as a member `*l`.
 */
export interface Members {
  readonly level: number;
  readonly hashes: ReadonlySet<string>;
}

const HASH_CHARACTERS = 8;
const LEVEL_MARK = '*';

function memberHash(value: string | number | boolean): string {
  return hash('sha256', String(value), 'base64url').slice(0, HASH_CHARACTERS);
}

/** How deep a sample a hash belongs to: the number of zero bits at its end. */
function depthOf(memberHash: string): number {
  const bits = Buffer.from(memberHash, 'base64url').readUIntBE(0, 6);
  let depth = 0;
  for (let rest = bits; depth < 48 && rest % 2 === 0; rest /= 2) depth++;
  return depth;
}

function atLevel(members: Members, level: number): Members {
  if (members.level >= level) return members;
  return { level, hashes: new Set([...members.hashes].filter((member) => depthOf(member) >= level)) };
}

function merge(left: Members, right: Members): Members {
  const level = Math.max(left.level, right.level);
  const union = new Set(atLevel(left, level).hashes);
  for (const member of atLevel(right, level).hashes) union.add(member);
  return { level, hashes: union };
}

function compact(newestFirst: readonly Members[]): (Members | undefined)[] {
  const seen = new Set<string>();
  let level = 0;
  return newestFirst.map((state) => {
    level = Math.max(level, state.level);
    const kept = new Set<string>();
    for (const member of state.hashes) {
      if (seen.has(member) || (level > 0 && depthOf(member) < level)) continue;
      seen.add(member);
      kept.add(member);
    }
    const sampled = level > 0 ? atLevel({ level: state.level, hashes: kept }, level) : { level, hashes: kept };
    const depthCount = (depth: number) => {
      let count = 0;
      for (const member of seen) if (depthOf(member) >= depth) count++;
      return count;
    };
    // Older buckets may be sampled one level deeper once what is kept so far is twice a full sample at this level.
    if (seen.size >= 2 * LIMITS.distinctSampleSize && depthCount(level) >= 2 * LIMITS.distinctSampleSize) level++;
    return sampled.hashes.size === 0 && sampled.level === 0 ? undefined : sampled;
  });
}

/** The number of distinct values: exact at level 0, an estimate beyond. */
export function memberCount(members: Members): number {
  return members.hashes.size * 2 ** members.level;
}

export function membersCell(field: string): Cell<Members> {
  const identity = `members(${field})`;
  const toSet = ({ level, hashes }: Members) => (level === 0 ? [...hashes] : [...hashes, `${LEVEL_MARK}${level}`]);
  return {
    identity,
    code: cellCode('D', identity),
    contribution: (values) => {
      const value = values[field];
      return value === null || value === undefined ? undefined : { level: 0, hashes: new Set([memberHash(value)]) };
    },
    merge,
    decode: (attribute) => {
      if (!('SS' in attribute)) return undefined;
      const mark = attribute.SS.filter((member) => member.startsWith(LEVEL_MARK)).map((member) =>
        Number(member.slice(1)),
      );
      if (mark.length === 0) return { level: 0, hashes: new Set(attribute.SS) };
      const hashes = new Set(attribute.SS.filter((member) => !member.startsWith(LEVEL_MARK)));
      return atLevel({ level: 0, hashes }, Math.max(...mark));
    },
    encode: (state) => [['', { SS: toSet(state) }]],
    store: (update, name, state) => update.addMembers(name, toSet(state)),
    compact,
  };
}

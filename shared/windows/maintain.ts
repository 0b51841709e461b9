import { isDeepStrictEqual } from 'node:util';
import { LIMITS } from '../limits.ts';
import {
  bucketAttribute,
  bucketStart,
  codeOfAttribute,
  counterOfAttribute,
  EVENT_IDS_CODE,
  HEADER,
  startOfAttribute,
} from './bucket.ts';
import type { AnyCell } from './cell.ts';
import type { Attribute, Item, ItemUpdate } from './item.ts';
import { attributeBytes } from './item-size.ts';
import { reachMillis, type WindowLayout } from './layout.ts';
import { highWaterOf } from './plan.ts';
import { ItemUpdateBuilder } from './update-builder.ts';

/**
 * Keeps items small. Events are counted once, in buckets of the finest hop; what has settled is then
 *
 * 1. removed, when no window reaches it any more;
 * 2. merged into the coarsest hop at which no window that still reaches it could cut it;
 * 3. compacted by its cell, where a newer bucket makes part of an older one redundant.
 *
 *     events    ▏▏▏ ▏ ▏▏▏ ▏▏  ▏▏▏ ▏▏   1 s buckets, newest minute
 *     settled   █ █ ██ █               1 min, as far as the 1 h window cuts
 *     older     ████   ███             20 min, then 2 h
 *
 * A bucket is settled when it lies behind the high water by more than the allowed lateness: no event can change it any
 * more, so only another maintenance update could, and that is excluded by the maintenance counter. Maintenance is never
 * needed for a right answer; without it items are merely larger.
 */
export interface Maintenance {
  readonly update: ItemUpdate;
  /** Bytes by which the item shrinks. */
  readonly bytesFreed: number;
}

/** What a change takes in the text of an update: `#xx,` and `#xx=:xx,`. */
const REMOVE_CHARACTERS = 4;
const SET_CHARACTERS = 8;

/** A bucket takes in at most so many attributes at a time: if each is removed and sets another one, they fit an update. */
const PARTS_PER_GROUP = Math.floor(LIMITS.maintenanceCharacters / (REMOVE_CHARACTERS + SET_CHARACTERS));

/** The attributes of one cell in one bucket to be. */
interface Group {
  readonly cell: AnyCell;
  readonly start: number;
  readonly settled: boolean;
  readonly attributes: string[];
  /** How many of them are in another bucket now. */
  moving: number;
  state: unknown;
}

/** Plans the maintenance of an item as some answer of the store showed it. `undefined` when nothing is to be done. */
export function planMaintenance(layout: WindowLayout, item: Item): Maintenance | undefined {
  const highWater = highWaterOf(item);
  if (highWater === undefined) return undefined;
  const update = new ItemUpdateBuilder();
  let bytesFreed = removeExpired(layout, item, highWater, update);
  let room = LIMITS.maintenanceCharacters - update.changeCount * REMOVE_CHARACTERS;
  for (const rewrite of worthwhileRewrites(layout, item, highWater)) {
    const characters = rewrite.remove.length * REMOVE_CHARACTERS + rewrite.set.length * SET_CHARACTERS;
    if (characters > room) continue;
    room -= characters;
    for (const name of rewrite.remove) update.remove(name);
    for (const [name, attribute] of rewrite.set) update.set(name, attribute);
    bytesFreed += rewrite.bytesFreed;
  }
  if (update.changeCount === 0) return undefined;
  guard(update, item, highWater);
  return { update: update.build(), bytesFreed };
}

function guard(update: ItemUpdateBuilder, item: Item, highWater: number): void {
  const seen = item[HEADER.maintenance];
  const count = seen && 'N' in seen ? Number(seen.N) : 0;
  update.set(HEADER.maintenance, { N: String(count + 1) });
  update.require(
    seen ? { kind: 'equals', name: HEADER.maintenance, value: seen } : { kind: 'absent', name: HEADER.maintenance },
  );
  // An item that was deleted and came back is another item, whose high water may be lower.
  const high = String(Number.MAX_SAFE_INTEGER);
  update.require({ kind: 'between', name: HEADER.highWater, low: String(highWater), high });
}

function removeExpired(layout: WindowLayout, item: Item, highWater: number, update: ItemUpdateBuilder): number {
  const reaches = layout.windows.map((window) => reachMillis(window, layout.allowedLatenessMillis));
  const expiredBefore = highWater - Math.max(...reaches);
  const idsExpiredBefore = highWater - layout.eventIdRetentionMillis - layout.eventIdSpanMillis;
  let bytesFreed = 0;
  for (const name in item) {
    const start = startOfAttribute(name);
    const attribute = item[name];
    if (start < 0 || start >= Math.max(idsExpiredBefore, expiredBefore) || attribute === undefined) continue;
    const expired = start < (codeOfAttribute(name) === EVENT_IDS_CODE ? idsExpiredBefore : expiredBefore);
    if (!expired) continue;
    if (update.changeCount >= PARTS_PER_GROUP) break;
    update.remove(name);
    bytesFreed += attributeBytes(name, attribute);
  }
  return bytesFreed;
}

/** The start of the bucket into which a bucket may be merged now; its own start when it may not. */
function mergedStart(layout: WindowLayout, start: number, highWater: number): number {
  const settledBefore = highWater - layout.allowedLatenessMillis;
  const hop = layout.compactionHopsMillis.find((hopMillis) => {
    const end = bucketStart(start, hopMillis) + hopMillis;
    return (
      end <= settledBefore &&
      layout.windows.every(
        (window) =>
          window.hopMillis % hopMillis === 0 || end <= highWater - reachMillis(window, layout.allowedLatenessMillis),
      )
    );
  });
  return hop === undefined ? start : bucketStart(start, hop);
}

/**
 * What may have to change: attributes by cell and by the bucket in which they should be, newest bucket first. A bucket
 * with very many parts takes in some of them now and the rest next time; what already is where it should be always takes
 * part, because it is overwritten.
 */
function groupsOf(layout: WindowLayout, item: Item, highWater: number): Group[] {
  const reaches = layout.windows.map((window) => reachMillis(window, layout.allowedLatenessMillis));
  const expiredBefore = highWater - Math.max(...reaches);
  const groups = new Map<string, Group>();
  const take = (name: string, from: number, start: number) => {
    const cell = layout.cells[layout.cellIndexByCode.get(codeOfAttribute(name)) ?? -1];
    const attribute = item[name];
    const state = attribute && cell?.decode(attribute, counterOfAttribute(name));
    if (cell === undefined || state === undefined) return;
    const settled = from + layout.baseHopMillis <= highWater - layout.allowedLatenessMillis;
    const key = bucketAttribute(start, cell.code);
    const group = groups.get(key);
    if (group === undefined)
      groups.set(key, { cell, start, settled, attributes: [name], moving: from === start ? 0 : 1, state });
    else if (from === start || group.moving < PARTS_PER_GROUP) {
      if (from !== start) group.moving++;
      group.attributes.push(name);
      group.state = cell.merge([group.state, state]);
    }
  };
  const moving: [name: string, from: number, start: number][] = [];
  const staying: [name: string, from: number][] = [];
  for (const name in item) {
    const from = startOfAttribute(name);
    if (from < 0 || from < expiredBefore) continue;
    const start = mergedStart(layout, from, highWater);
    if (from === start) staying.push([name, from]);
    else moving.push([name, from, start]);
  }
  const targets = new Set(moving.map(([, , start]) => start));
  const compactable = new Set(layout.cells.filter((cell) => 'compact' in cell).map(({ code }) => code));
  for (const [name, from] of staying) {
    if (targets.has(from) || compactable.has(codeOfAttribute(name))) take(name, from, from);
  }
  for (const [name, from, start] of moving) take(name, from, start);
  return [...groups.values()].sort((left, right) => right.start - left.start);
}

/** Lets each cell shrink the states of its buckets; unsettled ones are shown to it but stay as they are. */
function compacted(layout: WindowLayout, groups: readonly Group[]): Group[] {
  const settled = groups.filter((group) => group.settled);
  for (const cell of layout.cells) {
    const own = groups.filter((group) => group.cell === cell);
    const states = cell.compact?.(own.map((group) => group.state));
    own.forEach((group, index) => {
      if (states && group.settled) group.state = states[index];
    });
  }
  return settled;
}

/** What turns the stored attributes of a group into its state. */
interface Rewrite {
  readonly remove: readonly string[];
  readonly set: readonly (readonly [name: string, attribute: Attribute])[];
  readonly bytesFreed: number;
}

/**
 * The rewrites that free bytes, those that free most first. A lone attribute is as right where it is as in a coarser
 * bucket; to move it would cost changes, of which an update has few, and the buckets that matter would wait for them.
 * Any of them may be left out: what one drops, another bucket holds as it is stored.
 */
function worthwhileRewrites(layout: WindowLayout, item: Item, highWater: number): Rewrite[] {
  return compacted(layout, groupsOf(layout, item, highWater))
    .map((group) => rewriteOf(item, group))
    .filter(({ bytesFreed }) => bytesFreed > 0)
    .sort((left, right) => right.bytesFreed - left.bytesFreed);
}

function rewriteOf(item: Item, group: Group): Rewrite {
  const wanted = new Map<string, Attribute>();
  if (group.state !== undefined) {
    const prefix = bucketAttribute(group.start, group.cell.code);
    for (const [counter, attribute] of group.cell.encode(group.state)) wanted.set(prefix + counter, attribute);
  }
  const stored = group.attributes.flatMap((name) => {
    const attribute = item[name];
    return attribute === undefined ? [] : [[name, attribute] as const];
  });
  const bytesOf = (attributes: Iterable<readonly [string, Attribute]>) =>
    [...attributes].reduce((bytes, [name, attribute]) => bytes + attributeBytes(name, attribute), 0);
  return {
    remove: group.attributes.filter((name) => !wanted.has(name)),
    set: [...wanted].filter(([name, attribute]) => !isDeepStrictEqual(item[name], attribute)),
    bytesFreed: bytesOf(stored) - bytesOf(wanted),
  };
}

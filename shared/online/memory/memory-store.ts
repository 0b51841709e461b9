import { LIMITS } from '../../limits.ts';
import type { Attribute, Condition, Item, ItemUpdate } from '../../windows/item.ts';
import { attributeBytes, itemBytes } from '../../windows/item-size.ts';
import { type AttributeChange, attributeChanges, changeItem } from '../../windows/update-builder.ts';
import {
  type OnlineStore,
  OnlineStoreItemRefusedError,
  OnlineStoreItemTooLargeError,
  OnlineStoreRequestError,
  type UpdateOptions,
  type UpdateResult,
} from '../store.ts';

/**
 * The online store in this process's memory: for tests, simulations and offline replays.
 *
 * Its answers are snapshots, as the contract wants. A replay with one writer per key, which is done with an answer when it
 * makes the next update, can ask for `live` answers: the stored item itself, which later updates change. That spares a copy
 * of the item per update, most of the work for large items. Such an item is never the one before an update.
 */
export class MemoryOnlineStore implements OnlineStore {
  readonly #items = new Map<string, { item: Record<string, Attribute>; bytes: number }>();
  readonly #answers: 'snapshots' | 'live';

  constructor({ answers = 'snapshots' }: { readonly answers?: 'snapshots' | 'live' } = {}) {
    this.#answers = answers;
  }

  async update(key: string, update: ItemUpdate, { returns = 'after' }: UpdateOptions = {}): Promise<UpdateResult> {
    requireKey(key);
    const stored = this.#items.get(key) ?? { item: {}, bytes: Buffer.byteLength(key) };
    if (!update.conditions.every((condition) => holds(condition, stored.item))) {
      return { applied: false, item: stored.item };
    }
    const changes = changesOrThrow(stored.item, update);
    const bytes = stored.bytes + bytesAdded(stored.item, changes);
    if (bytes > LIMITS.itemBytes) {
      throw new OnlineStoreItemTooLargeError(`the item would exceed ${LIMITS.itemBytes} bytes; give its view lanes`);
    }
    // Without a prototype the copy is a plain hash table from the start, which is three times faster for large items.
    const item = this.#answers === 'live' ? stored.item : Object.assign(Object.create(null), stored.item);
    changeItem(item, changes);
    this.#items.set(key, { item, bytes });
    return { applied: true, item: returns === 'after' ? item : stored.item };
  }

  async get(keys: readonly string[]): Promise<(Item | undefined)[]> {
    return keys.map((key) => this.#items.get(key)?.item);
  }

  get size(): number {
    return this.#items.size;
  }

  /** Sizes of all items in bytes, by DynamoDB's rules. */
  sizes(): number[] {
    return [...this.#items.values()].map(({ item }) => itemBytes(item));
  }
}

function requireKey(key: string): void {
  if (key === '' || Buffer.byteLength(key) > LIMITS.itemKeyBytes) {
    throw new OnlineStoreRequestError(`a key has 1 to ${LIMITS.itemKeyBytes} bytes`);
  }
}

function changesOrThrow(item: Item, update: ItemUpdate): AttributeChange[] {
  let changes: AttributeChange[];
  try {
    changes = attributeChanges(item, update);
  } catch (error) {
    throw new OnlineStoreItemRefusedError('the update does not fit the item', { cause: error });
  }
  for (const [, after] of changes) {
    // The length is looked at first: nearly all numbers are short.
    if (
      after &&
      'N' in after &&
      after.N.length > LIMITS.storedDigits &&
      significantDigits(after.N) > LIMITS.storedDigits
    ) {
      throw new OnlineStoreItemRefusedError(`a number of the item would have more than ${LIMITS.storedDigits} digits`);
    }
  }
  return changes;
}

function significantDigits(number: string): number {
  const digits = number.replace(/e.*$/i, '').replace(/\D/g, '');
  return digits.replace(/^0+|0+$/g, '').length;
}

function bytesAdded(item: Item, changes: readonly AttributeChange[]): number {
  return changes.reduce((bytes, [name, after]) => {
    const before = item[name];
    return bytes + (after ? attributeBytes(name, after) : 0) - (before ? attributeBytes(name, before) : 0);
  }, 0);
}

function holds(condition: Condition, item: Item): boolean {
  const attribute = item[condition.name];
  switch (condition.kind) {
    case 'absent':
      return attribute === undefined;
    case 'equals':
      return attribute !== undefined && JSON.stringify(attribute) === JSON.stringify(condition.value);
    case 'absentOrAtMost':
      return attribute === undefined || ('N' in attribute && Number(attribute.N) <= Number(condition.value));
    case 'absentOrAtLeast':
      return attribute === undefined || ('N' in attribute && Number(attribute.N) >= Number(condition.value));
    case 'between': {
      const value = attribute && 'N' in attribute ? Number(attribute.N) : Number.NaN;
      return value >= Number(condition.low) && value <= Number(condition.high);
    }
    case 'lacksMember':
      return !(attribute && 'SS' in attribute && attribute.SS.includes(condition.member));
  }
}

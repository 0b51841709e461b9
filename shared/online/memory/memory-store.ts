import { LIMITS } from '../../limits.ts';
import type { Condition, Item, ItemUpdate } from '../../windows/item.ts';
import { attributeBytes, itemBytes } from '../../windows/item-size.ts';
import { applyToItem } from '../../windows/update-builder.ts';
import {
  type OnlineStore,
  OnlineStoreItemTooLargeError,
  OnlineStoreRequestError,
  type UpdateResult,
} from '../store.ts';

const NO_ITEM: Item = {};

/** The online store in this process's memory: for tests, simulations and offline replays. */
export class MemoryOnlineStore implements OnlineStore {
  readonly #items = new Map<string, { readonly item: Item; readonly bytes: number }>();

  async update(key: string, update: ItemUpdate): Promise<UpdateResult> {
    requireKey(key);
    const stored = this.#items.get(key);
    const before = stored?.item ?? NO_ITEM;
    if (!update.conditions.every((condition) => holds(condition, before))) return { applied: false, item: before };
    const item = applied(before, update);
    const bytes = (stored?.bytes ?? 0) + bytesAdded(before, item, update);
    if (bytes + Buffer.byteLength(key) > LIMITS.itemBytes) {
      throw new OnlineStoreItemTooLargeError(`the item would exceed ${LIMITS.itemBytes} bytes; give its view lanes`);
    }
    this.#items.set(key, { item, bytes });
    return { applied: true, item };
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

function applied(before: Item, update: ItemUpdate): Item {
  try {
    return applyToItem(before, update);
  } catch (error) {
    throw new OnlineStoreRequestError('the update does not fit the item', { cause: error });
  }
}

function bytesAdded(before: Item, after: Item, update: ItemUpdate): number {
  let bytes = 0;
  const count = (name: string) => {
    const [old, fresh] = [before[name], after[name]];
    bytes += (fresh ? attributeBytes(name, fresh) : 0) - (old ? attributeBytes(name, old) : 0);
  };
  for (const name in update.add) count(name);
  for (const name in update.set) count(name);
  update.remove.forEach(count);
  return bytes;
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

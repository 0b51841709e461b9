import { addExact, type Exact, parseExact } from './exact.ts';
import type { Attribute, Condition, Item, ItemUpdate } from './item.ts';

/** Collects the parts of one `ItemUpdate`; contributions to one attribute are folded into one change. */
export class ItemUpdateBuilder {
  readonly #numbers = new Map<string, Exact>();
  readonly #members = new Map<string, Set<string>>();
  readonly #set: Record<string, Attribute> = {};
  readonly #remove: string[] = [];
  readonly #conditions: Condition[] = [];
  #setCount = 0;

  addNumber(name: string, amount: Exact): void {
    this.#numbers.set(name, addExact(this.#numbers.get(name) ?? 0, amount));
  }

  addMembers(name: string, members: Iterable<string>): void {
    const known = this.#members.get(name) ?? new Set();
    for (const member of members) known.add(member);
    this.#members.set(name, known);
  }

  set(name: string, value: Attribute): void {
    if (!(name in this.#set)) this.#setCount++;
    this.#set[name] = value;
  }

  remove(name: string): void {
    this.#remove.push(name);
  }

  require(condition: Condition): void {
    this.#conditions.push(condition);
  }

  get changeCount(): number {
    return this.#numbers.size + this.#members.size + this.#setCount + this.#remove.length;
  }

  build(): ItemUpdate {
    const add: Record<string, { N: string } | { SS: string[] }> = {};
    for (const [name, amount] of this.#numbers) add[name] = { N: String(amount) };
    for (const [name, members] of this.#members) add[name] = { SS: [...members] };
    return { add, set: this.#set, remove: this.#remove, conditions: this.#conditions };
  }
}

/** Name of a changed attribute, and its value after the update; `undefined` when it is gone. */
export type AttributeChange = readonly [name: string, after: Attribute | undefined];

/**
 * What an update makes of an item's attributes, as a store computes it. Conditions are not looked at.
 * @throws TypeError when something is added to an attribute of another type.
 */
export function attributeChanges(item: Item, update: ItemUpdate): AttributeChange[] {
  const changes: AttributeChange[] = [];
  for (const name in update.add) changes.push([name, addTo(item[name], update.add[name])]);
  for (const name in update.set) changes.push([name, update.set[name]]);
  for (const name of update.remove) changes.push([name, undefined]);
  return changes;
}

export function changeItem(item: Record<string, Attribute>, changes: readonly AttributeChange[]): void {
  for (const [name, after] of changes) {
    if (after === undefined) delete item[name];
    else item[name] = after;
  }
}

/** The item after an update. @throws TypeError like `attributeChanges`. */
export function applyToItem(item: Item, update: ItemUpdate): Item {
  const after = { ...item };
  changeItem(after, attributeChanges(item, update));
  return after;
}

function addTo(before: Attribute | undefined, change: ItemUpdate['add'][string] | undefined): Attribute | undefined {
  if (before === undefined || change === undefined) return change;
  if ('N' in change && 'N' in before) return { N: String(addExact(parseExact(before.N), parseExact(change.N))) };
  if ('SS' in change && 'SS' in before) return { SS: [...new Set([...before.SS, ...change.SS])] };
  throw new TypeError('an attribute holds a value of another type than the one added to it');
}

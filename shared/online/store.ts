import type { Item, ItemUpdate } from '../windows/item.ts';

/**
 * `applied` carries the item after the update, or the one before it (`{}` = none), as it was asked for; otherwise the item
 * as it stood when a condition failed. `mayBeOwn`: an earlier attempt of the same call had no answer, so what refused this
 * one may be its own update.
 */
export type UpdateResult =
  | { readonly applied: true; readonly item: Item }
  | { readonly applied: false; readonly item: Item; readonly mayBeOwn?: true };

export interface UpdateOptions {
  readonly returns?: 'after' | 'before';
}

/** What an operation cost, for benchmarks and cost reports. Units are DynamoDB capacity units. */
export interface ConsumedCapacity {
  readonly readUnits: number;
  readonly writeUnits: number;
}

/**
 * The online store: one item per key, updated atomically.
 *
 * Contract (the same suite runs against every adapter):
 * 1. `update` either makes every change or none, and returns the item after it, or the item that refused it.
 * 2. Updates of one key are linearised; `get` sees every update that completed before it began.
 * 3. Numbers are exact to 38 digits.
 * 4. Failures are instances of `OnlineStoreError`; after an `OnlineStoreUnavailableError` the update may or may not
 *    have happened, and repeating it is safe because of its own conditions.
 */
export interface OnlineStore {
  /**
   * @param key at most 2,048 bytes of UTF-8.
   * @param options.returns the item as it is after the update (default) or as it was before it; the other one follows by
   *   `applyToItem`.
   */
  update(key: string, update: ItemUpdate, options?: UpdateOptions): Promise<UpdateResult>;
  /** The items of `keys`, in their order; `undefined` where there is none. Strongly consistent unless asked otherwise. */
  get(keys: readonly string[], options?: { readonly consistent?: boolean }): Promise<(Item | undefined)[]>;
}

/** What a read had learned when it failed, by key; `undefined` for keys without an item. */
export type AnsweredItems = ReadonlyMap<string, Item | undefined>;

/** Base of everything an online store can throw. */
export abstract class OnlineStoreError extends Error {
  /** Whether the same call may succeed later. */
  abstract readonly retryable: boolean;
  // Private, so that nothing that prints errors prints items.
  readonly #answered: AnsweredItems;

  constructor(message: string, options: ErrorOptions & { readonly answered?: AnsweredItems } = {}) {
    super(message, options);
    this.#answered = options.answered ?? new Map();
  }

  /** Of a read that failed in part: the keys that need not be asked for again. */
  get answered(): AnsweredItems {
    return this.#answered;
  }
}

/** The store asked us to slow down. What was refused did not happen. Retry with backoff and jitter. */
export class OnlineStoreThrottledError extends OnlineStoreError {
  override readonly name = 'OnlineStoreThrottledError';
  readonly retryable = true;
}

/** The store did not answer, or failed internally. The update may have happened. Retry. */
export class OnlineStoreUnavailableError extends OnlineStoreError {
  override readonly name = 'OnlineStoreUnavailableError';
  readonly retryable = true;
}

/** Nobody asked the store, because it failed too often just now or no time was left. The update did not happen. */
export class OnlineStoreNotAskedError extends OnlineStoreUnavailableError {}

/** The store cannot hold what this update would make of this one item. Retrying cannot help; other items are not concerned. */
export class OnlineStoreItemRefusedError extends OnlineStoreError {
  override readonly name: string = 'OnlineStoreItemRefusedError';
  readonly retryable = false;
}

/** The item would exceed the store's size limit. Retrying cannot help; spread the entity over `lanes`. */
export class OnlineStoreItemTooLargeError extends OnlineStoreItemRefusedError {
  override readonly name = 'OnlineStoreItemTooLargeError';
}

/** The store refused the request itself (malformed, forbidden, missing table): a defect or a misconfiguration. */
export class OnlineStoreRequestError extends OnlineStoreError {
  override readonly name = 'OnlineStoreRequestError';
  readonly retryable = false;
}

/** Competing writers of one item won every attempt. Retry; if it persists, give the view lanes. */
export class OnlineStoreContentionError extends OnlineStoreError {
  override readonly name = 'OnlineStoreContentionError';
  readonly retryable = true;
}

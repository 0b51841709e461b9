import type { OnlineStore, UpdateOptions, UpdateResult } from '../../shared/online/store.ts';
import { OnlineStoreThrottledError, OnlineStoreUnavailableError } from '../../shared/online/store.ts';
import { HEADER } from '../../shared/windows/bucket.ts';
import type { Item, ItemUpdate } from '../../shared/windows/item.ts';
import { highWaterOf } from '../../shared/windows/plan.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** Which events each item has counted, in the order in which the store made the updates. */
export class Journal {
  readonly #countedByKey = new Map<string, string[]>();
  readonly #historyByKey = new Map<string, ReadonlySet<string>>();
  readonly #historyOf: (key: string) => readonly string[];
  /** Items whose high water fell, which then count what is late. */
  readonly falls: string[] = [];

  /** @param historyOf the events that history has for an item, by the oracle. */
  constructor(historyOf: (key: string) => readonly string[]) {
    this.#historyOf = historyOf;
  }

  /** The ids that an update adds are those that it requires to be absent, in the order of the events. */
  record(key: string, update: ItemUpdate): void {
    if (HEADER.backfilled in update.set) {
      const missing = new Set(this.#historyOf(key)).difference(new Set(this.counted(key)));
      this.#historyByKey.set(key, missing);
      this.#countedByKey.set(key, [...this.counted(key), ...missing]);
      return;
    }
    const added = new Set<string>();
    for (const condition of update.conditions) if (condition.kind === 'lacksMember') added.add(condition.member);
    this.#countedByKey.set(key, [...this.counted(key), ...added]);
  }

  /** Hashes of the ids of counted events. */
  counted(key: string): string[] {
    return this.#countedByKey.get(key) ?? [];
  }

  /** Whether an event came from history, where it was judged by those that arrived before it. */
  isHistory(key: string, idHash: string): boolean {
    return this.#historyByKey.get(key)?.has(idHash) ?? false;
  }

  keys(): IterableIterator<string> {
    return this.#countedByKey.keys();
  }
}

export interface FaultRates {
  readonly throttle: number;
  readonly lostAnswer: number;
  readonly crash: number;
}

/** Changes what a store is asked or answers: how defects are planted without touching the product. */
export interface Sabotage {
  update(update: ItemUpdate, before: Item): ItemUpdate;
  item(item: Item): Item;
}

interface ActorOptions {
  readonly store: OnlineStore;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly journal: Journal;
  readonly faults: FaultRates;
  readonly sabotage: Sabotage | undefined;
  /** How often others may act before this actor's request is made: it takes its time to think. */
  readonly turnsMax: number;
}

/**
 * The store as one invocation of one actor sees it: between any two effects others may act, requests may be throttled,
 * answers may be lost, and the actor may crash, after which nothing of it happens any more.
 */
export class ActorStore implements OnlineStore {
  /** Resolves when the actor has crashed. */
  readonly crashed: Promise<'crashed'>;
  /** Number of events counted by an item when this actor last heard of it. */
  readonly lastSeen = new Map<string, number>();
  readonly #options: ActorOptions;
  #crash: () => void = () => {};
  #isCrashed = false;

  constructor(options: ActorOptions) {
    this.#options = options;
    this.crashed = new Promise((resolve) => {
      this.#crash = () => resolve('crashed');
    });
  }

  async update(key: string, update: ItemUpdate, options?: UpdateOptions): Promise<UpdateResult> {
    const { store, journal, sabotage } = this.#options;
    await this.#stop();
    const [before = {}] = await store.get([key]);
    const result = await store.update(key, sabotage?.update(update, before) ?? update, options);
    if (result.applied) {
      journal.record(key, update);
      const [after] = await store.get([key]);
      if ((highWaterOf(after) ?? 0) < (highWaterOf(before) ?? 0)) journal.falls.push(key);
    }
    this.lastSeen.set(key, journal.counted(key).length);
    await this.#answer();
    return sabotage ? { ...result, item: sabotage.item(result.item) } : result;
  }

  async get(keys: readonly string[]): Promise<(Item | undefined)[]> {
    const { store, journal, sabotage } = this.#options;
    await this.#stop();
    const items = await store.get(keys);
    for (const key of keys) this.lastSeen.set(key, journal.counted(key).length);
    await this.#answer();
    return sabotage ? items.map((item) => item && sabotage.item(item)) : items;
  }

  async #stop(): Promise<void> {
    const { scheduler, random, faults, turnsMax } = this.#options;
    for (let turns = turnsMax === 0 ? 1 : random.integer(1, turnsMax); turns > 0; turns--) await scheduler.turn();
    await this.#maybeCrash();
    if (random.chance(faults.throttle)) throw new OnlineStoreThrottledError('simulated throttle');
  }

  async #answer(): Promise<void> {
    const { scheduler, random, faults } = this.#options;
    await scheduler.turn();
    await this.#maybeCrash();
    if (random.chance(faults.lostAnswer)) throw new OnlineStoreUnavailableError('simulated lost answer');
  }

  async #maybeCrash(): Promise<void> {
    if (!this.#isCrashed && this.#options.random.chance(this.#options.faults.crash)) {
      this.#isCrashed = true;
      this.#crash();
    }
    if (this.#isCrashed) await new Promise<never>(() => {});
  }
}

import { pMapIterable } from 'p-map';
import type { WindowedView } from '../definitions/view.ts';
import { LIMITS } from '../limits.ts';
import {
  foldHistory,
  type HistoryEnd,
  type HistoryImage,
  isExpired,
  missingFrom,
  planBackfill,
} from '../windows/backfill.ts';
import { HEADER } from '../windows/bucket.ts';
import type { WindowEvent } from '../windows/event.ts';
import type { Item } from '../windows/item.ts';
import { itemKeyOf, laneOf } from './item-key.ts';
import {
  type OnlineStore,
  OnlineStoreContentionError,
  OnlineStoreItemRefusedError,
  OnlineStoreItemTooLargeError,
  OnlineStoreRequestError,
} from './store.ts';

/**
 * One entity's events of a view from history: those whose first delivery arrived before the view's `liveFrom`, each once,
 * without late ones (points 1 and 3 of the contract of the offline store), in any order. Events that no window reaches
 * behind the newest of their lane may be left out.
 */
export interface EntityHistory {
  readonly entityKey: string;
  readonly events: readonly WindowEvent[];
}

/**
 * What became of one item.
 * `written`: history was merged in. `done`: it was before. `expired`: so old that the item would have been deleted.
 * `tooLarge`: the item would exceed the store's limit; nothing was changed. `refused`: the store cannot hold what the item
 * would become; nothing was changed. `failed`: the store did not do it; again may help.
 */
export type BackfillOutcome = 'written' | 'done' | 'expired' | 'tooLarge' | 'refused' | 'failed';

export interface ItemBackfill {
  readonly outcome: BackfillOutcome;
  readonly events: number;
  /** Why it failed or was refused. */
  readonly error?: unknown;
}

export interface BackfillPorts {
  /** Retries are its business (`withRetries`): what it throws is taken as its last word. */
  readonly store: OnlineStore;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/**
 * Merges history into the items of a view, entity by entity, while the stream counts what arrives from `liveFrom` on.
 * Every event is counted once, whatever is delivered again and whoever writes meanwhile. Begun again, it goes on where it
 * was; an item whose history is in is left alone.
 *
 * @yields the items of one entity after the other, one per lane with history.
 * @throws OnlineStoreRequestError when the store cannot be used at all, and whatever `history` throws.
 */
export async function* backfillView(
  ports: BackfillPorts,
  view: WindowedView,
  history: AsyncIterable<EntityHistory>,
  concurrency: number,
): AsyncGenerator<readonly ItemBackfill[]> {
  yield* pMapIterable(history, (entity) => backfillEntity(ports, view, entity), { concurrency, preserveOrder: false });
}

/** As `backfillView`, for one entity. */
export async function backfillEntity(
  ports: BackfillPorts,
  view: WindowedView,
  { entityKey, events }: EntityHistory,
): Promise<ItemBackfill[]> {
  const items: ItemBackfill[] = [];
  for (const [lane, own] of Map.groupBy(events, (event) => laneOf(view, event))) {
    try {
      items.push({
        outcome: await backfillItem(ports, view, itemKeyOf(view, entityKey, lane), own),
        events: own.length,
      });
    } catch (error) {
      if (error instanceof OnlineStoreRequestError) throw error;
      items.push({ outcome: outcomeOf(error), events: own.length, error });
    }
  }
  return items;
}

function outcomeOf(error: unknown): BackfillOutcome {
  if (error instanceof OnlineStoreItemTooLargeError) return 'tooLarge';
  return error instanceof OnlineStoreItemRefusedError ? 'refused' : 'failed';
}

/**
 * An update planned on the item as it was read; refused, it is planned again from the item as it is. Reading first is cheaper
 * than being refused: most entities that matter have written since, and a second run finds every item done.
 */
async function backfillItem(
  { store, clock }: BackfillPorts,
  view: WindowedView,
  key: string,
  events: readonly WindowEvent[],
): Promise<BackfillOutcome> {
  const { layout } = view;
  const end = endOf(liveFromOf(view), events);
  if (isExpired(layout, end, clock())) return 'expired';
  let [seen = {}]: (Item | undefined)[] = await store.get([key]);
  let image: HistoryImage | undefined;
  let mayBeOwn = false;
  for (let attempt = 0; attempt < LIMITS.updateAttempts; attempt++) {
    if (HEADER.backfilled in seen) return mayBeOwn ? 'written' : 'done';
    const missing = missingFrom(seen, events);
    // Folding is most of the work, and mostly the same again.
    if (!image || !areSame(image.events, missing)) image = foldHistory(layout, missing);
    const result = await store.update(key, planBackfill(layout, image, end, seen));
    if (result.applied) return 'written';
    seen = result.item;
    mayBeOwn ||= result.mayBeOwn ?? false;
  }
  throw new OnlineStoreContentionError(
    `writers of view ${view.key} won ${LIMITS.updateAttempts} times in a row; try again when there are fewer`,
  );
}

/** @throws RangeError for a view whose stream counts all: its history is in its items already. */
function liveFromOf({ key, layout: { liveFromMillis } }: WindowedView): number {
  if (liveFromMillis === undefined) throw new RangeError(`view ${key} has no liveFrom; history would be counted twice`);
  return liveFromMillis;
}

function endOf(liveFromMillis: number, events: readonly WindowEvent[]): HistoryEnd {
  const latest = {
    liveFromMillis,
    highWaterMillis: Number.NEGATIVE_INFINITY,
    arrivedAtMillis: Number.NEGATIVE_INFINITY,
  };
  for (const { timeMillis, arrivedAtMillis } of events) {
    latest.highWaterMillis = Math.max(latest.highWaterMillis, timeMillis);
    latest.arrivedAtMillis = Math.max(latest.arrivedAtMillis, arrivedAtMillis);
  }
  return latest;
}

function areSame(left: readonly WindowEvent[], right: readonly WindowEvent[]): boolean {
  return left.length === right.length && left.every((event, index) => event === right[index]);
}

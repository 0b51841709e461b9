import { LRUCache } from 'lru-cache';
import { entityKeyOf } from '../../shared/definitions/entity.ts';
import type { WindowedView } from '../../shared/definitions/view.ts';
import { LIMITS } from '../../shared/limits.ts';
import { itemKeyOf } from '../../shared/online/item-key.ts';
import { type EntityRow, readViews } from '../../shared/online/read-features.ts';
import type { OnlineStore } from '../../shared/online/store.ts';
import { readWindows, type WindowReading } from '../../shared/windows/read.ts';

interface Question {
  readonly store: OnlineStore;
  readonly view: WindowedView;
  readonly row: EntityRow;
}

/**
 * Readings of views that say `cacheFor`, in the memory of one function instance.
 *
 * 1. A reading is made for the instant at which it is made, whichever event asked, and keeps that `asOfMillis`.
 * 2. Until it is older than the view allows, it answers everybody who asks for the entity at about now: by no more than
 *    `cacheFor` before or after. Whoever asks for another instant, as a replay does, is answered by the store.
 * 3. While it is being made, all who ask wait for the same answer of the store. A failure is told to them, and not kept.
 */
export class CachedViews {
  readonly #clock: () => number;
  readonly #readings: LRUCache<string, WindowReading, Question>;

  constructor({ clock, entries = LIMITS.cachedReadings }: { readonly clock: () => number; readonly entries?: number }) {
    this.#clock = clock;
    this.#readings = new LRUCache({
      max: entries,
      perf: { now: clock },
      // The clock is asked each time: it costs less than a timer that remembers it.
      ttlResolution: 0,
      // What is too old is not answered but kept, for `peek`; also when the store fails to renew it.
      noDeleteOnFetchRejection: true,
      // Whoever asked gets an answer, though others have crowded it out by then.
      ignoreFetchAbort: true,
      fetchMethod: (_key, _old, { context }) => readOne(context, clock()),
    });
  }

  /** @throws EntityKeyError, OnlineStoreError */
  async read({ instantMillis, ...question }: Question & { readonly instantMillis: number }): Promise<WindowReading> {
    const { cacheForMillis } = question.view;
    if (cacheForMillis === undefined || Math.abs(instantMillis - this.#clock()) > cacheForMillis) {
      return readOne(question, instantMillis);
    }
    return this.#readings.forceFetch(keyOf(question), { ttl: cacheForMillis, context: question });
  }

  /** The newest reading that is still in memory, as far as it can be relied on at all; its `asOfMillis` says how old it is. */
  peek(question: Omit<Question, 'store'>): WindowReading | undefined {
    const reading = this.#readings.peek(keyOf(question), { allowStale: true });
    const isTooOld = reading && this.#clock() - reading.asOfMillis > LIMITS.rememberedReadingMillis;
    return isTooOld ? undefined : reading;
  }
}

function keyOf({ view, row }: Omit<Question, 'store'>): string {
  return itemKeyOf(view, entityKeyOf(view.entity, row), 0);
}

async function readOne({ store, view, row }: Question, instantMillis: number): Promise<WindowReading> {
  const [readings] = await readViews(store, [view], [row], instantMillis);
  return readings?.get(view) ?? readWindows(view.layout, [], instantMillis);
}

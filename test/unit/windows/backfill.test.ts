import { describe, expect, it } from 'vitest';
import { applyEvents } from '../../../shared/online/apply-events.ts';
import { backfillEntity } from '../../../shared/online/backfill.ts';
import { countsOnline } from '../../../shared/online/counts-online.ts';
import { itemKeyOf } from '../../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import { withRetries } from '../../../shared/online/retry.ts';
import {
  type OnlineStore,
  OnlineStoreItemRefusedError,
  OnlineStoreRequestError,
  OnlineStoreUnavailableError,
} from '../../../shared/online/store.ts';
import { definitionVersions, featureRepository } from '../../../shared/registry/manifest.ts';
import { foldHistory, planBackfill } from '../../../shared/windows/backfill.ts';
import { HEADER } from '../../../shared/windows/bucket.ts';
import { idHashOf, type WindowEvent } from '../../../shared/windows/event.ts';
import { planMaintenance } from '../../../shared/windows/maintain.ts';
import { readWindows } from '../../../shared/windows/read.ts';
import { everyAggregateView, type ViewChoice } from '../../support/arbitraries.ts';

const LIVE_FROM = Date.UTC(2026, 10, 21, 6);
const CHOICE: ViewChoice = {
  windows: [{ length: '1h', hop: '1min' }],
  lateness: '10min',
  lanes: 1,
  filtered: false,
  endpoints: false,
};
const view = everyAggregateView({ ...CHOICE, liveFromMillis: LIVE_FROM });
const SPAN = view.layout.eventIdSpanMillis;
const DAY = 24 * 3_600_000;
const KEY = itemKeyOf(view, 'acc', 0);
const NEVER_MAINTAINED = { everyEvents: 1_000_000, minimumBytesFreed: 0 };

function event(id: string, timeMillis: number, arrivedAtMillis = timeMillis): WindowEvent {
  const values = { event_id: id, account_id: 'acc', at: timeMillis, amount: 1, quantity: 2, label: id, ratio: 0.5 };
  return { id, idHash: idHashOf(id), timeMillis, arrivedAtMillis, values };
}

const HISTORY = [event('h1', LIVE_FROM - 120_000), event('h2', LIVE_FROM - 60_000)];

async function countOf(store: OnlineStore): Promise<unknown> {
  const items = (await store.get([KEY])).filter((item) => item !== undefined);
  return readWindows(view.layout, items, LIVE_FROM).values[0];
}

const backfill = (store: OnlineStore, events = HISTORY, now = LIVE_FROM) =>
  backfillEntity({ store, clock: () => now }, view, { entityKey: 'acc', events });

async function storeWith(...events: readonly WindowEvent[]): Promise<MemoryOnlineStore> {
  const store = new MemoryOnlineStore();
  for (const one of events) await applyEvents(store, view, 'acc', [one], NEVER_MAINTAINED);
  return store;
}

describe('backfill is refused by an item', () => {
  // The high water lies just behind the border of two sets of ids, so that events before it have the older set.
  const border = Math.ceil(LIVE_FROM / SPAN) * SPAN;
  const seenEvent = event('seen', border + 1_000);

  it.each([
    ['counted a newer event', event('new', border + 2_000)],
    ['counted an event of the same set of ids', event('new', border + 500)],
    ['counted an event of the set of ids before', event('new', border + 1_000 - view.layout.allowedLatenessMillis)],
  ])('that meanwhile %s', async (_case, meanwhile) => {
    const store = await storeWith(seenEvent);
    const [seen = {}] = await store.get([KEY]);
    const end = { liveFromMillis: LIVE_FROM, highWaterMillis: LIVE_FROM - 1, arrivedAtMillis: LIVE_FROM - 1 };
    const update = planBackfill(view.layout, foldHistory(view.layout, HISTORY), end, seen);
    await applyEvents(store, view, 'acc', [meanwhile], NEVER_MAINTAINED);
    expect(await store.update(KEY, update)).toMatchObject({ applied: false });
  });

  it('that was maintained meanwhile, and keeps off maintenance that was planned before it', async () => {
    const store = await storeWith(event('old', border - 2 * 3_600_000), seenEvent);
    const [seen = {}] = await store.get([KEY]);
    const maintenance = planMaintenance(view.layout, seen);
    if (!maintenance) throw new Error('there is something to maintain');
    expect(await backfill(store)).toMatchObject([{ outcome: 'written' }]);
    expect(await store.update(KEY, maintenance.update)).toMatchObject({ applied: false });
    expect(await countOf(store)).toBe(3);

    const other = await storeWith(event('old', border - 2 * 3_600_000), seenEvent);
    const end = { liveFromMillis: LIVE_FROM, highWaterMillis: LIVE_FROM - 1, arrivedAtMillis: LIVE_FROM - 1 };
    const update = planBackfill(view.layout, foldHistory(view.layout, HISTORY), end, seen);
    await other.update(KEY, maintenance.update);
    expect(await other.update(KEY, update)).toMatchObject({ applied: false });
  });
});

describe('backfill of an entity', () => {
  it('is done once, also when the answer to it was lost', async () => {
    const memory = new MemoryOnlineStore();
    let isLost = true;
    const store: OnlineStore = {
      get: (keys) => memory.get(keys),
      update: async (key, update) => {
        const result = await memory.update(key, update);
        if (isLost) throw new OnlineStoreUnavailableError('lost');
        return result;
      },
    };
    expect(await backfill(store)).toMatchObject([{ outcome: 'failed' }]);
    isLost = false;
    expect(await backfill(store)).toMatchObject([{ outcome: 'done' }]);
    expect(await countOf(store)).toBe(2);
  });

  it('marks the item, and gives it the expiry that the stream would have given it', async () => {
    const store = new MemoryOnlineStore();
    await backfill(store);
    const [item] = await store.get([KEY]);
    expect(item?.[HEADER.backfilled]).toEqual({ N: String(LIVE_FROM) });
    const [streamed] = await (await storeWith(...HISTORY)).get([KEY]);
    for (const name of [HEADER.highWater, HEADER.arrivedAt, HEADER.expiresAt]) {
      expect(item?.[name]).toEqual(streamed?.[name]);
    }
  });

  it('leaves out an entity whose item would have expired, and changes nothing', async () => {
    const store = new MemoryOnlineStore();
    expect(await backfill(store, HISTORY, LIVE_FROM + 7 * DAY)).toMatchObject([{ outcome: 'expired' }]);
    expect(store.size).toBe(0);
    expect(await backfill(store, HISTORY, LIVE_FROM + 7 * DAY - 60_001)).toMatchObject([{ outcome: 'written' }]);
  });

  it('says that an image is too large, and changes nothing', async () => {
    const many = Array.from({ length: 60_000 }, (_, index) => event(`h${index}`, LIVE_FROM - 60_000 - index));
    const store = await storeWith(event('live', LIVE_FROM));
    expect(await backfill(store, many)).toMatchObject([{ outcome: 'tooLarge', events: 60_000 }]);
    expect(await countOf(store)).toBe(1);
  });

  it('says that the store cannot hold an image, and goes on with others', async () => {
    const refuse = () => Promise.reject(new OnlineStoreItemRefusedError('more than 38 digits'));
    const outcomes = await backfill({ update: refuse, get: async () => [undefined] });
    expect(outcomes).toMatchObject([{ outcome: 'refused', error: { message: 'more than 38 digits' } }]);
  });

  it('says that it wrote what it finds written after an answer was lost', async () => {
    const inner = new MemoryOnlineStore();
    let isLost = true;
    const store: OnlineStore = {
      get: (keys) => inner.get(keys),
      update: async (key, update) => {
        const result = await inner.update(key, update);
        if (!isLost) return result;
        isLost = false;
        throw new OnlineStoreUnavailableError('the answer was lost');
      },
    };
    const retried = withRetries(store, { signal: new AbortController().signal, initialDelayMillis: 1 });
    expect(await backfill(retried)).toMatchObject([{ outcome: 'written' }]);
    expect(await backfill(retried)).toMatchObject([{ outcome: 'done' }]);
  });

  it('stops where the store cannot be used at all', async () => {
    const refuse = () => Promise.reject(new OnlineStoreRequestError('no such table'));
    await expect(backfill({ update: refuse, get: refuse })).rejects.toThrow('no such table');
  });

  it('is refused for a view whose stream counts all', async () => {
    const ports = { store: new MemoryOnlineStore(), clock: () => LIVE_FROM };
    const [outcome] = await backfillEntity(ports, everyAggregateView(CHOICE), { entityKey: 'acc', events: HISTORY });
    expect(String(outcome?.error)).toContain('has no liveFrom');
  });
});

describe('a view that is live from an instant', () => {
  it('counts online what arrives at that instant or later, whenever it happened', () => {
    expect(countsOnline(view, event('e', LIVE_FROM - 60_000, LIVE_FROM))).toBe(true);
    expect(countsOnline(view, event('e', LIVE_FROM, LIVE_FROM - 1))).toBe(false);
    expect(countsOnline(everyAggregateView(CHOICE), event('e', LIVE_FROM, 0))).toBe(true);
  });

  it('is computed as without: the definition is the same, the registry is not', () => {
    const [with_, without] = [view, everyAggregateView(CHOICE)].map((one) =>
      featureRepository({ views: [one], services: [] }),
    );
    if (!with_ || !without) throw new Error('two repositories');
    expect(definitionVersions(with_)).toEqual(definitionVersions(without));
    expect(with_.registryVersion).not.toBe(without.registryVersion);
    expect(with_.manifest.views[0]).toMatchObject({ liveFrom: '2026-11-21T06:00:00.000Z' });
  });
});

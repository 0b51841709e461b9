import { describe, expect, it } from 'vitest';
import { CachedViews } from '../../../functions/serve/cached-views.ts';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import { labels, merchantRisk, userTransactions } from '../../../shared/features/fraud.ts';
import { applyEvents } from '../../../shared/online/apply-events.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import { OnlineStoreUnavailableError } from '../../../shared/online/store.ts';
import { NOW_MILLIS, serve, transaction } from './harness.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const COUNT = merchantRisk.features.findIndex(({ name }) => name === 'label_count_7d');

/** The cache over a store that counts what it is asked, can wait with its answer, and can fail. */
function cached(options: { readonly entries?: number } = {}) {
  const inner = new MemoryOnlineStore();
  const state = { nowMillis: NOW_MILLIS, failure: undefined as Error | undefined, reads: 0, until: Promise.resolve() };
  const store = {
    update: inner.update.bind(inner),
    get: async (keys: readonly string[]) => {
      state.reads++;
      await state.until;
      if (state.failure) throw state.failure;
      return inner.get(keys);
    },
  };
  const views = new CachedViews({ clock: () => state.nowMillis, ...options });
  let sequence = 0;
  return {
    state,
    views,
    /** A label of two days ago. */
    label: async (merchant_id: string) => {
      const label = { label_id: `label-${sequence++}`, transaction_id: 't', user_id: 'u', merchant_id, is_fraud: 1 };
      const decoded = decodeEvent(labels, { ...label, labelled_at: NOW_MILLIS - 2 * DAY }, NOW_MILLIS);
      if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
      await applyEvents(inner, merchantRisk, merchant_id, [decoded.event]);
    },
    ask: async (merchant_id: string, instantMillis = state.nowMillis) => {
      const row = { merchant_id };
      const reading = await views.read({ store, view: merchantRisk, row, instantMillis });
      return { count: reading.values[COUNT], found: reading.found, asOfMillis: reading.asOfMillis };
    },
    /** A view without `cacheFor`. */
    askUser: () => views.read({ store, view: userTransactions, row: { user_id: 'u' }, instantMillis: state.nowMillis }),
    peek: (merchant_id: string) => views.peek({ view: merchantRisk, row: { merchant_id } }),
  };
}

describe('a view that says cacheFor', () => {
  it('is read once until the reading is too old, and keeps the instant at which it was read', async () => {
    const { ask, label, state } = cached();
    await label('m');
    const first = { count: 1, found: true, asOfMillis: NOW_MILLIS };
    expect(await ask('m')).toEqual(first);
    await label('m');
    state.nowMillis += MINUTE;
    expect(await ask('m')).toEqual(first);
    expect(state.reads).toBe(1);
    state.nowMillis += 1;
    expect(await ask('m')).toEqual({ count: 2, found: true, asOfMillis: NOW_MILLIS + MINUTE + 1 });
    expect(state.reads).toBe(2);
  });

  it('remembers that an entity is unknown', async () => {
    const { ask, state } = cached();
    await ask('nobody');
    expect(await ask('nobody')).toEqual({ count: 0, found: false, asOfMillis: NOW_MILLIS });
    expect(state.reads).toBe(1);
  });

  it('is read of each entity', async () => {
    const { ask, label, state } = cached();
    await label('m1');
    expect([(await ask('m1')).count, (await ask('m2')).count]).toEqual([1, 0]);
    expect(state.reads).toBe(2);
  });

  it.each([
    ['before', -MINUTE - 1],
    ['after', MINUTE + 1],
  ])('is asked for anew, and not remembered, for an instant long %s', async (_what, distanceMillis) => {
    const { ask, state } = cached();
    const instantMillis = NOW_MILLIS + distanceMillis;
    expect(await ask('m', instantMillis)).toMatchObject({ asOfMillis: instantMillis });
    expect(await ask('m')).toMatchObject({ asOfMillis: NOW_MILLIS });
    expect(await ask('m', instantMillis)).toMatchObject({ asOfMillis: instantMillis });
    expect(state.reads).toBe(3);
  });

  it('is read once by all who ask meanwhile', async () => {
    const { ask, label, state } = cached();
    await label('m');
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask('m')));
    expect(new Set(answers.map(({ count }) => count))).toEqual(new Set([1]));
    expect(state.reads).toBe(1);
  });

  it('tells all who asked of a failure, and asks again for the next', async () => {
    const { ask, peek, state } = cached();
    state.failure = new OnlineStoreUnavailableError('gone');
    const answers = await Promise.allSettled([ask('m'), ask('m')]);
    expect(answers).toEqual(Array(2).fill({ status: 'rejected', reason: state.failure }));
    expect(peek('m')).toBeUndefined();
    state.failure = undefined;
    expect(await ask('m')).toMatchObject({ count: 0 });
    expect(state.reads).toBe(2);
  });

  it('keeps no more readings than it may, and forgets those that nobody uses', async () => {
    const { ask, peek, state } = cached({ entries: 2 });
    for (const merchant of ['m1', 'm2', 'm1', 'm3']) await ask(merchant);
    expect([peek('m1'), peek('m2'), peek('m3')].map((reading) => reading !== undefined)).toEqual([true, false, true]);
    expect(state.reads).toBe(3);
  });

  it('answers those who are crowded out while they wait', async () => {
    const { ask, label } = cached({ entries: 1 });
    for (const merchant of ['m1', 'm2', 'm3']) await label(merchant);
    const answers = await Promise.all(['m1', 'm2', 'm3'].map((merchant) => ask(merchant)));
    expect(answers.map(({ count }) => count)).toEqual([1, 1, 1]);
  });
});

describe('an old reading', () => {
  it('is there for whoever asks for it, whatever the store does', async () => {
    const { ask, label, peek, state } = cached();
    await label('m');
    await ask('m');
    state.nowMillis += 10 * MINUTE;
    const old = { asOfMillis: NOW_MILLIS, found: true };
    expect(peek('m')).toMatchObject(old);

    let release = (): void => undefined;
    state.until = new Promise((resolve) => {
      release = resolve;
    });
    state.failure = new OnlineStoreUnavailableError('gone');
    const renewal = expect(ask('m')).rejects.toBe(state.failure);
    expect(peek('m')).toMatchObject(old);
    release();
    await renewal;
    expect(peek('m')).toMatchObject(old);

    state.failure = undefined;
    expect(await ask('m')).toMatchObject({ asOfMillis: state.nowMillis });
    expect(peek('m')).toMatchObject({ asOfMillis: state.nowMillis });
  });
});

describe('a view that does not say cacheFor', () => {
  it('is read each time, and not remembered', async () => {
    const { askUser, views, state } = cached();
    await askUser();
    await askUser();
    expect(state.reads).toBe(2);
    expect(views.peek({ view: userTransactions, row: { user_id: 'u' } })).toBeUndefined();
  });
});

describe('the routes', () => {
  it('decide from memory where a view allows it, and say of which instant; /features asks the store', async () => {
    const inner = new MemoryOnlineStore();
    const keysRead: string[] = [];
    const store = {
      update: inner.update.bind(inner),
      get: (keys: readonly string[]) => {
        keysRead.push(...keys);
        return inner.get(keys);
      },
    };
    const { predict, features, clock } = serve({ store });
    await predict(transaction({ user_id: 'u1', merchant_id: 'm' }));
    expect(keysRead.splice(0)).toEqual(['merchant_risk@1|m']);
    clock.nowMillis += MINUTE / 2;
    const { body } = await predict(transaction({ user_id: 'u2', merchant_id: 'm', timestamp: clock.nowMillis }));
    expect(keysRead).toEqual([]);
    expect(body.views['merchant_risk@1'].as_of).toBe(new Date(NOW_MILLIS).toISOString());
    expect(body.as_of).toBe(new Date(clock.nowMillis).toISOString());
    await features({ service: 'fraud_detection', entities: [{ user_id: 'u1', merchant_id: 'm' }] });
    expect(keysRead).toContain('merchant_risk@1|m');
  });
});

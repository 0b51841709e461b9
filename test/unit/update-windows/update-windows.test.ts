import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  identifier,
  sum,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { withRetries } from '../../../shared/online/retry.ts';
import {
  OnlineStoreItemRefusedError,
  OnlineStoreItemTooLargeError,
  OnlineStoreRequestError,
  OnlineStoreThrottledError,
} from '../../../shared/online/store.ts';
import { consumer, NOW_MILLIS, recordOf, recordsOf, transaction } from './fixtures.ts';

function transactionsOf(...users: string[]): Record<string, unknown>[] {
  return users.map((user_id, index) => transaction({ transaction_id: `t-${index}`, user_id }));
}

describe('grouping', () => {
  it('updates each entity once, whatever the order of its records', async () => {
    const { consume, store, features } = consumer();
    const { counts, failedSequenceNumbers } = await consume(recordsOf(...transactionsOf('a', 'b', 'a', 'c', 'b', 'a')));
    expect(failedSequenceNumbers).toEqual([]);
    expect(counts).toEqual({
      received: 6,
      applied: 6,
      duplicate: 0,
      late: 0,
      excluded: 0,
      quarantined: 0,
      failed: 0,
    });
    expect(store.updatedKeys).toEqual(['a', 'b', 'c'].map((user) => `user_transactions@1|${user}`));
    expect(await features({ user_id: 'a' })).toMatchObject({ tx_count_1h: 3, total_amount_1h: 37.5 });
  });

  it('takes the events of an entity in order of arrival, which decides what is late', async () => {
    const old = transaction({ transaction_id: 'old', timestamp: NOW_MILLIS - 6_000 });
    const fresh = transaction({ transaction_id: 'fresh' });
    const arrivedApart = (...contents: Record<string, unknown>[]) =>
      recordsOf(...contents).map((record, index) => ({ ...record, arrivedAtMillis: NOW_MILLIS + index }));
    expect((await consumer().consume(arrivedApart(fresh, old))).counts).toMatchObject({ applied: 1, late: 1 });
    expect((await consumer().consume(arrivedApart(old, fresh))).counts).toMatchObject({ applied: 2, late: 0 });
  });

  it('makes nothing late of what arrived at one instant, whatever its order', async () => {
    const old = transaction({ transaction_id: 'old', timestamp: NOW_MILLIS - 6_000 });
    const fresh = transaction({ transaction_id: 'fresh' });
    for (const contents of [
      [fresh, old],
      [old, fresh],
    ]) {
      const { consume, features } = consumer();
      expect((await consume(recordsOf(...contents))).counts).toMatchObject({ applied: 2, late: 0 });
      expect(await features({ user_id: 'user-1' })).toMatchObject({ tx_count_1h: 2 });
    }
  });

  it('keeps so many updates going at a time as it is told', async () => {
    let running = 0;
    let mostRunning = 0;
    const { consume, store } = consumer({ concurrency: 3 });
    store.before = async () => {
      mostRunning = Math.max(mostRunning, ++running);
      await new Promise(setImmediate);
      running--;
    };
    await consume(recordsOf(...transactionsOf('a', 'b', 'c', 'd', 'e', 'f', 'g')));
    expect(mostRunning).toBe(3);
  });

  it('answers an empty batch with zeros', async () => {
    const { consume, quarantine } = consumer();
    expect((await consume([])).counts).toMatchObject({ received: 0, applied: 0, failed: 0 });
    expect(quarantine.puts).toBe(0);
  });
});

describe('exactly once', () => {
  const batch = recordsOf(...transactionsOf('a', 'b', 'a', 'c', 'b', 'a'));

  it('counts a batch once that is delivered twice', async () => {
    const { consume, features } = consumer();
    await consume(batch);
    expect((await consume(batch)).counts).toMatchObject({ received: 6, applied: 0, duplicate: 6 });
    expect(await features({ user_id: 'a' })).toMatchObject({ tx_count_1h: 3 });
  });

  it('counts what is new in a batch that was delivered in part before', async () => {
    const { consume, features } = consumer();
    await consume(batch.slice(0, 4));
    expect((await consume(batch)).counts).toMatchObject({ received: 6, applied: 2, duplicate: 4 });
    expect(await features({ user_id: 'b' })).toMatchObject({ tx_count_1h: 2 });
  });

  it('counts an event once that a producer sent twice in one batch', async () => {
    const { consume } = consumer();
    expect((await consume(recordsOf(transaction(), transaction()))).counts).toMatchObject({ applied: 1, duplicate: 1 });
  });
});

describe('failures of the store', () => {
  const throttled = () => new OnlineStoreThrottledError('slow down');

  it('reports the records of the failed entity only, in their order, and counts the neighbours', async () => {
    const { consume, store, features } = consumer();
    store.before = (key) => {
      if (key.endsWith('|b')) throw throttled();
    };
    const records = recordsOf(...transactionsOf('a', 'b', 'a', 'c', 'b', 'a'));
    const result = await consume(records);
    expect(result.failedSequenceNumbers).toEqual(['1001', '1004']);
    expect(result.counts).toMatchObject({ received: 6, applied: 4, failed: 2 });

    store.before = () => {};
    const again = await consume(records.slice(1));
    expect(again.failedSequenceNumbers).toEqual([]);
    expect(again.counts).toMatchObject({ applied: 2, duplicate: 3 });
    expect(await features({ user_id: 'a' })).toMatchObject({ tx_count_1h: 3 });
    expect(await features({ user_id: 'b' })).toMatchObject({ tx_count_1h: 2 });
  });

  it('does not count twice what was stored before its answer was lost', async () => {
    const { consume, store, features } = consumer();
    const records = recordsOf(...transactionsOf('a', 'a'));
    const inner = store.inner.update.bind(store.inner);
    store.inner.update = async (key, update) => {
      await inner(key, update);
      throw throttled();
    };
    expect((await consume(records)).failedSequenceNumbers).toEqual(['1000', '1001']);
    store.inner.update = inner;
    expect((await consume(records)).counts).toMatchObject({ duplicate: 2 });
    expect(await features({ user_id: 'a' })).toMatchObject({ tx_count_1h: 2 });
  });

  it('gets over throttling while there is time', async () => {
    const { store } = consumer();
    let refusals = 3;
    store.before = () => {
      if (refusals-- > 0) throw throttled();
    };
    const retrying = withRetries(store, {
      signal: new AbortController().signal,
      initialDelayMillis: 1,
      maxDelayMillis: 1,
    });
    const { consume } = consumer({ store: retrying });
    expect((await consume(recordsOf(transaction()))).counts).toMatchObject({ applied: 1, failed: 0 });
    expect(store.updatedKeys).toHaveLength(4);
  });

  it('gives up when the time is over, and begins nothing more', async () => {
    const { store } = consumer();
    const time = new AbortController();
    store.before = () => {
      if (store.updatedKeys.length === 5) time.abort();
      throw throttled();
    };
    const retrying = withRetries(store, { signal: time.signal, initialDelayMillis: 1, maxDelayMillis: 1 });
    const { consume } = consumer({ store: retrying, concurrency: 1 });
    const result = await consume(recordsOf(...transactionsOf('a', 'b', 'c')));
    expect(result.failedSequenceNumbers).toEqual(['1000', '1001', '1002']);
    expect(new Set(store.updatedKeys)).toEqual(new Set(['user_transactions@1|a']));
    expect(result.errors.map((error) => (error as Error).name)).toEqual([
      'OnlineStoreThrottledError',
      'OnlineStoreUnavailableError',
      'OnlineStoreUnavailableError',
    ]);
  });

  it.each([
    ['a defect', new TypeError('cannot read properties of undefined')],
    ['a misconfiguration', new OnlineStoreRequestError('no such table')],
    ['something that is no error', 'broken'],
  ])('reports the records that meet %s, and loses none', async (_name, thrown) => {
    const { consume, store, quarantine } = consumer();
    store.before = (key) => {
      if (key.endsWith('|b')) throw thrown;
    };
    const result = await consume(recordsOf(...transactionsOf('a', 'b', 'c')));
    expect(result.failedSequenceNumbers).toEqual(['1001']);
    expect(result.counts).toMatchObject({ applied: 2, failed: 1, quarantined: 0 });
    expect(result.errors).toEqual([thrown]);
    expect(quarantine.records).toEqual([]);
  });

  it.each([
    ['make an item too large', new OnlineStoreItemTooLargeError('the store said no')],
    ['make an item that the store cannot hold', new OnlineStoreItemRefusedError('the store said no')],
  ])('quarantines the events that would %s, and only those', async (_what, refusal) => {
    const { consume, store, quarantine, features } = consumer();
    store.before = (_key, update) => {
      const amounts = Object.values(update.add).map((change) => ('N' in change ? Number(change.N) : 0));
      if (Math.max(...amounts) >= 99_900) throw refusal;
    };
    const large = transaction({ transaction_id: 'large', amount: 999 });
    const result = await consume(recordsOf(...transactionsOf('user-1', 'b'), large));
    expect(result.failedSequenceNumbers).toEqual([]);
    expect(result.counts).toMatchObject({ received: 3, applied: 2, quarantined: 1 });
    expect(quarantine.records).toEqual([
      {
        ...recordOf(large, 2),
        problems: [{ field: 'user_id', problem: 'view user_transactions@1: the store said no' }],
      },
    ]);
    expect(await features({ user_id: 'user-1' })).toMatchObject({ tx_count_1h: 1 });
  });

  it('quarantines what would be a sum of more than 38 digits, and counts the neighbours', async () => {
    const { consume, store, quarantine } = consumer();
    await consume(recordsOf(transaction({ transaction_id: 'first', user_id: 'full' })));
    const key = 'user_transactions@1|full';
    const [item = {}] = await store.inner.get([key]);
    const numbers = Object.keys(item).filter((name) => name.length > 7 && 'N' in (item[name] ?? {}));
    const full = Object.fromEntries(numbers.map((name) => [name, { N: '99999999999999999999999999999999999998' }]));
    await store.inner.update(key, { set: full, add: {}, remove: [], conditions: [] });

    const result = await consume(recordsOf(...transactionsOf('full', 'b', 'c')));
    expect(result.failedSequenceNumbers).toEqual([]);
    expect(result.counts).toMatchObject({ applied: 2, quarantined: 1, failed: 0 });
    expect(quarantine.records.map(({ sequenceNumber }) => sequenceNumber)).toEqual(['1000']);
    expect(quarantine.records[0]?.problems[0]?.problem).toContain('more than 38 digits');
  });

  it('counts events whose maintenance the store refuses', async () => {
    const { consume, store, quarantine } = consumer({ maintenance: { everyEvents: 1, minimumBytesFreed: 0 } });
    let maintenances = 0;
    store.before = (_key, update) => {
      // Events require that their ids are not there; maintenance does not.
      if (update.conditions.some(({ kind }) => kind === 'lacksMember')) return;
      maintenances++;
      throw new OnlineStoreItemRefusedError('the store said no');
    };
    const { counts } = await consume(
      recordsOf(
        ...Array.from({ length: 40 }, (_, index) =>
          transaction({ transaction_id: `t-${index}`, timestamp: NOW_MILLIS - 40 + index }),
        ),
      ),
    );
    await consume(recordsOf(transaction({ transaction_id: 'later', timestamp: NOW_MILLIS + 250_000 })));
    expect(maintenances).toBeGreaterThan(0);
    expect(counts).toMatchObject({ applied: 40, failed: 0, quarantined: 0 });
    expect(quarantine.records).toEqual([]);
  });
});

describe('quarantine', () => {
  it('is asked once per batch, with every refused record in order', async () => {
    const { consume, quarantine } = consumer();
    const records = recordsOf('one', transaction(), 'two');
    const result = await consume(records);
    expect(quarantine.puts).toBe(1);
    expect(quarantine.records.map(({ sequenceNumber }) => sequenceNumber)).toEqual(['1000', '1002']);
    expect(result.quarantined).toEqual(quarantine.records);
  });

  it('reports the refused records when it is down, and counts their neighbours', async () => {
    const down = new Error('S3 is down');
    const { consume, features } = consumer({ quarantine: { put: () => Promise.reject(down) } });
    const result = await consume(recordsOf('one', transaction(), 'two'));
    expect(result.failedSequenceNumbers).toEqual(['1000', '1002']);
    expect(result.counts).toMatchObject({ received: 3, applied: 1, quarantined: 0, failed: 2 });
    expect(result.errors).toEqual([down]);
    expect(await features({ user_id: 'user-1' })).toMatchObject({ tx_count_1h: 1 });
  });

  it('takes a record whose delivery damaged it, though it looks like an event', async () => {
    const { consume, quarantine } = consumer();
    const result = await consume([{ ...recordOf(transaction()), deliveryProblem: 'was damaged' }]);
    expect(result.counts).toMatchObject({ applied: 0, quarantined: 1 });
    expect(quarantine.records).toMatchObject([{ problems: [{ field: '', problem: 'was damaged' }] }]);
  });
});

describe('several views of one source', () => {
  const source = eventSource({
    name: 'payments',
    description: 'Payments between shops and payers.',
    owner: 'tests',
    schema: z.strictObject({
      payment_id: identifier(),
      shop_id: identifier().nullable(),
      payer_id: identifier(),
      amount: decimal({ scale: 2 }),
      at: eventTime(),
    }),
    eventId: 'payment_id',
    eventTime: 'at',
    partitionKey: 'payer_id',
    allowedLateness: '5s',
  });
  const viewOf = (
    name: string,
    joinKeys: readonly ['shop_id' | 'payer_id', ...('shop_id' | 'payer_id')[]],
    least: number,
  ) =>
    windowedView({
      name,
      version: 1,
      description: 'Payments.',
      owner: 'tests',
      entity: entity({ name: `${name}_entity`, description: 'Someone.', joinKeys }),
      source,
      where: ({ amount }) => amount.isAtLeast(least),
      windows: { '1h': '1h' },
      features: { payments: count(), paid: sum('amount') },
      ttl: '7d',
    });
  const shops = viewOf('shops', ['shop_id'], -1_000);
  const largePayers = viewOf('large_payers', ['payer_id'], 100);
  const pairs = viewOf('pairs', ['shop_id', 'payer_id'], -1_000);

  const payment = (differences: Readonly<Record<string, unknown>> = {}) => ({
    payment_id: 'payment-1',
    shop_id: 'shop-1',
    payer_id: 'payer-1',
    amount: 100,
    at: NOW_MILLIS,
    ...differences,
  });

  it('counts an event in each view that it belongs to', async () => {
    const { consume, features } = consumer({ source, views: [shops, largePayers] });
    const result = await consume(
      recordsOf(
        payment(),
        payment({ payment_id: 'small', amount: 1 }),
        payment({ payment_id: 'nowhere', shop_id: null, amount: 1 }),
        payment({ payment_id: 'no shop', shop_id: null }),
      ),
    );
    expect(result.views).toMatchObject([
      { view: shops, applied: 2, excluded: 2 },
      { view: largePayers, applied: 2, excluded: 2 },
    ]);
    expect(result.counts).toMatchObject({ received: 4, applied: 4, excluded: 4, quarantined: 0, failed: 0 });
    expect(await features({ shop_id: 'shop-1' }, shops)).toEqual({ payments_1h: 2, paid_1h: 101 });
    expect(await features({ payer_id: 'payer-1' }, largePayers)).toEqual({ payments_1h: 2, paid_1h: 200 });
  });

  it('reports a record once that failed in one view and was counted in another', async () => {
    const { consume, store } = consumer({ source, views: [shops, largePayers] });
    store.before = (key) => {
      if (key.startsWith(shops.key)) throw new OnlineStoreThrottledError('slow down');
    };
    const records = recordsOf(payment());
    const result = await consume(records);
    expect(result.failedSequenceNumbers).toEqual(['1000']);
    expect(result.views).toMatchObject([{ applied: 0 }, { applied: 1 }]);

    store.before = () => {};
    expect((await consume(records)).views).toMatchObject([{ applied: 1 }, { applied: 0, duplicate: 1 }]);
  });

  it('quarantines a record that cannot be a key of one view, and counts it in the views before and after', async () => {
    const { consume, quarantine } = consumer({ source, views: [shops, pairs, largePayers] });
    // Escaped in a key, 200 characters become 600 bytes: more than one of two join keys may have.
    const result = await consume(recordsOf(payment({ shop_id: '%'.repeat(200) })));
    expect(result.counts).toMatchObject({ received: 1, quarantined: 1, failed: 0 });
    expect(result.views).toMatchObject([{ applied: 1 }, { applied: 0 }, { applied: 1 }]);
    expect(quarantine.records).toMatchObject([{ problems: [{ field: 'shop_id' }] }]);
  });

  it('does not quarantine a refused record yet that failed elsewhere: it comes again', async () => {
    const { consume, store, quarantine } = consumer({ source, views: [shops, pairs] });
    store.before = (key) => {
      if (key.startsWith(shops.key)) throw new OnlineStoreThrottledError('slow down');
    };
    const records = recordsOf(payment({ shop_id: '%'.repeat(200) }));
    expect((await consume(records)).counts).toMatchObject({ quarantined: 0, failed: 1 });
    expect(quarantine.records).toEqual([]);
    store.before = () => {};
    expect((await consume(records)).counts).toMatchObject({ applied: 1, quarantined: 1, failed: 0 });
  });

  it('reports a record whose declaration throws, and counts its neighbours', async () => {
    const throwing = {
      ...shops,
      includes: (values: Readonly<Record<string, unknown>>) => {
        if (values.payment_id === 'odd') throw new TypeError('a defect');
        return true;
      },
    };
    const { consume } = consumer({ source, views: [throwing, largePayers] });
    const result = await consume(recordsOf(payment({ payment_id: 'odd' }), payment()));
    expect(result.failedSequenceNumbers).toEqual(['1000']);
    expect(result.views).toMatchObject([{ applied: 1 }, { applied: 2 }]);
  });
});

describe('freshness', () => {
  it('is the time from the arrival of each applied event to its visibility, per view', async () => {
    let clock = NOW_MILLIS;
    const { consume } = consumer({ now: () => (clock += 250), concurrency: 1 });
    const late = transaction({ transaction_id: 'late', timestamp: NOW_MILLIS - 60_000 });
    const batch = [
      { ...recordOf(transaction(), 0), arrivedAtMillis: NOW_MILLIS - 1_000 },
      recordOf(transaction({ transaction_id: 'other', user_id: 'b' }), 1),
      recordOf(late, 2),
    ];
    expect((await consume(batch)).views[0]?.freshnessMillis).toEqual([1_250, 500]);
    expect((await consume(batch)).views[0]?.freshnessMillis).toEqual([]);
  });

  it('is not measured without a clock', async () => {
    expect((await consumer().consume(recordsOf(transaction()))).views[0]?.freshnessMillis).toEqual([]);
  });
});

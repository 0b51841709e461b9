import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  last,
  sum,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { merchantRisk, userTransactions } from '../../../shared/features/fraud.ts';
import { applyEvents } from '../../../shared/online/apply-events.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import type { OnlineStore } from '../../../shared/online/store.ts';
import {
  OnlineStoreItemTooLargeError,
  OnlineStoreRequestError,
  OnlineStoreThrottledError,
  OnlineStoreUnavailableError,
} from '../../../shared/online/store.ts';
import { featureRepository } from '../../../shared/registry/manifest.ts';
import { idHashOf } from '../../../shared/windows/event.ts';
import { NOW_MILLIS, ruleNames, serve, transaction } from './harness.ts';

const MINUTE = 60_000;

describe('POST /services/{name}/decide, the answer', () => {
  it('approves an ordinary first transaction, with the transaction inside its features', async () => {
    const { predict, metrics } = serve();
    const { status, body, headers } = await predict(transaction({ transaction_id: 'first', amount: 12.5 }));
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json');
    expect(body).toMatchObject({
      transaction_id: 'first',
      service: 'fraud_detection@1',
      decision: 'approve',
      is_fraud: false,
      rules: [],
      event_status: 'applied',
      as_of: '2026-01-31T12:00:00.000Z',
      features: {
        tx_count_1min: 1,
        total_amount_7d: 12.5,
        avg_amount_1h: 12.5,
        distinct_merchants_1h: 1,
        amount_to_avg_ratio: 1,
        is_burst: false,
      },
      views: {
        'user_transactions@1': {
          status: 'found',
          last_event_at: '2026-01-31T12:00:00.000Z',
          updated_at: '2026-01-31T12:00:00.000Z',
          age_seconds: 0,
        },
      },
    });
    expect(body.latency_ms).toBeGreaterThanOrEqual(0);
    expect(metrics.requests).toMatchObject([{ route: 'decide-fraud_detection', status: 200 }]);
  });

  it('takes amounts as text and times as ISO 8601', async () => {
    const { predict } = serve();
    const { status, body } = await predict(transaction({ amount: '12.50', timestamp: '2026-01-31T13:00:00+01:00' }));
    expect(status).toBe(200);
    expect(body.features.total_amount_1h).toBe(12.5);
    expect(body.as_of).toBe('2026-01-31T12:00:00.000Z');
  });

  it('understands a base 64 body', async () => {
    const { handler } = serve();
    const { httpRequest } = await import('./harness.ts');
    const body = Buffer.from(JSON.stringify(transaction({ merchant_id: 'Café 🍰' }))).toString('base64');
    const answer = await handler(httpRequest('POST', '/predict_fraud', { body, isBase64Encoded: true }));
    expect(answer.statusCode).toBe(200);
  });
});

describe('POST /services/{name}/decide, the rules', () => {
  it('fires HIGH_VELOCITY at 6 within a minute, not at 5', async () => {
    const { predict } = serve();
    for (let number = 1; number <= 5; number++) {
      const answer = await predict(transaction({ timestamp: NOW_MILLIS + number }));
      expect(answer.body.features.tx_count_1min).toBe(number);
      expect(answer.body.decision).toBe('approve');
    }
    const sixth = await predict(transaction({ timestamp: NOW_MILLIS + 6 }));
    expect(ruleNames(sixth)).toEqual(['HIGH_VELOCITY']);
    expect(sixth.body).toMatchObject({ decision: 'block', is_fraud: true });
    expect(sixth.body.rules[0]).toMatchObject({ outcome: 'block', reason: expect.stringContaining('5 transactions') });
  });

  it('says burst at 4 within a minute, not at 3', async () => {
    const { predict } = serve();
    const bursts: boolean[] = [];
    for (let number = 1; number <= 4; number++) bursts.push((await predict(transaction())).body.features.is_burst);
    expect(bursts).toEqual([false, false, false, true]);
  });

  it('forgets what is a minute old', async () => {
    const { predict } = serve();
    for (let number = 1; number <= 5; number++) await predict(transaction({ timestamp: NOW_MILLIS - MINUTE }));
    const { body } = await predict(transaction());
    expect(body.features.tx_count_1min).toBe(1);
    expect(body.features.tx_count_1h).toBe(6);
  });

  it('fires AMOUNT_SPIKE above three times the average, not at exactly that', async () => {
    for (const [amount, rules] of [
      [30, []],
      [30.01, ['AMOUNT_SPIKE']],
      [1_000_000, ['AMOUNT_SPIKE']],
    ] as const) {
      const { predict } = serve();
      for (let number = 0; number < 3; number++) await predict(transaction({ amount: 10 }));
      const answer = await predict(transaction({ amount }));
      expect(ruleNames(answer)).toEqual(rules);
      expect(answer.body.decision).toBe(rules.length > 0 ? 'review' : 'approve');
    }
  });

  it('fires MERCHANT_HOPPING at 11 merchants within an hour, not at 10', async () => {
    const { predict, clock } = serve();
    for (let number = 1; number <= 11; number++) {
      clock.nowMillis += 4 * MINUTE;
      const answer = await predict(transaction({ merchant_id: `merchant-${number}`, timestamp: clock.nowMillis }));
      expect(answer.body.features.distinct_merchants_1h).toBe(number);
      expect(ruleNames(answer)).toEqual(number === 11 ? ['MERCHANT_HOPPING'] : []);
    }
  });

  it('fires LARGE_FIRST_TX above 1000, not at 1000 and not on the second', async () => {
    expect(ruleNames(await serve().predict(transaction({ amount: 1000 })))).toEqual([]);
    const { predict } = serve();
    expect(ruleNames(await predict(transaction({ amount: 1000.01 })))).toEqual(['LARGE_FIRST_TX']);
    expect(ruleNames(await predict(transaction({ amount: 1000.01 })))).toEqual([]);
  });
});

describe('POST /services/{name}/decide, exactly once', () => {
  it('counts an event once however often it is sent', async () => {
    const { predict } = serve();
    const event = transaction();
    const [first, second] = [await predict(event), await predict(event)];
    expect(first.body.event_status).toBe('applied');
    expect(second.body.event_status).toBe('duplicate');
    expect(second.body.features).toEqual(first.body.features);
  });

  it.each([
    ['later, when the first time has left the window', 60_000],
    ['later', 1_000],
    ['at once', 0],
    ['earlier', -2_000],
  ])('has a repeated event inside its own windows once when it is told again %s', async (_, shift) => {
    const { predict, clock } = serve();
    const event = transaction({ amount: 20 });
    await predict(event);
    clock.nowMillis += Math.max(0, shift);
    const { body } = await predict({ ...event, timestamp: NOW_MILLIS + shift });
    expect(body).toMatchObject({
      event_status: 'duplicate',
      decision: 'approve',
      degraded: [],
      features: {
        tx_count_1min: 1,
        max_amount_1min: 20,
        distinct_merchants_1h: 1,
        total_amount_7d: 20,
        avg_amount_before_1h: null,
      },
    });
  });

  it('decides by `degraded` where an id comes again with contents that cannot be those that were counted', async () => {
    const { predict } = serve();
    const event = transaction({ amount: 20 });
    await predict(event);
    for (const other of [{ merchant_id: 'another' }, { amount: 20.01 }]) {
      const { body } = await predict({ ...event, ...other });
      expect(body).toMatchObject({ event_status: 'duplicate', decision: 'review', features: { tx_count_1min: null } });
      expect(body.degraded).toContainEqual({ what: 'feature', name: 'tx_count_1min' });
    }
  });

  it.each([
    ['behind', -5_001, 'skewed'],
    ['just believably behind', -5_000, 'applied'],
    ['just believably ahead', 5_000, 'applied'],
    ['ahead', 5_001, 'skewed'],
    ['minutes ahead', 299_000, 'skewed'],
  ])('reviews an event whose time lies %s its arrival, and counts it', async (_, shift, status) => {
    const { predict } = serve();
    const event = transaction({ timestamp: NOW_MILLIS + shift });
    const { body } = await predict(event);
    expect(body).toMatchObject({ event_status: status, features: { tx_count_1min: 1 } });
    expect(ruleNames({ body, status: 200, headers: {} })).toEqual(status === 'skewed' ? ['SKEWED'] : []);
    const readOnly = await predict({ ...event, transaction_id: 'other', mode: 'read-only' });
    expect(readOnly.body.decision).toBe(body.decision);
  });

  it('does not believe the contents of an id that was used before, also where buckets are packed', async () => {
    const { predict, store, clock } = serve();
    const eager = { everyEvents: 1, minimumBytesFreed: -1_000_000 };
    for (let number = 0; number < 50; number++) {
      clock.nowMillis = NOW_MILLIS + number * 12_000;
      const known = transaction({
        transaction_id: `known-${number}`,
        merchant_id: `merchant-${number % 10}`,
        timestamp: clock.nowMillis,
      });
      await predict(known);
      const decoded = decodeEvent(userTransactions.source, known, clock.nowMillis);
      if (decoded.ok) await applyEvents(store, userTransactions, 'user-1', [decoded.event], eager);
      const other = transaction({
        transaction_id: `other-${number}`,
        merchant_id: 'merchant-0',
        timestamp: clock.nowMillis,
      });
      const decodedOther = decodeEvent(userTransactions.source, other, clock.nowMillis);
      if (decodedOther.ok) await applyEvents(store, userTransactions, 'user-1', [decodedOther.event], eager);
    }
    const answer = await predict(
      transaction({ transaction_id: 'known-47', merchant_id: 'merchant-11', timestamp: clock.nowMillis }),
    );
    expect(answer.body).toMatchObject({ event_status: 'duplicate', features: { tx_count_1min: null } });
    expect(answer.body.decision).not.toBe('approve');
  });

  it('does not believe the time of an event that no view counts', async () => {
    const service = featureService({
      name: 'risk_check',
      version: 1,
      description: 'Decides by what is known of merchants alone.',
      owner: 'test',
      views: [merchantRisk],
      decides: userTransactions.source,
    });
    const { predict } = serve({ repository: featureRepository({ views: [merchantRisk], services: [service] }) });
    expect((await predict(transaction())).body.event_status).toBe('unrelated');
    expect((await predict(transaction({ timestamp: NOW_MILLIS + 240_000 }))).body.event_status).toBe('skewed');
  });

  it('puts a late event inside its own windows, once, and leaves no trace of it', async () => {
    const { predict } = serve();
    await predict(transaction());
    const late = transaction({ timestamp: NOW_MILLIS - 6_000, amount: 30 });
    for (let time = 0; time < 2; time++) {
      const { body } = await predict(late);
      expect(body).toMatchObject({
        event_status: 'late',
        decision: 'review',
        rules: [{ name: 'LATE' }],
        as_of: '2026-01-31T12:00:00.000Z',
      });
      expect(body.features).toMatchObject({ tx_count_1min: 2, total_amount_1h: 40 });
    }
    expect((await predict(transaction())).body.features).toMatchObject({ tx_count_1min: 2, total_amount_1h: 20 });
  });

  it('counts an event within the allowed lateness', async () => {
    const { predict } = serve();
    await predict(transaction());
    expect((await predict(transaction({ timestamp: NOW_MILLIS - 5_000 }))).body.event_status).toBe('applied');
    expect((await predict(transaction())).body.features.tx_count_1min).toBe(3);
  });

  it('shows each of 50 parallel calls for one user another count', async () => {
    const { predict } = serve({ store: slow(new MemoryOnlineStore()) });
    const answers = await Promise.all(Array.from({ length: 50 }, () => predict(transaction())));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    const counts = answers.map(({ body }) => body.features.tx_count_1min).sort((left, right) => left - right);
    expect(counts).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });
});

describe('POST /services/{name}/decide, read-only', () => {
  it('leaves no trace', async () => {
    const { predict, store, features } = serve();
    const { body } = await predict({ ...transaction(), mode: 'read-only' });
    expect(body).toMatchObject({ event_status: 'read-only', features: { tx_count_1min: 1, avg_amount_1h: 10 } });
    expect(body.views['user_transactions@1']).toMatchObject({
      status: 'unknown',
      last_event_at: null,
      updated_at: null,
    });
    expect((store as MemoryOnlineStore).size).toBe(0);
    const read = await features({
      service: 'fraud_detection',
      entities: [{ user_id: 'user-1', merchant_id: 'merchant-1' }],
    });
    expect(read.body.results[0].status).toBe('unknown');
  });

  it('decides as applying would, whether or not the event is in already', async () => {
    const { predict } = serve();
    for (let number = 0; number < 4; number++) await predict(transaction());
    const event = transaction({ amount: 17 });
    const before = await predict({ ...event, mode: 'read-only' });
    const applied = await predict({ ...event, mode: 'apply' });
    const after = await predict({ ...event, mode: 'read-only' });
    expect(before.body.features).toEqual(applied.body.features);
    expect(after.body.features).toEqual(applied.body.features);
    expect(applied.body.features.tx_count_1min).toBe(5);
  });

  it('puts a late event inside its windows once', async () => {
    const { predict } = serve();
    await predict(transaction());
    const { body } = await predict({ ...transaction({ timestamp: NOW_MILLIS - 10_000 }), mode: 'read-only' });
    expect(body.features.tx_count_1min).toBe(2);
    expect(body.event_status).toBe('read-only');
  });
});

describe('POST /services/{name}/decide, several views and lanes', () => {
  it('sums the lanes of a view, and reads views that the event does not change', async () => {
    const { predict, store } = serve({ repository: manyViews() });
    const lanes = new Set<number>();
    for (let number = 1; number <= 20; number++) {
      const { body } = await predict(payment({ payment_id: `p${number}` }));
      lanes.add(Buffer.from(idHashOf(`p${number}`), 'base64url').readUInt32BE(4) % 4);
      expect(body).toMatchObject({ event_status: 'applied', payment_id: `p${number}` });
      expect(body.features.shop_count_1h).toBe(number);
    }
    expect(lanes.size).toBe(4);
    const { body } = await predict({ ...payment({ payment_id: 'p21' }), mode: 'read-only' });
    expect(body.features.shop_count_1h).toBe(21);
    expect(body.features.large_total_1h).toBe(0);
    expect(body.views['large_payments@1'].status).toBe('unknown');
    expect((store as MemoryOnlineStore).size).toBe(4);
  });

  it('counts the event in every view that includes it', async () => {
    const { predict } = serve({ repository: manyViews() });
    const { body } = await predict(payment({ amount: 500, card_id: 'card-1' }));
    expect(body.features).toMatchObject({ shop_count_1h: 1, large_total_1h: 500, card_last_1h: 'shop-1' });
  });

  it('answers empty values for an entity that the event does not name', async () => {
    const { predict } = serve({ repository: manyViews() });
    const { status, body } = await predict(payment({ card_id: undefined }));
    expect(status).toBe(200);
    expect(body.features.card_last_1h).toBeNull();
    expect(body.views['card_payments@1'].status).toBe('unknown');
  });

  it('reports the first outcome that is not applied', async () => {
    const { predict } = serve({ repository: manyViews() });
    await predict(payment({ payment_id: 'new', at: NOW_MILLIS, shop_id: 'shop-2', card_id: 'card-1' }));
    const { body } = await predict(payment({ at: NOW_MILLIS - 60_000, card_id: 'card-1' }));
    expect(body.event_status).toBe('late');
    expect(body.features).toMatchObject({ shop_count_1h: 1 });
  });
});

describe('POST /services/{name}/decide, failures of the store', () => {
  it.each([
    [new OnlineStoreThrottledError('slow down')],
    [new OnlineStoreUnavailableError('gone')],
    [new OnlineStoreItemTooLargeError('too large')],
    [new OnlineStoreRequestError('forbidden')],
  ])('decides after %s without the view, and says so', async (error) => {
    const { predict, logged, metrics } = serve({ store: failing(error), timeout: () => AbortSignal.timeout(50) });
    const { status, body } = await predict(transaction({ amount: 2_000 }));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      decision: 'review',
      is_fraud: false,
      score: null,
      event_status: 'unknown',
      features: { tx_count_1h: null, amount_to_avg_ratio: null },
    });
    expect(body.degraded).toContainEqual({ what: 'view', name: 'user_transactions@1' });
    expect(body.views).not.toHaveProperty(['user_transactions@1']);
    // What is tried again until the deadline may end as one.
    const name = error.retryable ? expect.stringMatching(/^OnlineStore/) : error.name;
    expect(logged).toContainEqual({
      message: 'a decision was made without a view',
      details: { view: 'user_transactions@1', error: expect.objectContaining({ name }) },
    });
    expect(metrics.degradedCount).toBe(1);
    expect(metrics.requests).toMatchObject([{ route: 'decide-fraud_detection', status: 200 }]);
  });

  it('remembers a slow-moving view that was read before, and says as of when', async () => {
    const memory = new MemoryOnlineStore();
    let isDown = false;
    const { predict, clock } = serve({
      store: {
        update: memory.update.bind(memory),
        get: (keys) => (isDown ? Promise.reject(new OnlineStoreRequestError('down')) : memory.get(keys)),
      },
    });
    await predict(transaction());
    isDown = true;
    clock.nowMillis += 15 * MINUTE;
    const { body } = await predict(transaction({ timestamp: clock.nowMillis }));
    expect(body).toMatchObject({
      event_status: 'applied',
      degraded: [{ what: 'view', name: 'merchant_risk@1', remembered_of: new Date(NOW_MILLIS).toISOString() }],
      features: { label_count_7d: 0, tx_count_24h: 2 },
      views: { 'merchant_risk@1': { as_of: new Date(NOW_MILLIS).toISOString() } },
    });
    const stranger = await predict(transaction({ merchant_id: 'another', timestamp: clock.nowMillis }));
    expect(stranger.body.degraded).toEqual([{ what: 'view', name: 'merchant_risk@1' }]);
    expect(stranger.body.features.label_count_7d).toBeNull();
    clock.nowMillis += 1;
    const later = await predict(transaction({ timestamp: clock.nowMillis }));
    expect(later.body).toMatchObject({ decision: 'review', degraded: [{ what: 'view', name: 'merchant_risk@1' }] });
    expect(later.body.features.label_count_7d).toBeNull();
  });

  it('answers a defect of ours as one', async () => {
    const { predict, logged } = serve({ store: failing(new TypeError('secret 4711')) });
    const answer = await predict(transaction());
    expect(answer.status).toBe(500);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.body).toMatchObject({ type: 'urn:feature-store:problem:internal', status: 500 });
    expect(JSON.stringify(answer.body)).not.toMatch(/secret/);
    expect(logged).toMatchObject([
      {
        details: {
          request_id: 'request-1',
          route: 'decide-fraud_detection',
          problem: 'internal',
          error: { name: 'TypeError' },
        },
      },
    ]);
  });

  it('counts an event once that is sent again after its answer was lost', async () => {
    const memory = new MemoryOnlineStore();
    let isLost = true;
    const { predict } = serve({
      deadlines: { decision: 50, features: 50 },
      store: {
        get: (keys) => memory.get(keys),
        update: async (...call) => {
          const result = await memory.update(...call);
          if (isLost) throw new OnlineStoreUnavailableError('no answer');
          return result;
        },
      },
    });
    const sent = transaction();
    // The second try within the request already finds the event of the first one.
    isLost = true;
    expect((await predict(sent)).body.event_status).toBe('unknown');
    isLost = false;
    expect((await predict(sent)).body).toMatchObject({ event_status: 'duplicate', features: { tx_count_1h: 1 } });
  });

  it('tries again after a passing failure', async () => {
    let failures = 2;
    const memory = new MemoryOnlineStore();
    const { predict } = serve({
      store: {
        update: (...call) => {
          if (failures-- > 0) throw new OnlineStoreThrottledError('slow down');
          return memory.update(...call);
        },
        get: (keys) => memory.get(keys),
      },
    });
    expect((await predict(transaction())).body.event_status).toBe('applied');
  });

  it('decides without a view whose item other writers always win', async () => {
    const { predict } = serve({
      store: { get: async (keys) => keys.map(() => undefined), update: async () => ({ applied: false, item: {} }) },
    });
    expect((await predict(transaction())).body).toMatchObject({
      event_status: 'unknown',
      degraded: [{ what: 'view', name: 'user_transactions@1' }],
    });
  });
});

function slow(store: OnlineStore): OnlineStore {
  const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
  return {
    update: async (...call) => {
      await pause();
      const result = await store.update(...call);
      await pause();
      return result;
    },
    get: async (keys) => {
      await pause();
      return store.get(keys);
    },
  };
}

function failing(error: Error): OnlineStore {
  const fail = () => Promise.reject(error);
  return { update: fail, get: fail };
}

function payment(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { payment_id: 'p', shop_id: 'shop-1', amount: 1, at: NOW_MILLIS, ...fields };
}

/** Views with lanes, with a filter, and of an entity that events need not name. */
function manyViews() {
  const payments = eventSource({
    name: 'payments',
    description: 'Payments.',
    owner: 'test',
    schema: z.strictObject({
      payment_id: identifier(),
      shop_id: identifier(),
      card_id: identifier().optional(),
      amount: decimal({ scale: 2 }),
      at: eventTime(),
    }),
    eventId: 'payment_id',
    eventTime: 'at',
    partitionKey: 'shop_id',
    allowedLateness: '5s',
  });
  const shop = entity({ name: 'shop', description: 'A shop.', joinKeys: ['shop_id'] });
  const card = entity({ name: 'card', description: 'A card.', joinKeys: ['card_id'] });
  const common = {
    version: 1,
    description: 'A view.',
    owner: 'test',
    source: payments,
    windows: { '1h': '1h' },
    ttl: '2d',
  } as const;
  const shops = windowedView({
    ...common,
    name: 'shop_payments',
    entity: shop,
    features: { shop_count: count() },
    lanes: 4,
  });
  const large = windowedView({
    ...common,
    name: 'large_payments',
    entity: shop,
    where: ({ amount }) => amount.isGreaterThan(100),
    features: { large_total: sum('amount') },
  });
  const cards = windowedView({
    ...common,
    name: 'card_payments',
    entity: card,
    features: { card_last: last('shop_id') },
  });
  const service = featureService({
    name: 'payment_check',
    version: 1,
    description: 'Checks payments.',
    owner: 'test',
    views: [shops, large, cards],
    decides: payments,
    rules: {
      LARGE: {
        when: ({ large_total_1h }) => large_total_1h.isGreaterThan(10_000),
        reason: 'Large.',
        outcome: 'review',
      },
    },
  });
  return featureRepository({ views: [shops, large, cards], services: [service] });
}

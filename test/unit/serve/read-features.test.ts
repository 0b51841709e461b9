import { describe, expect, it } from 'vitest';
import { fraudDetection, merchantRisk } from '../../../shared/features/fraud.ts';
import { repository } from '../../../shared/features/index.ts';
import { OnlineStoreThrottledError } from '../../../shared/online/store.ts';
import { NOW_MILLIS, serve, transaction } from './harness.ts';

const service = 'fraud_detection';
const MINUTE = 60_000;

describe('POST /features', () => {
  it('answers the features of a service, in order, with their freshness', async () => {
    const { predict, features, clock, metrics } = serve();
    await predict(transaction({ amount: 12.5 }));
    metrics.ages.length = 0;
    metrics.nullNames.length = 0;
    clock.nowMillis += 2 * MINUTE;
    const { status, body } = await features({ service, entities: [{ user_id: 'user-1', merchant_id: 'merchant-1' }] });
    expect(status).toBe(200);
    expect(body.service).toBe('fraud_detection@1');
    expect(body.registry_version).toBe(repository.registryVersion);
    const names = [...fraudDetection.features, ...fraudDetection.derived].map(({ name }) => name);
    expect(body.features).toEqual(names);
    expect(body.results).toHaveLength(1);
    expect(body.results[0]).toMatchObject({
      entity: { user_id: 'user-1', merchant_id: 'merchant-1' },
      status: 'found',
      features: { tx_count_1min: 0, tx_count_5min: 1, avg_amount_1h: 12.5, is_burst: false, amount_to_avg_ratio: null },
      views: {
        'user_transactions@1': {
          status: 'found',
          as_of: '2026-01-31T12:02:00.000Z',
          last_event_at: '2026-01-31T12:00:00.000Z',
          updated_at: '2026-01-31T12:00:00.000Z',
          age_seconds: 120,
        },
      },
    });
    expect(Object.keys(body.results[0].features)).toEqual(body.features);
    expect(metrics.ages).toEqual([
      ['user_transactions@1', 120],
      ['merchant_risk@1', null],
    ]);
    const emptyFeatures = fraudDetection.features.filter(
      ({ view, window, emptyValue }) => emptyValue === null && (view === merchantRisk || window === '1min'),
    );
    expect(emptyFeatures.length).toBeGreaterThan(0);
    expect(metrics.nullNames).toEqual(emptyFeatures.map(({ name }) => name));
  });

  it('answers single features of a view, the newest version by default', async () => {
    const { predict, features } = serve();
    await predict(transaction());
    const { body } = await features({
      features: ['user_transactions:tx_count_1h', 'user_transactions@1:max_amount_24h'],
      entities: [{ user_id: 'user-1' }],
    });
    expect(body.service).toBeUndefined();
    expect(body.features).toEqual(['tx_count_1h', 'max_amount_24h']);
    expect(body.results[0].features).toEqual({ tx_count_1h: 1, max_amount_24h: 10 });
  });

  it('answers empty values for an unknown entity, never an error, in the order asked for', async () => {
    const { predict, features } = serve();
    await predict(transaction());
    const { status, body } = await features({
      service,
      entities: [
        { user_id: 'nobody', merchant_id: 'unknown' },
        { user_id: 'user-1', merchant_id: 'merchant-1' },
      ],
    });
    expect(status).toBe(200);
    expect(body.results.map((result: { status: string }) => result.status)).toEqual(['unknown', 'found']);
    expect(body.results[0].features).toMatchObject({
      tx_count_1h: 0,
      total_amount_1h: 0,
      distinct_merchants_1h: 0,
      avg_amount_1h: null,
      max_amount_1h: null,
    });
    expect(body.results[0].views['user_transactions@1']).toEqual({
      status: 'unknown',
      as_of: '2026-01-31T12:00:00.000Z',
      last_event_at: null,
      updated_at: null,
      age_seconds: null,
    });
  });

  it('answers for another instant, in milliseconds or ISO 8601, but never before the newest event', async () => {
    const { predict, features } = serve();
    await predict(transaction());
    const asOf = async (at: unknown) =>
      (await features({ service, entities: [{ user_id: 'user-1', merchant_id: 'merchant-1' }], at })).body.results[0]
        .views['user_transactions@1'].as_of;
    expect(await asOf(NOW_MILLIS + MINUTE)).toBe('2026-01-31T12:01:00.000Z');
    expect(await asOf('2026-01-31T13:05:00+01:00')).toBe('2026-01-31T12:05:00.000Z');
    expect(await asOf(NOW_MILLIS - MINUTE)).toBe('2026-01-31T12:00:00.000Z');
  });

  it('reads an entity that is asked for twice', async () => {
    const { predict, features } = serve();
    await predict(transaction());
    const { body } = await features({
      service,
      entities: [
        { user_id: 'user-1', merchant_id: 'merchant-1' },
        { user_id: 'user-1', merchant_id: 'merchant-1' },
      ],
    });
    expect(body.results[0]).toEqual(body.results[1]);
  });
});

const entities = [{ user_id: 'user-1', merchant_id: 'merchant-1' }];

describe('POST /features, refusals', () => {
  it.each([
    ['neither service nor features', { entities }, 400, 'service'],
    ['both service and features', { service, features: ['user_transactions:tx_count_1h'], entities }, 400, 'service'],
    ['no entities', { service }, 400, 'entities'],
    ['an empty list of entities', { service, entities: [] }, 400, 'entities'],
    ['101 entities', { service, entities: Array(101).fill({ user_id: 'u' }) }, 400, 'entities'],
    ['an entity that is no object', { service, entities: ['user-1'] }, 400, 'entities[0]'],
    ['a missing join key', { service, entities: [...entities, {}] }, 400, 'entities[1].user_id'],
    ['an empty join key', { service, entities: [{ user_id: '' }] }, 400, 'entities[0].user_id'],
    ['a null join key', { service, entities: [{ user_id: null }] }, 400, 'entities[0].user_id'],
    ['a join key of 10 KB', { service, entities: [{ user_id: 'u'.repeat(10_240) }] }, 400, 'entities[0].user_id'],
    ['a join key that is an object', { service, entities: [{ user_id: { S: 'u' } }] }, 400, 'entities[0].user_id'],
    ['a join key that is a fraction', { service, entities: [{ user_id: 7.5 }] }, 400, 'entities[0].user_id'],
    ['a lone surrogate', { service, entities: [{ user_id: '\ud800' }] }, 400, 'entities[0].user_id'],
    ['an unknown key', { service, entities: [{ user_id: 'u', name: 'Ann' }] }, 400, 'entities[0].name'],
    ['an unknown member', { service, entities, when: 1 }, 400, 'when'],
    ['an instant 5 min 1 ms ahead', { service, entities, at: NOW_MILLIS + 5 * MINUTE + 1 }, 400, 'at'],
    ['an instant in seconds', { service, entities, at: 1_700_000_000 }, 400, 'at'],
    ['an instant that is no instant', { service, entities, at: 'tomorrow' }, 400, 'at'],
    ['an empty list of features', { features: [], entities }, 400, 'features'],
    ['a feature twice', { features: Array(2).fill('user_transactions:tx_count_1h'), entities }, 400, 'features[1]'],
    ['an unknown service', { service: 'credit', entities }, 404, 'service'],
    ['an unknown version', { service: 'fraud_detection@2', entities }, 404, 'service'],
    ['an unknown view', { features: ['cards:tx_count_1h'], entities }, 404, 'features[0]'],
    ['an unknown feature', { features: ['user_transactions:tx_count_2h'], entities }, 404, 'features[0]'],
    ['a feature without a view', { features: ['tx_count_1h'], entities }, 404, 'features[0]'],
    ['a reference of three parts', { features: ['user_transactions:tx_count_1h:x'], entities }, 404, 'features[0]'],
    ['a list', [], 400, ''],
  ])('refuses %s', async (_what, request, status, field) => {
    const answer = await serve().features(request);
    expect(answer.status).toBe(status);
    expect(answer.body.status).toBe(status);
    expect(answer.body.errors.map((error: { field: string }) => error.field)).toContain(field);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  it('lists what exists', async () => {
    const { features } = serve();
    expect((await features({ service: 'credit', entities })).body.detail).toContain('fraud_detection@1');
    expect((await features({ features: ['cards:x'], entities })).body.detail).toContain('user_transactions@1');
    expect((await features({ features: ['user_transactions:x'], entities })).body.detail).toContain('tx_count_1min');
  });

  it('answers 503 when the store is busy', async () => {
    const store = {
      get: () => Promise.reject(new OnlineStoreThrottledError('slow down')),
      update: () => Promise.reject(new OnlineStoreThrottledError('slow down')),
    };
    const answer = await serve({ store, timeout: () => AbortSignal.timeout(50) }).features({ service, entities });
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
  });
});

import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  sum,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { transactions, userTransactions } from '../../../shared/features/fraud.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import { definitionVersions, featureRepository } from '../../../shared/registry/manifest.ts';
import { CollectingSink } from '../../support/rows.ts';
import { httpRequest, NOW_MILLIS, serve, transaction } from './harness.ts';

const SERVED = 'served_rows';
const RAW = 'raw_transactions';

const scoring = featureService({
  name: 'scoring',
  version: 1,
  description: 'Decides over transactions.',
  owner: 'tests',
  views: [userTransactions],
  decides: transactions,
  derived: { is_burst: ({ tx_count_1min }) => tx_count_1min.isGreaterThan(3) },
});
const repository = featureRepository({ views: [userTransactions], services: [scoring] });

/** The handler with a sink, and a view of each row with its JSON columns read. */
function keeping(options: Omit<NonNullable<Parameters<typeof serve>[0]>, 'rows'> & { readonly waits?: boolean } = {}) {
  const sink = new CollectingSink();
  const served = serve({ repository, ...options, rows: { sink, waits: options.waits ?? true } });
  const rows = () =>
    sink.of(SERVED).map((row) => ({
      ...row,
      ...Object.fromEntries(
        ['entity', 'event', 'views', 'definitions', 'features'].map((name) => [name, JSON.parse(String(row[name]))]),
      ),
    }));
  return { ...served, sink, rows };
}

describe('the row of a decision', () => {
  it('says what was answered, about what, by which declarations', async () => {
    const { predict, rows } = keeping();
    const { body } = await predict(transaction({ transaction_id: 'first', amount: '12.50' }));
    expect(rows()).toEqual([
      {
        event_date: '2026-01-31',
        event_hour: '12',
        served_at: NOW_MILLIS,
        route: 'predict_fraud',
        request_id: 'request-1',
        caller: null,
        registry_version: repository.registryVersion,
        service: 'scoring@1',
        entity: { user_id: 'user-1' },
        event_id: 'first',
        event: {
          transaction_id: 'first',
          user_id: 'user-1',
          merchant_id: 'merchant-1',
          amount: 12.5,
          timestamp: NOW_MILLIS,
        },
        event_status: 'applied',
        decision: 'approve',
        model: null,
        scores: '{}',
        configuration_version: 0,
        views: { 'user_transactions@1': { as_of: NOW_MILLIS, high_water: NOW_MILLIS } },
        definitions: {
          'user_transactions@1': definitionVersions(repository)['user_transactions@1'],
          'scoring@1 derived': definitionVersions(repository)['scoring@1 derived'],
        },
        features: body.features,
      },
    ]);
  });

  it('is of the time after the store has answered', async () => {
    const inner = new MemoryOnlineStore();
    const store = {
      get: inner.get.bind(inner),
      update: (...parameters: Parameters<typeof inner.update>) => {
        clock.nowMillis += 30;
        return inner.update(...parameters);
      },
    };
    const { predict, rows, clock } = keeping({ store });
    await predict(transaction({ timestamp: NOW_MILLIS }));
    expect(rows()).toMatchObject([{ served_at: NOW_MILLIS + 30 }]);
  });

  it('is never of a time before what it counts had arrived, though clocks differ', async () => {
    const { predict, features, rows, clock } = keeping();
    await predict(transaction());
    clock.nowMillis -= 100;
    await features({ service: 'scoring', entities: [{ user_id: 'user-1' }] });
    expect(rows()).toMatchObject([{ served_at: NOW_MILLIS }, { served_at: NOW_MILLIS }]);
  });

  it('says who asked, where requests are signed', async () => {
    const { handler, rows } = keeping();
    const request = httpRequest('POST', '/services/scoring/decide', { body: JSON.stringify(transaction()) });
    const userArn = 'arn:aws:sts::123456789012:assumed-role/checkout/session';
    const iam = {
      accessKey: 'key',
      accountId: '123456789012',
      callerId: 'caller',
      cognitoIdentity: null,
      principalOrgId: 'org',
      userArn,
      userId: 'user',
    };
    await handler({ ...request, requestContext: { ...request.requestContext, authorizer: { iam } } });
    expect(rows()).toMatchObject([{ caller: userArn }]);
  });

  it('names no entity that the event does not name', async () => {
    const { services, views } = twoEntities();
    const { predict, rows } = keeping({ repository: featureRepository({ services, views }) });
    await predict({ payment_id: 'p', payer_id: 'u', device_id: null, amount: 1, at: NOW_MILLIS });
    expect(rows()).toMatchObject([
      {
        entity: { payer_id: 'u', device_id: null },
        views: {
          'payers@1': { as_of: NOW_MILLIS, high_water: NOW_MILLIS },
          'devices@1': { as_of: NOW_MILLIS, high_water: null },
        },
      },
    ]);
  });

  it('is not kept of requests that failed', async () => {
    const error = new TypeError('a defect');
    const { predict, features, sink } = keeping({
      store: { get: () => Promise.reject(error), update: () => Promise.reject(error) },
    });
    expect((await predict(transaction())).status).toBe(500);
    expect((await predict(transaction({ amount: -1 }))).status).toBe(400);
    expect((await features({ service: 'scoring', entities: [{ user_id: 'u' }] })).status).toBe(500);
    expect(sink.rows).toEqual([]);
  });
});

describe('the row of a decided event', () => {
  it('has the arrival by which it was counted, in the partition of its own time', async () => {
    const { predict, sink } = keeping();
    const timestamp = NOW_MILLIS - 3_600_000;
    await predict(transaction({ transaction_id: 'decided', amount: 7, timestamp }));
    expect(sink.of(RAW)).toEqual([
      {
        event_date: '2026-01-31',
        event_hour: '11',
        transaction_id: 'decided',
        user_id: 'user-1',
        merchant_id: 'merchant-1',
        amount: '7.00',
        timestamp,
        arrived_at: NOW_MILLIS,
      },
    ]);
  });

  it('is kept whatever became of the event, but not when it was only read', async () => {
    const { predict, sink, rows } = keeping();
    const body = transaction({ transaction_id: 'once' });
    await predict(body);
    await predict(body);
    await predict(transaction({ transaction_id: 'late', timestamp: NOW_MILLIS - 60_000 }));
    await predict({ ...transaction({ transaction_id: 'read' }), mode: 'read-only' });
    expect(rows().map((row) => row.event_status)).toEqual(['applied', 'duplicate', 'late', 'read-only']);
    expect(sink.of(RAW).map(({ transaction_id }) => transaction_id)).toEqual(['once', 'once', 'late']);
  });
});

describe('the rows of features that were read', () => {
  it('are one per entity, derived features included', async () => {
    const { predict, features, sink, rows } = keeping();
    await predict(transaction({ user_id: 'known' }));
    sink.rows.length = 0;
    const { body } = await features({
      service: 'scoring',
      entities: [{ user_id: 'known' }, { user_id: 'unknown' }],
      at: new Date(NOW_MILLIS + 1_000).toISOString(),
    });
    const nothingDecided = { event_id: null, event: null, event_status: null, decision: null };
    expect(rows()).toMatchObject([
      {
        route: 'features',
        service: 'scoring@1',
        entity: { user_id: 'known' },
        ...nothingDecided,
        views: { 'user_transactions@1': { as_of: NOW_MILLIS + 1_000, high_water: NOW_MILLIS } },
        features: body.results[0].features,
      },
      {
        entity: { user_id: 'unknown' },
        views: { 'user_transactions@1': { high_water: null } },
        features: body.results[1].features,
      },
    ]);
    expect(body.results[0].features).toHaveProperty('is_burst', false);
    expect(sink.of(RAW)).toEqual([]);
  });

  it('name no service where single features were asked for, and the definitions of their views', async () => {
    const { features, rows } = keeping();
    await features({ features: ['user_transactions:tx_count_1h'], entities: [{ user_id: 'u' }] });
    expect(rows()).toMatchObject([{ service: null, features: { tx_count_1h: 0 } }]);
    expect(Object.keys(rows()[0]?.definitions)).toEqual(['user_transactions@1']);
  });
});

describe('sending', () => {
  it('is begun when the answer is ready, and does not delay it', async () => {
    const { predict, sink } = keeping({ waits: false });
    sink.sent = new Promise(() => {});
    const answers = [await predict(transaction()), await predict(transaction())];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(sink.sends).toBe(2);
  });

  it('is waited for where every row must be found', async () => {
    const { predict, sink } = keeping();
    let isSent = false;
    sink.sent = new Promise<void>((resolve) => {
      setTimeout(() => {
        isSent = true;
        resolve();
      }, 20);
    });
    await predict(transaction());
    expect(isSent).toBe(true);
  });

  it('is not waited for longer than an answer may take', async () => {
    const { predict, sink } = keeping({ deadlines: { rows: 0 } });
    sink.sent = new Promise(() => {});
    expect((await predict(transaction())).status).toBe(200);
    expect(sink.sends).toBe(1);
  });
});

function twoEntities() {
  const payer = entity({ name: 'payer', description: 'Pays.', joinKeys: ['payer_id'] });
  const device = entity({ name: 'device', description: 'Is paid with.', joinKeys: ['device_id'] });
  const source = eventSource({
    name: 'payments',
    description: 'Payments.',
    owner: 'tests',
    schema: z.strictObject({
      payment_id: identifier(),
      payer_id: identifier(),
      device_id: identifier().nullable(),
      amount: decimal({ scale: 2 }),
      at: eventTime(),
    }),
    eventId: 'payment_id',
    eventTime: 'at',
    partitionKey: 'payer_id',
    allowedLateness: '5s',
  });
  const payers = windowedView({
    name: 'payers',
    version: 1,
    description: 'What a payer does.',
    owner: 'tests',
    entity: payer,
    source,
    windows: { '1h': '1h' },
    features: { payments: count() },
    ttl: '1d',
  });
  const devices = windowedView({
    name: 'devices',
    version: 1,
    description: 'What is paid with a device.',
    owner: 'tests',
    entity: device,
    source,
    windows: { '1h': '1h' },
    features: { device_amount: sum('amount') },
    where: ({ device_id }) => device_id.isNotNull(),
    ttl: '1d',
  });
  const views = [payers, devices] as const;
  const service = featureService({
    name: 'both',
    version: 1,
    description: 'Both.',
    owner: 'tests',
    views,
    decides: source,
  });
  return { views, services: [service] };
}

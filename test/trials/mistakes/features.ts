import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureRepository,
  featureService,
  identifier,
  sum,
  windowedView,
  z,
} from 'fraud-feature-store';

const prose = { description: 'Payments.', owner: 'trials' };

const payments = eventSource({
  name: 'payments',
  ...prose,
  eventId: 'id',
  eventTime: 'at',
  partitionKey: 'user_id',
  allowedLateness: '5s',
  schema: z.strictObject({
    id: identifier(),
    at: eventTime(),
    user_id: identifier(),
    amount: decimal({ scale: 2 }),
    account: z.string().optional(),
  }),
});

const user = entity({ name: 'user', description: 'A user.', joinKeys: ['user_id'] });

const view = windowedView({
  name: 'user_payments',
  version: 1,
  ...prose,
  entity: user,
  source: payments,
  ttl: '7d',
  liveFrom: '2026-01-01T00:00:00Z',
  windows: { '1h': '1h' },
  features: { times: count(), total: sum('amount') },
});

const service = featureService({
  name: 'scoring',
  version: 1,
  ...prose,
  views: [view],
  decides: payments,
  rules: { BUSY: { when: (c) => c.times_1h.isGreaterThan(9), reason: 'Busy.', outcome: 'review' } },
});

export const repository = featureRepository({ views: [view], services: [service] });

/** Two sources, views with a filter, lanes and a memory, and services that decide, or only read. */
import {
  count,
  decimal,
  distinct,
  entity,
  eventSource,
  eventTime,
  featureRepository,
  featureService,
  identifier,
  last,
  max,
  mean,
  quantile,
  stddev,
  sum,
  windowedView,
  z,
} from 'fraud-feature-store';

const described = { description: 'For a trial.', owner: 'trials' } as const;
const versioned = { ...described, version: 1 } as const;

const card = entity({ name: 'card', description: 'What pays.', joinKeys: ['card_id'] });
const device = entity({ name: 'device', description: 'What is paid or logged in with.', joinKeys: ['device_id'] });

const payments = eventSource({
  ...described,
  name: 'payments',
  schema: z.strictObject({
    payment_id: identifier(),
    card_id: identifier(),
    shop: identifier(),
    device_id: identifier().optional(),
    amount: decimal({ scale: 2, minimum: 0 }),
    declined: z.boolean(),
    at: eventTime(),
  }),
  eventId: 'payment_id',
  eventTime: 'at',
  partitionKey: 'card_id',
  allowedLateness: '30s',
});

const logins = eventSource({
  ...described,
  name: 'logins',
  schema: z.strictObject({
    login_id: identifier(),
    device_id: identifier(),
    country: z.enum(['DE', 'FR', 'PL']),
    at: eventTime(),
  }),
  eventId: 'login_id',
  eventTime: 'at',
  partitionKey: 'device_id',
  allowedLateness: '10s',
});

const cardPayments = windowedView({
  ...versioned,
  name: 'card_payments',
  entity: card,
  source: payments,
  windows: { '10min': '10min', '1d': '1d' },
  features: {
    paid: count(),
    total: sum('amount'),
    mean_before: mean('amount', { excludesCurrent: true }),
    largest: max('amount'),
    spread: stddev('amount'),
    median: quantile('amount', 0.5),
    last_shop: last('shop', { excludesCurrent: true }),
  },
  ttl: '60d',
  lanes: 4,
});

const yesterday = windowedView({
  ...versioned,
  name: 'card_yesterday',
  entity: card,
  source: payments,
  windows: { yesterday: { length: '1d', hop: '1ms', offset: '1d' } },
  features: { paid: count(), total: sum('amount') },
  ttl: '60d',
});

const declines = windowedView({
  ...versioned,
  name: 'card_declines',
  entity: card,
  source: payments,
  where: ({ declined }) => declined,
  windows: { '1h': '1h' },
  features: { declines: count(), declined_at: distinct('shop') },
  ttl: '60d',
});

const deviceLogins = windowedView({
  ...versioned,
  name: 'device_logins',
  entity: device,
  source: logins,
  windows: { '1h': '1h', '7d': '7d' },
  features: { logins: count(), countries: distinct('country'), last_country: last('country') },
  ttl: '60d',
  cacheFor: '30s',
});

const paymentCheck = featureService({
  ...versioned,
  name: 'payment_check',
  views: [cardPayments, yesterday, declines, deviceLogins],
  decides: payments,
  derived: { declined_share: ({ declines_1h, paid_1d }) => declines_1h.dividedBy(paid_1d) },
  rules: {
    MANY_DECLINES: {
      when: ({ declined_share, declines_1h }) => declined_share.isAtLeast(0.5).and(declines_1h.isAtLeast(2)),
      reason: 'Half of the payments were declined.',
      outcome: 'block',
    },
    NEW_SHOP: {
      when: ({ shop, last_shop_1d, amount }) => shop.differsFrom(last_shop_1d).and(amount.isGreaterThan(150)),
      reason: 'A large payment at another shop than before.',
      outcome: 'review',
    },
    MOVED: {
      when: ({ countries_7d }) => countries_7d.isGreaterThan(2),
      reason: 'The device was in three countries.',
      outcome: 'review',
    },
    OLD: { when: ({ event_status }) => event_status.equals('late'), reason: 'Too late to count.', outcome: 'review' },
  },
});

const loginCheck = featureService({
  ...versioned,
  name: 'login_check',
  views: [deviceLogins],
  decides: logins,
  rules: {
    BUSY: { when: ({ logins_1h }) => logins_1h.isGreaterThan(4), reason: 'Many logins.', outcome: 'review' },
  },
});

const cardProfile = featureService({ ...versioned, name: 'card_profile', views: [cardPayments, declines] });

export const repository = featureRepository({
  views: [cardPayments, yesterday, declines, deviceLogins],
  services: [paymentCheck, loginCheck, cardProfile],
});

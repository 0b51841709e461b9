/**
 * Card fraud: what is known of a user's recent transactions and of a merchant's past frauds, and the decision over one
 * transaction.
 *
 * This file is the whole definition. The stream computation, the online items, the answers of the API, the OpenAPI
 * document, the infrastructure and its alarms follow from it.
 */
import {
  count,
  decimal,
  distinct,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  max,
  mean,
  type NumberExpression,
  sum,
  windowedView,
  z,
} from 'fraud-feature-store';

export const user = entity({
  name: 'user',
  description: 'The holder of an account who makes transactions.',
  joinKeys: ['user_id'],
});

export const transactions = eventSource({
  name: 'transactions',
  description: 'Card transactions, at the moment of authorisation.',
  owner: 'payments',
  schema: z.strictObject({
    transaction_id: identifier(),
    user_id: identifier(),
    merchant_id: identifier(),
    amount: decimal({ scale: 2, minimum: 0 }),
    timestamp: eventTime(),
  }),
  eventId: 'transaction_id',
  eventTime: 'timestamp',
  partitionKey: 'user_id',
  allowedLateness: '5s',
});

export const merchant = entity({
  name: 'merchant',
  description: 'Where a user pays.',
  joinKeys: ['merchant_id'],
});

export const labels = eventSource({
  name: 'labels',
  description: 'What became of transactions: chargebacks and confirmed frauds, and alerts that were cleared.',
  owner: 'fraud-operations',
  schema: z.strictObject({
    label_id: identifier(),
    transaction_id: identifier(),
    user_id: identifier(),
    merchant_id: identifier(),
    /** A number, so that its mean is a share. */
    is_fraud: z.int().min(0).max(1),
    /** The hour in which it became known, rounded down. */
    labelled_at: eventTime(),
  }),
  eventId: 'label_id',
  eventTime: 'labelled_at',
  partitionKey: 'merchant_id',
  allowedLateness: '1h',
  // A merchant's item of a month then has 1.9, 3.5, 5.1 KB at 10, 100, 1,000 labels a day, and a label costs 2 to 5 write
  // units. By the minute it would be 2.3, 12.7 KB and more, and 13 write units at 100.
  timeResolution: '1h',
});

export const userTransactions = windowedView({
  name: 'user_transactions',
  version: 1,
  description: 'How often, how much and where a user pays.',
  owner: 'fraud-platform',
  tags: ['fraud', 'streaming'],
  entity: user,
  source: transactions,
  windows: { '1min': '1min', '5min': '5min', '1h': '1h', '24h': '24h', '7d': '7d' },
  features: {
    tx_count: count(),
    total_amount: sum('amount'),
    avg_amount: mean('amount'),
    avg_amount_before: mean('amount', { excludesCurrent: true }),
    max_amount: max('amount'),
    distinct_merchants: distinct('merchant_id'),
  },
  ttl: '30d',
});

export const merchantRisk = windowedView({
  name: 'merchant_risk',
  version: 1,
  description: 'How many transactions at a merchant turned out to be fraud, of those that were looked into.',
  owner: 'fraud-platform',
  tags: ['fraud', 'labels'],
  entity: merchant,
  source: labels,
  // A label counts once it has stood for a day: until then, many are taken back.
  windows: {
    '7d': { length: '7d', hop: '1h', offset: '1d' },
    '30d': { length: '30d', hop: '1h', offset: '1d' },
  },
  features: { label_count: count(), fraud_share: mean('is_fraud') },
  ttl: '60d',
  cacheFor: '1min',
});

const cents = (money: NumberExpression) => money.times(100).plus(0.5).floor();

export const fraudDetection = featureService({
  name: 'fraud_detection',
  version: 1,
  description: 'Decides whether a transaction is let through, with everything known up to and including it.',
  owner: 'fraud-platform',
  tags: ['fraud'],
  views: [userTransactions, merchantRisk],
  decides: transactions,
  derived: {
    amount_to_avg_ratio: ({ amount, avg_amount_1h }) => amount.dividedBy(avg_amount_1h),
    is_burst: ({ tx_count_1min }) => tx_count_1min.isGreaterThan(3),
  },
  rules: {
    HIGH_VELOCITY: {
      when: ({ tx_count_1min }) => tx_count_1min.isGreaterThan(5),
      reason: 'More than 5 transactions within one minute.',
      outcome: 'block',
    },
    AMOUNT_SPIKE: {
      // `amount > 3 · total / count` of what came before, in whole cents: exactly three times is not more, and a mean rounds
      // (3 · 0.3 < 0.9). Without anything before, the mean is null and the rule does not fire.
      when: ({ amount, tx_count_1h, avg_amount_before_1h }) => {
        const countBefore = tx_count_1h.minus(1);
        return cents(amount)
          .times(countBefore)
          .isGreaterThan(cents(avg_amount_before_1h.times(countBefore)).times(3));
      },
      reason: 'More than three times the average amount of the hour before it.',
      outcome: 'review',
    },
    MERCHANT_HOPPING: {
      when: ({ distinct_merchants_1h }) => distinct_merchants_1h.isGreaterThan(10),
      reason: 'More than 10 different merchants within one hour.',
      outcome: 'block',
    },
    LARGE_FIRST_TX: {
      when: ({ tx_count_1h, amount }) => tx_count_1h.equals(1).and(amount.isGreaterThan(1000)),
      reason: 'The first transaction of the hour, and above 1000.',
      outcome: 'review',
    },
    LATE: {
      when: ({ event_status }) => event_status.equals('late'),
      reason: "Too far behind the user's newest transaction to be counted.",
      outcome: 'review',
    },
    SKEWED: {
      when: ({ event_status }) => event_status.equals('skewed'),
      reason: 'Its time is too far from its arrival to be believed.',
      outcome: 'review',
    },
  },
});

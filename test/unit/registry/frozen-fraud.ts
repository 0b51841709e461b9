/**
 * The fraud declarations as they were when the first models and rows were written. Never changed: what is stored names
 * them by hashes that must stay what they are, whatever is declared today.
 */
import * as z from 'zod';
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
  sum,
  windowedView,
} from '../../../shared/definitions/index.ts';
import type { NumberExpression } from '../../../shared/expressions/index.ts';

import { featureRepository } from '../../../shared/registry/manifest.ts';

const user = entity({
  name: 'user',
  description: 'The holder of an account who makes transactions.',
  joinKeys: ['user_id'],
});

const transactions = eventSource({
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

const merchant = entity({
  name: 'merchant',
  description: 'Where a user pays.',
  joinKeys: ['merchant_id'],
});

const labels = eventSource({
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

const userTransactions = windowedView({
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
    max_amount: max('amount'),
    distinct_merchants: distinct('merchant_id'),
  },
  ttl: '30d',
});

const merchantRisk = windowedView({
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

const fraudDetection = featureService({
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
      // `amount > 3 · total / count` in whole cents: exactly three times is not more, and a mean rounds (3 · 0.3 < 0.9).
      when: ({ amount, tx_count_1h, total_amount_1h }) =>
        cents(amount).times(tx_count_1h).isGreaterThan(cents(total_amount_1h).times(3)),
      reason: 'More than three times the average amount of the last hour, this transaction included.',
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
  },
});

export const frozenFraudRepository = featureRepository({
  views: [userTransactions, merchantRisk],
  services: [fraudDetection],
});

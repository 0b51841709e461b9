/** A second version of a view: its windows of 30 and 90 days need history, which the stream did not count. */
import { count, distinct, featureRepository, featureService, mean, windowedView } from 'fraud-feature-store';
import { transactions, user } from '../../shared/features/fraud.ts';

const userTransactions = windowedView({
  name: 'user_transactions',
  version: 2,
  description: 'How often and how much a user pays, over months.',
  owner: 'fraud-platform',
  entity: user,
  source: transactions,
  windows: { '30d': '30d', '90d': '90d' },
  features: { tx_count: count(), avg_amount: mean('amount'), distinct_merchants: distinct('merchant_id') },
  // What arrives from then on is counted by the stream; what arrived before is merged in by `backfill`.
  liveFrom: '2026-11-21T00:00:00Z',
  // Ten years, so that the transactions of examples/data are still worth an item when you try this.
  ttl: '3650d',
});

const spending = featureService({
  name: 'spending',
  version: 1,
  description: 'How a user pays, over months.',
  owner: 'fraud-platform',
  views: [userTransactions],
});

export const repository = featureRepository({ views: [userTransactions], services: [spending] });

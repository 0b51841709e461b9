import { count, distinct, max, mean, sum, windowedView } from 'fraud-feature-store';
import { transactions, user } from '../../../shared/features/fraud.ts';

/** A view that counts what arrives from an instant on; what arrived before it comes from history. */
export function backfilledView(liveFrom: string) {
  return windowedView({
    name: 'backfilled_transactions',
    version: 1,
    description: 'How often, how much and where a user paid, told from history.',
    owner: 'trials',
    entity: user,
    source: transactions,
    liveFrom,
    windows: { '1h': '1h', '24h': '24h', '7d': '7d' },
    features: {
      tx_count: count(),
      total_amount: sum('amount'),
      avg_amount: mean('amount'),
      max_amount: max('amount'),
      distinct_merchants: distinct('merchant_id'),
    },
    ttl: '30d',
  });
}

/** What a run plays: the traffic of a day that ends now, and what became of some of it. */
import { type Label, labelsOfTraffic } from '../labels.ts';
import { type Delivery, generateTraffic, type Transaction, trafficDurationMillis } from '../traffic.ts';

/** So that the windows of a day and of a week differ. */
const TRAFFIC_SPAN_MILLIS = 26 * 3_600_000;

export interface Scene {
  readonly deliveries: readonly Delivery[];
  /** Each transaction once. */
  readonly transactions: readonly Transaction[];
  readonly labels: readonly Label[];
}

/** @param options.prefix tells the users and merchants of this run from those that an endpoint may know of earlier ones. */
export function playOf(options: {
  readonly events: number;
  readonly users: number;
  readonly seed: number;
  readonly prefix: string;
  readonly nowMillis: number;
}): Scene {
  const { seed, prefix, nowMillis } = options;
  const size = { transactionCount: options.events, userCount: options.users };
  const speedUp = trafficDurationMillis({ ...size, speedUp: 1 }) / TRAFFIC_SPAN_MILLIS;
  const startMillis = nowMillis - trafficDurationMillis({ ...size, speedUp });
  const deliveries = generateTraffic({ ...size, seed, userIdPrefix: prefix, startMillis, speedUp }).map((delivery) => {
    const { transaction } = delivery;
    return { ...delivery, transaction: { ...transaction, merchant_id: `${prefix}${transaction.merchant_id}` } };
  });
  return {
    deliveries,
    transactions: deliveries.filter(({ isDuplicate }) => !isDuplicate).map(({ transaction }) => transaction),
    labels: labelsOfTraffic(deliveries, { seed, nowMillis }),
  };
}

/** The newest transaction of every user. */
export function lastOfUsers({ transactions }: Pick<Scene, 'transactions'>): Transaction[] {
  const last = new Map<string, Transaction>();
  for (const transaction of transactions) {
    const known = last.get(transaction.user_id);
    if (known === undefined || transaction.timestamp >= known.timestamp) last.set(transaction.user_id, transaction);
  }
  return [...last.values()];
}

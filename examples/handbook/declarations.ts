/**
 * The features of the Fraud Detection Handbook, declared as a user would declare them. Windows of 1, 7 and 30 days at
 * the one-second resolution of the data are exactly `(t − W, t]`; labels are known a week later, hence the offset.
 */
import {
  coalesce,
  count,
  type Duration,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureService,
  mean,
  windowedView,
  z,
} from 'fraud-feature-store';

const customer = entity({ name: 'customer', description: 'A card holder.', joinKeys: ['customer_id'] });
const terminal = entity({ name: 'terminal', description: 'A payment terminal.', joinKeys: ['terminal_id'] });

export const handbookTransactions = eventSource({
  name: 'handbook_transactions',
  description: 'Simulated card transactions of the Fraud Detection Handbook.',
  owner: 'handbook',
  schema: z.strictObject({
    transaction_id: z.int(),
    customer_id: z.int(),
    terminal_id: z.int(),
    // The data are doubles, and some carry noise: 183.70000000000002.
    amount: decimal({ scale: 2, rounding: 'half-even' }),
    fraud: z.int(),
    at: eventTime(),
  }),
  eventId: 'transaction_id',
  eventTime: 'at',
  partitionKey: 'customer_id',
  allowedLateness: '5s',
  timeResolution: '1s',
});

/** In which deployments of these features differ. */
interface Variant {
  /** See `windowedView`: history before it is left to `backfill`. */
  readonly liveFrom?: string;
  readonly ttl?: Duration;
  /** Length of a customer's window `1d`. */
  readonly customerDay?: Duration;
}

export function handbookFeatures({ liveFrom, ttl = '60d', customerDay = '1d' }: Variant = {}) {
  const common = {
    version: 1,
    owner: 'handbook',
    source: handbookTransactions,
    ttl,
    ...(liveFrom !== undefined && { liveFrom }),
  };
  const customerSpending = windowedView({
    ...common,
    name: 'customer_spending',
    description: 'How often and how much a customer pays.',
    entity: customer,
    windows: {
      '1d': { length: customerDay, hop: '1s' },
      '7d': { length: '7d', hop: '1s' },
      '30d': { length: '30d', hop: '1s' },
    },
    features: { customer_tx_count: count(), customer_avg_amount: mean('amount') },
  });
  const terminalRisk = windowedView({
    ...common,
    name: 'terminal_risk',
    description: 'Share of frauds on a terminal, as known a week later.',
    entity: terminal,
    windows: {
      '1d': { length: '1d', hop: '1s', offset: '7d' },
      '7d': { length: '7d', hop: '1s', offset: '7d' },
      '30d': { length: '30d', hop: '1s', offset: '7d' },
    },
    features: { terminal_tx_count: count(), terminal_fraud_share: mean('fraud') },
  });
  const handbookService = featureService({
    name: 'handbook_features',
    version: 1,
    description: 'The inputs of the models of the Fraud Detection Handbook.',
    owner: 'handbook',
    views: [customerSpending, terminalRisk],
    decides: handbookTransactions,
    derived: {
      during_weekend: ({ at }) => at.dayOfWeek().isAtLeast(6),
      during_night: ({ at }) => at.hourOfDay().isAtMost(6),
      // The handbook writes 0 where a terminal had no transactions; an empty mean is null here.
      risk_1d: ({ terminal_fraud_share_1d }) => coalesce(terminal_fraud_share_1d, 0),
      risk_7d: ({ terminal_fraud_share_7d }) => coalesce(terminal_fraud_share_7d, 0),
      risk_30d: ({ terminal_fraud_share_30d }) => coalesce(terminal_fraud_share_30d, 0),
    },
  });
  return { views: [customerSpending, terminalRisk], services: [handbookService] as const };
}

export const [handbookService] = handbookFeatures().services;

/** Column of the published features → name of ours. */
export const PUBLISHED_COLUMNS = {
  TX_DURING_WEEKEND: 'during_weekend',
  TX_DURING_NIGHT: 'during_night',
  CUSTOMER_ID_NB_TX_1DAY_WINDOW: 'customer_tx_count_1d',
  CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW: 'customer_avg_amount_1d',
  CUSTOMER_ID_NB_TX_7DAY_WINDOW: 'customer_tx_count_7d',
  CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW: 'customer_avg_amount_7d',
  CUSTOMER_ID_NB_TX_30DAY_WINDOW: 'customer_tx_count_30d',
  CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW: 'customer_avg_amount_30d',
  TERMINAL_ID_NB_TX_1DAY_WINDOW: 'terminal_tx_count_1d',
  TERMINAL_ID_RISK_1DAY_WINDOW: 'risk_1d',
  TERMINAL_ID_NB_TX_7DAY_WINDOW: 'terminal_tx_count_7d',
  TERMINAL_ID_RISK_7DAY_WINDOW: 'risk_7d',
  TERMINAL_ID_NB_TX_30DAY_WINDOW: 'terminal_tx_count_30d',
  TERMINAL_ID_RISK_30DAY_WINDOW: 'risk_30d',
} as const;

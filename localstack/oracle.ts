/**
 * The referee of a local run: every feature of a user or a merchant by a filter and a loop over all events, sharing no code
 * with the product.
 */
import type { Label } from './labels.ts';
import type { Transaction } from './traffic.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Lengths of the windows of `user_transactions`, and by how much they move at a time. */
const WINDOWS = [
  { name: '1min', lengthMillis: MINUTE, hopMillis: SECOND },
  { name: '5min', lengthMillis: 5 * MINUTE, hopMillis: 5 * SECOND },
  { name: '1h', lengthMillis: HOUR, hopMillis: MINUTE },
  { name: '24h', lengthMillis: DAY, hopMillis: 20 * MINUTE },
  { name: '7d', lengthMillis: 7 * DAY, hopMillis: 2 * HOUR },
];

/** Windows of `merchant_risk`, which end a day ago and move by the hour. */
const RISK_WINDOWS = [
  { name: '7d', lengthMillis: 7 * DAY },
  { name: '30d', lengthMillis: 30 * DAY },
];

type Features = Readonly<Record<string, number | boolean | null>>;

/**
 * @param transactions of one user, each once, in any order.
 * @param decidedId the transaction that `avg_amount_before` leaves out.
 */
export function oracleFeatures(
  transactions: readonly Transaction[],
  asOfMillis: number,
  decidedId?: string,
): Record<string, number | null> {
  const features: Record<string, number | null> = {};
  for (const { name, lengthMillis, hopMillis } of WINDOWS) {
    const newestBucket = Math.floor(asOfMillis / hopMillis);
    const inside = transactions.filter(
      ({ timestamp }) =>
        timestamp <= asOfMillis && Math.floor(timestamp / hopMillis) > newestBucket - lengthMillis / hopMillis,
    );
    const before = inside.filter(({ transaction_id }) => transaction_id !== decidedId);
    features[`tx_count_${name}`] = inside.length;
    features[`total_amount_${name}`] = centsOf(inside) / 100;
    features[`avg_amount_${name}`] = averageOf(inside);
    features[`avg_amount_before_${name}`] = averageOf(before);
    features[`max_amount_${name}`] = inside.length === 0 ? null : Math.max(...inside.map(({ amount }) => amount));
    features[`distinct_merchants_${name}`] = new Set(inside.map(({ merchant_id }) => merchant_id)).size;
  }
  return features;
}

function centsOf(transactions: readonly Transaction[]): number {
  return transactions.reduce((cents, { amount }) => cents + Math.round(amount * 100), 0);
}

/** One division, of whole numbers, so that it is rounded once. */
function averageOf(transactions: readonly Transaction[]): number | null {
  return transactions.length === 0 ? null : centsOf(transactions) / (100 * transactions.length);
}

/** @param labels of one merchant, each once, in any order. */
export function oracleRisk(labels: readonly Label[], asOfMillis: number): Record<string, number | null> {
  const features: Record<string, number | null> = {};
  const endMillis = asOfMillis - DAY;
  for (const { name, lengthMillis } of RISK_WINDOWS) {
    const oldestBucket = Math.floor(endMillis / HOUR) - lengthMillis / HOUR;
    const inside = labels.filter(
      ({ labelled_at }) => labelled_at <= endMillis && Math.floor(labelled_at / HOUR) > oldestBucket,
    );
    const frauds = inside.filter(({ is_fraud }) => is_fraud === 1).length;
    features[`label_count_${name}`] = inside.length;
    features[`fraud_share_${name}`] = inside.length === 0 ? null : frauds / inside.length;
  }
  return features;
}

/** Everything that `fraud_detection` tells of a transaction, when all of these events are known. */
export function oracleOfDecision(
  transaction: Transaction,
  { transactions, labels }: { readonly transactions: readonly Transaction[]; readonly labels: readonly Label[] },
): Features {
  const { transaction_id, user_id, merchant_id, timestamp, amount } = transaction;
  const ofUser = transactions.filter((other) => other.user_id === user_id);
  const ofMerchant = labels.filter((other) => other.merchant_id === merchant_id);
  const features = { ...oracleFeatures(ofUser, timestamp, transaction_id), ...oracleRisk(ofMerchant, timestamp) };
  const { avg_amount_1h: average = null, tx_count_1min: count } = features;
  return {
    ...features,
    amount_to_avg_ratio: average === null ? null : amount / average,
    is_burst: Number(count) > 3,
  };
}

/** One feature that is not what it should be. */
export interface Difference {
  /** Of whom or what. */
  readonly subject: string;
  readonly feature: string;
  readonly expected: number | boolean | null | undefined;
  readonly actual: string | number | boolean | null | undefined;
}

/** Every feature of the oracle that an answer does not have, or has otherwise. */
export function differences(
  subject: string,
  expected: Features,
  actual: Readonly<Record<string, string | number | boolean | null>>,
): Difference[] {
  return Object.keys(expected)
    .map((feature) => ({ subject, feature, expected: expected[feature], actual: actual[feature] }))
    .filter((difference) => difference.expected !== difference.actual);
}

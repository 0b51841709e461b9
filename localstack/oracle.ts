/**
 * The referee of a local run: every feature of one user by a filter and a loop over all transactions, sharing no code with
 * the product.
 */
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

/** @param transactions of one user, each once, in any order. */
export function oracleFeatures(
  transactions: readonly Transaction[],
  asOfMillis: number,
): Readonly<Record<string, number | null>> {
  const features: Record<string, number | null> = {};
  for (const { name, lengthMillis, hopMillis } of WINDOWS) {
    const newestBucket = Math.floor(asOfMillis / hopMillis);
    let count = 0;
    let totalCents = 0;
    let maxAmount: number | null = null;
    const merchants = new Set<string>();
    for (const { timestamp, amount, merchant_id } of transactions) {
      const bucket = Math.floor(timestamp / hopMillis);
      if (timestamp > asOfMillis || bucket <= newestBucket - lengthMillis / hopMillis) continue;
      count++;
      totalCents += Math.round(amount * 100);
      maxAmount = maxAmount === null || amount > maxAmount ? amount : maxAmount;
      merchants.add(merchant_id);
    }
    features[`tx_count_${name}`] = count;
    features[`total_amount_${name}`] = totalCents / 100;
    // One division, of whole numbers, so that it is rounded once.
    features[`avg_amount_${name}`] = count === 0 ? null : totalCents / (100 * count);
    // Nothing is being decided where features are read, so nothing is left out.
    features[`avg_amount_before_${name}`] = features[`avg_amount_${name}`] ?? null;
    features[`max_amount_${name}`] = maxAmount;
    features[`distinct_merchants_${name}`] = merchants.size;
  }
  return features;
}

/** One feature that is not what it should be. */
export interface Difference {
  readonly userId: string;
  readonly feature: string;
  readonly expected: number | null | undefined;
  readonly actual: string | number | boolean | null | undefined;
}

/** Every feature of the oracle that an answer does not have, or has otherwise. */
export function differences(
  userId: string,
  expected: Readonly<Record<string, number | null>>,
  actual: Readonly<Record<string, string | number | boolean | null>>,
): Difference[] {
  return Object.keys(expected)
    .map((feature) => ({ userId, feature, expected: expected[feature], actual: actual[feature] }))
    .filter((difference) => difference.expected !== difference.actual);
}

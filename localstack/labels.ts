/** What became of transactions, as those say who look into them: the `labels` source of `shared/features/fraud.ts`. */
import { type Delivery, randomOf, type Transaction } from './traffic.ts';

export interface Label {
  readonly label_id: string;
  readonly transaction_id: string;
  readonly user_id: string;
  readonly merchant_id: string;
  readonly is_fraud: 0 | 1;
  /** The hour in which it became known, milliseconds since 1970. */
  readonly labelled_at: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const KNOWN_AFTER_MILLIS = 30 * MINUTE;
/** Of what happened more than a day ago: those labels have stood long enough to be counted. */
const LOOKED_INTO_SHARE = 0.5;
const FRAUD_SHARE = 0.3;

/**
 * Labels in the order in which they become known: of every scenario, and of half of what is more than a day old.
 * @param options.nowMillis nothing becomes known later.
 */
export function labelsOfTraffic(
  deliveries: readonly Delivery[],
  options: { readonly seed: number; readonly nowMillis: number },
): Label[] {
  const random = randomOf(options.seed);
  const labels: Label[] = [];
  for (const { transaction, isCulprit, isDuplicate } of deliveries) {
    const knownAtMillis = transaction.timestamp + KNOWN_AFTER_MILLIS;
    if (isDuplicate || knownAtMillis > options.nowMillis) continue;
    const isOld = transaction.timestamp < options.nowMillis - DAY;
    if (!isCulprit && !(isOld && random.unit() < LOOKED_INTO_SHARE)) continue;
    labels.push(labelOf(transaction, { isFraud: isCulprit || random.unit() < FRAUD_SHARE, knownAtMillis }));
  }
  return labels.toSorted((left, right) => left.labelled_at - right.labelled_at);
}

export function labelOf(
  { transaction_id, user_id, merchant_id }: Transaction,
  { isFraud, knownAtMillis }: { readonly isFraud: boolean; readonly knownAtMillis: number },
): Label {
  const label_id = `label-${transaction_id}`;
  const labelled_at = Math.floor(knownAtMillis / HOUR) * HOUR;
  return { label_id, transaction_id, user_id, merchant_id, is_fraud: isFraud ? 1 : 0, labelled_at };
}

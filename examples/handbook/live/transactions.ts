/** Which of the handbook's transactions come live, and in which order. */
import type { Handbook, Transaction } from '../published.ts';
import { LIVE_FROM } from './features.ts';

const DAY_MILLIS = 86_400_000;

/** Transactions are counted up to so long after a newer one of their customer or terminal. */
const ALLOWED_LATENESS_MILLIS = 5_000;

/**
 * The first transactions of the first day that the handbook publishes, in order of time.
 * @param options.customers takes those of that day's busiest customers alone. Their features stay as published: a terminal's
 *     are those of a week ago, so that nothing of other customers' is missing.
 */
export function liveTransactions(
  { transactions }: Handbook,
  options: { readonly count: number; readonly customers?: number | undefined },
): readonly Transaction[] {
  const start = Date.parse(LIVE_FROM);
  const ofDay = transactions.filter(({ atMillis }) => atMillis >= start && atMillis < start + DAY_MILLIS);
  const byCustomer = [...Map.groupBy(ofDay, ({ customer }) => customer)];
  const busiest = byCustomer.sort(([, left], [, right]) => right.length - left.length).slice(0, options.customers);
  const chosen = new Set(busiest.map(([customer]) => customer));
  return ofDay.filter(({ customer }) => chosen.has(customer)).slice(0, options.count);
}

export interface Decided {
  readonly transaction: Transaction;
  /** Held back until a newer one of its customer has been decided. */
  readonly isHeldBack: boolean;
}

/**
 * The same transactions, of which a share comes late: each right after a newer one of its customer, which is newer by more
 * than what is allowed. Spread evenly over those that such a one follows.
 */
export function withLateOnes(transactions: readonly Transaction[], share: number): readonly Decided[] {
  const followed = transactions.flatMap((transaction, index) => {
    const overtaking = transactions.find(
      ({ customer, atMillis }, later) =>
        later > index && customer === transaction.customer && atMillis > transaction.atMillis + ALLOWED_LATENESS_MILLIS,
    );
    return overtaking === undefined ? [] : [{ transaction, overtaking }];
  });
  const wanted = Math.min(followed.length, Math.ceil(transactions.length * share));
  const heldBack = Array.from(
    { length: wanted },
    (_, index) => followed[Math.floor((index * followed.length) / wanted)],
  );
  const late = new Map(heldBack.flatMap((pair) => (pair ? [[pair.transaction, pair.overtaking] as const] : [])));
  return transactions.flatMap((transaction) => {
    const following = [...late].filter(([, overtaking]) => overtaking === transaction);
    return [
      ...(late.has(transaction) ? [] : [{ transaction, isHeldBack: false }]),
      ...following.map(([held]) => ({ transaction: held, isHeldBack: true })),
    ];
  });
}

import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import type { WindowedView } from '../../shared/definitions/index.ts';
import { userTransactions } from '../../shared/features/fraud.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import type { OnlineStore } from '../../shared/online/store.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import { Random } from '../simulation/random.ts';

export const view: WindowedView = userTransactions;
export const { source } = view;

const DAY_MILLIS = 24 * 3_600_000;

export interface Transaction {
  readonly transaction_id: string;
  readonly user_id: string;
  readonly merchant_id: string;
  readonly amount: number;
  readonly timestamp: number;
}

/** Transactions of one user at a daily rate, in order of time, over some days up to `endMillis`. */
export function transactionsOf(
  userId: string,
  options: { readonly perDay: number; readonly days: number; readonly endMillis: number; readonly seed: number },
): Transaction[] {
  const random = new Random(options.seed);
  const count = Math.round(options.perDay * options.days);
  return Array.from({ length: count }, () => options.endMillis - Math.floor(random.next() * options.days * DAY_MILLIS))
    .sort((left, right) => left - right)
    .map((timestamp, index) => ({
      transaction_id: `${userId}-${options.seed}-${index}`,
      user_id: userId,
      // A few favourite merchants and a long tail.
      merchant_id: `merchant-${Math.floor(300 * random.next() ** 3)}`,
      amount: Math.round(Math.exp(3 + random.next() * 2) * 100) / 100,
      timestamp,
    }));
}

export function eventOf(transaction: Transaction): WindowEvent {
  const decoded = decodeEvent(source, transaction, transaction.timestamp + 50);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.event;
}

/** Applies transactions one update each, as a stream of single records would. */
export async function applyOneByOne(store: OnlineStore, transactionsInOrder: readonly Transaction[]): Promise<void> {
  for (const transaction of transactionsInOrder) {
    await applyEvents(store, view, transaction.user_id, [eventOf(transaction)]);
  }
}

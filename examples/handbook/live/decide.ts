/** Transactions through the deployed API, as a payment system would send them: decided and counted one after the other. */
import pMap from 'p-map';
import * as z from 'zod';
import type { Value } from '../../../shared/expressions/index.ts';
import { eventOf, type Transaction } from '../published.ts';

const answerSchema = z.object({
  transaction_id: z.int(),
  features: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  event_status: z.string(),
  score: z.number().nullable(),
});

export interface Answer {
  readonly features: Readonly<Record<string, Value>>;
  readonly status: string;
  /** Null where no model decides. */
  readonly score: number | null;
}

/** Thrown when the API does not decide. */
export class DecisionError extends Error {
  override readonly name = 'DecisionError';
}

const CONCURRENCY = 4;

/**
 * What may become of a transaction here. `duplicate` is one whose first try was counted, though its answer was lost on the way. Any other
 * answer is one without its features.
 */
const KNOWN: ReadonlySet<string> = new Set(['applied', 'skewed', 'duplicate', 'late']);

/** Rounds of calls that nothing is kept of, side by side, until the functions of a new deployment have all started. */
const WARM_UP_ROUNDS = 5;

/** A function that has just started may not answer in time. @throws DecisionError when none answers. */
export async function warmUp(apiUrl: string): Promise<void> {
  let statuses: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    const calls = Array.from({ length: CONCURRENCY }, () => fetch(`${apiUrl}/health`));
    statuses = (await Promise.all(calls)).map(({ status }) => status);
  }
  if (statuses.some((status) => status !== 200)) {
    throw new DecisionError(`GET /health answers ${statuses.join(', ')}`);
  }
}

/**
 * Decides transactions. Those of one customer or one terminal wait for each other, so that each is decided over all before it;
 * others go side by side.
 * @returns answers by id of the transaction.
 */
export async function decideAll(
  apiUrl: string,
  transactions: readonly Transaction[],
  onDecided: () => void,
): Promise<Map<number, Answer>> {
  const answers = new Map<number, Answer>();
  const lastOf = new Map<string, Promise<void>>();
  await pMap(
    transactions,
    async (transaction) => {
      const keys = [`customer ${transaction.customer}`, `terminal ${transaction.terminal}`];
      const before = Promise.all(keys.map((key) => lastOf.get(key) ?? Promise.resolve()));
      const own = before.then(async () => {
        answers.set(transaction.id, await decide(apiUrl, transaction));
        onDecided();
      });
      for (const key of keys) lastOf.set(key, own);
      await own;
    },
    { concurrency: CONCURRENCY },
  );
  return answers;
}

async function decide(apiUrl: string, transaction: Transaction): Promise<Answer> {
  const response = await fetch(`${apiUrl}/services/handbook_features/decide`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...eventOf(transaction), mode: 'apply' }),
  });
  const text = await response.text();
  if (!response.ok) {
    throw new DecisionError(`transaction ${transaction.id} was answered ${response.status}: ${text.slice(0, 500)}`);
  }
  const { features, event_status: status, score } = answerSchema.parse(JSON.parse(text));
  if (!KNOWN.has(status))
    throw new DecisionError(`transaction ${transaction.id} was answered "${status}": ${text.slice(0, 500)}`);
  return { features, status, score };
}

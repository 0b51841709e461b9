/**
 * Whether it pays to lie about the time or the id of a payment: sequences of payments of one card, told as they are and
 * told with lies, through the API and through the stream, one after the other and by twenty callers at once.
 */
import { updateWindows } from '../../functions/update-windows/update-windows.ts';
import { transactions, userTransactions } from '../../shared/features/fraud.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { serve } from '../unit/serve/harness.ts';
import type { Trial } from './trial.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const START_MILLIS = Date.UTC(2026, 0, 5, 12);
/** Cards that pay honestly, 25 times each. */
const HONEST_CARDS = 40;

/** One payment: when it is made, and what is told of it. Times are milliseconds from the start. */
interface Payment {
  readonly at: number;
  readonly amount: number;
  readonly merchant: string;
  /** How it reaches the product; by the API it is decided. */
  readonly by: 'api' | 'stream';
  readonly toldAt: number;
  readonly toldId: string;
}

type Decision = 'approve' | 'review' | 'block' | 'counted';

interface Told {
  readonly decision: Decision;
  readonly rules: readonly string[];
}

/** Payments as they are made and truthfully told: each with its own id and time. */
function truth(times: readonly number[], more: (index: number) => Partial<Payment> = () => ({})): Payment[] {
  return times.map((at, index) => ({
    at,
    toldAt: at,
    amount: 10,
    merchant: 'shop',
    by: 'api',
    toldId: `p${index}`,
    ...more(index),
  }));
}

const every = (millis: number, count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n * millis);
const burst = every(SECOND, 11);

/** A sequence of payments and a lie about each. */
interface Attack {
  readonly name: string;
  readonly payments: readonly Payment[];
  readonly lie: (payment: Payment, index: number) => Partial<Payment>;
  /** What a lie of this kind still gains is known, and printed apart. */
  readonly isKnown?: boolean;
}

const backBy = (millis: number) => (payment: Payment, index: number) =>
  index === 0 ? {} : { toldAt: payment.at - millis };
const aheadBy = (millis: number) => (payment: Payment) => ({ toldAt: payment.at + millis });

const ATTACKS: readonly Attack[] = [
  ...[5_001, 10_000, MINUTE, 60 * MINUTE, 24 * 60 * MINUTE].map((millis) => ({
    name: `dated back ${millis} ms`,
    payments: truth(burst),
    lie: backBy(millis),
  })),
  ...[5_001, MINUTE, 299_000].map((millis) => ({
    name: `dated ahead ${millis} ms`,
    payments: truth(burst),
    lie: aheadBy(millis),
  })),
  {
    name: 'one 295 s ahead, the others as they are',
    payments: truth(burst),
    lie: (payment, index) => (index === 0 ? { toldAt: payment.at + 295_000 } : {}),
  },
  {
    name: 'spread over the hour before',
    payments: truth(burst),
    lie: (payment, index) => ({ toldAt: payment.at - (11 - index) * 5 * MINUTE }),
  },
  {
    name: 'spread over the minutes to come',
    payments: truth(burst),
    lie: (payment, index) => ({ toldAt: payment.at + index * 29 * SECOND }),
  },
  {
    name: 'every other one dated back',
    payments: truth(burst),
    lie: (payment, index) => (index % 2 === 0 ? {} : { toldAt: payment.at - 10_000 }),
  },
  {
    name: 'by the stream, the last ones decided, all dated back',
    payments: truth(burst, (index) => ({ by: index < 8 ? 'stream' : 'api' })),
    lie: backBy(10_000),
  },
  {
    name: 'by the stream, the last ones decided, the first one 295 s ahead',
    payments: truth(burst, (index) => ({ by: index < 8 ? 'stream' : 'api' })),
    lie: (payment, index) => (index === 0 ? { toldAt: payment.at + 295_000 } : {}),
  },
  ...[-10_000, 60_000, 299_000].map((millis) => ({
    name: `1,000,000 after two of 10, told ${millis} ms off`,
    payments: truth([0, MINUTE, 2 * MINUTE], (index) => ({ amount: index === 2 ? 1_000_000 : 10 })),
    lie: (payment: Payment, index: number) => (index === 2 ? { toldAt: payment.at + millis } : {}),
  })),
  {
    name: 'a large first one, told to be of yesterday',
    payments: truth([0], () => ({ amount: 5_000 })),
    lie: (payment) => ({ toldAt: payment.at - 24 * 60 * MINUTE }),
  },
  {
    name: 'twelve merchants, told an hour apart',
    payments: truth(every(4 * MINUTE, 12), (index) => ({ merchant: `shop-${index}` })),
    lie: (payment, index) => ({ toldAt: payment.at - (12 - index) * 60 * MINUTE }),
  },
  {
    name: 'a payment that was blocked, told again with other times',
    payments: truth([...every(SECOND, 7), ...every(SECOND, 12, 8_000)]),
    lie: (payment, index) => (index < 7 ? {} : { toldId: 'p6', toldAt: payment.at + (index - 12) * 8 * SECOND }),
  },
  {
    name: 'one id for all, other merchants and larger amounts',
    payments: truth(burst, (index) => ({ merchant: `shop-${index}`, amount: 10 + index })),
    lie: () => ({ toldId: 'p0' }),
    isKnown: true,
  },
  {
    name: 'one id for all, the same merchant and amount',
    payments: truth(burst),
    lie: () => ({ toldId: 'p0' }),
    isKnown: true,
  },
  {
    name: 'stretched within the tolerance: five dated back 5 s, five dated ahead 5 s',
    payments: truth([...every(100, 5), ...every(100, 5, 52_000)]),
    lie: (payment, index) => ({ toldAt: payment.at + (index < 5 ? -5_000 : 5_000) }),
    isKnown: true,
  },
  {
    name: 'ten too late to be counted, then truthful ones at other merchants',
    payments: truth([...burst, ...every(61 * SECOND, 9, 70 * SECOND)], (index) => ({ merchant: `shop-${index}` })),
    lie: (_, index) => (index > 0 && index < 11 ? { toldAt: -10_000 } : {}),
    isKnown: true,
  },
  {
    name: 'late by the stream, the decided ones as they are',
    payments: truth(burst, (index) => ({ by: index > 0 && index < 8 ? 'stream' : 'api' })),
    lie: (payment) => (payment.by === 'stream' ? { toldAt: payment.at - 10_000 } : {}),
    isKnown: true,
  },
];

/** Tells payments to a product of their own, in the order in which they are made. */
async function tell(payments: readonly Payment[], callers: number): Promise<Told[]> {
  const store = new MemoryOnlineStore();
  const patient = 60 * SECOND;
  const { predict, clock } = serve({ store, deadlines: { decision: patient, features: patient } });
  const one = async (payment: Payment): Promise<Told> => {
    const body = {
      transaction_id: payment.toldId,
      user_id: 'card',
      merchant_id: payment.merchant,
      amount: payment.amount,
      timestamp: START_MILLIS + payment.toldAt,
    };
    if (payment.by === 'api') {
      const answer = await predict(body);
      if (answer.status !== 200) throw new Error(`The API answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      return { decision: answer.body.decision, rules: answer.body.rules.map(({ name }: { name: string }) => name) };
    }
    const record = {
      sequenceNumber: payment.toldId,
      partitionKey: 'card',
      data: Buffer.from(JSON.stringify(body)),
      arrivedAtMillis: clock.nowMillis,
    };
    const quarantine = { put: () => Promise.reject(new Error('nothing of this trial is to be quarantined')) };
    const { counts } = await updateWindows([record], {
      source: transactions,
      views: [userTransactions],
      store,
      quarantine,
    });
    if (counts.failed + counts.quarantined > 0) throw new Error('The consumer could not take a payment.');
    return { decision: 'counted', rules: [] };
  };
  const answers: Told[] = [];
  for (let first = 0; first < payments.length; first += callers) {
    // What is made at once arrives at once; each lie about time stays as large as it is.
    const at = Math.max(...payments.slice(first, first + callers).map((payment) => payment.at));
    const together = payments
      .slice(first, first + callers)
      .map((payment) => ({ ...payment, toldAt: at + payment.toldAt - payment.at }));
    clock.nowMillis = START_MILLIS + at;
    answers.push(...(await Promise.all(together.map(one))));
  }
  return answers;
}

const approvals = (told: readonly Told[]) => told.filter(({ decision }) => decision === 'approve').length;

/** What lies gain: more approvals in all, or, told one after the other, the approval of a payment told with a lie. */
async function gainOf({ payments, lie }: Attack, callers: number) {
  const lied = payments.map((payment, index) => ({ ...payment, ...lie(payment, index) }));
  const [truthful, told] = [await tell(payments, callers), await tell(lied, callers)];
  const more = Math.max(0, approvals(told) - approvals(truthful));
  const single = payments.filter((payment, index) => {
    const isLie = lied[index]?.toldAt !== payment.toldAt || lied[index]?.toldId !== payment.toldId;
    return isLie && told[index]?.decision === 'approve' && truthful[index]?.decision !== 'approve';
  }).length;
  return { gain: callers === 1 ? Math.max(more, single) : more, truthful: approvals(truthful), told: approvals(told) };
}

/** Honest payments with a delay on their way, of many cards: how many are reviewed for their status. */
async function honestReviewed(cards: number, delayMillis: number, inOrder: boolean) {
  let seed = delayMillis + Number(inOrder);
  const random = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
  const tally = { payments: 0, within: 0, reviewed: 0, reviewedWithin: 0 };
  for (let card = 0; card < cards; card++) {
    let at = 0;
    let arrival = 0;
    const sent = Array.from({ length: 25 }, (_, index) => {
      at += random() * 20 * SECOND;
      const delayed = at + random() * delayMillis;
      arrival = inOrder ? Math.max(arrival, delayed) : delayed;
      return { at: Math.round(at), arrival: Math.round(arrival), toldId: `p${index}` };
    }).sort((left, right) => left.arrival - right.arrival);
    const payments = truth(
      sent.map((one) => one.arrival),
      (index) => ({
        toldAt: sent[index]?.at ?? 0,
        toldId: sent[index]?.toldId ?? '',
      }),
    );
    const told = await tell(payments, 1);
    told.forEach(({ rules }, index) => {
      const isReviewed = rules.some((name) => name === 'LATE' || name === 'SKEWED');
      const isWithin = (sent[index]?.arrival ?? 0) - (sent[index]?.at ?? 0) <= transactions.allowedLatenessMillis;
      tally.payments++;
      if (isWithin) tally.within++;
      if (isReviewed) tally.reviewed++;
      if (isReviewed && isWithin) tally.reviewedWithin++;
    });
  }
  const share = (part: number, whole: number) => Math.round((1e4 * part) / Math.max(1, whole)) / 1e4;
  return {
    payments: tally.payments,
    share: share(tally.reviewed, tally.payments),
    share_within_allowed_lateness: share(tally.reviewedWithin, tally.within),
  };
}

export const evasion: Trial = {
  name: 'evasion',
  proves: 'payments told with false times get no more approvals than the same payments told truthfully',
  async run({ trials = HONEST_CARDS }) {
    const gains: Record<string, number> = {};
    const remaining: Record<string, number> = {};
    let truthfulApprovals = 0;
    let truthfulRefusals = 0;
    for (const callers of [1, 20]) {
      for (const attack of ATTACKS) {
        const { gain, truthful, told } = await gainOf(attack, callers);
        truthfulApprovals += truthful;
        truthfulRefusals += attack.payments.filter(({ by }) => by === 'api').length - truthful;
        process.stderr.write(
          `${attack.name}, ${callers} at once: ${told} approved, ${truthful} when told truthfully\n`,
        );
        const into = attack.isKnown ? remaining : gains;
        into[attack.name] = Math.max(into[attack.name] ?? 0, gain);
      }
    }
    const advantage = Object.values(gains).reduce((sum, gain) => sum + gain, 0);
    const honest = {
      'delays of 0 to 3 s, in order': await honestReviewed(trials, 3 * SECOND, true),
      'delays of 0 to 3 s, out of order': await honestReviewed(trials, 3 * SECOND, false),
      'delays of 0 to 8 s, in order': await honestReviewed(trials, 8 * SECOND, true),
      'delays of 0 to 8 s, out of order': await honestReviewed(trials, 8 * SECOND, false),
    };
    const reviewedWithin = Math.max(...Object.values(honest).map((one) => one.share_within_allowed_lateness));
    // A trial in which the truth is never approved, or never refused, would look at nothing.
    const isTelling = truthfulApprovals > 0 && truthfulRefusals > 0;
    return {
      ok: advantage === 0 && reviewedWithin === 0 && isTelling,
      json: {
        advantage,
        remaining,
        honest_reviewed: honest,
        attacks: ATTACKS.length,
        truthfulApprovals,
        truthfulRefusals,
      },
    };
  },
};

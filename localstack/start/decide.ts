/** One live decision per scenario, each after the transactions that lead to it. */
import { fraudDetection } from '../../shared/features/fraud.ts';
import { type LiveDecision, step } from '../report.ts';
import { generateScenario, RULE_OF_SCENARIO, SCENARIOS, type Transaction } from '../traffic.ts';
import { ProofFailedError } from './proof.ts';
import type { Session } from './session.ts';

const SEVERITY = { approve: 0, review: 1, block: 2 } as const;
/** One of those at which the simulated users pay. */
export const MERCHANT_ID = 'merchant-001';

export interface Decided {
  readonly live: readonly LiveDecision[];
  /** Everything that was decided, those before the live ones included. */
  readonly transactions: readonly Transaction[];
}

/** @throws ProofFailedError when one is not as its rule says. */
export async function decideLive(session: Session, seed: number, userIdPrefix: string): Promise<Decided> {
  return step({
    label: 'Decide',
    work: async () => {
      const normal = normalTransaction(`${userIdPrefix}live-normal`);
      const sequences = [{ title: 'normal', planned: [normal], rule: undefined as string | undefined }];
      for (const scenario of SCENARIOS) {
        const userId = `${userIdPrefix}live-${scenario.replaceAll(' ', '-')}`;
        const planned = generateScenario({ seed, scenario, userId, endMillis: Date.now() });
        sequences.push({ title: scenario, planned, rule: RULE_OF_SCENARIO[scenario] });
      }
      const live: LiveDecision[] = [];
      const transactions: Transaction[] = [];
      for (const { title, planned, rule } of sequences) {
        const decided = await decideSequence(session, planned);
        transactions.push(...decided.map(({ transaction }) => transaction));
        live.push(requireAsExpected(title, decided, rule));
      }
      return { live, transactions };
    },
    summary: ({ live }) => `${live.length} scenarios decided as their rules and the model say`,
  });
}

/** One that nobody would look at twice. */
export function normalTransaction(userId: string): Transaction {
  return {
    transaction_id: `tx-${userId}-${Date.now()}`,
    user_id: userId,
    merchant_id: MERCHANT_ID,
    amount: 24.9,
    timestamp: Date.now(),
  };
}

type Answered = Pick<LiveDecision, 'transaction' | 'answer'>;

async function decideSequence(session: Session, planned: readonly Transaction[]): Promise<Answered[]> {
  const decided: Answered[] = [];
  for (const [index, told] of planned.entries()) {
    // Those before are told as what happened earlier, which is reviewed; the last one happens now, however long they took.
    const transaction = index === planned.length - 1 ? { ...told, timestamp: Date.now() } : told;
    const { answer } = await session.decide(fraudDetection, { ...transaction });
    decided.push({ transaction, answer });
  }
  return decided;
}

function requireAsExpected(
  title: string,
  decided: readonly Answered[],
  expectedRule: string | undefined,
): LiveDecision {
  const last = decided.at(-1);
  if (last === undefined) throw new ProofFailedError(`The scenario "${title}" has no transactions`);
  const { answer } = last;
  const expected = fraudDetection.rules.find(({ name }) => name === expectedRule)?.outcome ?? 'approve';
  const fired = answer.rules.map(({ name }) => name);
  const isAsExpected = expectedRule === undefined ? fired.length === 0 : fired.includes(expectedRule);
  // A high score may be severer than the rule; nothing may be milder.
  const isDecided = title === 'normal' ? answer.decision === expected : SEVERITY[answer.decision] >= SEVERITY[expected];
  if (!isAsExpected || !isDecided || answer.event_status !== 'applied') {
    throw new ProofFailedError(
      `The scenario "${title}" was answered ${answer.decision} by [${fired.join(', ')}], ${answer.event_status}; it should be ${expected} by ${expectedRule ?? 'no rule'} at least, applied`,
    );
  }
  return { title, earlierCount: decided.length - 1, ...last };
}

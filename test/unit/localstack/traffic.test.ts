import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Referee } from '../../../localstack/referee.ts';
import {
  type Delivery,
  generateScenario,
  generateTraffic,
  RULE_OF_SCENARIO,
  SCENARIOS,
  type Transaction,
  trafficDurationMillis,
} from '../../../localstack/traffic.ts';
import { fraudDetection, transactions, userTransactions } from '../../../shared/features/fraud.ts';

const ALLOWED_LATENESS_MILLIS = 5_000;
const START_MILLIS = Date.UTC(2026, 5, 1, 12);
const OPTIONS = { transactionCount: 600, userCount: 20, userIdPrefix: '', startMillis: START_MILLIS, speedUp: 5 };

const anyOptions = fc.record({
  seed: fc.integer(),
  transactionCount: fc.integer({ min: 100, max: 800 }),
  userCount: fc.integer({ min: 4, max: 25 }),
  userIdPrefix: fc.constantFrom('', 'run-'),
  startMillis: fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2030, 0, 1) }),
  speedUp: fc.double({ min: 0.1, max: 1.4, noNaN: true }),
});

function distinct(deliveries: readonly Delivery[]): Transaction[] {
  return deliveries.filter(({ isDuplicate }) => !isDuplicate).map(({ transaction }) => transaction);
}

/** Names of the rules that fire for the last of a user's transactions, by the oracle's features. */
function rulesFiring(history: readonly Transaction[], last: Transaction): string[] {
  const known = history.filter((each) => each.user_id === last.user_id && each.timestamp <= last.timestamp);
  const referee = new Referee({ views: [userTransactions] });
  const taken = known.map((each) => referee.take(transactions, each, each.timestamp));
  const decided = taken.find(({ id }) => id === last.transaction_id);
  const expected = referee.expected(fraudDetection, { ...last }, () => last.timestamp, decided);
  const values = Object.entries(expected).map(([name, { value }]) => [name, value]);
  const row = { ...last, ...Object.fromEntries(values) };
  return fraudDetection.rules.filter(({ fires }) => fires(row)).map(({ name }) => name);
}

describe('traffic', () => {
  test('is the same for the same seed, and another for another', () => {
    const first = generateTraffic({ ...OPTIONS, seed: 1 });
    expect(generateTraffic({ ...OPTIONS, seed: 1 })).toEqual(first);
    expect(generateTraffic({ ...OPTIONS, seed: 2 })).not.toEqual(first);
  });

  test('has the asked number of distinct, valid transactions within its duration', () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        const sent = distinct(generateTraffic(options));
        expect(new Set(sent.map(({ transaction_id }) => transaction_id)).size).toBe(options.transactionCount);
        for (const transaction of sent) {
          expect(transactions.schema.parse(transaction)).toEqual(transaction);
          expect(transaction.timestamp).toBeGreaterThanOrEqual(options.startMillis);
          expect(transaction.timestamp).toBeLessThan(options.startMillis + trafficDurationMillis(options));
        }
      }),
      { numRuns: 15 },
    );
  });

  test('delivers a little out of order, yet never later than the source allows', () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        const newestByUser = new Map<string, number>();
        for (const { transaction, isDuplicate } of generateTraffic(options)) {
          if (isDuplicate) continue;
          const newest = newestByUser.get(transaction.user_id) ?? 0;
          expect(newest - transaction.timestamp).toBeLessThan(ALLOWED_LATENESS_MILLIS);
          newestByUser.set(transaction.user_id, Math.max(newest, transaction.timestamp));
        }
      }),
      { numRuns: 15 },
    );
    const timestamps = generateTraffic({ ...OPTIONS, seed: 3 }).map(({ transaction }) => transaction.timestamp);
    expect(timestamps).not.toEqual(timestamps.toSorted((left, right) => left - right));
  });

  test('repeats some transactions, unchanged and after the first delivery', () => {
    const seen = new Map<string, Transaction>();
    let duplicateCount = 0;
    for (const { transaction, isDuplicate } of generateTraffic({ ...OPTIONS, seed: 4 })) {
      if (isDuplicate) {
        duplicateCount++;
        expect(seen.get(transaction.transaction_id)).toEqual(transaction);
      }
      seen.set(transaction.transaction_id, transaction);
    }
    expect(duplicateCount).toBeGreaterThan(0);
  });

  test('contains every scenario, whose last transaction sets off its rule and no other', () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        const deliveries = generateTraffic(options);
        const history = distinct(deliveries);
        const culprits = deliveries.filter(({ isCulprit, isDuplicate }) => isCulprit && !isDuplicate);
        expect(new Set(culprits.map(({ scenario }) => scenario))).toEqual(new Set(SCENARIOS));
        for (const { scenario, transaction } of culprits) {
          if (scenario === 'normal') throw new Error('A normal transaction is no culprit');
          expect(rulesFiring(history, transaction)).toEqual([RULE_OF_SCENARIO[scenario]]);
        }
      }),
      { numRuns: 15 },
    );
  });

  test('ends with a scenario of each kind, so that short windows still show them', () => {
    const deliveries = generateTraffic({ ...OPTIONS, seed: 5 });
    const endMillis = START_MILLIS + trafficDurationMillis(OPTIONS);
    const last = deliveries.filter(
      ({ isCulprit, transaction }) => isCulprit && transaction.timestamp > endMillis - 25_000,
    );
    expect(new Set(last.map(({ scenario }) => scenario))).toEqual(new Set(SCENARIOS));
  });

  test('follows the hours of the day', () => {
    const perHour = Array.from({ length: 24 }, () => 0);
    const options = {
      transactionCount: 4_000,
      userCount: 40,
      userIdPrefix: '',
      startMillis: Date.UTC(2026, 5, 1),
      speedUp: 1,
    };
    for (const { timestamp } of distinct(generateTraffic({ ...options, seed: 6 }))) {
      const hour = new Date(timestamp).getUTCHours();
      perHour[hour] = (perHour[hour] ?? 0) + 1;
    }
    expect(perHour[16]).toBeGreaterThan(3 * (perHour[4] ?? 0));
  });

  test('that is too short for its scenarios is refused with advice', () => {
    expect(() => generateTraffic({ ...OPTIONS, seed: 1, speedUp: 1_000 })).toThrow(/smaller speed-up/);
  });
});

test.each(SCENARIOS)('a %s on its own sets off its rule with its last transaction', (scenario) => {
  for (let seed = 0; seed < 50; seed++) {
    const sequence = generateScenario({ seed, scenario, userId: 'somebody', endMillis: START_MILLIS });
    const fired = sequence.map((transaction) => rulesFiring(sequence, transaction));
    expect(fired.at(-1)).toEqual([RULE_OF_SCENARIO[scenario]]);
    expect(sequence.at(-1)?.timestamp).toBe(START_MILLIS);
    expect(sequence.every(({ user_id }) => user_id === 'somebody')).toBe(true);
  }
});

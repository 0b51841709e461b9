import { describe, expect, test } from 'vitest';
import {
  DAY_MILLIS,
  FRAUD_PATTERNS,
  isFraud,
  type Label,
  type SimulatedTransaction,
  simulate,
} from '../../../examples/train/simulate.ts';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import { labels as labelSource, transactions as transactionSource } from '../../../shared/features/fraud.ts';

const START_MILLIS = Date.UTC(2026, 0, 5);
const DAYS = 120;
const OPTIONS = { seed: 7, transactions: 30_000, startMillis: START_MILLIS, days: DAYS };

const simulation = simulate(OPTIONS);
const byId = new Map(simulation.transactions.map((transaction) => [transaction.transaction_id, transaction]));

function delayDays(label: Label): number {
  return (label.arrived_at - (byId.get(label.transaction_id)?.timestamp ?? Number.NaN)) / DAY_MILLIS;
}

function labelsOf({ transaction_id }: SimulatedTransaction): Label[] {
  return simulation.labels.filter((label) => label.transaction_id === transaction_id);
}

describe('simulation of months with fraud', () => {
  test('is the same for the same seed, and another for another', () => {
    const again = simulate(OPTIONS);
    const other = simulate({ ...OPTIONS, seed: 8 });

    expect(again).toEqual(simulation);
    expect(other.transactions[0]).not.toEqual(simulation.transactions[0]);
  });

  test('makes about as many transactions as asked for, in the time asked for, with fraud of every pattern', () => {
    const times = simulation.transactions.map(({ timestamp }) => timestamp);
    const frauds = simulation.transactions.filter(({ pattern }) => isFraud(pattern));

    expect(Math.abs(times.length / OPTIONS.transactions - 1)).toBeLessThan(0.1);
    expect(times).toEqual(times.toSorted((left, right) => left - right));
    expect(times[0]).toBeGreaterThanOrEqual(START_MILLIS);
    // What begins on the last evening may end after midnight.
    expect(times.at(-1)).toBeLessThan(START_MILLIS + (DAYS + 1) * DAY_MILLIS);
    expect(new Set(frauds.map(({ pattern }) => pattern))).toEqual(new Set(FRAUD_PATTERNS));
    expect(frauds.length / times.length).toBeGreaterThan(0.005);
    expect(frauds.length / times.length).toBeLessThan(0.02);
  });

  test('makes events that their sources accept', () => {
    const refused = [
      ...simulation.transactions.map(({ arrived_at, pattern: _pattern, ...event }) =>
        decodeEvent(transactionSource, event, arrived_at),
      ),
      ...simulation.labels.map(({ arrived_at, ...event }) => decodeEvent(labelSource, event, arrived_at)),
    ].filter(({ ok }) => !ok);

    expect(refused).toEqual([]);
  });

  test("lets a user's transactions arrive in the order in which they happened", () => {
    const byUser = Map.groupBy(simulation.transactions, ({ user_id }) => user_id);
    const arrivals = [...byUser.values()].map((own) => own.map(({ arrived_at }) => arrived_at));

    for (const own of arrivals) expect(own).toEqual(own.toSorted((left, right) => left - right));
  });

  test('reports frauds 3 to 30 days later, and some never', () => {
    // All of whose labels had time to come.
    const mature = simulation.transactions.filter(
      ({ pattern, timestamp }) => isFraud(pattern) && timestamp < START_MILLIS + (DAYS - 31) * DAY_MILLIS,
    );
    const reported = mature.filter((transaction) => labelsOf(transaction).length > 0);
    const delays = reported.flatMap(labelsOf).map(delayDays);

    expect(Math.min(...delays)).toBeGreaterThanOrEqual(3);
    expect(Math.max(...delays)).toBeLessThan(30.01);
    expect(1 - reported.length / mature.length).toBeGreaterThan(0.05);
    expect(1 - reported.length / mature.length).toBeLessThan(0.2);
  });

  test('gives labels the whole hour before they arrive, and none after the end', () => {
    const { labels } = simulation;
    const kinds = new Set(labels.map(({ is_fraud }) => is_fraud));
    const strays = labels.filter(
      ({ labelled_at, arrived_at }) =>
        labelled_at % 3_600_000 !== 0 ||
        arrived_at < labelled_at ||
        arrived_at - labelled_at > 3_600_000 + 300_000 ||
        arrived_at >= START_MILLIS + DAYS * DAY_MILLIS,
    );

    expect(kinds).toEqual(new Set([0, 1]));
    expect(strays).toEqual([]);
  });

  test('takes back most chargebacks of honest transactions, later than it made them', () => {
    const { labels } = simulate({ ...OPTIONS, seed: 11, transactions: 200_000 });
    const byTransaction = Map.groupBy(labels, ({ transaction_id }) => transaction_id);
    const corrected = [...byTransaction.values()].filter((own) => own.length > 1);

    expect(corrected.length).toBeGreaterThan(10);
    for (const own of corrected) expect(own.map(({ is_fraud }) => is_fraud)).toEqual([1, 0]);
  });
});

import { describe, expect, test } from 'vitest';
import { differences, Referee } from '../../../localstack/referee.ts';
import { count, entity, windowedView } from '../../../shared/definitions/index.ts';
import { fraudDetection, labels, transactions } from '../../../shared/features/fraud.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Math.floor(Date.UTC(2026, 5, 2, 12, 34) / HOUR) * HOUR + 34 * 60_000;

const pay = (transaction_id: string, amount: number, timestamp: number, user_id = 'u') => ({
  transaction_id,
  user_id,
  merchant_id: 'm',
  amount,
  timestamp,
});
const label = (labelled_at: number, is_fraud: 0 | 1) => ({
  label_id: `${labelled_at}`,
  transaction_id: 't',
  user_id: 'u',
  merchant_id: 'm',
  is_fraud,
  labelled_at,
});

function valuesOf(expected: ReturnType<Referee['expected']>) {
  return Object.fromEntries(Object.entries(expected).map(([name, { value }]) => [name, value]));
}

describe('the referee', () => {
  test('tells all of a decision, its own event included but where it is left out', () => {
    const referee = new Referee(fraudDetection);
    referee.take(transactions, pay('before', 10, NOW - 1_000), NOW);
    referee.take(transactions, pay('other', 99, NOW, 'v'), NOW);
    referee.take(labels, label(NOW - 2 * DAY - 34 * 60_000, 1), NOW);
    const decided = referee.take(transactions, pay('now', 30, NOW), NOW);

    const told = valuesOf(referee.expected(fraudDetection, decided.values, () => NOW, decided));

    expect(told).toMatchObject({
      tx_count_1h: 2,
      avg_amount_before_1h: 10,
      amount_to_avg_ratio: 1.5,
      is_burst: false,
      label_count_7d: 1,
      fraud_share_7d: 1,
    });
    expect(Object.keys(told)).toHaveLength(36);
  });

  test('counts each event once, and none that came too late', () => {
    const referee = new Referee(fraudDetection);
    for (const event of [pay('a', 1, NOW), pay('a', 1, NOW), pay('b', 2, NOW - 6_000), pay('c', 4, NOW - 4_000)]) {
      referee.take(transactions, event, NOW);
    }

    const row = { user_id: 'u', merchant_id: 'm' };

    expect(valuesOf(referee.expected(fraudDetection, row, () => NOW))).toMatchObject({
      tx_count_1min: 2,
      total_amount_1min: 5,
    });
  });

  test('leaves to backfill what arrives before a view is live, which history has', () => {
    const view = windowedView({
      name: 'live_later',
      version: 1,
      description: 'For tests.',
      owner: 'tests',
      entity: entity({ name: 'payer', description: 'Who pays.', joinKeys: ['user_id'] }),
      source: transactions,
      windows: { '1h': '1h' },
      features: { times: count() },
      ttl: '7d',
      liveFrom: new Date(NOW + HOUR).toISOString(),
    });
    const features = view.features.map((feature, index) => ({ ...feature, view, index }));
    const referee = new Referee({ views: [view] });
    const event = referee.take(transactions, pay('a', 1, NOW), NOW);

    const online = referee.expected({ features, derived: [] }, event.values, () => NOW);

    expect(valuesOf(online)).toEqual({ times_1h: 0 });
    expect(valuesOf(referee.expectedInHistory({ features, derived: [] }, event))).toEqual({ times_1h: 1 });
  });

  test('counts a decided event online in the views of its service alone', () => {
    const referee = new Referee(fraudDetection);
    const row = { user_id: 'u', merchant_id: 'm' };
    const decided = referee.take(transactions, pay('a', 1, NOW), NOW, []);

    expect(valuesOf(referee.expected(fraudDetection, row, () => NOW))).toMatchObject({ tx_count_1h: 0 });
    expect(valuesOf(referee.expectedInHistory(fraudDetection, decided))).toMatchObject({ tx_count_1h: 1 });
  });

  test('refuses an event that its source refuses, with the field', () => {
    const referee = new Referee(fraudDetection);
    expect(() => referee.take(transactions, { ...pay('a', 1, NOW), amount: 'much' }, NOW)).toThrow(/amount must be/);
  });

  test('lets a logarithm be off by its last bit', () => {
    const expected = { a: { value: 1.0986122886681096, aggregate: 'logarithm' } };
    expect(differences('u', expected, { a: 1.0986122886681098 })).toEqual([]);
    expect(differences('u', expected, { a: 1.0986122887 })).toHaveLength(1);
    expect(
      differences('u', { a: { value: 1.0986122886681096, aggregate: 'derived' } }, { a: 1.0986122886681098 }),
    ).toHaveLength(1);
  });

  test('finds values that differ and values that are missing, and lets quantiles be off by 1 %', () => {
    const expected = {
      a: { value: 1, aggregate: 'count' },
      b: { value: 2, aggregate: 'count' },
      c: { value: null, aggregate: 'mean' },
      d: { value: 100, aggregate: 'quantile' },
    };
    expect(differences('u', expected, { a: 1, b: 3, d: 100.9 })).toEqual([
      { subject: 'u', feature: 'b', expected: 2, actual: 3 },
      { subject: 'u', feature: 'c', expected: null, actual: undefined },
    ]);
  });
});

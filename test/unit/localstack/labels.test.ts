import { describe, expect, test } from 'vitest';
import { type Label, labelsOfTraffic } from '../../../localstack/labels.ts';
import { oracleOfDecision, oracleRisk } from '../../../localstack/oracle.ts';
import { playOf } from '../../../localstack/start/scene.ts';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import { labels as source } from '../../../shared/features/fraud.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 5, 2, 12, 34);
const scene = playOf({ events: 3_000, users: 40, seed: 1, prefix: '', nowMillis: NOW });

describe('labels of a day', () => {
  test('are events of their source, in the order in which they become known, and none is from the future', () => {
    for (const label of scene.labels) {
      expect(decodeEvent(source, label, NOW)).toMatchObject({ ok: true });
      expect(label.labelled_at).toBeLessThanOrEqual(NOW);
    }
    const instants = scene.labels.map(({ labelled_at }) => labelled_at);
    expect(instants).toEqual(instants.toSorted((left, right) => left - right));
  });

  test('say of some merchants what has stood for a day, frauds and honest ones, and of no transaction twice', () => {
    const standing = scene.labels.filter(({ labelled_at }) => labelled_at <= NOW - DAY);
    expect(new Set(standing.map(({ is_fraud }) => is_fraud))).toEqual(new Set([0, 1]));
    expect(new Set(scene.labels.map(({ transaction_id }) => transaction_id)).size).toBe(scene.labels.length);
  });

  test('are the same from the same seed', () => {
    expect(labelsOfTraffic(scene.deliveries, { seed: 1, nowMillis: NOW })).toEqual(scene.labels);
    expect(labelsOfTraffic(scene.deliveries, { seed: 2, nowMillis: NOW })).not.toEqual(scene.labels);
  });
});

describe('the oracle of merchants', () => {
  const label = (labelled_at: number, is_fraud: 0 | 1): Label => ({
    label_id: `${labelled_at}`,
    transaction_id: 't',
    user_id: 'u',
    merchant_id: 'm',
    is_fraud,
    labelled_at,
  });
  const hour = Math.floor(NOW / HOUR) * HOUR;

  test('counts a label when it has stood for a day, until its hour leaves the window', () => {
    const ofDay = [label(hour - DAY + HOUR, 1), label(hour - DAY, 1), label(hour - 3 * DAY, 0)];
    const leaving = [label(hour - 8 * DAY + HOUR, 0), label(hour - 8 * DAY, 1)];
    expect(oracleRisk([...ofDay, ...leaving], NOW)).toEqual({
      label_count_7d: 3,
      fraud_share_7d: 1 / 3,
      label_count_30d: 4,
      fraud_share_30d: 0.5,
    });
  });

  test('has nothing to say of nobody', () => {
    expect(oracleRisk([], NOW)).toMatchObject({ label_count_7d: 0, fraud_share_7d: null });
  });

  test('tells all of a decision, its own transaction included but where it is left out', () => {
    const at = (transaction_id: string, amount: number, timestamp: number) => ({
      transaction_id,
      user_id: 'u',
      merchant_id: 'm',
      amount,
      timestamp,
    });
    const decided = at('now', 30, NOW);
    const transactions = [at('before', 10, NOW - 1_000), decided, { ...at('other', 99, NOW), user_id: 'v' }];
    const told = oracleOfDecision(decided, { transactions, labels: [label(hour - 2 * DAY, 1)] });
    expect(told).toMatchObject({
      tx_count_1h: 2,
      avg_amount_before_1h: 10,
      amount_to_avg_ratio: 1.5,
      is_burst: false,
      label_count_7d: 1,
    });
    expect(Object.keys(told)).toHaveLength(36);
  });
});

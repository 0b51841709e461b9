import { describe, expect, test } from 'vitest';
import { labelsOfTraffic } from '../../../localstack/labels.ts';
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

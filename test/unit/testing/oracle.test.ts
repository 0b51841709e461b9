import { describe, expect, it } from 'vitest';
import { testStore } from '../../../functions/testing/index.ts';
import { Random } from '../../simulation/random.ts';
import { NaiveStore } from '../../support/naive-store.ts';
import { SCENES, stepsOf } from '../../support/store-play.ts';

const START_MILLIS = Date.UTC(2026, 0, 5, 12);

describe('testStore', () => {
  it.each(SCENES.map((scene) => [scene.name, scene] as const))(
    'of %s answers over 1,000 random events and instants what the naive oracle says',
    async (_name, scene) => {
      const store = testStore(scene.repository, { clock: START_MILLIS });
      const naive = new NaiveStore(scene);
      const differences: string[] = [];
      const outcomes = { applied: 0, duplicate: 0, late: 0 };
      const statuses = new Set<string>();
      const decisions = new Set<string>();
      for (const step of stepsOf(scene, new Random(7), 1_000, START_MILLIS)) {
        store.advanceTo(step.clockMillis);
        const found = await (async () => {
          switch (step.kind) {
            case 'send': {
              const sent = await store.send(step.source, step.events);
              for (const what of ['applied', 'duplicate', 'late'] as const) outcomes[what] += sent[what];
              naive.send(step.source, step.events, step.clockMillis);
              return [];
            }
            case 'decide': {
              const answer = await store.decide(step.service, step.event);
              statuses.add(answer.event_status);
              decisions.add(answer.decision);
              return naive.compareDecision(step.service, step.event, step.clockMillis, answer);
            }
            case 'features': {
              const answer = await store.features(step.service, step.entity, { at: step.atMillis });
              return naive.compareFeatures(step.service, step.entity, step.atMillis, answer);
            }
          }
        })();
        differences.push(...found.map((text) => `${JSON.stringify(step)}: ${text}`));
      }
      expect(differences.slice(0, 5)).toEqual([]);
      expect(naive.compared).toBeGreaterThan(550);
      // What is random has everything in it.
      for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(0);
      expect([...statuses]).toEqual(expect.arrayContaining(['applied', 'duplicate', 'late', 'skewed']));
      expect([...decisions]).toEqual(expect.arrayContaining(['approve', 'review']));
    },
  );
});

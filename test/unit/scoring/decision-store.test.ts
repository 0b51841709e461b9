import { beforeEach, describe, expect, it } from 'vitest';
import { fraudDetection } from '../../../shared/features/fraud.ts';
import { DEFAULT_CONFIGURATION, parseConfiguration } from '../../../shared/scoring/configuration.ts';
import { activate, activeConfiguration, rollBack } from '../../../shared/scoring/decision-store.ts';
import { MemoryObjectStore } from '../../support/memory-object-store.ts';

const reviewAbove = (review: number) => parseConfiguration({ thresholds: { review } }, fraudDetection);

describe('the configurations of a service', () => {
  let store: MemoryObjectStore;

  beforeEach(() => {
    store = new MemoryObjectStore();
  });

  it('begin with the default one', async () => {
    expect(await activeConfiguration(store, fraudDetection)).toEqual({
      version: 0,
      configuration: DEFAULT_CONFIGURATION,
    });
  });

  it('are numbered, and the newest one is active', async () => {
    for (let version = 1; version <= 6; version++) {
      expect(await activate(store, fraudDetection, reviewAbove(version / 10))).toBe(version);
    }
    expect(await activeConfiguration(store, fraudDetection)).toEqual({ version: 6, configuration: reviewAbove(0.6) });
  });

  it('are rolled back one by one, to a version, and to the default one', async () => {
    for (const review of [0.1, 0.2, 0.3]) await activate(store, fraudDetection, reviewAbove(review));
    expect(await rollBack(store, fraudDetection)).toEqual({ version: 2, configuration: reviewAbove(0.2) });
    expect(await rollBack(store, fraudDetection)).toEqual({ version: 1, configuration: reviewAbove(0.1) });
    expect((await rollBack(store, fraudDetection)).version).toBe(0);
    await expect(rollBack(store, fraudDetection)).rejects.toThrow(/nothing lies before the default/);
    expect((await rollBack(store, fraudDetection, 3)).version).toBe(3);
    await expect(rollBack(store, fraudDetection, 4)).rejects.toThrow(/no configuration 4/);
    // What comes after a roll back is new: it does not take the place of what was rolled back.
    expect(await activate(store, fraudDetection, reviewAbove(0.9))).toBe(4);
  });

  it('are not overwritten by two who write at once', async () => {
    const both = await Promise.allSettled(
      [0.1, 0.2].map((review) => activate(store, fraudDetection, reviewAbove(review))),
    );
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const kept = await activeConfiguration(store, fraudDetection);
    expect(kept).toEqual({ version: 1, configuration: reviewAbove(both[0]?.status === 'fulfilled' ? 0.1 : 0.2) });
  });

  it.each([
    ['no JSON', '{', /active\.json must be/],
    ['an unknown version', '{"version":9}', /no configuration 9/],
  ])('are refused when active.json is %s, and rolled back all the same', async (_, text, message) => {
    await activate(store, fraudDetection, reviewAbove(0.1));
    await store.put('configurations/fraud_detection@1/active.json', Buffer.from(text));
    await expect(activeConfiguration(store, fraudDetection)).rejects.toThrow(message);
    await rollBack(store, fraudDetection, 1);
    expect((await activeConfiguration(store, fraudDetection)).version).toBe(1);
  });

  it('are refused when they do not fit the service', async () => {
    await activate(store, fraudDetection, reviewAbove(0.1));
    await store.put('configurations/fraud_detection@1/000001.json', Buffer.from('{"rules":{"GONE":"off"}}'));
    await expect(activeConfiguration(store, fraudDetection)).rejects.toThrow(/no rule "GONE"/);
  });
});

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

  describe('by two operators at once', () => {
    /** A store whose next write of an object waits until it is let go. */
    function stalling(name: string) {
      let go = () => {};
      let reached = () => {};
      const waiting = new Promise<void>((resolve) => {
        reached = resolve;
      });
      const slow = new MemoryObjectStore(store.objects);
      const gate = new Promise<void>((resolve) => {
        go = resolve;
      });
      const wait = async (written: string) => {
        if (!written.endsWith(name)) return;
        reached();
        await gate;
      };
      slow.onPut = wait;
      return { slow, waiting, go };
    }
    const active = async () => (await activeConfiguration(store, fraudDetection)).version;
    const lost = (version: number, winner: number) =>
      new RegExp(
        `configuration ${version} is kept but not active, because somebody else made ${winner} active meanwhile; .*rollback --to ${version}`,
      );

    it.each([0, 2])('the newest stays active when an older one comes late, after %d others', async (others) => {
      for (let other = 0; other < others; other++) await activate(store, fraudDetection, reviewAbove(0.1));
      const { slow, waiting, go } = stalling('active.json');
      const late = activate(slow, fraudDetection, reviewAbove(0.2));
      await waiting;
      expect(await activate(store, fraudDetection, reviewAbove(0.3))).toBe(others + 2);
      go();
      await expect(late).rejects.toThrow(lost(others + 1, others + 2));
      expect(await active()).toBe(others + 2);
    });

    it('the newest becomes active also when an older one comes just before', async () => {
      const old = stalling('active.json');
      const late = activate(old.slow, fraudDetection, reviewAbove(0.2));
      await old.waiting;
      const { slow, waiting, go } = stalling('active.json');
      const newest = activate(slow, fraudDetection, reviewAbove(0.3));
      await waiting;
      old.go();
      expect(await late).toBe(1);
      go();
      expect(await newest).toBe(2);
      expect(await active()).toBe(2);
    });

    it('who rolls back is not undone by one who began before', async () => {
      for (const review of [0.1, 0.2]) await activate(store, fraudDetection, reviewAbove(review));
      const { slow, waiting, go } = stalling('active.json');
      const late = activate(slow, fraudDetection, reviewAbove(0.3));
      await waiting;
      await rollBack(store, fraudDetection);
      go();
      await expect(late).rejects.toThrow(lost(3, 1));
      expect(await active()).toBe(1);
      // The sentence says how it becomes active nevertheless.
      await rollBack(store, fraudDetection, 3);
      expect(await active()).toBe(3);
    });

    it('who rolls back learns that something else became active', async () => {
      for (const review of [0.1, 0.2]) await activate(store, fraudDetection, reviewAbove(review));
      const { slow, waiting, go } = stalling('active.json');
      const late = rollBack(slow, fraudDetection);
      await waiting;
      await activate(store, fraudDetection, reviewAbove(0.3));
      go();
      await expect(late).rejects.toThrow(/somebody else made configuration 3 active just now; .*roll back again/);
      expect(await active()).toBe(3);
    });

    it('who succeeded and did not learn it is not told that he lost', async () => {
      const deaf = new MemoryObjectStore(store.objects);
      const putNew = deaf.putNew.bind(deaf);
      deaf.putNew = async (name, content) => (await putNew(name, content)) && !name.endsWith('active.json');
      expect(await activate(deaf, fraudDetection, reviewAbove(0.1))).toBe(1);
    });
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

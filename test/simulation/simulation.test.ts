import { describe, expect, it } from 'vitest';
import { BREAKS } from './sabotage.ts';
import { runWorld } from './world.ts';

const SEEDS = 200;

describe('the simulated product', () => {
  it(`agrees with the naive oracle through faults of every kind, for ${SEEDS} seeds`, async () => {
    let [toldTotal, untoldTotal] = [0, 0];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { differences, compared, untold } = await runWorld(seed);
      expect(differences, `replay: npm run simulate -- --from ${seed} --seeds 1`).toEqual([]);
      toldTotal += compared;
      untoldTotal += untold;
    }
    // What cannot be told of repeated events is the exception.
    expect(untoldTotal).toBeLessThan(0.05 * toldTotal);
  });

  it.each(BREAKS)(`is found out when %s is broken, within ${SEEDS} seeds`, async (planted) => {
    let seed = 1;
    while (seed <= SEEDS && (await runWorld(seed, planted)).differences.length === 0) seed++;
    expect(seed).toBeLessThanOrEqual(SEEDS);
  });

  it('does the same again for the same seed', async () => {
    expect(await runWorld(7)).toEqual(await runWorld(7));
  });
});

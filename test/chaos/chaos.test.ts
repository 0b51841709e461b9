import { expect, it } from 'vitest';
import { complaintsOf, runChaos } from './chaos.ts';

it('answers every decision in time and truthfully, whatever is down, and counts each event once', async () => {
  const result = await runChaos(64);
  expect(complaintsOf(result)).toEqual([]);
  expect(result.counted).toBeGreaterThanOrEqual(result.phases.length * 64);
});

import { expect, it } from 'vitest';
import { complaintsOf, runChaos } from './chaos.ts';

it('answers every decision in time and truthfully, whatever is down, and counts each event once', async () => {
  // More than the product's deadline: other tests share the machine, and who is late for that is rightly called degraded.
  const result = await runChaos({ requestsPerPhase: 64, deadlineMillis: 2_000 });
  expect(complaintsOf(result)).toEqual([]);
  expect(result.counted).toBeGreaterThanOrEqual(result.phases.length * 64);
});

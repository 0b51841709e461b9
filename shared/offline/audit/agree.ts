import { LIMITS } from '../../limits.ts';
import type { FeatureValue } from '../../windows/aggregate.ts';

/** Five standard errors of a sample of distinct values: what a right answer exceeds once in two million times. */
const DISTINCT_TOLERANCE = 5 / Math.sqrt(LIMITS.distinctSampleSize);

/**
 * Whether a served value is the recomputed one. Both come from the same cells, quantiles too, so they are equal or they
 * are not; only distinct counts beyond the size up to which they are exact are estimates online.
 */
export function valuesAgree(
  aggregate: string | undefined,
  served: FeatureValue | undefined,
  recomputed: FeatureValue,
): boolean {
  if (served === recomputed) return true;
  if (aggregate !== 'distinct' || typeof served !== 'number' || typeof recomputed !== 'number') return false;
  if (recomputed <= 2 * LIMITS.distinctSampleSize) return false;
  return Math.abs(served - recomputed) <= DISTINCT_TOLERANCE * recomputed;
}

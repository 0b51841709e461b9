import type { Difference } from '../referee.ts';

const SHOWN_MAX = 5;

/** The run came to its end and proved that something is wrong. */
export class ProofFailedError extends Error {
  override readonly name = 'ProofFailedError';
}

/** @throws ProofFailedError with examples, when something differs or nothing was compared. */
export function requireEqual(found: readonly Difference[], comparedCount: number): void {
  if (found.length === 0 && comparedCount > 0) return;
  const examples = found
    .slice(0, SHOWN_MAX)
    .map(({ subject, feature, expected, actual }) => `  ${subject} ${feature} is ${actual}, and should be ${expected}`);
  throw new ProofFailedError(
    [`${found.length} of ${comparedCount} features differ from the oracle's:`, ...examples].join('\n'),
  );
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verifyHandbook } from './verify.ts';

const directory = process.env.HANDBOOK_DIRECTORY ?? '../shared/handbook';
const isPresent = existsSync(join(directory, 'transactions.parquet'));
if (!isPresent) {
  const reason = `There is no handbook data in ${directory}; set HANDBOOK_DIRECTORY to the folder that holds it.`;
  // Whoever names the folder wants the check to be made.
  if (process.env.HANDBOOK_DIRECTORY !== undefined) throw new Error(reason);
  console.warn(`Skipped: the comparison with the Fraud Detection Handbook. ${reason}`);
}

describe.skipIf(!isPresent)('the Fraud Detection Handbook', () => {
  it('publishes the features that the consumer and the read path compute', { timeout: 900_000 }, async () => {
    const { mismatches, ties, transactions, rows } = await verifyHandbook(directory);
    expect(Object.values(mismatches).every((count) => count === 0)).toBe(true);
    expect({ transactions, rows, ties }).toEqual({ transactions: 555_712, rows: 67_240, ties: 2 });
  });
});

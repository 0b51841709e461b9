import { describe, expect, it } from 'vitest';
import { whyNoTrino } from '../../localstack/trino.ts';
import { handbookDirectory } from './handbook-directory.ts';
import { type EngineName, verifyHandbook } from './verify.ts';

const directory = handbookDirectory('the comparison with the Fraud Detection Handbook');

const noTrino = await whyNoTrino();
if (noTrino !== undefined) console.warn(`Skipped: the handbook's features in Trino. ${noTrino}`);

describe.skipIf(directory === undefined)('the Fraud Detection Handbook', () => {
  async function expectPublished(engine: EngineName) {
    const { mismatches, ties, transactions, rows } = await verifyHandbook(directory ?? '', engine);
    expect(Object.values(mismatches).every((count) => count === 0)).toBe(true);
    expect({ transactions, rows, ties }).toEqual({ transactions: 555_712, rows: 67_240, ties: 2 });
  }

  it('publishes the features that the consumer and the read path compute', { timeout: 900_000 }, () =>
    expectPublished('stream'),
  );

  it('publishes the features that one sweep over history computes', { timeout: 120_000 }, () =>
    expectPublished('sweep'),
  );

  it('publishes the features that one query in DuckDB computes', { timeout: 120_000 }, () => expectPublished('duckdb'));

  it.skipIf(noTrino !== undefined)(
    'publishes the features that one query in Trino computes',
    { timeout: 600_000 },
    () => expectPublished('trino'),
  );
});

/** Sums, means and variances of any decimals and whole numbers, against the fractions of the oracle, to the last bit. */
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearestDouble } from '../../localstack/nearest-double.ts';
import { DUCKDB } from '../../shared/offline/sql/dialect.ts';
import { nearestQuotient } from '../../shared/windows/exact.ts';
import { answersOf, answersSql, expectedOf, vectorArbitrary } from '../support/number-vectors.ts';

const runs = Number(process.env.PROPERTY_RUNS ?? 300);
const SCALES = Array.from({ length: 16 }, (_, scale) => scale);

describe.each(SCALES)('numbers with %i digits behind the point', (scale) => {
  it('are added and divided to the nearest double', () => {
    fc.assert(
      fc.property(vectorArbitrary(scale), (vector) => {
        expect(answersOf(vector)).toEqual(expectedOf(vector));
      }),
      { numRuns: runs },
    );
  });

  it('are added and divided to the same double in DuckDB', async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const vectors = fc.array(vectorArbitrary(scale), { minLength: 100, maxLength: 100 });
    await fc.assert(
      fc.asyncProperty(vectors, async (chosen) => {
        const result = await connection.runAndReadAll(answersSql(DUCKDB, scale, chosen));
        expect(result.getRows()).toEqual(chosen.map(expectedOf));
      }),
      { numRuns: Math.ceil(runs / 100) },
    );
    connection.closeSync();
  });
});

it('a quotient is the nearest double, however large its operands', () => {
  const big = (bits: number) => fc.bigInt({ min: -(2n ** BigInt(bits)), max: 2n ** BigInt(bits) });
  const exact = (value: bigint) => (value < 2n ** 53n && value > -(2n ** 53n) ? Number(value) : value);
  const positive = fc.integer({ min: 1, max: 100 }).chain((bits) => fc.bigInt({ min: 1n, max: 2n ** BigInt(bits) }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 150 }).chain(big), positive, fc.nat(30), (value, divisor, scale) => {
      const expected = nearestDouble(value, divisor * 10n ** BigInt(scale));
      expect(nearestQuotient(exact(value), exact(divisor), scale)).toBe(expected);
    }),
    { numRuns: 30 * runs },
  );
});

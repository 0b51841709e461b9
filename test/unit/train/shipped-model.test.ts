import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { CHAMPION } from '../../../examples/train/models.ts';
import { SHIPPED_MODEL } from '../../../localstack/activate-model.ts';
import { repository } from '../../../shared/features/index.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { readModelPackage } from '../../../shared/scoring/package.ts';

const BYTES_MOST = 150 * 1024;

describe('the model that ships', () => {
  test('fits the features that are declared; a changed feature needs `npm run train -- --ship`', async () => {
    const bytes = await readFile(SHIPPED_MODEL);

    const model = readModelPackage(bytes, repository);

    expect(model.key).toBe(CHAMPION);
    // Bound to its inputs alone: what else is declared may change without it.
    const { packageVersion, definitions, inputs } = model.document;
    expect(packageVersion).toBe(2);
    expect(Object.keys(definitions)).toEqual(inputs.map(({ feature }) => feature));
    expect(bytes.length).toBeLessThan(Math.min(BYTES_MOST, LIMITS.modelPackageBytes));
  });

  test('tells a card that is tested from an everyday purchase', async () => {
    const model = readModelPackage(await readFile(SHIPPED_MODEL), repository);
    const windows = ['1min', '5min', '1h', '24h', '7d'];
    const of = (count: number, total: number, largest: number) =>
      Object.fromEntries(
        windows.flatMap((window) => [
          [`tx_count_${window}`, count],
          [`total_amount_${window}`, total],
          [`avg_amount_${window}`, total / count],
          [`max_amount_${window}`, largest],
          [`distinct_merchants_${window}`, Math.min(count, 2)],
        ]),
      );
    const everyday = { amount: 25, ...of(1, 25, 25), amount_to_avg_ratio: 1, is_burst: false };
    const tested = { amount: 450, ...of(5, 460, 450), amount_to_avg_ratio: 450 / 92, is_burst: true };

    const scores = [everyday, tested].map((row) => model.score(model.vector(row)));

    const { review = 1 } = model.document.thresholds;
    expect(scores[0]).toBeLessThan(review);
    expect(scores[1]).toBeGreaterThan(review);
  });
});

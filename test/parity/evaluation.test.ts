/** Measures of an evaluation against scikit-learn's, live. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { calibration, curves, quality, ranking } from '../../cli/evaluation/measures.ts';
import { type ScoredRow, scoredRows } from '../../cli/evaluation/scored-rows.ts';
import { PythonUnavailableError, preparePython } from '../../examples/python-environment.ts';
import { Random } from '../simulation/random.ts';

const MODEL = 'model@1';
const Pairs = z.array(z.tuple([z.number(), z.number()]));
const Measured = z.strictObject({
  aucRoc: z.number(),
  averagePrecision: z.number(),
  brier: z.number(),
  roc: Pairs,
  precisionRecall: Pairs,
  calibration: Pairs,
});

const python = await preparePython(
  join(import.meta.dirname, '../../.local/parity/python'),
  join(import.meta.dirname, 'requirements.txt'),
).catch((error: unknown) => {
  if (!(error instanceof PythonUnavailableError)) throw error;
  console.warn(`Measures were not compared with scikit-learn: it ${error.message}`);
  return undefined;
});

/** 5,000 rows of which few are frauds, many with the very same score. */
function rows(): ScoredRow[] {
  const random = new Random(5);
  return Array.from({ length: 5_000 }, (_, index) => {
    const isFraud = random.chance(0.03);
    const score = isFraud ? random.next() ** 0.5 : random.next() ** 4;
    const scores = { [MODEL]: random.chance(0.3) ? Math.round(score * 20) / 20 : score };
    return { card: `card-${index % 900}`, timeMillis: index * 60_000, amount: 10, isFraud, scores };
  });
}

describe.skipIf(python === undefined)('measures', () => {
  it('are those of scikit-learn', () => {
    const scored = rows();
    const columns = scoredRows(scored, [MODEL]);
    const ranked = ranking(columns, columns.scores.get(MODEL) ?? new Float64Array());
    const input = { isFraud: [...columns.isFraud], scores: [...ranked.scores] };
    const output = execFileSync(python ?? '', [join(import.meta.dirname, 'evaluation.py')], {
      input: JSON.stringify(input),
      encoding: 'utf8',
    });
    const expected = Measured.parse(JSON.parse(output));

    const { aucRoc, averagePrecision, brier } = quality(ranked, 100);
    const { roc, precisionRecall } = curves(ranked);
    const ours = {
      aucRoc,
      averagePrecision,
      brier,
      roc: roc.map(({ falsePositiveRate, truePositiveRate }) => [falsePositiveRate, truePositiveRate]),
      precisionRecall: precisionRecall
        .map(({ recall, precision }) => [recall, precision])
        // scikit-learn ends its curve where every fraud is found.
        .slice(0, expected.precisionRecall.length),
      calibration: calibration(ranked).map(({ meanScore, fraudShare }) => [meanScore, fraudShare]),
    };

    expect(rounded(ours)).toEqual(rounded(expected));
  });
});

/** Sums in another order differ in their last digits. */
function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_key, member: unknown) =>
    typeof member === 'number' ? Number(member.toPrecision(10)) : member,
  );
}

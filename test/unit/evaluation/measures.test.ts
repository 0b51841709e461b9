import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bootstrapImprovements } from '../../../cli/evaluation/bootstrap.ts';
import { evaluate } from '../../../cli/evaluation/evaluate.ts';
import {
  calibration,
  cardPrecision,
  cheapest,
  costAt,
  costCurve,
  equalWeights,
  quality,
  ranking,
} from '../../../cli/evaluation/measures.ts';
import { htmlEvaluation } from '../../../cli/evaluation/report.ts';
import { type ScoredRow, scoredRows } from '../../../cli/evaluation/scored-rows.ts';

const DAY_MILLIS = 86_400_000;
const MODEL = 'trees@1';

function row(card: string, day: number, score: number, isFraud: boolean, amount = 10): ScoredRow {
  return { card, timeMillis: day * DAY_MILLIS, amount, isFraud, scores: { [MODEL]: score } };
}

function ranked(rows: readonly ScoredRow[], model = MODEL) {
  const columns = scoredRows(rows, [model]);
  return ranking(columns, columns.scores.get(model) ?? new Float64Array());
}

/** Few different scores, so that many are equal. */
const anyRows = fc
  .array(
    fc.record({
      card: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      day: fc.integer({ min: 0, max: 3 }),
      tenths: fc.integer({ min: 0, max: 10 }),
      isFraud: fc.boolean(),
      amount: fc.integer({ min: 1, max: 100 }),
    }),
    { minLength: 2, maxLength: 40 },
  )
  .map((rows) => rows.map(({ card, day, tenths, isFraud, amount }) => row(card, day, tenths / 10, isFraud, amount)))
  .filter((rows) => new Set(rows.map(({ isFraud }) => isFraud)).size === 2);

const scoreOf = ({ scores }: ScoredRow) => scores[MODEL] ?? Number.NaN;

/** The chance that a fraud scores higher than an honest transaction, by asking every pair. */
function pairwiseAuc(rows: readonly ScoredRow[]): number {
  const pairs = rows
    .filter(({ isFraud }) => isFraud)
    .flatMap((fraud) => rows.filter(({ isFraud }) => !isFraud).map((honest) => scoreOf(fraud) - scoreOf(honest)));
  return pairs.reduce((sum, difference) => sum + (Math.sign(difference) + 1) / 2, 0) / pairs.length;
}

/** Mean over the frauds of the precision at their scores. */
function naiveAveragePrecision(rows: readonly ScoredRow[]): number {
  const frauds = rows.filter(({ isFraud }) => isFraud);
  const precisions = frauds.map((fraud) => {
    const above = rows.filter((other) => scoreOf(other) >= scoreOf(fraud));
    return above.filter(({ isFraud }) => isFraud).length / above.length;
  });
  return precisions.reduce((sum, one) => sum + one, 0) / frauds.length;
}

describe('measures of scores', () => {
  test('agree with their definitions on any rows', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const { aucRoc, averagePrecision, brier } = quality(ranked(rows), 2);
        const naiveBrier =
          rows.reduce((sum, each) => sum + (scoreOf(each) - Number(each.isFraud)) ** 2, 0) / rows.length;

        expect(aucRoc).toBeCloseTo(pairwiseAuc(rows), 12);
        expect(averagePrecision).toBeCloseTo(naiveAveragePrecision(rows), 12);
        expect(brier).toBeCloseTo(naiveBrier, 12);
      }),
    );
  });

  test('count a card that was drawn twice as two rows', () => {
    fc.assert(
      fc.property(anyRows, fc.constantFrom('a', 'b', 'c', 'd', 'e'), (rows, drawnTwice) => {
        const columns = scoredRows(rows, [MODEL]);
        const names = [...new Set(rows.map(({ card }) => card))].sort();
        const weights = Float64Array.from(names, (name) => (name === drawnTwice ? 2 : 1));
        const doubled = rows.flatMap((each) => (each.card === drawnTwice ? [each, each] : [each]));

        const weighed = quality(ranking(columns, columns.scores.get(MODEL) ?? new Float64Array()), 2, weights);
        const repeated = quality(ranked(doubled), 2);

        expect(weighed.aucRoc).toBeCloseTo(repeated.aucRoc, 12);
        expect(weighed.averagePrecision).toBeCloseTo(repeated.averagePrecision, 12);
        expect(weighed.brier).toBeCloseTo(repeated.brier, 12);
      }),
    );
  });

  test('card precision takes the highest score of a card and day, and never a blocked card again', () => {
    const rows = [
      row('stolen', 0, 0.9, true),
      row('stolen', 0, 0.1, false),
      row('honest', 0, 0.8, false),
      row('unseen', 0, 0.2, true),
      // On the second day the stolen card is blocked, so two others are checked.
      row('stolen', 1, 1, true),
      row('honest', 1, 0.7, false),
      row('unseen', 1, 0.6, true),
    ];
    const candidate = ranked(rows);

    expect(cardPrecision(candidate, 2, equalWeights(candidate.rows))).toBe((1 / 2 + 1 / 2) / 2);
    // Days on which there are fewer cards than could be checked count in full.
    expect(cardPrecision(candidate, 10, equalWeights(candidate.rows))).toBe(2 / 10 / 2);
  });

  test('the cheapest threshold costs what refusing everything above it costs, and nothing costs less', () => {
    fc.assert(
      fc.property(anyRows, fc.integer({ min: 0, max: 50 }), (rows, falseAlarmCost) => {
        const candidate = ranked(rows);
        const best = cheapest(costCurve(candidate, falseAlarmCost));
        const everyCost = Array.from({ length: 22 }, (_, index) => (index - 1) / 20).map(
          (threshold) => costAt(candidate, threshold, falseAlarmCost).cost,
        );

        // Scores of zero cannot be refused by a threshold that is a probability; the last point stands for it.
        const atThreshold = costAt(candidate, best.threshold === 0 ? -1 : best.threshold, falseAlarmCost);
        expect([atThreshold.cost, Math.min(...everyCost)]).toEqual([best.cost, best.cost]);
      }),
    );
  });

  test('calibration bins hold every row once', () => {
    const rows = [row('a', 0, 0, false), row('a', 0, 0.05, true), row('a', 0, 0.95, true), row('a', 0, 1, true)];

    expect(calibration(ranked(rows))).toEqual([
      { upTo: 0.1, meanScore: 0.025, fraudShare: 0.5, rows: 2, frauds: 1 },
      { upTo: 1, meanScore: 0.975, fraudShare: 1, rows: 2, frauds: 2 },
    ]);
  });
});

const RIVAL = '<b>rival</b>@1';

/** 200 cards, one in ten compromised. The first model knows better than the second, whose scores are mixed with noise. */
function twoModels(noise: number): ScoredRow[] {
  return Array.from({ length: 600 }, (_, index) => {
    const isFraud = index % 10 === 0;
    const wave = (Math.sin(index * 12.9898) + 1) / 2;
    const signal = isFraud ? 0.35 + 0.6 * wave : 0.55 * wave;
    const other = (Math.sin(index * 78.233) + 1) / 2;
    return {
      ...row(`card-${index % 200}`, index % 7, signal, isFraud),
      scores: { [MODEL]: signal, [RIVAL]: (1 - noise) * signal + noise * other },
    };
  });
}

describe('an evaluation of two models', () => {
  const settings = {
    names: { label: 'is_fraud', card: 'user_id', amount: 'amount' },
    champion: MODEL,
    cardsChecked: 10,
    falseAlarmCost: 3,
    thresholds: { [MODEL]: 0.5 },
    bootstrapDraws: 200,
    seed: 1,
  };

  test('finds the difference of a model that is worse, the same at each run', () => {
    const rows = scoredRows(twoModels(0.8), [MODEL, RIVAL]);

    const [first, second] = [evaluate(rows, settings), evaluate(rows, settings)];
    const improvements = first.models[1]?.improvements;

    expect(second).toEqual(first);
    expect(improvements?.averagePrecision.high).toBeLessThan(0);
    expect(improvements?.aucRoc.high).toBeLessThan(0);
  });

  test('finds none between a model and itself', () => {
    const rows = scoredRows(twoModels(0), [MODEL, RIVAL]);
    const scores = rows.scores.get(MODEL) ?? new Float64Array();
    const champion = ranking(rows, scores);

    const [improvements] = bootstrapImprovements({
      champion,
      challengers: [champion],
      cardsChecked: 10,
      draws: 20,
      seed: 3,
    });

    expect(Object.values(improvements ?? {})).toEqual(Array.from({ length: 4 }, () => ({ low: 0, high: 0 })));
  });

  test('improves by a positive number where the challenger is better, by Brier too', () => {
    const rows = scoredRows(twoModels(0.8), [MODEL, RIVAL]);

    const improvements = evaluate(rows, { ...settings, champion: RIVAL, thresholds: {} }).models[1]?.improvements;

    const lows = ['aucRoc', 'averagePrecision', 'brier'].map((name) => improvements?.[name as 'brier'].low ?? 0);
    expect(lows.every((low) => low > 0)).toBe(true);
  });

  test('without cards draws rows, and has no card precision', () => {
    const rows = twoModels(0.8).map((each) => ({ ...each, card: undefined }));

    const { cards, models } = evaluate(scoredRows(rows, [MODEL, RIVAL]), settings);

    expect(cards).toBe(0);
    expect(models[0]?.quality.cardPrecision).toBeNaN();
    expect(models[1]?.improvements?.cardPrecision).toEqual({ low: Number.NaN, high: Number.NaN });
    expect(models[1]?.improvements?.aucRoc.high).toBeLessThan(0);
  });

  test('becomes a page with four charts, in which names of models are text', async () => {
    const made = {
      madeAt: '2026-06-30T00:00:00.000Z',
      commandLine: 'feature-store evaluate',
      inputs: [],
      notes: ['a <note>'],
    };
    const page = await htmlEvaluation(evaluate(scoredRows(twoModels(0.8), [MODEL, RIVAL]), settings), made);

    const charts = page.match(/<svg[\s\S]*?<\/svg>/g) ?? [];
    expect(charts).toHaveLength(4);
    for (const chart of charts) expect(chart).toMatch(/^<svg(?![^>]* width=)[^>]* viewBox="0 0 \d+ \d+"/);
    expect(page).toContain(
      '&lt;b&gt;rival&lt;/b&gt;@1 against trees@1: worse by AUC ROC, average precision, card precision@10, Brier.',
    );
    expect(page).toContain('<li>a &lt;note&gt;</li>');
    expect(page.match(/<b>|<note>|<script|NaN|undefined/g)).toBeNull();
  });
});

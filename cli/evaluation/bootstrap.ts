/**
 * Is a difference between two models more than luck? Cards are drawn with replacement, again and again, and both models
 * are measured on each draw. Cards and not rows, because the rows of one card are frauds together; rows where there are no
 * cards.
 */
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { quantileSorted } from 'simple-statistics';
import { type CardWeights, type Quality, quality, type Ranking } from './measures.ts';

/** Of what a challenger is better by than the champion: 95 % of the draws lie between. Negative: it is worse. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Of cards NaN where there are none. */
export type Improvements = Readonly<Record<keyof Quality, Interval>>;

const OUTSIDE = 0.05;
const MEASURES = ['aucRoc', 'averagePrecision', 'brier', 'cardPrecision'] as const satisfies readonly (keyof Quality)[];

/** For every challenger on the same draws. */
export function bootstrapImprovements(options: {
  readonly champion: Ranking;
  readonly challengers: readonly Ranking[];
  readonly cardsChecked: number;
  readonly draws: number;
  readonly seed: number;
}): Improvements[] {
  const { champion, challengers, cardsChecked, draws, seed } = options;
  const generator = xoroshiro128plus(seed);
  const { cardCount } = champion.rows;
  const found = challengers.map(() => ({ aucRoc: [], averagePrecision: [], brier: [], cardPrecision: [] }) as Samples);
  for (let draw = 0; draw < draws; draw++) {
    const weights: CardWeights = new Float64Array(cardCount);
    for (let drawn = 0; drawn < cardCount; drawn++) {
      const card = uniformInt(generator, 0, cardCount - 1);
      weights[card] = (weights[card] ?? 0) + 1;
    }
    const ofChampion = quality(champion, cardsChecked, weights);
    for (const [index, challenger] of challengers.entries()) {
      const ofChallenger = quality(challenger, cardsChecked, weights);
      for (const measure of MEASURES) {
        const gain = ofChallenger[measure] - ofChampion[measure];
        // A lower distance from what happened is better.
        found[index]?.[measure].push(measure === 'brier' ? -gain : gain);
      }
    }
  }
  return found.map((samples) => ({
    aucRoc: interval(samples.aucRoc),
    averagePrecision: interval(samples.averagePrecision),
    brier: interval(samples.brier),
    cardPrecision: interval(samples.cardPrecision),
  }));
}

type Samples = Record<keyof Quality, number[]>;

/** A draw without any fraud has no rank quality, and does not count. */
function interval(samples: readonly number[]): Interval {
  const sorted = samples.filter((sample) => !Number.isNaN(sample)).sort((left, right) => left - right);
  if (sorted.length === 0) return { low: Number.NaN, high: Number.NaN };
  return { low: quantileSorted(sorted, OUTSIDE / 2), high: quantileSorted(sorted, 1 - OUTSIDE / 2) };
}

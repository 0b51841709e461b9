/**
 * How good a model's scores are, against what became of the transactions.
 *
 * 1. `ranking` sorts once: rows by falling score, and for each day its cards by their highest score.
 * 2. Measures walk along a ranking with a weight for each card, which is 1, or how often a bootstrap drew it: so a thousand
 *    resamples need no further sort.
 *
 * Definitions are those of scikit-learn (`roc_auc_score`, `average_precision_score`, `brier_score_loss`,
 * `calibration_curve`), and of the Fraud Detection Handbook for card precision.
 */
import type { ScoredRows } from './scored-rows.ts';

export interface Ranking {
  readonly rows: ScoredRows;
  readonly scores: Float64Array;
  /** Rows by falling score. */
  readonly order: Uint32Array;
  /** Of each day, in order of days: its cards by falling score; equal scores in the order of cards. */
  readonly cardsByDay: readonly (readonly RankedCard[])[];
}

interface RankedCard {
  readonly card: number;
  readonly score: number;
  readonly isCompromised: boolean;
}

/** How often each card counts. */
export type CardWeights = Float64Array;

export function equalWeights({ cardCount }: ScoredRows): CardWeights {
  return new Float64Array(cardCount).fill(1);
}

export function ranking(rows: ScoredRows, scores: Float64Array): Ranking {
  const order = Uint32Array.from(scores, (_, row) => row).sort((left, right) => at(scores, right) - at(scores, left));
  return { rows, scores, order, cardsByDay: rows.hasCards ? rankCards(rows, scores) : [] };
}

function rankCards({ days, cards, isFraud }: ScoredRows, scores: Float64Array): RankedCard[][] {
  const byDay = new Map<number, Map<number, RankedCard>>();
  for (const [row, score] of scores.entries()) {
    const [day, card] = [at(days, row), at(cards, row)];
    const ofDay = byDay.get(day) ?? new Map<number, RankedCard>();
    byDay.set(day, ofDay);
    const known = ofDay.get(card);
    ofDay.set(card, {
      card,
      score: Math.max(score, known?.score ?? 0),
      isCompromised: at(isFraud, row) === 1 || known?.isCompromised === true,
    });
  }
  return [...byDay]
    .sort(([left], [right]) => left - right)
    .map(([, ofDay]) => [...ofDay.values()].sort((left, right) => right.score - left.score || left.card - right.card));
}

/** What holds when everything above a score counts as fraud. Rows are weighed. */
export interface OperatingPoint {
  /** The lowest score above it; rows with this very score are in. */
  readonly score: number;
  readonly caught: number;
  readonly falseAlarms: number;
  readonly caughtAmount: number;
}

/** Operating points from none to all, one for each score that occurs. */
function* operatingPoints({ rows, scores, order }: Ranking, weights: CardWeights): Generator<OperatingPoint> {
  const { isFraud, cards, amounts } = rows;
  let [caught, falseAlarms, caughtAmount] = [0, 0, 0];
  for (let place = 0; place < order.length; place++) {
    const row = at(order, place);
    const weight = at(weights, at(cards, row));
    if (at(isFraud, row) === 1) {
      caught += weight;
      caughtAmount += weight * at(amounts, row);
    } else {
      falseAlarms += weight;
    }
    const score = at(scores, row);
    if (place + 1 === order.length || at(scores, at(order, place + 1)) !== score) {
      yield { score, caught, falseAlarms, caughtAmount };
    }
  }
}

export interface Quality {
  readonly aucRoc: number;
  readonly averagePrecision: number;
  readonly brier: number;
  /** NaN without cards. */
  readonly cardPrecision: number;
}

/** @param cardsChecked cards that are looked into on one day. */
export function quality(ranked: Ranking, cardsChecked: number, weights = equalWeights(ranked.rows)): Quality {
  return {
    ...rankQuality(ranked, weights),
    brier: brierScore(ranked, weights),
    cardPrecision: cardPrecision(ranked, cardsChecked, weights),
  };
}

/** Walks without making objects: this is what a bootstrap repeats. */
function rankQuality({ rows, scores, order }: Ranking, weights: CardWeights) {
  const { isFraud, cards } = rows;
  let [caught, falseAlarms, area, precisions] = [0, 0, 0, 0];
  let [groupFrauds, groupHonest] = [0, 0];
  for (let place = 0; place < order.length; place++) {
    const row = at(order, place);
    const weight = at(weights, at(cards, row));
    if (at(isFraud, row) === 1) groupFrauds += weight;
    else groupHonest += weight;
    if (place + 1 < order.length && at(scores, at(order, place + 1)) === at(scores, row)) continue;
    // Rows of equal score are one step: a diagonal of the ROC curve, one point of precision and recall.
    area += groupHonest * (caught + groupFrauds / 2);
    caught += groupFrauds;
    falseAlarms += groupHonest;
    if (groupFrauds > 0) precisions += (groupFrauds * caught) / (caught + falseAlarms);
    [groupFrauds, groupHonest] = [0, 0];
  }
  return { aucRoc: area / (caught * falseAlarms), averagePrecision: precisions / caught };
}

/** Mean squared distance of the score from what happened. */
function brierScore({ rows, scores }: Ranking, weights: CardWeights): number {
  const { isFraud, cards } = rows;
  let [sum, total] = [0, 0];
  for (let row = 0; row < scores.length; row++) {
    const weight = at(weights, at(cards, row));
    sum += weight * (at(scores, row) - at(isFraud, row)) ** 2;
    total += weight;
  }
  return sum / total;
}

/**
 * Share of compromised cards among those that are checked, mean over days. A compromised card that was checked is blocked,
 * and not ranked again.
 */
export function cardPrecision({ cardsByDay }: Ranking, cardsChecked: number, weights: CardWeights): number {
  const blocked = new Set<number>();
  let precisions = 0;
  for (const cards of cardsByDay) {
    let [checked, found] = [0, 0];
    const foundCards: number[] = [];
    for (const { card, isCompromised } of cards) {
      if (checked >= cardsChecked) break;
      if (blocked.has(card)) continue;
      const taken = Math.min(at(weights, card), cardsChecked - checked);
      checked += taken;
      if (isCompromised && taken > 0) {
        found += taken;
        foundCards.push(card);
      }
    }
    for (const card of foundCards) blocked.add(card);
    precisions += found / cardsChecked;
  }
  return precisions / cardsByDay.length;
}

export interface RocPoint {
  readonly falsePositiveRate: number;
  readonly truePositiveRate: number;
}

export interface PrecisionRecallPoint {
  readonly recall: number;
  readonly precision: number;
}

export interface Curves {
  readonly roc: readonly RocPoint[];
  readonly precisionRecall: readonly PrecisionRecallPoint[];
}

export function curves(ranked: Ranking): Curves {
  const points = [...operatingPoints(ranked, equalWeights(ranked.rows))];
  const all = points.at(-1) ?? { caught: 0, falseAlarms: 0 };
  const roc = points.map(({ caught, falseAlarms }) => ({
    falsePositiveRate: falseAlarms / all.falseAlarms,
    truePositiveRate: caught / all.caught,
  }));
  const precisionRecall = points.map(({ caught, falseAlarms }) => ({
    recall: caught / all.caught,
    precision: caught / (caught + falseAlarms),
  }));
  return { roc: [{ falsePositiveRate: 0, truePositiveRate: 0 }, ...roc], precisionRecall };
}

export interface CalibrationBin {
  /** Its highest score, inside. */
  readonly upTo: number;
  readonly meanScore: number;
  readonly fraudShare: number;
  readonly rows: number;
  readonly frauds: number;
}

/** Bins of equal width, their upper bounds inside; those without rows are left out. */
export function calibration({ rows, scores }: Ranking, binCount = 10): CalibrationBin[] {
  const bins = Array.from({ length: binCount }, (_, index) => ({
    upTo: (index + 1) / binCount,
    scores: 0,
    frauds: 0,
    rows: 0,
  }));
  for (const [row, score] of scores.entries()) {
    const bin = bins.find(({ upTo }) => score <= upTo);
    if (bin === undefined) throw new RangeError(`a score is ${score} and no probability`);
    bin.scores += score;
    bin.frauds += at(rows.isFraud, row);
    bin.rows++;
  }
  return bins
    .filter((bin) => bin.rows > 0)
    .map(({ scores: sum, ...bin }) => ({ ...bin, meanScore: sum / bin.rows, fraudShare: bin.frauds / bin.rows }));
}

/** What it costs to refuse everything above a threshold: a missed fraud its amount, a false alarm the same always. */
export interface ThresholdCost {
  readonly threshold: number;
  readonly cost: number;
  readonly missedFrauds: number;
  readonly falseAlarms: number;
}

/** From refusing nothing (threshold 1) down; one point for each score that occurs. A score equal to a threshold is below it. */
export function costCurve(ranked: Ranking, falseAlarmCost: number): ThresholdCost[] {
  const points = [...operatingPoints(ranked, equalWeights(ranked.rows))];
  const all = points.at(-1) ?? { caught: 0, caughtAmount: 0 };
  const none = { score: 1, caught: 0, falseAlarms: 0, caughtAmount: 0 };
  return [none, ...points].map((point, index, every) => {
    const next = every[index + 1]?.score ?? 0;
    return {
      // Midway to the next score, so that the least change of a score does not cross it.
      threshold: index === 0 ? (1 + next) / 2 : (point.score + next) / 2,
      cost: all.caughtAmount - point.caughtAmount + falseAlarmCost * point.falseAlarms,
      missedFrauds: all.caught - point.caught,
      falseAlarms: point.falseAlarms,
    };
  });
}

export function cheapest(costs: readonly ThresholdCost[]): ThresholdCost {
  return costs.reduce((best, next) => (next.cost < best.cost ? next : best));
}

/** The cost at a threshold that was chosen elsewhere. */
export function costAt({ rows, scores }: Ranking, threshold: number, falseAlarmCost: number): ThresholdCost {
  let [cost, missedFrauds, falseAlarms] = [0, 0, 0];
  for (const [row, score] of scores.entries()) {
    const isRefused = score > threshold;
    if (at(rows.isFraud, row) === 1 && !isRefused) {
      cost += at(rows.amounts, row);
      missedFrauds++;
    } else if (at(rows.isFraud, row) === 0 && isRefused) {
      cost += falseAlarmCost;
      falseAlarms++;
    }
  }
  return { threshold, cost, missedFrauds, falseAlarms };
}

type Numbers = Float64Array | Uint8Array | Uint32Array | Int32Array;

/** An element that is there: columns are of one length. */
function at(values: Numbers, index: number): number {
  return values[index] ?? Number.NaN;
}

import { bootstrapImprovements, type Improvements } from './bootstrap.ts';
import {
  type CalibrationBin,
  type Curves,
  calibration,
  cheapest,
  costAt,
  costCurve,
  curves,
  type Quality,
  quality,
  ranking,
  type ThresholdCost,
} from './measures.ts';
import type { ScoredRows } from './scored-rows.ts';

/** What the columns are called that were read. */
export interface EvaluationNames {
  /** Of the outcome. */
  readonly label: string;
  readonly card: string | undefined;
  readonly amount: string | undefined;
}

export interface EvaluationSettings {
  readonly names: EvaluationNames;
  readonly champion: string;
  /** Cards that are looked into on one day. */
  readonly cardsChecked: number;
  /** In the currency of the amounts; without amounts, in missed frauds. */
  readonly falseAlarmCost: number;
  /** By key of the model: thresholds that were chosen before, whose cost is wanted. */
  readonly thresholds: Readonly<Record<string, number>>;
  readonly bootstrapDraws: number;
  readonly seed: number;
}

export interface ModelEvaluation {
  readonly key: string;
  readonly quality: Quality;
  /** By how much it is better than the champion; `undefined` of the champion. */
  readonly improvements: Improvements | undefined;
  readonly curves: Curves;
  readonly calibration: readonly CalibrationBin[];
  readonly costs: readonly ThresholdCost[];
  /** In hindsight. */
  readonly cheapest: ThresholdCost;
  /** At the threshold that was chosen before. */
  readonly chosen: ThresholdCost | undefined;
}

export interface Evaluation {
  readonly settings: EvaluationSettings;
  readonly rows: number;
  readonly frauds: number;
  /** 0 without cards. */
  readonly cards: number;
  readonly days: number;
  /** What letting everything through would have cost. */
  readonly fraudAmount: number;
  /** The champion first. */
  readonly models: readonly ModelEvaluation[];
}

/** Measures all models on the same rows. */
export function evaluate(rows: ScoredRows, settings: EvaluationSettings): Evaluation {
  const { champion, cardsChecked, falseAlarmCost, thresholds } = settings;
  const keys = [champion, ...[...rows.scores.keys()].filter((key) => key !== champion)];
  const rankings = keys.map((key) => ranking(rows, scoresOf(rows, key)));
  const [ofChampion, ...challengers] = rankings;
  if (ofChampion === undefined) throw new RangeError('there is always a champion');
  const improvements = bootstrapImprovements({
    champion: ofChampion,
    challengers,
    cardsChecked,
    draws: settings.bootstrapDraws,
    seed: settings.seed,
  });
  const models = rankings.map((ranked, index) => {
    const key = keys[index] ?? '';
    const costs = costCurve(ranked, falseAlarmCost);
    const threshold = thresholds[key];
    return {
      key,
      quality: quality(ranked, cardsChecked),
      improvements: improvements[index - 1],
      curves: curves(ranked),
      calibration: calibration(ranked),
      costs,
      cheapest: cheapest(costs),
      chosen: threshold === undefined ? undefined : costAt(ranked, threshold, falseAlarmCost),
    };
  });
  return {
    settings,
    rows: rows.isFraud.length,
    frauds: rows.isFraud.reduce((sum, one) => sum + one, 0),
    cards: rows.hasCards ? rows.cardCount : 0,
    days: new Set(rows.days).size,
    fraudAmount: rows.amounts.reduce((sum, amount, row) => (rows.isFraud[row] === 1 ? sum + amount : sum), 0),
    models,
  };
}

function scoresOf({ scores }: ScoredRows, key: string): Float64Array {
  const found = scores.get(key);
  if (found === undefined) throw new RangeError(`there are no scores of ${key}`);
  return found;
}

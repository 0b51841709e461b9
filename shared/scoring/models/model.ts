/**
 * A trained model: from a vector of numbers to the probability of fraud, and to what each number had to do with it.
 *
 * Contract (every adapter keeps it):
 * 1. A row has `inputCount` finite numbers in the order of the model's training; NaN is a missing value. A row of another
 *    length is a `RangeError`: a defect of the caller.
 * 2. `score` is what the library that trained the model answers for that row, within 1e-6.
 * 3. `base + sum(values)` of `contributions` is `margin`, within 1e-9, or for XGBoost, which computes in float32, within
 *    1e-5 times the largest margin if that is above 1.
 * 4. Calls do not change the model's answers. Only one runs at a time: models keep their working memory.
 */
export const MODEL_FORMATS = ['xgboost-json', 'lightgbm-text', 'logistic-regression', 'sklearn-trees'] as const;
export type ModelFormat = (typeof MODEL_FORMATS)[number];

/** Why a score is what it is, in the space of the margin. */
export interface Contributions {
  /** The margin that is expected of a row of which nothing is known. */
  readonly base: number;
  /** By how much each input moved the margin away from the base, in the order of the row. */
  readonly values: Float64Array;
}

export interface Model {
  readonly format: ModelFormat;
  /** Names of the inputs as the file has them. */
  readonly inputNames: readonly string[] | undefined;
  readonly inputCount: number;
  /** Whether NaN may stand in a row. Where it may not, such a row's score is NaN. */
  readonly acceptsMissing: boolean;
  /** What margins are: log-odds (of LightGBM with another sigmoid than 1, divided by it), or a probability. */
  readonly marginSpace: 'log-odds' | 'probability';
  /** Probability of fraud, 0 to 1. */
  score(row: Float64Array): number;
  /** The score before it became a probability. */
  margin(row: Float64Array): number;
  contributions(row: Float64Array): Contributions;
}

/** Thrown when a model's file cannot be used. The message says where it is wrong and what to do. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
}

/** @throws RangeError when a row has another length than the model was trained with. */
export function requireInputs(row: Float64Array, inputCount: number): void {
  if (row.length !== inputCount) {
    throw new RangeError(`the model takes ${inputCount} inputs, and the row has ${row.length}`);
  }
}

import { type Forest, sumLeaves, sumLeavesFloat32 } from './forest.ts';
import type { Model, ModelFormat } from './model.ts';
import { TreeExplainer } from './tree-shap.ts';

/** The logistic function. */
export function sigmoid(margin: number): number {
  return 1 / (1 + Math.exp(-margin));
}

/** A model that adds up leaves: margin = (start + sum of leaves) / divisor. */
export function treeModel({
  format,
  inputNames,
  acceptsMissing,
  marginSpace,
  forest,
  start,
  divisor,
  sumsFloat32,
  probability,
}: {
  readonly format: ModelFormat;
  readonly inputNames: readonly string[] | undefined;
  readonly acceptsMissing: boolean;
  readonly marginSpace: Model['marginSpace'];
  readonly forest: Forest;
  readonly start: number;
  readonly divisor: number;
  /** Whether the library rounds each sum to a float32. */
  readonly sumsFloat32: boolean;
  readonly probability: (margin: number) => number;
}): Model {
  const sum = sumsFloat32 ? sumLeavesFloat32 : sumLeaves;
  const hasGap = acceptsMissing ? () => false : (row: Float64Array) => row.includes(Number.NaN);
  const margin = (row: Float64Array) => (hasGap(row) ? Number.NaN : sum(forest, row, start) / divisor);
  // Most models never explain anything: what explaining needs is made at its first use.
  let explainer: TreeExplainer | undefined;
  return {
    format,
    inputNames,
    inputCount: forest.inputCount,
    acceptsMissing,
    marginSpace,
    margin,
    score: (row) => probability(margin(row)),
    contributions(row) {
      explainer ??= new TreeExplainer(forest);
      const values = explainer.explain(row);
      if (divisor !== 1)
        for (let index = 0; index < values.length; index++) values[index] = (values[index] ?? 0) / divisor;
      return { base: (start + explainer.base) / divisor, values };
    },
  };
}

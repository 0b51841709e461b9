/**
 * Models of scikit-learn, in the two JSON formats that `cli/python/export_sklearn.py` writes. docs/models.md describes
 * them field by field.
 *
 * Its trees compare a float32 of the input with a double, except those of HistGradientBoosting, which compare doubles.
 */
import * as z from 'zod';
import { LIMITS } from '../../limits.ts';
import { compileForest, MISSING, type SourceTree } from './forest.ts';
import { type Model, ModelError, requireInputs } from './model.ts';
import { checked, inputNamesOf, numbersAt, parseJson } from './reading.ts';
import { sigmoid, treeModel } from './tree-model.ts';

const InputNames = z.array(z.string()).nullable();
const Numbers = z.array(z.number()).min(1).max(LIMITS.modelInputs);

const TreesFile = z.strictObject({
  format: z.literal('sklearn-trees'),
  formatVersion: z.literal(1),
  /** Class and version that were exported: for people. */
  estimator: z.string(),
  inputNames: InputNames,
  inputCount: z.int().min(1),
  /** In which numbers inputs are compared. */
  inputPrecision: z.enum(['float32', 'float64']),
  acceptsMissing: z.boolean(),
  /** `probability`: the mean of the leaves. `log-odds`: `start` and the sum of the leaves. */
  output: z.enum(['probability', 'log-odds']),
  start: z.number(),
  trees: z.array(z.unknown()).max(LIMITS.modelTrees),
});

const Tree = z.strictObject({
  left: z.unknown(),
  right: z.unknown(),
  input: z.unknown(),
  threshold: z.unknown(),
  missingLeft: z.unknown(),
  value: z.unknown(),
  weight: z.unknown(),
});

/** @throws ModelError */
export function parseSklearnTrees(text: string): Model {
  const file = checked(TreesFile, parseJson('sklearn-trees', text), 'sklearn-trees');
  const comparison = file.inputPrecision === 'float32' ? 'float32 <=' : 'float64 <=';
  const forest = compileForest(file.trees.map(sourceTree), { inputCount: file.inputCount, comparison });
  const isMean = file.output === 'probability';
  return treeModel({
    format: 'sklearn-trees',
    inputNames: inputNamesOf('sklearn-trees', file.inputNames, file.inputCount),
    acceptsMissing: file.acceptsMissing,
    marginSpace: file.output,
    forest,
    start: file.start,
    divisor: isMean ? forest.roots.length : 1,
    sumsFloat32: false,
    probability: isMean ? (margin) => Math.min(1, Math.max(0, margin)) : sigmoid,
  });
}

function sourceTree(json: unknown, index: number): SourceTree {
  const place = `sklearn-trees: tree ${index}`;
  const tree = checked(Tree, json, place);
  const left = numbersAt(`${place}.left`, tree.left);
  const numbers = (key: keyof typeof tree) => numbersAt(`${place}.${key}`, tree[key], left.length);
  return {
    left,
    right: numbers('right'),
    input: numbers('input'),
    threshold: numbers('threshold'),
    missing: numbers('missingLeft').map((isLeft) => (isLeft ? MISSING.goesLeft : MISSING.goesRight)),
    value: numbers('value'),
    weight: numbers('weight'),
  };
}

const LogisticFile = z.strictObject({
  format: z.literal('logistic-regression'),
  formatVersion: z.literal(1),
  estimator: z.string(),
  inputNames: InputNames,
  coefficients: Numbers,
  intercept: z.number(),
  /** Each input is taken as (x − mean) / scale before it meets its coefficient; null where inputs are taken as they are. */
  standardisation: z
    .strictObject({ means: Numbers, scales: z.array(z.number().positive()).min(1).max(LIMITS.modelInputs) })
    .nullable(),
});

/**
 * @param referenceMeans mean of each input in the training set. With them, a contribution is the coefficient times the
 *   distance of the input from its mean; without, the coefficient times what it is multiplied with.
 * @throws ModelError
 */
export function parseLogisticRegression(text: string, referenceMeans?: readonly number[]): Model {
  const file = checked(LogisticFile, parseJson('logistic-regression', text), 'logistic-regression');
  const { coefficients, intercept, standardisation } = file;
  const inputCount = coefficients.length;
  for (const [name, numbers] of Object.entries({ ...standardisation })) {
    if (numbers.length !== inputCount) {
      throw new ModelError(
        `logistic-regression: there are ${numbers.length} ${name} for ${inputCount} coefficients; export the model again`,
      );
    }
  }
  const term = (input: number, value: number): number => {
    const mean = standardisation?.means[input] ?? 0;
    const scale = standardisation?.scales[input] ?? 1;
    return ((value - mean) / scale) * (coefficients[input] ?? 0);
  };
  const reference = coefficients.map((_, input) => (referenceMeans ? term(input, referenceMeans[input] ?? 0) : 0));
  const margin = (row: Float64Array): number => {
    requireInputs(row, inputCount);
    let sum = 0;
    for (let input = 0; input < inputCount; input++) sum += term(input, row[input] ?? Number.NaN);
    return sum + intercept;
  };
  return {
    format: 'logistic-regression',
    inputNames: inputNamesOf('logistic-regression', file.inputNames, inputCount),
    inputCount,
    acceptsMissing: false,
    marginSpace: 'log-odds',
    margin,
    score: (row) => sigmoid(margin(row)),
    contributions(row) {
      requireInputs(row, inputCount);
      return {
        base: reference.reduce((sum, own) => sum + own, intercept),
        values: Float64Array.from(row, (value, input) => term(input, value) - (reference[input] ?? 0)),
      };
    },
  };
}

/**
 * Models of XGBoost as `Booster.save_model('model.json')` writes them: `binary:logistic`, booster `gbtree`.
 *
 * XGBoost computes in float32 throughout: rows, thresholds, the sum over trees and the logistic function. So do we, and in
 * its order. Of a model that stopped early, the trees up to `best_iteration` count, as in `XGBClassifier.predict_proba`.
 */
import * as z from 'zod';
import { LIMITS } from '../../limits.ts';
import { compileForest, MISSING, type SourceTree } from './forest.ts';
import { type Model, ModelError } from './model.ts';
import { checked, inputNamesOf, numbersAt, parseJson } from './reading.ts';
import { treeModel } from './tree-model.ts';

const FORMAT = 'xgboost-json';

/** XGBoost writes the numbers of its parameters as text. */
const CountText = z
  .string()
  .regex(/^\d{1,9}$/, 'must be the text of a whole number')
  .transform(Number);

const Header = z.object({
  learner: z.object({
    objective: z.object({ name: z.string() }),
    gradient_booster: z.object({ name: z.string() }),
  }),
});

const File = z.object({
  learner: z.object({
    attributes: z.object({ best_iteration: CountText.optional() }).default({}),
    feature_names: z.array(z.string()).default([]),
    learner_model_param: z.object({
      base_score: z.string(),
      num_class: CountText.default(0),
      num_target: CountText.default(1),
      num_feature: CountText,
    }),
    gradient_booster: z.object({
      model: z.object({
        gbtree_model_param: z.object({ num_parallel_tree: CountText.default(1) }),
        trees: z.array(z.unknown()).max(LIMITS.modelTrees),
      }),
    }),
  }),
});

const Tree = z.object({
  left_children: z.unknown(),
  right_children: z.unknown(),
  split_indices: z.unknown(),
  split_conditions: z.unknown(),
  split_type: z.unknown(),
  default_left: z.unknown(),
  sum_hessian: z.unknown(),
});

/** @throws ModelError */
export function parseXgboost(text: string): Model {
  const json = parseJson(FORMAT, text);
  requireSupported(checked(Header, json, FORMAT));
  const { learner } = checked(File, json, FORMAT);
  const { num_class, num_target, num_feature, base_score } = learner.learner_model_param;
  if (num_class > 1 || num_target > 1) {
    throw new ModelError(`${FORMAT}: the model has ${Math.max(num_class, num_target)} outputs; train it for one`);
  }
  const trees = treesThatCount(learner).map(sourceTree);
  return treeModel({
    format: FORMAT,
    inputNames: inputNamesOf(FORMAT, learner.feature_names, num_feature),
    acceptsMissing: true,
    marginSpace: 'log-odds',
    forest: compileForest(trees, { inputCount: num_feature, comparison: 'float32 <' }),
    start: baseMargin(base_score),
    divisor: 1,
    sumsFloat32: true,
    probability: sigmoidFloat32,
  });
}

function requireSupported({ learner }: z.output<typeof Header>): void {
  const { objective, gradient_booster: booster } = learner;
  if (objective.name !== 'binary:logistic') {
    throw new ModelError(`${FORMAT}: its objective is ${objective.name}; train with objective binary:logistic`);
  }
  if (booster.name !== 'gbtree') {
    throw new ModelError(`${FORMAT}: its booster is ${booster.name}; train with booster gbtree`);
  }
}

function treesThatCount({ attributes, gradient_booster }: z.output<typeof File>['learner']): readonly unknown[] {
  const { trees, gbtree_model_param } = gradient_booster.model;
  if (attributes.best_iteration === undefined) return trees;
  const count = (attributes.best_iteration + 1) * gbtree_model_param.num_parallel_tree;
  if (count > trees.length) {
    throw new ModelError(
      `${FORMAT}: best_iteration ${attributes.best_iteration} needs ${count} trees, and the file has ${trees.length}; ` +
        'export the model again',
    );
  }
  return trees.slice(0, count);
}

function sourceTree(json: unknown, index: number): SourceTree {
  const place = `${FORMAT}: tree ${index}`;
  const tree = checked(Tree, json, place);
  const left = numbersAt(`${place}.left_children`, tree.left_children);
  const split = numbersAt(`${place}.split_conditions`, tree.split_conditions, left.length);
  // Before 1.3 there were no categories, and no array that says so.
  const types = tree.split_type === undefined ? [] : numbersAt(`${place}.split_type`, tree.split_type, left.length);
  const categorical = types.findIndex((type) => type !== 0);
  if (categorical !== -1) {
    throw new ModelError(`${place}, node ${categorical}: it splits by category; train with numbers for categories`);
  }
  return {
    left,
    right: numbersAt(`${place}.right_children`, tree.right_children, left.length),
    input: numbersAt(`${place}.split_indices`, tree.split_indices, left.length),
    threshold: split,
    missing: defaultDirections(`${place}.default_left`, tree.default_left, left.length),
    value: split.map(Math.fround),
    weight: numbersAt(`${place}.sum_hessian`, tree.sum_hessian, left.length),
  };
}

/** 0 and 1; before 1.3, false and true. */
function defaultDirections(place: string, value: unknown, length: number): number[] {
  const asNumbers: unknown = Array.isArray(value)
    ? value.map((member: unknown) => (typeof member === 'boolean' ? Number(member) : member))
    : value;
  return numbersAt(place, asNumbers, length).map((isLeft) => (isLeft ? MISSING.goesLeft : MISSING.goesRight));
}

/** A probability as text, `5E-1`; since 3.1 as the text of a list of one, `[5E-1]`. */
function baseMargin(text: string): number {
  const probability = Math.fround(Number(/^\[(.+)\]$/.exec(text)?.[1] ?? text));
  if (!(probability > 0 && probability < 1)) {
    throw new ModelError(`${FORMAT}: base_score is ${text}; it must be one probability between 0 and 1`);
  }
  return Math.fround(-Math.log(Math.fround(Math.fround(1 / probability) - 1)));
}

function sigmoidFloat32(margin: number): number {
  return Math.fround(1 / Math.fround(1 + Math.fround(Math.exp(-margin))));
}

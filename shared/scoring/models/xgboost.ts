/**
 * Models of XGBoost as `Booster.save_model('model.json')` writes them: `binary:logistic`, booster `gbtree`.
 *
 * XGBoost computes in float32 throughout: rows, thresholds, the sum over trees and the logistic function. So do we, and in
 * its order. Of a model that stopped early, the trees up to `best_iteration` count, as in `XGBClassifier.predict_proba`.
 *
 * Files of 1.0 to 3.4 differ: each difference is commented where it is read. docs/models.md lists the versions tried.
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

/** −1 where 1.5 to 1.7 trained no round. */
const IterationText = z
  .string()
  .regex(/^(-1|\d{1,9})$/, 'must be the text of a whole number')
  .transform(Number);

const Header = z.object({
  learner: z.object({
    objective: z.object({ name: z.string() }),
    /** Since 3.3, `dart` is called `gbtree` too, and has weights of its trees: here in 3.3, in the model since 3.4. */
    gradient_booster: z.object({
      name: z.string(),
      weight_drop: z.unknown().optional(),
      model: z.object({ weight_drop: z.unknown().optional() }).optional(),
    }),
  }),
});

const File = z.object({
  version: z.array(z.number()),
  learner: z.object({
    attributes: z
      .object({
        best_iteration: IterationText.optional(),
        best_ntree_limit: CountText.optional(),
        scikit_learn: z.string().optional(),
      })
      .default({}),
    feature_names: z.array(z.string()).default([]),
    learner_model_param: z.object({
      base_score: z.string(),
      num_class: CountText.default(0),
      num_target: CountText.default(1),
      num_feature: CountText,
    }),
    /** What another version adds here may change scores, as `weight_drop` did. */
    gradient_booster: z.strictObject({
      name: z.string(),
      model: z.strictObject({
        gbtree_model_param: z.object({ num_parallel_tree: CountText.optional() }),
        trees: z.array(z.unknown()).max(LIMITS.modelTrees),
        tree_info: z.unknown(),
        iteration_indptr: z.unknown().optional(),
        cats: z.unknown().optional(),
      }),
    }),
  }),
});

/** Parameters of an `XGBClassifier`, as 1.0 to 1.7 write them into an attribute. */
const Classifier = z.object({
  type: z.string().optional(),
  num_parallel_tree: z.int().min(1).nullish(),
  missing: z.number().nullish(),
});

const Tree = z.object({
  left_children: z.unknown(),
  right_children: z.unknown(),
  split_indices: z.unknown(),
  split_conditions: z.unknown(),
  split_type: z.unknown().optional(),
  default_left: z.unknown(),
  sum_hessian: z.unknown(),
});

/** @throws ModelError */
export function parseXgboost(text: string): Model {
  const json = parseJson(FORMAT, text);
  requireSupported(checked(Header, json, FORMAT));
  const { learner, version } = checked(File, json, FORMAT);
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
    start: baseMargin(base_score, version),
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
  const name = (booster.weight_drop ?? booster.model?.weight_drop) === undefined ? booster.name : 'dart';
  if (name !== 'gbtree') throw new ModelError(`${FORMAT}: its booster is ${name}; train with booster gbtree`);
}

function treesThatCount({ attributes, gradient_booster }: z.output<typeof File>['learner']): readonly unknown[] {
  const { trees, gbtree_model_param } = gradient_booster.model;
  const classifier = classifierOf(attributes.scikit_learn);
  const { best_iteration: best } = attributes;
  if (best === undefined || best === -1) return trees;
  const parallel = gbtree_model_param.num_parallel_tree;
  const count = parallel === undefined ? treesBefore16(attributes, classifier) : (best + 1) * parallel;
  if (count > trees.length) {
    throw new ModelError(
      `${FORMAT}: best_iteration ${best} needs ${count} trees, and the file has ${trees.length}; export the model again`,
    );
  }
  return trees.slice(0, count);
}

function classifierOf(attribute: string | undefined): z.output<typeof Classifier> {
  const classifier = checked(Classifier, attribute ? parseJson(FORMAT, attribute) : {}, `${FORMAT}: scikit_learn`);
  if (typeof classifier.missing === 'number') {
    throw new ModelError(`${FORMAT}: it takes ${classifier.missing} for missing; train with missing=numpy.nan`);
  }
  return classifier;
}

/** Files say how many trees a round has since 1.6, and how many trees count since 1.4; a classifier knows its parameters. */
function treesBefore16(
  { best_iteration: best = 0, best_ntree_limit }: z.output<typeof File>['learner']['attributes'],
  { type, num_parallel_tree }: z.output<typeof Classifier>,
): number {
  if (best_ntree_limit !== undefined) return best_ntree_limit;
  if (type === 'XGBClassifier') return (best + 1) * (num_parallel_tree ?? 1);
  throw new ModelError(
    `${FORMAT}: it stopped early, and the file does not say how many trees count; before you save the model, call ` +
      'booster.set_attr(best_ntree_limit=str(booster.best_ntree_limit))',
  );
}

function sourceTree(json: unknown, index: number): SourceTree {
  const place = `${FORMAT}: tree ${index}`;
  const tree = checked(Tree, json, place);
  const left = numbersAt(`${place}.left_children`, tree.left_children);
  // Before 1.3 there were no categories, and no array that says so. Splits by category have no numbers from 1.6 to 2.1.
  const types = tree.split_type === undefined ? [] : numbersAt(`${place}.split_type`, tree.split_type, left.length);
  const categorical = types.findIndex((type) => type !== 0);
  if (categorical !== -1) {
    throw new ModelError(`${place}, node ${categorical}: it splits by category; train with numbers for categories`);
  }
  const split = numbersAt(`${place}.split_conditions`, tree.split_conditions, left.length);
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

/** A probability as text, `5E-1`; since 3.1 as the text of a list of one, `[5E-1]`. Since 3.2 it is kept off 0 and 1. */
function baseMargin(text: string, [major = 0, minor = 0]: readonly number[]): number {
  const read = Math.fround(Number(/^\[(.+)\]$/.exec(text)?.[1] ?? text));
  const distance = major > 3 || (major === 3 && minor >= 2) ? Math.fround(1e-6) : 0;
  const probability = Math.min(Math.max(read, distance), Math.fround(1 - distance));
  if (!(read >= 0 && read <= 1 && probability > 0 && probability < 1)) {
    throw new ModelError(
      `${FORMAT}: base_score is ${text}; it must be one probability between 0 and 1; train with another base_score`,
    );
  }
  return Math.fround(-Math.log(Math.fround(Math.fround(1 / probability) - 1)));
}

function sigmoidFloat32(margin: number): number {
  return Math.fround(1 / Math.fround(1 + Math.fround(Math.exp(-margin))));
}

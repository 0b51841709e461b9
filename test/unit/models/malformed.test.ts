import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../shared/limits.ts';
import { float32Below } from '../../../shared/scoring/models/forest.ts';
import { ModelError } from '../../../shared/scoring/models/model.ts';
import { parseModel } from '../../../shared/scoring/models/parse-model.ts';
import { type GoldenName, golden, refusedFile } from './golden.ts';

const EMPTY_TREE = '"trees": [{"left":[],"right":[],"input":[],"threshold":[],"missingLeft":[],"value":[],"weight":[]}';

/** Replaces one text in a golden model, which must have it, and expects the model to be refused. */
function expectRefusal(name: GoldenName, found: string | RegExp, put: string, message: string | RegExp): void {
  const { format, model } = golden(name);
  const changed = model.replace(found, put);
  expect(changed).not.toBe(model);
  expect(() => parseModel(format, changed)).toThrow(ModelError);
  expect(() => parseModel(format, changed)).toThrow(message);
}

describe('models of XGBoost that are refused', () => {
  it.each([
    [
      'another objective',
      '"name":"binary:logistic"',
      '"name":"reg:squarederror"',
      'train with objective binary:logistic',
    ],
    ['another booster', '"name":"gbtree"', '"name":"dart"', 'its booster is dart; train with booster gbtree'],
    ['several classes', '"num_class":"0"', '"num_class":"3"', 'the model has 3 outputs'],
    ['a base score that is no probability', '"base_score":"[2E-1]"', '"base_score":"[1.5]"', 'base_score is [1.5]'],
    ['a split by category', '"split_type":[0', '"split_type":[1', 'tree 0, node 0: it splits by category'],
    ['a child that is not there', '"left_children":[1', '"left_children":[99', /tree 0, node 0: its left child is 99/],
    ['a cycle', '"left_children":[1,3', '"left_children":[1,1', 'tree 0, node 1: its left child 1 has another parent'],
    ['the root as a child', '"left_children":[1', '"left_children":[0', 'tree 0, node 0: its left child is 0'],
    ['half an index', '"left_children":[1', '"left_children":[1.5', 'tree 0, node 0: its left child is 1.5'],
    ['an input that is not there', /"split_indices":\[\d/, '"split_indices":[77', 'it splits by input 77'],
    ['an infinite leaf', /("split_conditions":\[[^\]]*,)[^,\]]+/, '$11e39', "its leaf's value is not a finite number"],
    [
      'a number that is none',
      /"split_conditions":\[[^,]+/,
      '"split_conditions":[NaN',
      'split_conditions.0: is NaN; train',
    ],
    ['what another version adds', '"trees":[', '"tree_scale":[],"trees":[', 'Unrecognized key: "tree_scale"'],
    ['a negative weight', /"sum_hessian":\[([^,]+),[^,]+/, '"sum_hessian":[$1,-1', 'tree 0, node 1: its weight'],
    ['a text among numbers', '"left_children":[1', '"left_children":["1"', 'tree 0.left_children.0: must be a number'],
    ['arrays of different lengths', '"left_children":[1,', '"left_children":[', 'split_type: has'],
    [
      'more rounds than trees',
      '"attributes":{',
      '"attributes":{"best_iteration":"7"',
      'best_iteration 7 needs 8 trees',
    ],
    ['names for too few inputs', '"feature_names":[', '"feature_names":["amount"', 'the file names 1 inputs and has 9'],
    ['half a file', /.{100}$/, '', 'the file is not JSON'],
  ])('%s', (_, found, put, message) => expectRefusal('xgboost', found, put, message));
});

describe('models of other versions that are refused', () => {
  it.each([
    ['xgboost-1.0-early.json', 'booster.set_attr(best_ntree_limit=str(booster.best_ntree_limit))'],
    ['xgboost-1.0-dart.json', 'its booster is dart; train with booster gbtree'],
    ['xgboost-3.3-dart.json', 'its booster is dart; train with booster gbtree'],
    ['xgboost-3.4-dart.json', 'its booster is dart; train with booster gbtree'],
    ['xgboost-1.3-zero-is-missing.json', 'it takes 0 for missing; train with missing=numpy.nan'],
    ['xgboost-1.7-no-rounds.json', 'the model has no trees; train it for at least one round'],
    ['xgboost-1.7-categories.json', /node \d+: it splits by category; train with numbers/],
    ['xgboost-2.1-categories.json', /node \d+: it splits by category; train with numbers/],
    ['xgboost-3.4-categories.json', /node \d+: it splits by category; train with numbers/],
    ['xgboost-2.1-outputs.json', 'the model has 2 outputs; train it for one'],
    ['lightgbm-2.0-categories.txt', 'the file names no version'],
    ['lightgbm-2.1-categories.txt', 'tree 0: it splits by category; train with numbers'],
    ['lightgbm-3.3-own-objective.txt', 'its objective is "custom"; train with objective binary'],
  ])('%s', (file, message) => {
    const parse = () => parseModel(file.endsWith('.txt') ? 'lightgbm-text' : 'xgboost-json', refusedFile(file));

    expect(parse).toThrow(ModelError);
    expect(parse).toThrow(message);
  });
});

describe('files of another kind', () => {
  it.each([
    ['xgboost-json', '{L\u0000\u0000', "booster.save_model('model.json')"],
    ['xgboost-json', '[{"nodeid": 0}]', "booster.save_model('model.json')"],
    ['lightgbm-text', '{"name": "tree"}', 'its first line is not "tree"'],
    ['lightgbm-text', '', 'the file is empty'],
  ] as const)('%s: %j', (format, text, message) => {
    expect(() => parseModel(format, text)).toThrow(ModelError);
    expect(() => parseModel(format, text)).toThrow(message);
  });
});

describe('bare numbers in JSON', () => {
  const { format, model } = golden('xgboost-2.1');

  it('are read where nothing needs them, and stay what they are in texts', () => {
    const text = model
      .replace('"amount"', '"a \\"NaN"')
      .replace(/"loss_changes":\[[^\]]*/, '"loss_changes":[NaN,-Infinity,-nan,inf');

    expect(parseModel(format, text).inputNames?.[0]).toBe('a "NaN');
  });

  it('are found in linear time in texts that never end', () => {
    expect(() => parseModel(format, `NaN${'"\\"'.repeat(1_000_000)}NaN`)).toThrow('the file is not JSON');
  });
});

describe('models of LightGBM that are refused', () => {
  it.each([
    ['an unknown version', /version=v\d/, 'version=v5', 'its version is v5; train with LightGBM 2.1 to 4.7'],
    ['another objective', 'objective=binary', 'objective=regression', 'train with objective binary'],
    ['averaged trees', 'objective=', 'average_output\nobjective=', 'boosting rf'],
    ['several classes', 'num_class=1', 'num_class=3', 'num_class is not 1'],
    ['categories', 'num_cat=0', 'num_cat=1', 'tree 0: it splits by category'],
    ['a split by category', /decision_type=\d+/, 'decision_type=1', 'tree 0, node 0: it splits by category'],
    ['an unknown rule for missing values', /decision_type=\d+/, 'decision_type=12', 'decision_type 12 has no meaning'],
    ['linear leaves', 'is_linear=0', 'is_linear=1', 'tree 0: its leaves are linear'],
    ['a missing line', /leaf_value=.*\n/, '', 'the line "leaf_value=" is missing'],
    ['a file cut off', 'end of trees', '', 'the file is cut off'],
    ['a child that is not there', /left_child=-?\d+/, 'left_child=50', /its left child is 50/],
    ['a cycle', /left_child=\S+/, 'left_child=0', /its left child is 0/],
    ['no number', /threshold=\S+/, 'threshold=much', 'its threshold is not a finite number'],
    ['an infinite leaf', /leaf_value=\S+/, 'leaf_value=inf', "its leaf's value is not a finite number"],
    ['more leaves than values', 'num_leaves=6', 'num_leaves=999999999', 'tree 0: decision_type has 5 members'],
    ['no leaves', 'num_leaves=6', 'num_leaves=0', 'tree 0: it has no leaves'],
    ['a sigmoid of zero', 'sigmoid:1', 'sigmoid:0', 'has no positive sigmoid'],
  ])('%s', (_, found, put, message) => expectRefusal('lightgbm', found, put, message));
});

describe('exports of scikit-learn that are refused', () => {
  it.each([
    ['another version', '"formatVersion": 1', '"formatVersion": 2', 'formatVersion'],
    ['an unknown field', '"start"', '"begin"', /start/],
    ['no trees', /"trees": .*/s, '"trees": []}', 'the model has no trees'],
    ['too many inputs', /"inputCount": \d+/, '"inputCount": 1001', 'more than 1000'],
    ['a tree without nodes', /"trees": \[\{[^}]*\}/, EMPTY_TREE, 'tree 0: it has no nodes'],
  ])('%s', (_, found, put, message) => expectRefusal('random-forest', found, put, message));

  it('coefficients without inputs, or scales for others', () => {
    expectRefusal('logistic-regression', /"coefficients": \[[^\]]*\]/, '"coefficients": []', 'coefficients');
    expectRefusal('logistic-regression', /"scales": \[[^\]]*\]/, '"scales": [1]', 'there are 1 scales for 9');
    expectRefusal('logistic-regression', /"scales": \[[^,]*/, '"scales": [0', 'scales.0');
  });

  it('a tree deeper than the limit', () => {
    const depth = LIMITS.modelDepth + 1;
    const nodes = 2 * depth + 1;
    const over = (value: (node: number) => number) => Array.from({ length: nodes }, (_, node) => value(node));
    const isLeaf = (node: number) => (node % 2 === 0 && node > 0 ? true : node === nodes - 2);
    const chain = {
      left: over((node) => (node === 0 ? 1 : isLeaf(node) ? -1 : node + 2)),
      right: over((node) => (node === 0 ? 2 : isLeaf(node) ? -1 : node + 3)),
      input: over(() => 0),
      threshold: over(() => 0),
      missingLeft: over(() => 0),
      value: over(() => 0),
      weight: over(() => 1),
    };
    const { format, model } = golden('random-forest');
    const text = model.replace(/"trees": .*/s, `"trees": [${JSON.stringify(chain)}]}`);

    expect(() => parseModel(format, text)).toThrow(`tree 0: it is deeper than ${LIMITS.modelDepth} splits`);
  });
});

describe('the float32 below', () => {
  it.each(
    [Infinity, 1, -1, 0, 2 ** -149, -(2 ** -149), 3.4028234663852886e38, -3.4028234663852886e38, 0.1].map(Math.fround),
  )('%d is the greatest one that is smaller', (value) => {
    const below = float32Below(value);

    expect(below).toBeLessThan(value);
    expect(Math.fround(below)).toBe(below);
    const between = Math.fround(below / 2 + value / 2);
    if (Number.isFinite(below)) expect([below, value + 0]).toContain(between + 0);
  });
});

/**
 * What a score and its explanation cost: 500 trees of depth 6, 30 inputs, a tenth of the values missing.
 *
 *     npm run bench:score
 *
 * The flat evaluator and a walk over tree objects, as they lie in the model's file, score the same rows in turn.
 */
import { parseModel } from '../../shared/scoring/models/parse-model.ts';
import { sigmoid } from '../../shared/scoring/models/tree-model.ts';
import { Random } from '../simulation/random.ts';
import { rank, round } from './measure.ts';

const TREES = 500;
const DEPTH = 6;
const INPUTS = 30;
const ROWS = 2_000;
const EXPLAINED = 200;
const MISSING_SHARE = 0.1;
const SEED = 1;

const random = new Random(SEED);

type TreeNode =
  | { readonly value: number }
  | {
      readonly input: number;
      readonly threshold: number;
      readonly missingLeft: boolean;
      readonly left: TreeNode;
      readonly right: TreeNode;
    };

function grow(depth: number): TreeNode {
  if (depth === 0) return { value: random.next() - 0.5 };
  return {
    input: random.integer(0, INPUTS - 1),
    threshold: random.next() * 2 - 1,
    missingLeft: random.chance(0.5),
    left: grow(depth - 1),
    right: grow(depth - 1),
  };
}

function naiveScore(trees: readonly TreeNode[], row: Float64Array): number {
  let sum = 0;
  for (const root of trees) {
    let node = root;
    while (!('value' in node)) {
      const value = row[node.input] ?? Number.NaN;
      const goesLeft = Number.isNaN(value) ? node.missingLeft : value <= node.threshold;
      node = goesLeft ? node.left : node.right;
    }
    sum += node.value;
  }
  return sigmoid(sum);
}

/** A tree in the file's arrays, with the weight of a training row in each leaf. */
function arraysOf(root: TreeNode) {
  const nodes: TreeNode[] = [root];
  const tree = { left: [-1], right: [-1], input: [0], threshold: [0], missingLeft: [0], value: [0], weight: [0] };
  for (let index = 0; index < nodes.length; index++) {
    const node = nodes[index];
    if (!node) continue;
    const isLeaf = 'value' in node;
    tree.left[index] = isLeaf ? -1 : nodes.length;
    tree.right[index] = isLeaf ? -1 : nodes.length + 1;
    tree.input[index] = isLeaf ? 0 : node.input;
    tree.threshold[index] = isLeaf ? 0 : node.threshold;
    tree.missingLeft[index] = isLeaf ? 0 : Number(node.missingLeft);
    tree.value[index] = isLeaf ? node.value : 0;
    tree.weight[index] = 2 ** (DEPTH - Math.floor(Math.log2(index + 1)));
    if (!isLeaf) nodes.push(node.left, node.right);
  }
  return tree;
}

function timeInTurn(
  operations: Readonly<Record<string, (row: Float64Array) => unknown>>,
  rows: readonly Float64Array[],
) {
  const micros = new Map(Object.keys(operations).map((name) => [name, [] as number[]]));
  const warmUp = Math.ceil(rows.length / 4);
  for (const [index, row] of [...rows.slice(0, warmUp), ...rows].entries()) {
    for (const [name, operation] of Object.entries(operations)) {
      const startedAt = process.hrtime.bigint();
      operation(row);
      const took = Number(process.hrtime.bigint() - startedAt) / 1_000;
      if (index >= warmUp) micros.get(name)?.push(took);
    }
  }
  return (name: string) => {
    const taken = micros.get(name) ?? [];
    return { p50Micros: round(rank(taken, 0.5), 1), p99Micros: round(rank(taken, 0.99), 1) };
  };
}

const trees = Array.from({ length: TREES }, () => grow(DEPTH));
const file = {
  format: 'sklearn-trees',
  formatVersion: 1,
  estimator: 'benchmark',
  inputNames: null,
  inputCount: INPUTS,
  inputPrecision: 'float64',
  acceptsMissing: true,
  output: 'log-odds',
  start: 0,
  trees: trees.map(arraysOf),
};
const text = JSON.stringify(file);
const parsedAt = performance.now();
const model = parseModel('sklearn-trees', text);
const parseMillis = round(performance.now() - parsedAt, 1);
const rows = Array.from({ length: ROWS }, () =>
  Float64Array.from({ length: INPUTS }, () => (random.chance(MISSING_SHARE) ? Number.NaN : random.next() * 2 - 1)),
);
if (rows.some((row) => model.score(row) !== naiveScore(trees, row))) throw new Error('the two ways disagree');

const timesOf = timeInTurn({ flat: (row) => model.score(row), naive: (row) => naiveScore(trees, row) }, rows);
const explained = timeInTurn({ explain: (row) => model.contributions(row) }, rows.slice(0, EXPLAINED));
const [flat, naive] = [timesOf('flat'), timesOf('naive')];
console.log(
  JSON.stringify({
    trees: TREES,
    depth: DEPTH,
    inputs: INPUTS,
    seed: SEED,
    parseMillis,
    score: flat,
    naive,
    naiveToScore: round(naive.p50Micros / flat.p50Micros, 1),
    explain: explained('explain'),
  }),
);

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
import { forestText, grow, type TreeNode } from './forest.ts';
import { rank, round } from './measure.ts';

const TREES = 500;
const DEPTH = 6;
const INPUTS = 30;
const ROWS = 2_000;
const EXPLAINED = 200;
const MISSING_SHARE = 0.1;
const SEED = 1;

const random = new Random(SEED);

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

const trees = Array.from({ length: TREES }, () => grow(random, { depth: DEPTH, inputs: INPUTS }));
const text = forestText(trees, { depth: DEPTH, inputNames: null, inputCount: INPUTS });
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

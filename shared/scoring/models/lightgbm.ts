/**
 * Models of LightGBM as `Booster.save_model('model.txt')` writes them: `objective=binary`, without categories, linear trees
 * and averaging.
 *
 * LightGBM computes in doubles. A split has its own rule for missing values: none (NaN is 0), zero (0 and NaN go the
 * default way) or NaN. Shrinkage is in the leaves' values already, and what a boosting starts from is in the first tree.
 */
import { LIMITS } from '../../limits.ts';
import { compileForest, MISSING, type SourceTree } from './forest.ts';
import { type Model, ModelError } from './model.ts';
import { EXPORT_AGAIN as EXPORT_AGAIN_BY_FORMAT, inputNamesOf, requireTextWithinLimit } from './reading.ts';
import { sigmoid, treeModel } from './tree-model.ts';

const FORMAT = 'lightgbm-text';
const { [FORMAT]: EXPORT_AGAIN } = EXPORT_AGAIN_BY_FORMAT;

/** Bits of `decision_type`. */
const CATEGORICAL = 1;
const DEFAULT_LEFT = 2;

/** A block of `key=value` lines. */
type Block = ReadonlyMap<string, string>;

/** @throws ModelError */
export function parseLightgbm(text: string): Model {
  requireTextWithinLimit(FORMAT, text);
  const { header, trees } = blocksOf(text);
  requireSupported(header);
  const inputCount = countOf(header, 'max_feature_idx') + 1;
  const steepness = steepnessOf(header.get('objective') ?? 'custom');
  const names = header.get('feature_names')?.split(' ');
  // What LightGBM calls columns that were given no names.
  const areNamed = names?.some((name, index) => name !== `Column_${index}`);
  return treeModel({
    format: FORMAT,
    inputNames: inputNamesOf(FORMAT, areNamed ? names : undefined, inputCount),
    acceptsMissing: true,
    marginSpace: 'log-odds',
    forest: compileForest(trees.map(sourceTree), { inputCount, comparison: 'float64 <=, tiny is 0' }),
    start: 0,
    divisor: 1,
    sumsFloat32: false,
    probability: (margin) => sigmoid(steepness * margin),
  });
}

function blocksOf(text: string): { readonly header: Block; readonly trees: readonly Block[] } {
  const header = new Map<string, string>();
  const trees: Map<string, string>[] = [];
  let block = header;
  for (const line of linesOf(text)) {
    if (block === header && header.size === 0 && line !== 'tree') {
      throw new ModelError(
        `${FORMAT}: the file is not a LightGBM model as text: its first line is not "tree"; ${EXPORT_AGAIN}`,
      );
    }
    // Before 2.2, nothing but what follows tells where the trees end.
    if (line === 'end of trees' || line === 'feature importances:') return { header, trees };
    const equals = line.indexOf('=');
    const key = equals === -1 ? line : line.slice(0, equals);
    if (key === 'Tree') {
      if (trees.length === LIMITS.modelTrees) {
        throw new ModelError(`${FORMAT}: the model has more than ${LIMITS.modelTrees} trees; train a smaller one`);
      }
      block = new Map();
      trees.push(block);
    }
    block.set(key, equals === -1 ? '' : line.slice(equals + 1));
  }
  if (header.size === 0) throw new ModelError(`${FORMAT}: the file is empty; ${EXPORT_AGAIN}`);
  throw new ModelError(`${FORMAT}: the line "end of trees" is missing, so the file is cut off; ${EXPORT_AGAIN}`);
}

/** One line at a time: an array of all lines of a hostile file would be many times its size. */
function* linesOf(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    yield text.slice(start, end).trimEnd();
    start = end + 1;
  }
}

/** What `version=` may be. The first files of 2.0 have no such line, and other rules for missing values. */
const VERSIONS = ['v2', 'v3', 'v4'];

function requireSupported(header: Block): void {
  const version = header.get('version');
  if (version === undefined || !VERSIONS.includes(version)) {
    const problem =
      version === undefined ? 'the file names no version, as LightGBM before 2.1' : `its version is ${version}`;
    throw new ModelError(`${FORMAT}: ${problem}; train with LightGBM 2.1 to 4.7`);
  }
  if (header.has('average_output')) {
    throw new ModelError(`${FORMAT}: it averages its trees (boosting rf); train with boosting gbdt`);
  }
  for (const key of ['num_class', 'num_tree_per_iteration']) {
    if (countOf(header, key) !== 1) throw new ModelError(`${FORMAT}: ${key} is not 1; train with objective binary`);
  }
}

function textOf(block: Block, key: string): string {
  const value = block.get(key);
  if (value === undefined) throw new ModelError(`${FORMAT}: the line "${key}=" is missing; ${EXPORT_AGAIN}`);
  return value;
}

function countOf(block: Block, key: string): number {
  const text = textOf(block, key);
  if (!/^\d{1,9}$/.test(text)) throw new ModelError(`${FORMAT}: ${key} is no whole number; ${EXPORT_AGAIN}`);
  return Number(text);
}

/** By what margins are multiplied before the logistic function: `binary sigmoid:1`. */
function steepnessOf(objective: string): number {
  const [name, ...options] = objective.split(' ');
  if (name !== 'binary')
    throw new ModelError(`${FORMAT}: its objective is "${objective}"; train with objective binary`);
  const steepness = Number(options.find((option) => option.startsWith('sigmoid:'))?.slice('sigmoid:'.length) ?? 1);
  if (!(Number.isFinite(steepness) && steepness > 0)) {
    throw new ModelError(`${FORMAT}: objective "${objective}" has no positive sigmoid; ${EXPORT_AGAIN}`);
  }
  return steepness;
}

/** Splits are the nodes 0 … leaves − 2, and leaf i is node leaves − 1 + i. In the file, it is child −1 − i. */
function sourceTree(block: Block, index: number): SourceTree {
  const place = `${FORMAT}: tree ${index}`;
  const leaves = countOf(block, 'num_leaves');
  if (leaves < 1) throw new ModelError(`${place}: it has no leaves; ${EXPORT_AGAIN}`);
  if (block.get('num_cat') !== '0') {
    throw new ModelError(`${place}: it splits by category; train with numbers for categories`);
  }
  if ((block.get('is_linear') ?? '0') !== '0') {
    throw new ModelError(`${place}: its leaves are linear; train without linear_tree`);
  }
  const splits = leaves - 1;
  const numbers = (key: string, length: number) => numbersOf(`${place}: ${key}`, textOf(block, key), length);
  const children = (key: string) => [
    ...numbers(key, splits).map((child) => (child < 0 ? splits - 1 - child : child)),
    ...Array.from({ length: leaves }, () => -1),
  ];
  // A leaf alone has an empty list of counts up to 4.3.
  if (splits === 0) {
    return {
      left: [-1],
      right: [-1],
      input: [],
      threshold: [],
      missing: [],
      value: numbers('leaf_value', 1),
      weight: [],
    };
  }
  const decisions = numbers('decision_type', splits);
  const categorical = decisions.findIndex((decision) => (decision & CATEGORICAL) !== 0);
  if (categorical !== -1) {
    throw new ModelError(`${place}, node ${categorical}: it splits by category; train with numbers for categories`);
  }
  return {
    left: children('left_child'),
    right: children('right_child'),
    input: numbers('split_feature', splits),
    // Thresholds between all numbers and NaN are infinite. Rows have finite numbers, for which the greatest is as good.
    threshold: numbers('threshold', splits).map((threshold) => Math.min(threshold, Number.MAX_VALUE)),
    missing: decisions.map((decision, node) => missingRuleOf(decision, `${place}, node ${node}`)),
    value: [...numbers('internal_value', splits), ...numbers('leaf_value', leaves)],
    weight: [...numbers('internal_count', splits), ...numbers('leaf_count', leaves)],
  };
}

function missingRuleOf(decision: number, place: string): number {
  const isLeft = (decision & DEFAULT_LEFT) !== 0;
  const kind = decision >> 2;
  if (kind === 0) return MISSING.isZero;
  if (kind === 1) return isLeft ? MISSING.orZeroGoesLeft : MISSING.orZeroGoesRight;
  if (kind === 2) return isLeft ? MISSING.goesLeft : MISSING.goesRight;
  throw new ModelError(`${place}: its decision_type ${decision} has no meaning; ${EXPORT_AGAIN}`);
}

function numbersOf(place: string, text: string, length: number): number[] {
  const numbers = text === '' ? [] : text.split(' ').map(numberOf);
  if (numbers.length !== length) {
    throw new ModelError(`${place} has ${numbers.length} members, and must have ${length}; ${EXPORT_AGAIN}`);
  }
  return numbers;
}

function numberOf(text: string): number {
  return text === 'inf' ? Number.POSITIVE_INFINITY : Number(text);
}

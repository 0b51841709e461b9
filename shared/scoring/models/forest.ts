/**
 * Trees as flat arrays, and the walk through them.
 *
 * 1. `compileForest` checks trees as a file describes them and lays the nodes of all trees one after the other, each tree
 *    breadth first. The two children of a node are neighbours, so that the next node is one addition away, without a
 *    branch that a processor could guess wrongly.
 * 2. `fillSlots` prepares a row once: a slot is an input together with what its splits do with a missing value. Missing
 *    becomes an infinity that falls to the right side by itself, so that walks need not ask. Comparisons `<` of float32
 *    have become `<=` with the next smaller float32.
 * 3. A walk is then `node = firstChild + (slot > threshold)` until a leaf, whose value lies where splits have thresholds.
 */
import { LIMITS } from '../../limits.ts';
import { ModelError, requireInputs } from './model.ts';

/** Where a split sends a missing value. The last three are LightGBM's: zero stands for missing, or missing for zero. */
export const MISSING = { goesRight: 0, goesLeft: 1, isZero: 2, orZeroGoesRight: 3, orZeroGoesLeft: 4 } as const;
const MISSING_RULES = 5;

/** What LightGBM takes for zero: a float32. */
const TINY = Math.fround(1e-35);

/** One tree as its file describes it: arrays over its nodes, of one length. The root is node 0. */
export interface SourceTree {
  /** Index of the left child; −1 at leaves. */
  readonly left: ArrayLike<number>;
  readonly right: ArrayLike<number>;
  readonly input: ArrayLike<number>;
  readonly threshold: ArrayLike<number>;
  /** One of `MISSING`. */
  readonly missing: ArrayLike<number>;
  /** Looked at in leaves only. */
  readonly value: ArrayLike<number>;
  /** How much of the training set came here: rows, or their weights. */
  readonly weight: ArrayLike<number>;
}

/**
 * In which numbers a library compares, and which comparison sends a value to the left. LightGBM hands doubles of at most
 * 1e-35 to its trees as 0.
 */
export type Comparison = 'float32 <' | 'float32 <=' | 'float64 <=' | 'float64 <=, tiny is 0';

export interface Forest {
  readonly inputCount: number;
  readonly comparison: Comparison;
  readonly roots: Int32Array;
  /** The left child; the right one is next to it. −1 at leaves. */
  readonly firstChild: Int32Array;
  readonly slot: Int32Array;
  /** A value goes left if it is at most this. At leaves: the leaf's value. */
  readonly threshold: Float64Array;
  /** Which part of its parent's training weight came to a node. */
  readonly share: Float64Array;
  /** Most splits on the way to a leaf. */
  readonly depth: number;
  readonly slotInput: Int32Array;
  readonly slotMissing: Int32Array;
  /** Working memory: the row, by slots. */
  readonly slotValues: Float64Array;
}

/** @throws ModelError naming tree and node when they are not trees, have numbers that are not finite, or are too large. */
export function compileForest(
  trees: readonly SourceTree[],
  { inputCount, comparison }: { readonly inputCount: number; readonly comparison: Comparison },
): Forest {
  if (trees.length === 0) throw new ModelError('the model has no trees; train it for at least one round');
  if (trees.length > LIMITS.modelTrees) {
    throw new ModelError(`the model has ${trees.length} trees, more than ${LIMITS.modelTrees}; train a smaller one`);
  }
  if (inputCount > LIMITS.modelInputs) {
    throw new ModelError(`the model has ${inputCount} inputs, more than ${LIMITS.modelInputs}; train a smaller one`);
  }
  const nodes = trees.reduce((total, { left }) => total + left.length, 0);
  if (nodes > LIMITS.modelNodes) {
    throw new ModelError(`the model has ${nodes} nodes, more than ${LIMITS.modelNodes}; train a smaller one`);
  }
  const compiler = new ForestCompiler(nodes, { inputCount, comparison });
  trees.forEach((tree, index) => {
    compiler.add(tree, index);
  });
  return compiler.forest();
}

class ForestCompiler {
  readonly #inputCount: number;
  readonly #comparison: Comparison;
  readonly #firstChild: Int32Array;
  readonly #slot: Int32Array;
  readonly #threshold: Float64Array;
  readonly #share: Float64Array;
  /** Indexes of source nodes in the order in which they are laid out, and their depths. */
  readonly #queue: Int32Array;
  readonly #depths: Int32Array;
  readonly #roots: number[] = [];
  readonly #slots = new Map<number, number>();
  #size = 0;
  #depth = 0;

  constructor(nodes: number, options: { readonly inputCount: number; readonly comparison: Comparison }) {
    this.#inputCount = options.inputCount;
    this.#comparison = options.comparison;
    this.#firstChild = new Int32Array(nodes);
    this.#slot = new Int32Array(nodes);
    this.#threshold = new Float64Array(nodes);
    this.#share = new Float64Array(nodes);
    this.#queue = new Int32Array(nodes);
    this.#depths = new Int32Array(nodes);
  }

  add(tree: SourceTree, treeIndex: number): void {
    const nodeCount = tree.left.length;
    const reached = new Uint8Array(nodeCount);
    const start = this.#size;
    const fail = (node: number, problem: string): never => {
      throw new ModelError(`tree ${treeIndex}, node ${node}: ${problem}; export the model again`);
    };
    const enqueue = (parent: number, side: 'left' | 'right', depth: number) => {
      const child = tree[side][parent] ?? -1;
      if (!Number.isInteger(child) || child < 1 || child >= nodeCount) {
        fail(parent, `its ${side} child is ${child}, and the tree has ${nodeCount} nodes`);
      }
      if (reached[child]) fail(parent, `its ${side} child ${child} has another parent already`);
      reached[child] = 1;
      this.#queue[this.#size] = child;
      this.#depths[this.#size] = depth;
      this.#size += 1;
    };
    if (nodeCount === 0) throw new ModelError(`tree ${treeIndex}: it has no nodes; export the model again`);
    this.#roots.push(start);
    this.#queue[start] = 0;
    this.#depths[start] = 0;
    this.#share[start] = 1;
    this.#size += 1;
    for (let position = start; position < this.#size; position++) {
      const node = this.#queue[position] ?? 0;
      if (tree.left[node] === -1) {
        this.#firstChild[position] = -1;
        this.#threshold[position] = finite(tree.value[node]) ?? fail(node, "its leaf's value is not a finite number");
        continue;
      }
      const depth = (this.#depths[position] ?? 0) + 1;
      if (depth > LIMITS.modelDepth) {
        throw new ModelError(`tree ${treeIndex}: it is deeper than ${LIMITS.modelDepth} splits; train a flatter one`);
      }
      this.#depth = Math.max(this.#depth, depth);
      const first = this.#size;
      enqueue(node, 'left', depth);
      enqueue(node, 'right', depth);
      this.#firstChild[position] = first;
      this.#slot[position] = this.#slotOf(tree, node, fail);
      this.#threshold[position] =
        this.#thresholdOf(tree.threshold[node]) ?? fail(node, 'its threshold is not a finite number');
      const leftShare = this.#leftShare(tree, node, fail);
      this.#share[first] = leftShare;
      this.#share[first + 1] = 1 - leftShare;
    }
  }

  #slotOf(tree: SourceTree, node: number, fail: (node: number, problem: string) => never): number {
    const input = tree.input[node] ?? -1;
    if (!Number.isInteger(input) || input < 0 || input >= this.#inputCount) {
      fail(node, `it splits by input ${input}, and the model has ${this.#inputCount}`);
    }
    const key = input * MISSING_RULES + (tree.missing[node] ?? MISSING.goesRight);
    const slot = this.#slots.get(key) ?? this.#slots.size;
    this.#slots.set(key, slot);
    return slot;
  }

  #thresholdOf(threshold: number | undefined): number | undefined {
    if (this.#comparison !== 'float32 <') return finite(threshold);
    // XGBoost's thresholds may be infinite: the mean of two large float32, or a side for all that is not missing.
    return threshold === undefined || Number.isNaN(threshold) ? undefined : float32Below(Math.fround(threshold));
  }

  #leftShare(tree: SourceTree, node: number, fail: (node: number, problem: string) => never): number {
    const weightOf = (child: number): number => {
      const weight = finite(tree.weight[child]);
      return weight !== undefined && weight >= 0 ? weight : fail(child, 'its weight is not a number ≥ 0');
    };
    const left = weightOf(tree.left[node] ?? -1);
    const total = left + weightOf(tree.right[node] ?? -1);
    // Where no training row came, neither side is likelier.
    return total === 0 ? 0.5 : left / total;
  }

  forest(): Forest {
    const slots = [...this.#slots.keys()];
    return {
      inputCount: this.#inputCount,
      comparison: this.#comparison,
      roots: Int32Array.from(this.#roots),
      firstChild: this.#firstChild.slice(0, this.#size),
      slot: this.#slot.slice(0, this.#size),
      threshold: this.#threshold.slice(0, this.#size),
      share: this.#share.slice(0, this.#size),
      depth: this.#depth,
      slotInput: Int32Array.from(slots, (key) => Math.floor(key / MISSING_RULES)),
      slotMissing: Int32Array.from(slots, (key) => key % MISSING_RULES),
      slotValues: new Float64Array(slots.length),
    };
  }
}

function finite(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

const float32Value = new Float32Array(1);
const float32Bits = new Int32Array(float32Value.buffer);

/** The greatest float32 below a float32, so that `x < value` is `x <= float32Below(value)`. Nothing is below −∞ but −∞. */
export function float32Below(value: number): number {
  if (value === Number.NEGATIVE_INFINITY) return value;
  if (value === 0) return -(2 ** -149);
  float32Value[0] = value;
  float32Bits[0] = (float32Bits[0] ?? 0) + (value > 0 ? -1 : 1);
  return float32Value[0];
}

/** Writes a row into the forest's slots. @throws RangeError when the row has the wrong length. */
export function fillSlots(forest: Forest, row: Float64Array): void {
  requireInputs(row, forest.inputCount);
  const { slotInput, slotMissing, slotValues, comparison } = forest;
  const usesFloat32 = comparison === 'float32 <' || comparison === 'float32 <=';
  const tiny = comparison === 'float64 <=, tiny is 0' ? TINY : 0;
  for (let slot = 0; slot < slotValues.length; slot++) {
    const input = row[slotInput[slot] ?? 0] ?? Number.NaN;
    const value = usesFloat32 ? Math.fround(input) : Math.abs(input) <= tiny ? 0 : input;
    const rule = slotMissing[slot] ?? 0;
    const isMissing = Number.isNaN(value) || (value === 0 && rule > MISSING.isZero);
    slotValues[slot] = isMissing ? standIn(rule) : value;
  }
}

/** A value for what is missing: where it has a side, one with which every comparison ends there. */
function standIn(rule: number): number {
  if (rule === MISSING.isZero) return 0;
  return rule === MISSING.goesLeft || rule === MISSING.orZeroGoesLeft
    ? Number.NEGATIVE_INFINITY
    : Number.POSITIVE_INFINITY;
}

/** Adds the values of the leaves that a row comes to onto `start`, tree by tree. */
export function sumLeaves(forest: Forest, row: Float64Array, start: number): number {
  fillSlots(forest, row);
  const { roots, firstChild, slot, threshold, slotValues } = forest;
  let sum = start;
  for (let tree = 0; tree < roots.length; tree++) {
    let node = roots[tree] ?? 0;
    let child = firstChild[node] ?? -1;
    while (child >= 0) {
      node = child + Number((slotValues[slot[node] ?? 0] ?? 0) > (threshold[node] ?? 0));
      child = firstChild[node] ?? -1;
    }
    sum += threshold[node] ?? 0;
  }
  return sum;
}

/** As `sumLeaves`, and every sum is rounded to a float32. */
export function sumLeavesFloat32(forest: Forest, row: Float64Array, start: number): number {
  fillSlots(forest, row);
  const { roots, firstChild, slot, threshold, slotValues } = forest;
  let sum = Math.fround(start);
  for (let tree = 0; tree < roots.length; tree++) {
    let node = roots[tree] ?? 0;
    let child = firstChild[node] ?? -1;
    while (child >= 0) {
      node = child + Number((slotValues[slot[node] ?? 0] ?? 0) > (threshold[node] ?? 0));
      child = firstChild[node] ?? -1;
    }
    sum = Math.fround(sum + (threshold[node] ?? 0));
  }
  return sum;
}

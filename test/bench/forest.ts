/** Random forests, as trees of objects and as the file of a model. */
import type { Random } from '../simulation/random.ts';

export type TreeNode =
  | { readonly value: number }
  | {
      readonly input: number;
      readonly threshold: number;
      readonly missingLeft: boolean;
      readonly left: TreeNode;
      readonly right: TreeNode;
    };

export function grow(random: Random, { depth, inputs }: { readonly depth: number; readonly inputs: number }): TreeNode {
  if (depth === 0) return { value: random.next() - 0.5 };
  return {
    input: random.integer(0, inputs - 1),
    threshold: random.next() * 2 - 1,
    missingLeft: random.chance(0.5),
    left: grow(random, { depth: depth - 1, inputs }),
    right: grow(random, { depth: depth - 1, inputs }),
  };
}

/** A tree in the file's arrays, with the weight of a training row in each leaf. */
function arraysOf(root: TreeNode, depth: number) {
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
    tree.weight[index] = 2 ** (depth - Math.floor(Math.log2(index + 1)));
    if (!isLeaf) nodes.push(node.left, node.right);
  }
  return tree;
}

/** The text of a model of trees that add up to log-odds, by the format of docs/models.md. */
export function forestText(
  trees: readonly TreeNode[],
  {
    depth,
    inputNames,
    inputCount,
  }: { readonly depth: number; readonly inputNames: readonly string[] | null; readonly inputCount: number },
): string {
  return JSON.stringify({
    format: 'sklearn-trees',
    formatVersion: 1,
    estimator: 'benchmark',
    inputNames,
    inputCount,
    inputPrecision: 'float64',
    acceptsMissing: true,
    output: 'log-odds',
    start: 0,
    trees: trees.map((tree) => arraysOf(tree, depth)),
  });
}

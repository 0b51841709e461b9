/**
 * Exact Shapley values of tree ensembles: TreeSHAP by the path, algorithm 2 of Lundberg, Erion and Lee, "Consistent
 * Individualized Feature Attribution for Tree Ensembles" (2018), https://arxiv.org/abs/1802.03888.
 *
 * An input that is not known follows both sides of a split, each as likely as training rows took it. The value of an input
 * is what knowing it changes, averaged over all orders in which the inputs can become known.
 *
 * 1. One walk visits every leaf of a tree. It carries the path: each input met so far once, with `zero`, the part of the
 *    training rows that would flow on if the input were not known, and `one`, 1 if the row itself flows on and 0 if not.
 *    Element 0 is no input and stands for the empty set.
 * 2. `weight` of element k sums, over all sets of k inputs of the path, what flows on, times how many orders have such a
 *    set first. `#extend` adds an input to the path and `#unwind` takes one out again.
 * 3. At a leaf, each input gets the leaf's value times (one − zero) times the sum of the weights without that input. For
 *    inputs with one = 0 this product does not depend on `zero` at all, so it is computed once for all of them.
 */
import { type Forest, fillSlots } from './forest.ts';

export class TreeExplainer {
  /** What the sum of leaves is on average over the training rows. */
  readonly base: number;
  readonly #forest: Forest;
  readonly #input: Int32Array;
  readonly #zero: Float64Array;
  readonly #one: Float64Array;
  readonly #weight: Float64Array;
  /** `1 / n` for n up to the longest path. */
  readonly #inverse: Float64Array;
  #values: Float64Array;

  constructor(forest: Forest) {
    this.#forest = forest;
    this.base = expectedSum(forest);
    // The path of each level of the recursion lies behind its parent's: 1 + 2 + … elements.
    const levels = forest.depth + 2;
    const size = (levels * (levels + 1)) / 2;
    this.#input = new Int32Array(size);
    this.#zero = new Float64Array(size);
    this.#one = new Float64Array(size);
    this.#weight = new Float64Array(size);
    this.#inverse = Float64Array.from({ length: levels + 1 }, (_, index) => 1 / index);
    this.#values = new Float64Array(forest.inputCount);
  }

  /** By how much each input moved the sum of leaves away from `base`. */
  explain(row: Float64Array): Float64Array {
    fillSlots(this.#forest, row);
    this.#values = new Float64Array(this.#forest.inputCount);
    for (const root of this.#forest.roots) this.#visit(root, 0, 0, 1, 1, -1);
    return this.#values;
  }

  /** @param last index of the element to add to the path of the parent, which begins at `parent` and has `last` elements. */
  #visit(node: number, parent: number, last: number, zero: number, one: number, input: number): void {
    const start = parent + last;
    this.#copyPath(parent, start, last);
    this.#extend(start, last, zero, one, input);
    const { firstChild, slot, threshold, share, slotValues, slotInput } = this.#forest;
    const left = firstChild[node] ?? -1;
    if (left < 0) {
      this.#credit(start, last, threshold[node] ?? 0);
      return;
    }
    const ownSlot = slot[node] ?? 0;
    const split = slotInput[ownSlot] ?? 0;
    const taken = left + Number((slotValues[ownSlot] ?? 0) > (threshold[node] ?? 0));
    const other = 2 * left + 1 - taken;
    let zeroBefore = 1;
    let oneBefore = 1;
    let length = last;
    const known = this.#find(start, last, split);
    if (known > 0) {
      zeroBefore = this.#zero[start + known] ?? 0;
      oneBefore = this.#one[start + known] ?? 0;
      this.#unwind(start, last, known);
      length -= 1;
    }
    const takenZero = zeroBefore * (share[taken] ?? 0);
    const otherZero = zeroBefore * (share[other] ?? 0);
    // What neither the row nor any training row reaches contributes nothing.
    if (takenZero > 0 || oneBefore > 0) this.#visit(taken, start, length + 1, takenZero, oneBefore, split);
    if (otherZero > 0) this.#visit(other, start, length + 1, otherZero, 0, split);
  }

  #copyPath(from: number, to: number, length: number): void {
    const input = this.#input;
    const zero = this.#zero;
    const one = this.#one;
    const weight = this.#weight;
    for (let index = 0; index < length; index++) {
      input[to + index] = input[from + index] ?? 0;
      zero[to + index] = zero[from + index] ?? 0;
      one[to + index] = one[from + index] ?? 0;
      weight[to + index] = weight[from + index] ?? 0;
    }
  }

  #extend(start: number, last: number, zero: number, one: number, input: number): void {
    const weight = this.#weight;
    this.#input[start + last] = input;
    this.#zero[start + last] = zero;
    this.#one[start + last] = one;
    weight[start + last] = last === 0 ? 1 : 0;
    const scale = this.#inverse[last + 1] ?? 0;
    for (let index = last - 1; index >= 0; index--) {
      const own = (weight[start + index] ?? 0) * scale;
      weight[start + index + 1] = (weight[start + index + 1] ?? 0) + one * own * (index + 1);
      weight[start + index] = zero * own * (last - index);
    }
  }

  #find(start: number, last: number, input: number): number {
    for (let index = 1; index <= last; index++) if (this.#input[start + index] === input) return index;
    return 0;
  }

  #unwind(start: number, last: number, element: number): void {
    const weight = this.#weight;
    const zero = this.#zero[start + element] ?? 0;
    const isTaken = (this.#one[start + element] ?? 0) > 0;
    let next = weight[start + last] ?? 0;
    for (let index = last - 1; index >= 0; index--) {
      const own = weight[start + index] ?? 0;
      if (isTaken) {
        const without = (next * (last + 1)) / (index + 1);
        weight[start + index] = without;
        next = own - (without * zero * (last - index)) / (last + 1);
      } else {
        weight[start + index] = (own * (last + 1)) / (zero * (last - index));
      }
    }
    for (let index = element; index < last; index++) {
      this.#input[start + index] = this.#input[start + index + 1] ?? 0;
      this.#zero[start + index] = this.#zero[start + index + 1] ?? 0;
      this.#one[start + index] = this.#one[start + index + 1] ?? 0;
    }
  }

  /** Gives each input of a leaf's path its part of the leaf's value. */
  #credit(start: number, last: number, leaf: number): void {
    const values = this.#values;
    const weight = this.#weight;
    const inverse = this.#inverse;
    const scaled = leaf * (last + 1);
    let notTaken = 0;
    for (let index = 0; index < last; index++) notTaken += (weight[start + index] ?? 0) * (inverse[last - index] ?? 0);
    notTaken *= scaled;
    for (let element = 1; element <= last; element++) {
      const input = this.#input[start + element] ?? 0;
      if (this.#one[start + element] === 0) {
        values[input] = (values[input] ?? 0) - notTaken;
        continue;
      }
      const zero = this.#zero[start + element] ?? 0;
      let next = weight[start + last] ?? 0;
      let total = 0;
      for (let index = last - 1; index >= 0; index--) {
        const without = next * (inverse[index + 1] ?? 0);
        total += without;
        next = (weight[start + index] ?? 0) - without * zero * (last - index);
      }
      values[input] = (values[input] ?? 0) + total * (1 - zero) * scaled;
    }
  }
}

/** Sum over trees of the leaves' mean by training weight. Children lie behind their parents. */
function expectedSum({ firstChild, threshold, share, roots }: Forest): number {
  const expected = Float64Array.from(threshold);
  for (let node = expected.length - 1; node >= 0; node--) {
    const left = firstChild[node] ?? -1;
    if (left < 0) continue;
    expected[node] = (share[left] ?? 0) * (expected[left] ?? 0) + (share[left + 1] ?? 0) * (expected[left + 1] ?? 0);
  }
  let sum = 0;
  for (const root of roots) sum += expected[root] ?? 0;
  return sum;
}

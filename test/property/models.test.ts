/** Models: Shapley values against their definition, and files that are anything. */
import { gunzipSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fraudDetection } from '../../shared/features/fraud.ts';
import { repository } from '../../shared/features/index.ts';
import { compileForest, MISSING, type SourceTree, sumLeaves } from '../../shared/scoring/models/forest.ts';
import { ModelError } from '../../shared/scoring/models/model.ts';
import { parseModel } from '../../shared/scoring/models/parse-model.ts';
import { TreeExplainer } from '../../shared/scoring/models/tree-shap.ts';
import {
  definitionsOfInputs,
  type ModelInput,
  ModelPackageError,
  readModelPackage,
  writeModelPackage,
} from '../../shared/scoring/package.ts';
import { GOLDEN_NAMES, golden } from '../unit/models/golden.ts';

const INPUTS = 4;

type TreeNode =
  | { readonly value: number; readonly weight: number }
  | {
      readonly input: number;
      readonly threshold: number;
      readonly missing: number;
      readonly left: TreeNode;
      readonly right: TreeNode;
    };

const leaf = fc.record({
  value: fc.double({ min: -10, max: 10, noNaN: true }),
  weight: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20 }), fc.double({ min: 1e-3, max: 5, noNaN: true })),
});

const trees = fc.letrec<{ node: TreeNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 6 },
    { arbitrary: leaf, weight: 1 },
    {
      arbitrary: fc.record({
        input: fc.nat(INPUTS - 1),
        threshold: fc.constantFrom(-1, 0, 0.5, 1),
        missing: fc.constantFrom(...Object.values(MISSING)),
        left: tie('node'),
        right: tie('node'),
      }),
      weight: 3,
    },
  ),
})).node;

/** Values at, beside and far from the thresholds, and none. */
const rows = fc.array(fc.constantFrom(-2, -1, 0, 0.25, 0.5, 1, 3, Number.NaN), {
  minLength: INPUTS,
  maxLength: INPUTS,
});

function weightOf(node: TreeNode): number {
  return 'value' in node ? node.weight : weightOf(node.left) + weightOf(node.right);
}

function sourceTree(root: TreeNode): SourceTree {
  const nodes = [root];
  for (const node of nodes) if (!('value' in node)) nodes.push(node.left, node.right);
  const of = (leafValue: number, split: (node: Exclude<TreeNode, { value: number }>) => number) =>
    nodes.map((node) => ('value' in node ? leafValue : split(node)));
  return {
    left: of(-1, ({ left }) => nodes.indexOf(left)),
    right: of(-1, ({ right }) => nodes.indexOf(right)),
    input: of(0, ({ input }) => input),
    threshold: of(0, ({ threshold }) => threshold),
    missing: of(0, ({ missing }) => missing),
    value: nodes.map((node) => ('value' in node ? node.value : 0)),
    weight: nodes.map(weightOf),
  };
}

function goesLeft({ threshold, missing }: { threshold: number; missing: number }, value: number): boolean {
  switch (missing) {
    case MISSING.goesRight:
      return value <= threshold;
    case MISSING.goesLeft:
      return Number.isNaN(value) || value <= threshold;
    case MISSING.isZero:
      return (Number.isNaN(value) ? 0 : value) <= threshold;
    case MISSING.orZeroGoesRight:
      return value !== 0 && value <= threshold;
    default:
      return Number.isNaN(value) || value === 0 || value <= threshold;
  }
}

/** What the tree says when only some inputs are known: a split by another takes both sides, as training rows did. */
function expectation(node: TreeNode, row: readonly number[], known: ReadonlySet<number>): number {
  if ('value' in node) return node.value;
  if (known.has(node.input)) {
    return expectation(goesLeft(node, row[node.input] ?? Number.NaN) ? node.left : node.right, row, known);
  }
  const [left, right] = [weightOf(node.left), weightOf(node.right)];
  const share = left + right === 0 ? 0.5 : left / (left + right);
  return share * expectation(node.left, row, known) + (1 - share) * expectation(node.right, row, known);
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

/** Shapley's formula: what an input changes, averaged over every order in which inputs become known. */
function shapley(node: TreeNode, row: readonly number[], input: number): number {
  let sum = 0;
  for (let set = 0; set < 2 ** INPUTS; set++) {
    const known = new Set([...row.keys()].filter((index) => ((set >> index) & 1) === 1));
    if (known.has(input)) continue;
    const orders = (factorial(known.size) * factorial(INPUTS - known.size - 1)) / factorial(INPUTS);
    sum += orders * (expectation(node, row, new Set([...known, input])) - expectation(node, row, known));
  }
  return sum;
}

describe('trees', () => {
  it('say what a walk by the definition says, and Shapley values are those of the formula', () => {
    fc.assert(
      fc.property(fc.array(trees, { minLength: 1, maxLength: 3 }), rows, (forestOfTrees, row) => {
        const forest = compileForest(forestOfTrees.map(sourceTree), { inputCount: INPUTS, comparison: 'float64 <=' });
        const input = Float64Array.from(row);
        const all = new Set(row.keys());
        const walked = forestOfTrees.reduce((sum, tree) => sum + expectation(tree, row, all), 0);

        const explainer = new TreeExplainer(forest);
        const values = explainer.explain(input);

        expect(sumLeaves(forest, input, 0)).toBe(walked);
        const base = forestOfTrees.reduce((sum, tree) => sum + expectation(tree, row, new Set()), 0);
        expect(Math.abs(explainer.base - base)).toBeLessThan(1e-9);
        for (const [index, value] of values.entries()) {
          const expected = forestOfTrees.reduce((sum, tree) => sum + shapley(tree, row, index), 0);
          expect(Math.abs(value - expected)).toBeLessThan(1e-9);
        }
        expect(Math.abs(values.reduce((sum, value) => sum + value, explainer.base) - walked)).toBeLessThan(1e-9);
      }),
      { numRuns: 500 },
    );
  });
});

/** Changes of a text: some characters replaced, some left out, a piece repeated. */
const edits = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    remove: fc.nat(12),
    insert: fc.oneof(
      fc.constantFrom(
        '',
        '-1',
        '99',
        '1e999',
        'null',
        '"',
        '[',
        ']',
        '{}',
        ',',
        '=',
        '\n',
        'NaN',
        '0.5',
        '-',
        '\\u0000',
      ),
      fc.string({ maxLength: 8 }),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

type Edit = { readonly at: number; readonly remove: number; readonly insert: string };

function edited(text: string, changes: readonly Edit[]): string {
  return changes.reduce((current, { at, remove, insert }) => {
    const start = Math.floor(at * current.length);
    return current.slice(0, start) + insert + current.slice(start + remove);
  }, text);
}

describe.each(GOLDEN_NAMES)('a file like %s', (name) => {
  const { format, model: text } = golden(name);

  it('is a model that answers, or refused with a sentence', () => {
    fc.assert(
      fc.property(edits, rows, (changes, values) => {
        try {
          const model = parseModel(format, edited(text, changes));
          const row = Float64Array.from({ length: model.inputCount }, (_, index) => values[index % INPUTS] ?? 0);
          model.score(row);
          expect(model.contributions(row).values).toHaveLength(model.inputCount);
        } catch (error) {
          if (!(error instanceof ModelError)) throw error;
          expect(error.message).toMatch(/[a-z].*; \w/s);
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('a package file', () => {
  const { format, model } = golden('xgboost-2.1');
  const names = ['amount', 'tx_count_1h', 'avg_amount_1h', 'is_burst'];
  const inputs = names.map(
    (feature): ModelInput => ({ feature, type: feature === 'is_burst' ? 'boolean' : 'number', imputation: null }),
  );
  const statistics = { mean: 1, stddev: 1, minimum: 0, maximum: 2, nulls: 0, quantiles: [0, 1, 2] };
  const bytes = writeModelPackage(
    {
      packageVersion: 2,
      name: 'fuzzed',
      version: 1,
      service: 'fraud_detection@1',
      registryVersion: repository.registryVersion,
      definitions: definitionsOfInputs(fraudDetection, inputs),
      inputs,
      format,
      thresholds: { block: 0.5 },
      trainingSet: { absentBecause: 'made up' },
      reference: { rows: 2, features: Object.fromEntries(names.map((name) => [name, statistics])) },
      createdAt: '2026-01-01T00:00:00Z',
    },
    model.replace(/"feature_names":\[[^\]]*\]/, '"feature_names":[]'),
  );

  function expectLoadedOrRefused(file: Uint8Array): void {
    try {
      readModelPackage(file, repository);
    } catch (error) {
      if (!(error instanceof ModelPackageError)) throw error;
    }
  }

  it('is read when nobody touched it', () => {
    expect(readModelPackage(bytes, repository).key).toBe('fuzzed@1');
  });

  it('is read or refused, whichever bytes have changed', () => {
    const byteEdits = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(byteEdits, (changes) => {
        const file = Uint8Array.from(bytes);
        for (const [at, value] of changes) file[at] = value;
        expectLoadedOrRefused(file);
      }),
      { numRuns: 300 },
    );
  });

  it('is read or refused, whatever its JSON says', () => {
    const text = gunzipSync(bytes).toString();
    fc.assert(
      fc.property(edits, (changes) => expectLoadedOrRefused(gzipSync(edited(text, changes)))),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.json(), (json) => expectLoadedOrRefused(gzipSync(json))),
      { numRuns: 100 },
    );
  });
});

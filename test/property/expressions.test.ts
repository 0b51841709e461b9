import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type BooleanTree,
  columnsOf,
  compileToJavaScript,
  describe,
  type Expression,
  type NumberTree,
  parseExpression,
  type Row,
  type TextTree,
  type Value,
  type ValueType,
} from '../../shared/expressions/index.ts';
import {
  ARITHMETIC_OPERATORS,
  COMPARISON_OPERATORS,
  EQUALITY_OPERATORS,
  NUMBER_FUNCTIONS,
  type Scalars,
  type Trees,
} from '../../shared/expressions/tree.ts';

const numbers = fc.oneof(
  fc.constantFrom(0, 1, -1, 0.5, 2, 86_399_999, 1.7e12, 1e308, -1e308, 5e-324),
  fc.integer({ min: -3, max: 3 }),
  // Adding 0 turns −0, which a literal cannot hold, into 0.
  fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => value + 0),
);
const texts = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'ab', '\u{ff5e}', '\u{1f600}', '\u{1f600}a', "d'Or"),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
const scalars: { readonly [Type in ValueType]: fc.Arbitrary<Scalars[Type]> } = {
  number: numbers,
  text: texts,
  boolean: fc.boolean(),
};

function orAbsent<Item>(item: fc.Arbitrary<Item>): fc.Arbitrary<Item | null | undefined> {
  return fc.oneof({ weight: 3, arbitrary: item }, { weight: 1, arbitrary: fc.constantFrom(null, undefined) });
}

const rows: fc.Arbitrary<Row> = fc.record({
  number_1: orAbsent(fc.oneof(numbers, fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -0))),
  number_2: orAbsent(numbers),
  text_1: orAbsent(texts),
  text_2: orAbsent(texts),
  boolean_1: orAbsent(fc.boolean()),
  boolean_2: orAbsent(fc.boolean()),
});

const constant = <const Constant>(value: Constant) => fc.constant<Constant>(value);

/** The nodes that every type has. The first is the one at which deep trees end. */
function commonNodes<Type extends ValueType>(valueType: Type, tie: fc.LetrecTypedTie<Trees>) {
  const type = fc.constant(valueType);
  const scalar: fc.Arbitrary<Scalars[Type]> = scalars[valueType];
  const tree: fc.Arbitrary<Trees[Type]> = tie(valueType);
  const otherwise = fc.option(scalar);
  const branch = fc.record({ condition: tie('boolean'), result: tree });
  const entries = <Key>(key: fc.Arbitrary<Key>) =>
    fc.uniqueArray(fc.tuple(key, scalar), { minLength: 1, maxLength: 4, selector: ([first]) => first });
  return [
    fc.oneof(
      fc.record({ kind: constant('column'), type, name: fc.constantFrom(`${valueType}_1`, `${valueType}_2`) }),
      fc.record({ kind: constant('literal'), type, value: scalar }),
    ),
    fc.record({
      kind: constant('case'),
      type,
      branches: fc.array(branch, { minLength: 1, maxLength: 3 }),
      otherwise: fc.option(tree),
    }),
    fc.record({ kind: constant('coalesce'), type, operands: fc.array(tree, { minLength: 2, maxLength: 3 }) }),
    fc.record({ kind: constant('textLookup'), type, key: tie('text'), entries: entries(texts), otherwise }),
    fc.record({ kind: constant('numberLookup'), type, key: tie('number'), entries: entries(numbers), otherwise }),
  ] as const;
}

const trees = fc.letrec<Trees>((tie: fc.LetrecTypedTie<Trees>) => {
  const depth = { maxDepth: 5, depthIdentifier: 'expression' };
  const number = constant('number');
  const boolean = constant('boolean');
  const operator = fc.constantFrom(...COMPARISON_OPERATORS);
  const numberPair = { left: tie('number'), right: tie('number') };
  return {
    number: fc.oneof(
      depth,
      ...commonNodes('number', tie),
      fc.record({
        kind: constant('arithmetic'),
        type: number,
        operator: fc.constantFrom(...ARITHMETIC_OPERATORS),
        ...numberPair,
      }),
      fc.record({
        kind: constant('numberFunction'),
        type: number,
        operator: fc.constantFrom(...NUMBER_FUNCTIONS),
        operand: tie('number'),
      }),
      fc.record({ kind: constant('characterCount'), type: number, operand: tie('text') }),
    ),
    text: fc.oneof(depth, ...commonNodes('text', tie)),
    boolean: fc.oneof(
      depth,
      ...commonNodes('boolean', tie),
      fc.record({ kind: constant('numberComparison'), type: boolean, operator, ...numberPair }),
      fc.record({
        kind: constant('textComparison'),
        type: boolean,
        operator,
        left: tie('text'),
        right: tie('text'),
      }),
      fc.record({
        kind: constant('booleanComparison'),
        type: boolean,
        operator: fc.constantFrom(...EQUALITY_OPERATORS),
        left: tie('boolean'),
        right: tie('boolean'),
      }),
      fc.record({
        kind: constant('numberIsOneOf'),
        type: boolean,
        operand: tie('number'),
        values: fc.array(numbers, { minLength: 1, maxLength: 4 }),
      }),
      fc.record({
        kind: constant('textIsOneOf'),
        type: boolean,
        operand: tie('text'),
        values: fc.array(texts, { minLength: 1, maxLength: 4 }),
      }),
      fc.record({
        kind: fc.constantFrom('and' as const, 'or' as const),
        type: boolean,
        operands: fc.array(tie('boolean'), { minLength: 2, maxLength: 4 }),
      }),
      fc.record({ kind: constant('not'), type: boolean, operand: tie('boolean') }),
      fc.record({
        kind: fc.constantFrom('isNull' as const, 'isNotNull' as const),
        type: boolean,
        operand: fc.oneof(tie('number'), tie('text'), tie('boolean')),
      }),
    ),
  };
});
const expressions: fc.Arbitrary<Expression> = fc.oneof(trees.number, trees.text, trees.boolean);

/** The oracle: one naive, recursive function per type of result, with other means than the compiler's. */
function interpret(tree: Expression, row: Row): Value {
  if (tree.kind === 'column') return interpretColumn(row[tree.name]);
  if (tree.kind === 'literal') return tree.value;
  if (tree.kind === 'coalesce') {
    return tree.operands.map((operand) => interpret(operand, row)).find((value) => value !== null) ?? null;
  }
  if (tree.kind === 'case') {
    const branch = tree.branches.find(({ condition }) => interpret(condition, row) === true);
    const chosen = branch?.result ?? tree.otherwise;
    return chosen === null ? null : interpret(chosen, row);
  }
  if (tree.kind === 'textLookup' || tree.kind === 'numberLookup') {
    const key = interpret(tree.key, row);
    return tree.entries.find(([candidate]) => candidate === key)?.[1] ?? tree.otherwise;
  }
  return tree.type === 'number' ? interpretNumber(tree, row) : interpretBoolean(tree, row);
}

function interpretColumn(value: Value | undefined): Value {
  if (value === undefined) return null;
  return typeof value === 'number' ? storable(value) : value;
}

function storable(value: number): number | null {
  if (Number.isNaN(value) || Math.abs(value) === Number.POSITIVE_INFINITY) return null;
  return value === 0 ? 0 : value;
}

type CommonKind = 'column' | 'literal' | 'case' | 'coalesce' | 'textLookup' | 'numberLookup';

function interpretNumber(tree: Exclude<NumberTree, { kind: CommonKind }>, row: Row): number | null {
  if (tree.kind === 'characterCount') {
    const text = interpret(tree.operand, row);
    return text === null ? null : [...String(text)].length;
  }
  if (tree.kind === 'arithmetic') {
    const [left, right] = [interpret(tree.left, row), interpret(tree.right, row)];
    if (left === null || right === null) return null;
    const [a, b] = [Number(left), Number(right)];
    return storable({ plus: a + b, minus: a - b, times: a * b, dividedBy: a / b }[tree.operator]);
  }
  const operand = interpret(tree.operand, row);
  if (operand === null) return null;
  const value = Number(operand);
  const floor = Math.floor(value);
  const hours = floorDivide(BigInt(floor), 3_600_000n);
  const results = {
    negated: -value,
    absolute: Math.abs(value),
    floor,
    naturalLogarithm: Math.log(value),
    hourOfDay: Number(hours - floorDivide(hours, 24n) * 24n),
    dayOfWeek: [4, 5, 6, 7, 1, 2, 3].at(Number(floorDivide(hours, 24n) % 7n)) ?? Number.NaN,
  };
  return storable(results[tree.operator]);
}

function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return quotient * divisor > dividend ? quotient - 1n : quotient;
}

function interpretBoolean(tree: Exclude<BooleanTree | TextTree, { kind: CommonKind }>, row: Row): Value {
  switch (tree.kind) {
    case 'and':
    case 'or': {
      // Kleene's logic is the minimum and the maximum of false < unknown < true.
      const order: readonly Value[] = [false, null, true];
      const ranks = tree.operands.map((operand) => order.indexOf(interpret(operand, row)));
      return order[tree.kind === 'and' ? Math.min(...ranks) : Math.max(...ranks)] ?? null;
    }
    case 'isNull':
      return interpret(tree.operand, row) === null;
    case 'isNotNull':
      return interpret(tree.operand, row) !== null;
    case 'not': {
      const value = interpret(tree.operand, row);
      return value === null ? null : value === false;
    }
    case 'numberIsOneOf':
    case 'textIsOneOf': {
      const value = interpret(tree.operand, row);
      return value === null ? null : tree.values.some((candidate) => candidate === value);
    }
    default: {
      const [left, right] = [interpret(tree.left, row), interpret(tree.right, row)];
      if (left === null || right === null) return null;
      const order = compareValues(left, right);
      return {
        equals: order === 0,
        differsFrom: order !== 0,
        isGreaterThan: order > 0,
        isAtLeast: order >= 0,
        isLessThan: order < 0,
        isAtMost: order <= 0,
      }[tree.operator];
    }
  }
}

function compareValues(left: NonNullable<Value>, right: NonNullable<Value>): number {
  if (typeof left === 'string') return Buffer.compare(Buffer.from(left), Buffer.from(String(right)));
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

it('a compiled tree yields what the naive interpreter yields', () => {
  fc.assert(
    fc.property(expressions, fc.array(rows, { minLength: 1, maxLength: 4 }), (expression, samples) => {
      const evaluate = compileToJavaScript(expression);
      for (const row of samples) expect(evaluate(row)).toBe(interpret(expression, row));
    }),
    { numRuns: 2_000 },
  );
});

it('a tree survives JSON: it is the same tree and yields the same', () => {
  fc.assert(
    fc.property(expressions, rows, (expression, row) => {
      const restored = parseExpression(JSON.parse(JSON.stringify(expression)));
      expect(restored).toEqual(expression);
      expect(compileToJavaScript(restored)(row)).toBe(compileToJavaScript(expression)(row));
    }),
    { numRuns: 500 },
  );
});

it('a tree reads no column but those of columnsOf, and has a description', () => {
  fc.assert(
    fc.property(expressions, rows, (expression, row) => {
      const names = columnsOf(expression);
      const narrowed = Object.fromEntries(Object.entries(row).filter(([name]) => names.has(name)));
      expect(compileToJavaScript(expression)(narrowed)).toBe(compileToJavaScript(expression)(row));
      for (const name of names) expect(describe(expression)).toContain(name);
    }),
    { numRuns: 500 },
  );
});

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
} from '../../shared/expressions/index.ts';
import { expressionArbitrary, expressionRows } from '../support/expression-arbitraries.ts';

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
    fc.property(
      expressionArbitrary,
      fc.array(expressionRows, { minLength: 1, maxLength: 4 }),
      (expression, samples) => {
        const evaluate = compileToJavaScript(expression);
        for (const row of samples) expect(evaluate(row)).toBe(interpret(expression, row));
      },
    ),
    { numRuns: 2_000 },
  );
});

it('a tree survives JSON: it is the same tree and yields the same', () => {
  fc.assert(
    fc.property(expressionArbitrary, expressionRows, (expression, row) => {
      const restored = parseExpression(JSON.parse(JSON.stringify(expression)));
      expect(restored).toEqual(expression);
      expect(compileToJavaScript(restored)(row)).toBe(compileToJavaScript(expression)(row));
    }),
    { numRuns: 500 },
  );
});

it('a tree reads no column but those of columnsOf, and has a description', () => {
  fc.assert(
    fc.property(expressionArbitrary, expressionRows, (expression, row) => {
      const names = columnsOf(expression);
      const narrowed = Object.fromEntries(Object.entries(row).filter(([name]) => names.has(name)));
      expect(compileToJavaScript(expression)(narrowed)).toBe(compileToJavaScript(expression)(row));
      for (const name of names) expect(describe(expression)).toContain(name);
    }),
    { numRuns: 500 },
  );
});

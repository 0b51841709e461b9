/**
 * Compiles a tree to one JavaScript closure per node; the meaning of each node is in `tree.ts`.
 * Everything that depends only on the tree (operators, table indexes, sets) is settled here once, because the closures
 * run on every decision: inside them there are no look-ups by operator name and no allocations.
 */
import {
  type ArithmeticOperator,
  type BooleanTree,
  type CommonNode,
  type ComparisonOperator,
  compareCodePoints,
  type EqualityOperator,
  type Expression,
  type NumberFunction,
  type NumberTree,
  type Scalars,
  type TextTree,
  type Trees,
  type Value,
  type ValueType,
} from './tree.ts';

/** Values by column name; an absent column is null. */
export type Row = Readonly<Record<string, Value | undefined>>;

type Evaluate<Result> = (row: Row) => Result | null;

/** Thrown when a row holds another type than the expression was built for: whoever made the row must convert it. */
export class ColumnTypeError extends Error {
  override readonly name = 'ColumnTypeError';
  readonly column: string;

  constructor(column: string, expected: ValueType, actual: unknown) {
    super(`Column "${column}" holds a ${typeof actual}, but the expression reads a ${expected}; convert the row first`);
    this.column = column;
  }
}

/** The value of an expression for a row. The closure throws ColumnTypeError for a row of other types. */
export function compileToJavaScript(expression: Expression): (row: Row) => Value {
  switch (expression.type) {
    case 'number':
      return compileNumber(expression);
    case 'text':
      return compileText(expression);
    case 'boolean':
      return compileBoolean(expression);
  }
}

/** Whether a condition is true for a row; unknown (null) is not true, as in SQL's WHERE. */
export function compilePredicate(condition: BooleanTree): (row: Row) => boolean {
  const evaluate = compileBoolean(condition);
  return (row) => evaluate(row) === true;
}

const MILLIS_PER_HOUR = 3_600_000;
const MILLIS_PER_DAY = 24 * MILLIS_PER_HOUR;
const MILLIS_PER_WEEK = 7 * MILLIS_PER_DAY;
/** 1970-01-01 was a Thursday, three days after a Monday. */
const DAYS_FROM_MONDAY_TO_EPOCH = 3;

/** What cannot be stored or compared becomes null; adding 0 turns −0 into 0. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value + 0 : null;
}

/** The remainder that is never negative. `%` is exact for doubles, where a quotient would be rounded. */
function cycle(value: number, length: number): number {
  const remainder = Math.floor(value) % length;
  return remainder < 0 ? remainder + length : remainder + 0;
}

const NUMBER_FUNCTIONS: Readonly<Record<NumberFunction, (value: number) => number | null>> = {
  // Not `-value`, which would make 0 a second zero.
  negated: (value) => 0 - value,
  absolute: Math.abs,
  floor: Math.floor,
  naturalLogarithm: (value) => (value > 0 ? Math.log(value) : null),
  hourOfDay: (value) => Math.floor(cycle(value, MILLIS_PER_DAY) / MILLIS_PER_HOUR),
  dayOfWeek: (value) => {
    const daysAfterThursday = Math.floor(cycle(value, MILLIS_PER_WEEK) / MILLIS_PER_DAY);
    return ((daysAfterThursday + DAYS_FROM_MONDAY_TO_EPOCH) % 7) + 1;
  },
};

function compileNumber(tree: NumberTree): Evaluate<number> {
  switch (tree.kind) {
    case 'column':
      return numberColumn(tree.name);
    case 'arithmetic':
      return ARITHMETIC[tree.operator](compileNumber(tree.left), compileNumber(tree.right));
    case 'numberFunction':
      return whenPresent(compileNumber(tree.operand), NUMBER_FUNCTIONS[tree.operator]);
    case 'characterCount':
      return whenPresent(compileText(tree.operand), countCodePoints);
    default:
      return compileCommon(tree, compileNumber);
  }
}

function compileText(tree: TextTree): Evaluate<string> {
  return tree.kind === 'column' ? textColumn(tree.name) : compileCommon(tree, compileText);
}

function compileBoolean(tree: BooleanTree): Evaluate<boolean> {
  switch (tree.kind) {
    case 'column':
      return booleanColumn(tree.name);
    case 'numberComparison':
      return NUMBER_COMPARISONS[tree.operator](compileNumber(tree.left), compileNumber(tree.right));
    case 'textComparison':
      return whenBothPresent(compileText(tree.left), compileText(tree.right), TEXT_COMPARISONS[tree.operator]);
    case 'booleanComparison':
      return whenBothPresent(compileBoolean(tree.left), compileBoolean(tree.right), BOOLEAN_COMPARISONS[tree.operator]);
    case 'numberIsOneOf': {
      const values = new Set(tree.values);
      return whenPresent(compileNumber(tree.operand), (value) => values.has(value));
    }
    case 'textIsOneOf': {
      const values = new Set(tree.values);
      return whenPresent(compileText(tree.operand), (value) => values.has(value));
    }
    case 'and':
      return decidedBy(false, tree.operands.map(compileBoolean));
    case 'or':
      return decidedBy(true, tree.operands.map(compileBoolean));
    case 'not':
      return whenPresent(compileBoolean(tree.operand), (value) => !value);
    case 'isNull': {
      const operand = compileToJavaScript(tree.operand);
      return (row) => operand(row) === null;
    }
    case 'isNotNull': {
      const operand = compileToJavaScript(tree.operand);
      return (row) => operand(row) !== null;
    }
    default:
      return compileCommon(tree, compileBoolean);
  }
}

type SharedNode<Type extends ValueType> = Exclude<CommonNode<Type>, { readonly kind: 'column' }>;

/** The nodes that mean the same for every type. */
function compileCommon<Type extends ValueType>(
  tree: SharedNode<Type>,
  compile: (tree: Trees[Type]) => Evaluate<Scalars[Type]>,
): Evaluate<Scalars[Type]> {
  switch (tree.kind) {
    case 'literal': {
      const { value } = tree;
      return () => value;
    }
    case 'case': {
      const branches = tree.branches.map(({ condition, result }) => ({
        holds: compileBoolean(condition),
        result: compile(result),
      }));
      const otherwise = tree.otherwise === null ? () => null : compile(tree.otherwise);
      return (row) => {
        for (const { holds, result } of branches) if (holds(row) === true) return result(row);
        return otherwise(row);
      };
    }
    case 'coalesce': {
      const operands = tree.operands.map(compile);
      return (row) => {
        for (const operand of operands) {
          const value = operand(row);
          if (value !== null) return value;
        }
        return null;
      };
    }
    case 'textLookup':
      return find(compileText(tree.key), new Map(tree.entries), tree.otherwise);
    case 'numberLookup':
      return find(compileNumber(tree.key), new Map(tree.entries), tree.otherwise);
  }
}

function find<Key, Entry>(
  key: Evaluate<Key>,
  table: ReadonlyMap<Key, Entry>,
  otherwise: Entry | null,
): Evaluate<Entry> {
  return (row) => {
    const value = key(row);
    return value === null ? otherwise : (table.get(value) ?? otherwise);
  };
}

function numberColumn(name: string): Evaluate<number> {
  return (row) => {
    const value = row[name];
    return typeof value === 'number' ? finite(value) : absent(name, 'number', value);
  };
}

function textColumn(name: string): Evaluate<string> {
  return (row) => {
    const value = row[name];
    return typeof value === 'string' ? value : absent(name, 'text', value);
  };
}

function booleanColumn(name: string): Evaluate<boolean> {
  return (row) => {
    const value = row[name];
    return typeof value === 'boolean' ? value : absent(name, 'boolean', value);
  };
}

function absent(name: string, expected: ValueType, value: Value | undefined): null {
  if (value === null || value === undefined) return null;
  throw new ColumnTypeError(name, expected, value);
}

function whenPresent<Input, Result>(
  operand: Evaluate<Input>,
  apply: (value: Input) => Result | null,
): Evaluate<Result> {
  return (row) => {
    const value = operand(row);
    return value === null ? null : apply(value);
  };
}

/** Kleene's `and` is decided by one false, his `or` by one true; undecided, a null leaves it unknown. */
function decidedBy(decisive: boolean, operands: readonly Evaluate<boolean>[]): Evaluate<boolean> {
  return (row) => {
    let isUnknown = false;
    for (const operand of operands) {
      const value = operand(row);
      if (value === decisive) return decisive;
      if (value === null) isUnknown = true;
    }
    return isUnknown ? null : !decisive;
  };
}

type NumberOperators<Operator extends string, Result> = Readonly<
  Record<Operator, (left: Evaluate<number>, right: Evaluate<number>) => Evaluate<Result>>
>;

/**
 * One closure per operator, written out: one closure for all, handed the operator as a function, cannot be inlined
 * once it has seen more than a few operators, and costs half as much again per rule.
 */
const ARITHMETIC: NumberOperators<ArithmeticOperator, number> = {
  plus: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : finite(a + b);
  },
  minus: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : finite(a - b);
  },
  times: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : finite(a * b);
  },
  dividedBy: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : finite(a / b);
  },
};

const NUMBER_COMPARISONS: NumberOperators<ComparisonOperator, boolean> = {
  equals: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : a === b;
  },
  differsFrom: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : a !== b;
  },
  isGreaterThan: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : a > b;
  },
  isAtLeast: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : a >= b;
  },
  isLessThan: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : a < b;
  },
  isAtMost: (left, right) => (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : a <= b;
  },
};

const TEXT_COMPARISONS: Readonly<Record<ComparisonOperator, (left: string, right: string) => boolean>> = {
  equals: (left, right) => left === right,
  differsFrom: (left, right) => left !== right,
  isGreaterThan: (left, right) => compareCodePoints(left, right) > 0,
  isAtLeast: (left, right) => compareCodePoints(left, right) >= 0,
  isLessThan: (left, right) => compareCodePoints(left, right) < 0,
  isAtMost: (left, right) => compareCodePoints(left, right) <= 0,
};

const BOOLEAN_COMPARISONS: Readonly<Record<EqualityOperator, (left: boolean, right: boolean) => boolean>> = {
  equals: (left, right) => left === right,
  differsFrom: (left, right) => left !== right,
};

function whenBothPresent<Input>(
  left: Evaluate<Input>,
  right: Evaluate<Input>,
  apply: (left: Input, right: Input) => boolean,
): Evaluate<boolean> {
  return (row) => {
    const a = left(row);
    const b = right(row);
    return a === null || b === null ? null : apply(a, b);
  };
}

function countCodePoints(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    // A code point above U+FFFF takes two units.
    if ((text.codePointAt(index) ?? 0) > 0xffff) index += 1;
    count += 1;
  }
  return count;
}

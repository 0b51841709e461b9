/**
 * The fluent builder. TypeScript refuses a misspelt column and a comparison of different types; what it cannot see
 * (NaN, empty lists, oversized trees, callers without types) is refused by the parser that also reads stored trees.
 */
import { InvalidExpressionError, parseExpression, parseExpressionOf } from './parse.ts';
import {
  type ArithmeticOperator,
  type ComparisonOperator,
  compareCodePoints,
  type EqualityOperator,
  type Expression,
  type NumberFunction,
  type Scalars,
  type Trees,
  type ValueType,
} from './tree.ts';

/** What is accepted where an expression of a type is wanted: a builder, or a plain JavaScript value. */
export type NumberOperand = NumberExpression | number;
export type TextOperand = TextExpression | string;
export type BooleanOperand = BooleanExpression | boolean;
type Operand = NumberOperand | TextOperand | BooleanOperand;

export type AnyExpression = NumberExpression | TextExpression | BooleanExpression;

/** The builder for a column of a TypeScript type; optional and nullable make no difference. */
export type ExpressionOf<Type> = [NonNullable<Type>] extends [number]
  ? NumberExpression
  : [NonNullable<Type>] extends [string]
    ? TextExpression
    : [NonNullable<Type>] extends [boolean]
      ? BooleanExpression
      : never;

export type Columns<Row> = { readonly [Name in keyof Row]-?: ExpressionOf<Row[Name]> };

type Table<Key extends string | number, Type extends ValueType> = Readonly<Record<Key, Scalars[Type]>>;

/** What every builder has: its tree. */
abstract class TypedExpression<Type extends ValueType> {
  readonly tree: Trees[Type];

  constructor(tree: Trees[Type]) {
    this.tree = tree;
  }

  /** JavaScript would compare and add builders by their names, and say nothing. */
  [Symbol.toPrimitive](): never {
    throw new InvalidExpressionError(
      'expression',
      'has no value before there is an event: write .isGreaterThan(), .plus() and the like instead of >, + and other operators',
    );
  }
}

/** What numbers and texts share: they are ordered, and can be the key of a table. */
abstract class OrderedExpression<
  Type extends 'number' | 'text',
  Other extends NumberOperand | TextOperand,
> extends TypedExpression<Type> {
  equals(other: Other): BooleanExpression {
    return this.#comparison('equals', other);
  }

  /** SQL's `<>`: null when a side is null. */
  differsFrom(other: Other): BooleanExpression {
    return this.#comparison('differsFrom', other);
  }

  isGreaterThan(other: Other): BooleanExpression {
    return this.#comparison('isGreaterThan', other);
  }

  isAtLeast(other: Other): BooleanExpression {
    return this.#comparison('isAtLeast', other);
  }

  isLessThan(other: Other): BooleanExpression {
    return this.#comparison('isLessThan', other);
  }

  isAtMost(other: Other): BooleanExpression {
    return this.#comparison('isAtMost', other);
  }

  isOneOf(values: readonly Scalars[Type][]): BooleanExpression {
    const sorted = [...new Set(values)].sort(compareKeys);
    return booleanOf({ kind: `${this.tree.type}IsOneOf`, operand: this.tree, values: sorted });
  }

  /** The entry of this key; `otherwise` (null by default) when there is none or the key is null. */
  lookup(table: Table<Scalars[Type], 'number'>, otherwise?: number): NumberExpression;
  lookup(table: Table<Scalars[Type], 'text'>, otherwise?: string): TextExpression;
  lookup(table: Table<Scalars[Type], 'boolean'>, otherwise?: boolean): BooleanExpression;
  lookup(table: Table<string, ValueType>, otherwise: Scalars[ValueType] | null = null): AnyExpression {
    const { type: keyType } = this.tree;
    const entries = Object.entries(table)
      .map(([key, value]) => [keyType === 'number' ? Number(key) : key, value] as const)
      .sort(([left], [right]) => compareKeys(left, right));
    const type = typeOfValue(entries[0]?.[1]);
    return builderOf(parseExpression({ kind: `${keyType}Lookup`, type, key: this.tree, entries, otherwise }));
  }

  isNull(): BooleanExpression {
    return booleanOf({ kind: 'isNull', operand: this.tree });
  }

  isNotNull(): BooleanExpression {
    return booleanOf({ kind: 'isNotNull', operand: this.tree });
  }

  #comparison(operator: ComparisonOperator, other: Other): BooleanExpression {
    return booleanOf({
      kind: `${this.tree.type}Comparison`,
      operator,
      left: this.tree,
      right: alike(this.tree, other),
    });
  }
}

/** A number: a quantity, or a timestamp in milliseconds since 1970 UTC. */
export class NumberExpression extends OrderedExpression<'number', NumberOperand> {
  plus(other: NumberOperand): NumberExpression {
    return this.#arithmetic('plus', other);
  }

  minus(other: NumberOperand): NumberExpression {
    return this.#arithmetic('minus', other);
  }

  times(other: NumberOperand): NumberExpression {
    return this.#arithmetic('times', other);
  }

  /** The quotient; null when `other` is zero. */
  dividedBy(other: NumberOperand): NumberExpression {
    return this.#arithmetic('dividedBy', other);
  }

  negated(): NumberExpression {
    return this.#function('negated');
  }

  absolute(): NumberExpression {
    return this.#function('absolute');
  }

  /** The largest whole number that is not greater. */
  floor(): NumberExpression {
    return this.#function('floor');
  }

  /** The logarithm to base e; null for zero and less. */
  naturalLogarithm(): NumberExpression {
    return this.#function('naturalLogarithm');
  }

  /** Of a timestamp: the hour in UTC, 0 to 23. */
  hourOfDay(): NumberExpression {
    return this.#function('hourOfDay');
  }

  /** Of a timestamp: the day in UTC, 1 = Monday to 7 = Sunday. */
  dayOfWeek(): NumberExpression {
    return this.#function('dayOfWeek');
  }

  #arithmetic(operator: ArithmeticOperator, other: NumberOperand): NumberExpression {
    return numberOf({ kind: 'arithmetic', operator, left: this.tree, right: alike(this.tree, other) });
  }

  #function(operator: NumberFunction): NumberExpression {
    return numberOf({ kind: 'numberFunction', operator, operand: this.tree });
  }
}

/** A text, compared and ordered by Unicode code points. */
export class TextExpression extends OrderedExpression<'text', TextOperand> {
  /** The number of Unicode code points. */
  characterCount(): NumberExpression {
    return numberOf({ kind: 'characterCount', operand: this.tree });
  }
}

/** A truth value with SQL's third state, null for unknown. */
export class BooleanExpression extends TypedExpression<'boolean'> {
  and(...others: readonly [BooleanOperand, ...BooleanOperand[]]): BooleanExpression {
    return this.#joined('and', others);
  }

  or(...others: readonly [BooleanOperand, ...BooleanOperand[]]): BooleanExpression {
    return this.#joined('or', others);
  }

  not(): BooleanExpression {
    return booleanOf({ kind: 'not', operand: this.tree });
  }

  equals(other: BooleanOperand): BooleanExpression {
    return this.#comparison('equals', other);
  }

  /** SQL's `<>`: null when a side is null. */
  differsFrom(other: BooleanOperand): BooleanExpression {
    return this.#comparison('differsFrom', other);
  }

  isNull(): BooleanExpression {
    return booleanOf({ kind: 'isNull', operand: this.tree });
  }

  isNotNull(): BooleanExpression {
    return booleanOf({ kind: 'isNotNull', operand: this.tree });
  }

  /** Flattens `a and (b and c)`, which is the same truth, so that long rules stay shallow. */
  #joined(kind: 'and' | 'or', others: readonly BooleanOperand[]): BooleanExpression {
    const operands = [this.tree, ...others.map((other) => alike(this.tree, other))].flatMap<Expression>((tree) =>
      tree.kind === kind ? tree.operands : [tree],
    );
    return booleanOf({ kind, operands });
  }

  #comparison(operator: EqualityOperator, other: BooleanOperand): BooleanExpression {
    return booleanOf({ kind: 'booleanComparison', operator, left: this.tree, right: alike(this.tree, other) });
  }
}

/** Builders for the columns of a row, for the callbacks of declarations. */
export function columns<Row>(types: Readonly<Record<keyof Row & string, ValueType>>): Columns<Row> {
  const entries = Object.entries<ValueType>(types).map(([name, type]) => {
    return [name, builderOf(parseExpression({ kind: 'column', type, name }))] as const;
  });
  // fromEntries loses the keys; the parameter's type says that they are those of the row.
  return Object.fromEntries(entries) as Columns<Row>;
}

/** A constant. @throws InvalidExpressionError for NaN, an infinity, and text that UTF-8 cannot hold. */
export function literal(value: number): NumberExpression;
export function literal(value: string): TextExpression;
export function literal(value: boolean): BooleanExpression;
export function literal(value: Scalars[ValueType]): AnyExpression {
  return builderOf(treeOf(value));
}

type Branches<Result> = readonly (readonly [condition: BooleanOperand, result: Result])[];

/** The result of the first branch whose condition is true; without one, `otherwise`, or null. */
export function caseWhen(branches: Branches<NumberOperand>, otherwise?: NumberOperand): NumberExpression;
export function caseWhen(branches: Branches<TextOperand>, otherwise?: TextOperand): TextExpression;
export function caseWhen(branches: Branches<BooleanOperand>, otherwise?: BooleanOperand): BooleanExpression;
export function caseWhen(branches: Branches<Operand>, otherwise?: Operand): AnyExpression {
  const trees = branches.map(([condition, result]) => ({ condition: treeOf(condition), result: treeOf(result) }));
  const last = otherwise === undefined ? null : treeOf(otherwise);
  return builderOf(parseExpression({ kind: 'case', type: trees[0]?.result.type, branches: trees, otherwise: last }));
}

type AtLeastTwo<Item> = readonly [Item, Item, ...Item[]];

/** The first operand that is not null. */
export function coalesce(...operands: AtLeastTwo<NumberOperand>): NumberExpression;
export function coalesce(...operands: AtLeastTwo<TextOperand>): TextExpression;
export function coalesce(...operands: AtLeastTwo<BooleanOperand>): BooleanExpression;
export function coalesce(...operands: AtLeastTwo<Operand>): AnyExpression {
  const trees = operands.map(treeOf);
  return builderOf(parseExpression({ kind: 'coalesce', type: trees[0]?.type, operands: trees }));
}

function builderOf(tree: Expression): AnyExpression {
  switch (tree.type) {
    case 'number':
      return new NumberExpression(tree);
    case 'text':
      return new TextExpression(tree);
    case 'boolean':
      return new BooleanExpression(tree);
  }
}

function numberOf(node: object): NumberExpression {
  return new NumberExpression(parseExpressionOf('number', { type: 'number', ...node }));
}

function booleanOf(node: object): BooleanExpression {
  return new BooleanExpression(parseExpressionOf('boolean', { type: 'boolean', ...node }));
}

function treeOf(operand: Operand): Expression {
  if (operand instanceof TypedExpression) return operand.tree;
  const type = typeOfValue(operand);
  // Declarations are loaded without their types.
  if (type === undefined)
    throw new InvalidExpressionError('operand', `must be an expression or a value; got ${operand}`);
  return parseExpression({ kind: 'literal', type, value: operand });
}

/** Refuses what TypeScript refuses, too, but in its words. */
function alike({ type }: Expression, operand: Operand): Expression {
  const tree = treeOf(operand);
  if (tree.type === type) return tree;
  throw new InvalidExpressionError('operand', `must be a ${type}, as what it is put together with; got a ${tree.type}`);
}

function typeOfValue(value: Scalars[ValueType] | undefined): ValueType | undefined {
  if (typeof value === 'number') return 'number';
  if (typeof value === 'string') return 'text';
  return typeof value === 'boolean' ? 'boolean' : undefined;
}

/** The canonical order of the values of one list, so that writing them in another order changes nothing. */
function compareKeys(left: number | string, right: number | string): number {
  return typeof left === 'number' && typeof right === 'number'
    ? left - right
    : compareCodePoints(String(left), String(right));
}

/**
 * The expression tree: plain JSON that says its type at every node, so that it can be stored in a manifest, hashed,
 * shown, and compiled to JavaScript and to SQL with identical results.
 *
 * The semantics that every compiler keeps:
 * 1. A null operand makes a calculation, a comparison, `isOneOf` and `not` null. `and` and `or` follow Kleene's logic:
 *    one false makes `and` false and one true makes `or` true, whatever the others are; otherwise a null makes them null.
 * 2. `case` takes the first branch whose condition is true (null is not true); without one, `otherwise`, or null.
 *    `coalesce` is the first operand that is not null. `isNull` and `isNotNull` are never null.
 * 3. Numbers are IEEE 754 doubles. Division by zero, the logarithm of a number ≤ 0, and every result that is not finite
 *    are null; a column that holds NaN or an infinity reads as null. There is one zero: −0 becomes 0.
 *    Every compiler must yield the same bits, except for `naturalLogarithm`, whose last bit IEEE 754 leaves
 *    to the library: JavaScript and DuckDB differ in it for 3.
 * 4. Texts are equal when their code points are, and ordered by code point, which is the order of their UTF-8 bytes.
 *    `characterCount` counts code points.
 * 5. Timestamps are numbers, milliseconds since 1970-01-01 UTC, rounded down; `hourOfDay` is 0 to 23 and `dayOfWeek`
 *    follows ISO 8601, 1 = Monday to 7 = Sunday, also before 1970.
 * 6. A lookup whose key is null or not in the table is its `otherwise`, or null.
 */

export type ValueType = 'number' | 'text' | 'boolean';

/** What a column holds and an expression yields. */
export type Value = number | string | boolean | null;

/** The JavaScript type of each value type. */
export interface Scalars {
  readonly number: number;
  readonly text: string;
  readonly boolean: boolean;
}

/** The trees of each value type. */
export interface Trees {
  readonly number: NumberTree;
  readonly text: TextTree;
  readonly boolean: BooleanTree;
}

export interface ColumnNode<Type extends ValueType> {
  readonly kind: 'column';
  readonly type: Type;
  readonly name: string;
}

/** The nodes that every value type has. */
export type CommonNode<Type extends ValueType> =
  | ColumnNode<Type>
  | { readonly kind: 'literal'; readonly type: Type; readonly value: Scalars[Type] }
  | {
      readonly kind: 'case';
      readonly type: Type;
      readonly branches: readonly { readonly condition: BooleanTree; readonly result: Trees[Type] }[];
      readonly otherwise: Trees[Type] | null;
    }
  | { readonly kind: 'coalesce'; readonly type: Type; readonly operands: readonly Trees[Type][] }
  | LookupNode<'textLookup', TextTree, string, Type>
  | LookupNode<'numberLookup', NumberTree, number, Type>;

interface LookupNode<Kind extends string, KeyTree, Key, Type extends ValueType> {
  readonly kind: Kind;
  readonly type: Type;
  readonly key: KeyTree;
  /** Pairs instead of an object, because the order of an object's keys depends on how they look. */
  readonly entries: readonly (readonly [Key, Scalars[Type]])[];
  readonly otherwise: Scalars[Type] | null;
}

export const ARITHMETIC_OPERATORS = ['plus', 'minus', 'times', 'dividedBy'] as const;
export const NUMBER_FUNCTIONS = ['negated', 'absolute', 'floor', 'naturalLogarithm', 'hourOfDay', 'dayOfWeek'] as const;
export const EQUALITY_OPERATORS = ['equals', 'differsFrom'] as const;
export const COMPARISON_OPERATORS = [
  ...EQUALITY_OPERATORS,
  'isGreaterThan',
  'isAtLeast',
  'isLessThan',
  'isAtMost',
] as const;

export type ArithmeticOperator = (typeof ARITHMETIC_OPERATORS)[number];
export type NumberFunction = (typeof NUMBER_FUNCTIONS)[number];
export type EqualityOperator = (typeof EQUALITY_OPERATORS)[number];
export type ComparisonOperator = (typeof COMPARISON_OPERATORS)[number];

export type NumberTree =
  | CommonNode<'number'>
  | {
      readonly kind: 'arithmetic';
      readonly type: 'number';
      readonly operator: ArithmeticOperator;
      readonly left: NumberTree;
      readonly right: NumberTree;
    }
  | {
      readonly kind: 'numberFunction';
      readonly type: 'number';
      readonly operator: NumberFunction;
      readonly operand: NumberTree;
    }
  | { readonly kind: 'characterCount'; readonly type: 'number'; readonly operand: TextTree };

export type TextTree = CommonNode<'text'>;

interface ComparisonNode<Kind extends string, Operator, Tree> {
  readonly kind: Kind;
  readonly type: 'boolean';
  readonly operator: Operator;
  readonly left: Tree;
  readonly right: Tree;
}

interface IsOneOfNode<Kind extends string, Tree, Scalar> {
  readonly kind: Kind;
  readonly type: 'boolean';
  readonly operand: Tree;
  readonly values: readonly Scalar[];
}

export type BooleanTree =
  | CommonNode<'boolean'>
  | ComparisonNode<'numberComparison', ComparisonOperator, NumberTree>
  | ComparisonNode<'textComparison', ComparisonOperator, TextTree>
  | ComparisonNode<'booleanComparison', EqualityOperator, BooleanTree>
  | IsOneOfNode<'numberIsOneOf', NumberTree, number>
  | IsOneOfNode<'textIsOneOf', TextTree, string>
  | { readonly kind: 'and' | 'or'; readonly type: 'boolean'; readonly operands: readonly BooleanTree[] }
  | { readonly kind: 'not'; readonly type: 'boolean'; readonly operand: BooleanTree }
  | { readonly kind: 'isNull' | 'isNotNull'; readonly type: 'boolean'; readonly operand: Expression };

export type Expression = NumberTree | TextTree | BooleanTree;

/** The expressions directly inside an expression, in reading order. */
function operandsOf(tree: Expression): readonly Expression[] {
  switch (tree.kind) {
    case 'column':
    case 'literal':
      return [];
    case 'textLookup':
    case 'numberLookup':
      return [tree.key];
    case 'arithmetic':
    case 'numberComparison':
    case 'textComparison':
    case 'booleanComparison':
      return [tree.left, tree.right];
    case 'coalesce':
    case 'and':
    case 'or':
      return tree.operands;
    case 'case': {
      const branches = tree.branches.flatMap(({ condition, result }): Expression[] => [condition, result]);
      return tree.otherwise === null ? branches : [...branches, tree.otherwise];
    }
    default:
      return [tree.operand];
  }
}

/** The names of the columns that an expression reads, in reading order. */
export function columnsOf(expression: Expression): ReadonlySet<string> {
  const inside = operandsOf(expression).flatMap((operand) => [...columnsOf(operand)]);
  return new Set(expression.kind === 'column' ? [expression.name] : inside);
}

/** The texts with which an expression compares a column, wherever it does. */
export function textsComparedWith(expression: Expression, column: string): string[] {
  const inside = operandsOf(expression).flatMap((operand) => textsComparedWith(operand, column));
  const isColumn = (tree: Expression) => tree.kind === 'column' && tree.name === column;
  if (expression.kind === 'textIsOneOf' && isColumn(expression.operand)) return [...expression.values];
  if (expression.kind !== 'textComparison') return inside;
  const sides = [expression.left, expression.right];
  const literals = sides.flatMap((side) => (side.kind === 'literal' && side.value !== null ? [side.value] : []));
  return sides.some(isColumn) ? literals : inside;
}

/**
 * Order of two texts by code point: negative, zero or positive. JavaScript's `<` compares UTF-16 units, which places
 * the characters above U+FFFF (surrogates, 0xD800 to 0xDFFF) before U+E000 to U+FFFF; UTF-8 and SQL place them after.
 */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const difference = rank(left.charCodeAt(index)) - rank(right.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Moves the surrogates behind every other unit and keeps the order otherwise. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

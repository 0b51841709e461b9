/**
 * Compiles a tree to SQL; the meaning of each node is in `../../expressions/tree.ts`, and the compiler to JavaScript beside it
 * yields the same values.
 *
 * 1. SQL's own logic of nulls is the language's, so most nodes are the operator of the same name.
 * 2. Results that are not finite become null where a calculation ends, and not at each of its steps: sums, products and
 *    dividends that are not finite stay so to the end. A divisor is an end of its own, because 1 / infinity is 0.
 * 3. What must be written twice is bound to a name when it is long, so that a tree of n nodes is O(n) of SQL.
 */
import type {
  BooleanTree,
  ComparisonOperator,
  Expression,
  NumberFunction,
  NumberTree,
  TextTree,
  Value,
  ValueType,
} from '../../expressions/tree.ts';
import { numberLiteral, type SqlDialect, textLiteral } from './dialect.ts';

/** SQL of a column, by its name in the expression. It may be of any type that SQL can cast to the column's. */
export type ColumnSql = (name: string) => string;

interface Context {
  readonly dialect: SqlDialect;
  readonly column: ColumnSql;
}

/** SQL type of the values of each type of expression. */
export const SQL_TYPES: Readonly<Record<ValueType, string>> = { number: 'DOUBLE', text: 'VARCHAR', boolean: 'BOOLEAN' };

const ARITHMETIC = { plus: '+', minus: '-', times: '*', dividedBy: '/' } as const;
const COMPARISONS: Readonly<Record<ComparisonOperator, string>> = {
  equals: '=',
  differsFrom: '<>',
  isGreaterThan: '>',
  isAtLeast: '>=',
  isLessThan: '<',
  isAtMost: '<=',
};

/** The SQL of an expression: a DOUBLE, VARCHAR or BOOLEAN by its type. */
export function compileToSql(expression: Expression, dialect: SqlDialect, column: ColumnSql): string {
  return compile(expression, { dialect, column });
}

/** SQL of a literal of any type; null is typed, so that it can stand anywhere. */
export function valueLiteral(value: Value, type: ValueType): string {
  if (value === null) return `CAST(NULL AS ${SQL_TYPES[type]})`;
  if (typeof value === 'number') return numberLiteral(value);
  return typeof value === 'string' ? textLiteral(value) : String(value).toUpperCase();
}

function compile(tree: Expression, context: Context): string {
  switch (tree.type) {
    case 'number':
      return compileNumber(tree, context);
    case 'text':
      return compileText(tree, context);
    case 'boolean':
      return compileBoolean(tree, context);
  }
}

type CommonKind = 'column' | 'literal' | 'case' | 'coalesce' | 'textLookup' | 'numberLookup';
type Common = Extract<Expression, { readonly kind: CommonKind }>;

/** The nodes that mean the same for every type. */
function compileCommon(tree: Common, context: Context): string {
  switch (tree.kind) {
    case 'column':
      return compileColumn(tree.name, tree.type, context);
    case 'literal':
      return valueLiteral(tree.value, tree.type);
    case 'case': {
      const branches = tree.branches.map(
        ({ condition, result }) => ` WHEN ${compileBoolean(condition, context)} THEN ${compile(result, context)}`,
      );
      const otherwise = tree.otherwise === null ? valueLiteral(null, tree.type) : compile(tree.otherwise, context);
      return `CASE${branches.join('')} ELSE ${otherwise} END`;
    }
    case 'coalesce':
      return `coalesce(${tree.operands.map((operand) => compile(operand, context)).join(', ')})`;
    case 'textLookup':
    case 'numberLookup':
      return compileLookup(tree, context);
  }
}

/** DuckDB compares the key anew for each entry, as if it were written each time. */
function compileLookup(tree: Extract<Common, { kind: 'textLookup' | 'numberLookup' }>, context: Context): string {
  const { type, entries, otherwise } = tree;
  const branches = entries.map(([key, value]) => {
    const keyType = tree.kind === 'textLookup' ? 'text' : 'number';
    return ` WHEN ${valueLiteral(key, keyType)} THEN ${valueLiteral(value, type)}`;
  });
  const lookUp = (key: string) => `CASE ${key}${branches.join('')} ELSE ${valueLiteral(otherwise, type)} END`;
  return once(compile(tree.key, context), context, lookUp);
}

function compileColumn(name: string, type: ValueType, context: Context): string {
  const value = `CAST(${context.column(name)} AS ${SQL_TYPES[type]})`;
  return type === 'number' ? finite(value, context) : value;
}

/** Texts longer than this are bound to a name instead of being written twice. */
const SHORT = 80;

/** Puts a value into SQL that needs it more than once. */
function once(value: string, { dialect }: Context, body: (value: string) => string): string {
  return value.length <= SHORT ? body(value) : dialect.bind(value, body);
}

/** What cannot be stored or compared becomes null; adding 0 turns −0 into 0. */
function finite(value: string, context: Context): string {
  return once(value, context, (it) => `CASE WHEN ${context.dialect.isFinite(it)} THEN ${it} + 0E0 END`);
}

/** A number as it is: finite, or null. */
function compileNumber(tree: NumberTree, context: Context): string {
  switch (tree.kind) {
    case 'arithmetic':
    case 'numberFunction':
      return finite(compileStep(tree, context), context);
    case 'characterCount':
      return `CAST(length(${compileText(tree.operand, context)}) AS DOUBLE)`;
    default:
      return compileCommon(tree, context);
  }
}

/** A number on the way to another: what is not finite may still be that, and 0 may be −0. */
function compileStep(tree: NumberTree, context: Context): string {
  if (tree.kind === 'numberFunction')
    return compileFunction(tree.operator, compileStep(tree.operand, context), context);
  if (tree.kind !== 'arithmetic') return `(${compileNumber(tree, context)})`;
  const { operator, left, right } = tree;
  const second = operator === 'dividedBy' ? `(${compileNumber(right, context)})` : compileStep(right, context);
  return `(${compileStep(left, context)} ${ARITHMETIC[operator]} ${second})`;
}

const MILLIS_PER_HOUR = 3_600_000;
const MILLIS_PER_DAY = 24 * MILLIS_PER_HOUR;
const MILLIS_PER_WEEK = 7 * MILLIS_PER_DAY;

/** The remainder that is never negative, of whole numbers. */
function cycle(value: string, length: number): string {
  const divisor = numberLiteral(length);
  return `((floor(${value}) % ${divisor} + ${divisor}) % ${divisor})`;
}

function compileFunction(operator: NumberFunction, operand: string, context: Context): string {
  switch (operator) {
    case 'negated':
      return `(0E0 - ${operand})`;
    case 'absolute':
      return `abs(${operand})`;
    case 'floor':
      return `floor(${operand})`;
    case 'naturalLogarithm':
      return once(operand, context, (it) => `(CASE WHEN ${it} > 0E0 THEN ln(${it}) END)`);
    case 'hourOfDay':
      return `floor(${cycle(operand, MILLIS_PER_DAY)} / ${numberLiteral(MILLIS_PER_HOUR)})`;
    case 'dayOfWeek':
      // 1970-01-01 was a Thursday, three days after a Monday.
      return `((floor(${cycle(operand, MILLIS_PER_WEEK)} / ${numberLiteral(MILLIS_PER_DAY)}) + 3E0) % 7E0 + 1E0)`;
  }
}

function compileText(tree: TextTree, context: Context): string {
  return compileCommon(tree, context);
}

function compileBoolean(tree: BooleanTree, context: Context): string {
  switch (tree.kind) {
    case 'numberComparison':
    case 'textComparison':
    case 'booleanComparison':
      return `((${compile(tree.left, context)}) ${COMPARISONS[tree.operator]} (${compile(tree.right, context)}))`;
    case 'numberIsOneOf':
      return isOneOf(compile(tree.operand, context), tree.values.map(numberLiteral));
    case 'textIsOneOf':
      return isOneOf(compile(tree.operand, context), tree.values.map(textLiteral));
    case 'and':
    case 'or': {
      const operands = tree.operands.map((operand) => `(${compileBoolean(operand, context)})`);
      return `(${operands.join(` ${tree.kind.toUpperCase()} `)})`;
    }
    case 'not':
      return `(NOT (${compileBoolean(tree.operand, context)}))`;
    case 'isNull':
      return `((${compile(tree.operand, context)}) IS NULL)`;
    case 'isNotNull':
      return `((${compile(tree.operand, context)}) IS NOT NULL)`;
    default:
      return compileCommon(tree, context);
  }
}

function isOneOf(operand: string, values: readonly string[]): string {
  return `((${operand}) IN (${values.join(', ')}))`;
}

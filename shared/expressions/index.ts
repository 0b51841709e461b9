export {
  type AnyExpression,
  BooleanExpression,
  type BooleanOperand,
  type Columns,
  caseWhen,
  coalesce,
  columns,
  type ExpressionOf,
  literal,
  NumberExpression,
  type NumberOperand,
  TextExpression,
  type TextOperand,
} from './builder.ts';
export { ColumnTypeError, compilePredicate, compileToJavaScript, type Row } from './compile-javascript.ts';
export { describe } from './describe.ts';
export { InvalidExpressionError, parseExpression, parseExpressionOf } from './parse.ts';
export {
  type BooleanTree,
  columnsOf,
  type Expression,
  type NumberTree,
  type TextTree,
  textsComparedWith,
  type Value,
  type ValueType,
} from './tree.ts';

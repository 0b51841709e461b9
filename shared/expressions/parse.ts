import * as z from 'zod';
import { LIMITS } from '../limits.ts';
import {
  ARITHMETIC_OPERATORS,
  type BooleanTree,
  COMPARISON_OPERATORS,
  EQUALITY_OPERATORS,
  type Expression,
  NUMBER_FUNCTIONS,
  type NumberTree,
  type Scalars,
  type TextTree,
  type Trees,
  type ValueType,
} from './tree.ts';

/** Thrown when an expression is built or read from a manifest and is not one. The message says where and what to write. */
export class InvalidExpressionError extends Error {
  override readonly name = 'InvalidExpressionError';
  /** Where in the tree, for example `expression.branches[0].condition.left`. */
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path} ${problem}`);
    this.path = path;
  }
}

const number = z.number().overwrite((value) => value + 0);
const text = z
  .string()
  .refine((value) => value.isWellFormed(), 'must be well-formed Unicode: SQL stores text as UTF-8');

/** Refuses a second entry for a key: which one wins would depend on the engine. */
function pairs<Key extends z.ZodType, Entry extends z.ZodType>(key: Key, entry: Entry) {
  return z
    .array(z.tuple([key, entry]))
    .min(1)
    .refine((entries) => new Set(entries.map(([first]) => first)).size === entries.length, 'must name each key once');
}

function commonNodes<Type extends ValueType>(
  valueType: Type,
  scalar: z.ZodType<Scalars[Type]>,
  tree: z.ZodType<Trees[Type]>,
) {
  const type = z.literal(valueType);
  const branch = z.strictObject({ condition: booleanTree, result: tree });
  const otherwise = scalar.nullable();
  return [
    z.strictObject({ kind: z.literal('column'), type, name: text.min(1) }),
    z.strictObject({ kind: z.literal('literal'), type, value: scalar }),
    z.strictObject({ kind: z.literal('case'), type, branches: z.array(branch).min(1), otherwise: tree.nullable() }),
    z.strictObject({ kind: z.literal('coalesce'), type, operands: z.array(tree).min(2) }),
    z.strictObject({ kind: z.literal('textLookup'), type, key: textTree, entries: pairs(text, scalar), otherwise }),
    z.strictObject({
      kind: z.literal('numberLookup'),
      type,
      key: numberTree,
      entries: pairs(number, scalar),
      otherwise,
    }),
  ] as const;
}

/** A schema of trees that tells its discriminators, so that it can itself be an option of a union by `type`. */
type TreeSchema<Tree> = z.ZodType<Tree> & z.core.$ZodTypeDiscriminable;

const numberTree: TreeSchema<NumberTree> = z.lazy(() => {
  const type = z.literal('number');
  const operand = numberTree;
  return z.discriminatedUnion('kind', [
    ...commonNodes('number', number, numberTree),
    z.strictObject({
      kind: z.literal('arithmetic'),
      type,
      operator: z.enum(ARITHMETIC_OPERATORS),
      left: operand,
      right: operand,
    }),
    z.strictObject({ kind: z.literal('numberFunction'), type, operator: z.enum(NUMBER_FUNCTIONS), operand }),
    z.strictObject({ kind: z.literal('characterCount'), type, operand: textTree }),
  ]);
});

const textTree: TreeSchema<TextTree> = z.lazy(() => z.discriminatedUnion('kind', commonNodes('text', text, textTree)));

const booleanTree: TreeSchema<BooleanTree> = z.lazy(() => {
  const type = z.literal('boolean');
  const operator = z.enum(COMPARISON_OPERATORS);
  return z.discriminatedUnion('kind', [
    ...commonNodes('boolean', z.boolean(), booleanTree),
    z.strictObject({ kind: z.literal('numberComparison'), type, operator, left: numberTree, right: numberTree }),
    z.strictObject({ kind: z.literal('textComparison'), type, operator, left: textTree, right: textTree }),
    z.strictObject({
      kind: z.literal('booleanComparison'),
      type,
      operator: z.enum(EQUALITY_OPERATORS),
      left: booleanTree,
      right: booleanTree,
    }),
    z.strictObject({ kind: z.literal('numberIsOneOf'), type, operand: numberTree, values: z.array(number).min(1) }),
    z.strictObject({ kind: z.literal('textIsOneOf'), type, operand: textTree, values: z.array(text).min(1) }),
    z.strictObject({ kind: z.enum(['and', 'or']), type, operands: z.array(booleanTree).min(2) }),
    z.strictObject({ kind: z.literal('not'), type, operand: booleanTree }),
    z.strictObject({ kind: z.enum(['isNull', 'isNotNull']), type, operand: z.lazy(() => expressionTree) }),
  ]);
});

const TREES: { readonly [Type in ValueType]: z.ZodType<Trees[Type]> } = {
  number: numberTree,
  text: textTree,
  boolean: booleanTree,
};

const expressionTree: z.ZodType<Expression> = z.discriminatedUnion('type', [numberTree, textTree, booleanTree]);

/** Refuses a tree beyond the two limits before anything recurses into it. */
function checkSize(tree: unknown): void {
  const pending: { readonly value: unknown; readonly depth: number }[] = [{ value: tree, depth: 1 }];
  let count = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    count += 1;
    const isNode = typeof value === 'object' && value !== null;
    if ((isNode && depth > LIMITS.expressionDepth) || count > LIMITS.expressionValues) {
      throw new InvalidExpressionError(
        'expression',
        `is larger than ${LIMITS.expressionValues} values or deeper than ${LIMITS.expressionDepth} levels; split it into derived features`,
      );
    }
    if (isNode) for (const inner of Object.values(value)) pending.push({ value: inner, depth: depth + 1 });
  }
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`),
    'expression',
  );
}

function parseWith<Tree extends Expression>(schema: z.ZodType<Tree>, json: unknown): Tree {
  checkSize(json);
  // Trees are parsed a few times, when a process starts: too seldom for parsers that zod would compile at run time.
  const { data, error } = schema.safeParse(json, { jitless: true });
  if (error === undefined) return data;
  const [first] = error.issues;
  throw new InvalidExpressionError(formatPath(first?.path ?? []), `is invalid. ${first?.message ?? ''}`);
}

/**
 * Checks a tree that was stored or sent.
 * @throws InvalidExpressionError
 */
export function parseExpression(json: unknown): Expression {
  return parseWith(expressionTree, json);
}

/**
 * Checks a tree that must yield `type`.
 * @throws InvalidExpressionError
 */
export function parseExpressionOf<Type extends ValueType>(type: Type, json: unknown): Trees[Type] {
  return parseWith(TREES[type], json);
}

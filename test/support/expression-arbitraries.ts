/** Random expressions, and rows for them to read. */
import fc from 'fast-check';
import type { Expression, Row, ValueType } from '../../shared/expressions/index.ts';
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

export const expressionRows: fc.Arbitrary<Row> = fc.record({
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
export const expressionArbitrary: fc.Arbitrary<Expression> = fc.oneof(trees.number, trees.text, trees.boolean);

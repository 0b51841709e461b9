import { expect, describe as group, it } from 'vitest';
import {
  type AnyExpression,
  caseWhen,
  coalesce,
  columns,
  columnsOf,
  describe,
  InvalidExpressionError,
  literal,
  parseExpression,
} from '../../../shared/expressions/index.ts';

interface Sample {
  amount: number;
  average: number | null;
  country: string;
  trusted: boolean;
}

const { amount, average, country, trusted } = columns<Sample>({
  amount: 'number',
  average: 'number',
  country: 'text',
  trusted: 'boolean',
});

const column = { kind: 'column', type: 'number', name: 'amount' };
const one = { kind: 'literal', type: 'number', value: 1 };
const sum = { kind: 'arithmetic', type: 'number', operator: 'plus', left: column, right: one };
const lookup = { kind: 'numberLookup', type: 'text', key: column, entries: [[1, 'x']], otherwise: null };

/** The error of a call that must refuse its input. */
function refusal(act: () => unknown): InvalidExpressionError {
  try {
    act();
  } catch (error) {
    if (error instanceof InvalidExpressionError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

function nested(depth: number): unknown {
  let tree: unknown = one;
  for (let level = 1; level < depth; level += 1)
    tree = { kind: 'numberFunction', type: 'number', operator: 'floor', operand: tree };
  return tree;
}

group('what is refused when it is built', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('the number %d', (value) => {
    expect(() => literal(value)).toThrow(InvalidExpressionError);
    expect(() => amount.plus(value)).toThrow(InvalidExpressionError);
    expect(() => amount.isOneOf([value])).toThrow('expression.values[0]');
    expect(() => country.lookup({ DE: value })).toThrow('expression.entries[0][1]');
  });
  it('text that UTF-8 cannot hold', () => {
    expect(() => country.equals('\ud800')).toThrow('must be well-formed Unicode');
  });
  it('lists without a value, which SQL cannot write', () => {
    expect(() => country.isOneOf([])).toThrow(InvalidExpressionError);
    expect(() => country.lookup({})).toThrow(InvalidExpressionError);
    expect(() => caseWhen([])).toThrow(InvalidExpressionError);
  });
  it('a tree that is too deep to compile', () => {
    let deep = amount;
    expect(() => {
      for (let level = 0; level < 300; level += 1) deep = deep.plus(1);
    }).toThrow('deeper than 256 levels');
  });
});

group('what the compiler of TypeScript refuses', () => {
  it('is proved by the directives: an unused one is an error', () => {
    const misuses = [
      // @ts-expect-error a misspelt column
      () => columns<Sample>({ amount: 'number', average: 'number', country: 'text', trusted: 'boolean' }).amuont,
      // @ts-expect-error a number against a text
      () => amount.isGreaterThan('100'),
      // @ts-expect-error a number against a text column
      () => amount.equals(country),
      // @ts-expect-error a text against a number
      () => country.equals(1),
      // @ts-expect-error texts have no sum
      () => country.plus(1),
      // @ts-expect-error truth has no order
      () => trusted.isLessThan(true),
      // @ts-expect-error a condition is boolean
      () => trusted.and(amount),
      // @ts-expect-error results of different types
      () => caseWhen([[trusted, 1]], 'x'),
      // @ts-expect-error operands of different types
      () => coalesce(amount, country),
      // @ts-expect-error a default of another type than the entries
      () => country.lookup({ DE: 1 }, 'x'),
      // @ts-expect-error a list of another type
      () => country.isOneOf([1]),
      // @ts-expect-error a column without a type
      () => columns<Sample>({ amount: 'number' }),
    ];
    expect(misuses).toHaveLength(12);
  });
});

group('what is refused when it is read from JSON', () => {
  it.each([
    ['no tree', 5, 'expression', 'expected object'],
    ['null', null, 'expression', 'expected object'],
    ['an unknown type', { ...column, type: 'integer' }, 'expression.type', "'number' | 'text' | 'boolean'"],
    ['an unknown kind', { ...column, kind: 'colunm' }, 'expression.kind', "'column' | 'literal'"],
    ['a kind of another type', { ...sum, type: 'text' }, 'expression.kind', "'column' | 'literal'"],
    [
      'an unknown operator',
      { ...sum, operator: 'modulo' },
      'expression.operator',
      '"plus"|"minus"|"times"|"dividedBy"',
    ],
    ['a missing operand', { ...sum, right: undefined }, 'expression.right', 'expected object'],
    ['an operand of another type', { ...sum, right: { ...column, type: 'text' } }, 'expression.right.type', '"number"'],
    [
      'a literal of another type',
      { ...sum, right: { ...one, value: '1' } },
      'expression.right.value',
      'expected number',
    ],
    ['an unknown key', { ...sum, left: { ...column, table: 'x' } }, 'expression.left', '"table"'],
    ['a nameless column', { ...column, name: '' }, 'expression.name', '>=1'],
    ['a lone operand', { kind: 'coalesce', type: 'number', operands: [one] }, 'expression.operands', '>=2'],
    [
      'a key twice',
      {
        ...lookup,
        entries: [
          [1, 'x'],
          [1, 'y'],
        ],
      },
      'expression.entries',
      'each key once',
    ],
    [
      '0 and −0 as keys',
      {
        ...lookup,
        entries: [
          [0, 'x'],
          [-0, 'y'],
        ],
      },
      'expression.entries',
      'each key once',
    ],
    ['an entry of another type', { ...lookup, entries: [[1, 2]] }, 'expression.entries[0][1]', 'expected string'],
    [
      'inside isNull',
      { kind: 'isNull', type: 'boolean', operand: { ...sum, left: 1 } },
      'expression.operand.left',
      'object',
    ],
    ['too deep', nested(257), 'expression', 'deeper than 256 levels'],
    [
      'too large',
      { ...lookup, entries: Array.from({ length: 4_000 }, (_, key) => [key, 'x']) },
      'expression',
      '10000 values',
    ],
  ])('%s', (_title, json, path, fix) => {
    const error = refusal(() => parseExpression(json));
    expect(error.path).toBe(path);
    expect(error.message).toContain(fix);
  });
  it('accepts a tree of the greatest depth', () => {
    expect(() => parseExpression(nested(256))).not.toThrow();
  });
});

group('the tree', () => {
  it('is plain JSON that says its types', () => {
    expect(amount.plus(1).tree).toEqual(sum);
  });
  it('does not depend on the order in which values and entries are written', () => {
    expect(country.isOneOf(['b', 'a', 'b']).tree).toEqual(country.isOneOf(['a', 'b']).tree);
    expect(amount.isOneOf([10, 9]).tree).toEqual(amount.isOneOf([9, 10]).tree);
    expect(JSON.stringify(country.lookup({ b: 1, a: 2 }).tree)).toBe(
      JSON.stringify(country.lookup({ a: 2, b: 1 }).tree),
    );
  });
  it('has one zero', () => {
    expect(Object.is(JSON.parse('-0'), -0)).toBe(true);
    expect(parseExpression({ ...one, value: -0 })).toEqual({ ...one, value: 0 });
  });
});

group('columnsOf', () => {
  it('finds the columns under every kind of node, each once', () => {
    const condition = country.isOneOf(['DE']).and(trusted.not(), amount.isAtLeast(average));
    expect([...columnsOf(condition.tree)]).toEqual(['country', 'trusted', 'amount', 'average']);
    expect([...columnsOf(caseWhen([[trusted, amount]], average).tree)]).toEqual(['trusted', 'amount', 'average']);
    expect([...columnsOf(caseWhen([[trusted, country.lookup({ DE: 1 })]]).tree)]).toEqual(['trusted', 'country']);
    expect([...columnsOf(coalesce(amount.floor(), amount, 0).tree)]).toEqual(['amount']);
    expect([...columnsOf(country.characterCount().isNull().tree)]).toEqual(['country']);
    expect([...columnsOf(literal('amount').tree)]).toEqual([]);
  });
});

group('describe', () => {
  it.each<[AnyExpression, string]>([
    [amount.isGreaterThan(5), 'amount > 5'],
    [amount.dividedBy(average), 'amount / average'],
    [amount.minus(average.plus(1)), 'amount - (average + 1)'],
    [amount.plus(average.times(2)).minus(1), 'amount + average * 2 - 1'],
    [amount.plus(average).times(2), '(amount + average) * 2'],
    [trusted.and(country.equals("d'Or")).or(amount.isNull()), "trusted and country = 'd''Or' or amount is null"],
    [trusted.or(false).and(true), '(trusted or false) and true'],
    [trusted.and(true).not(), 'not (trusted and true)'],
    [trusted.not().equals(false), '(not trusted) = false'],
    [amount.isAtMost(1).isNotNull(), '(amount <= 1) is not null'],
    [amount.isOneOf([1, 2, 3, 4, 5, 6, 7]), 'amount in (1, 2, 3, 4, 5, and 2 more)'],
    [coalesce(amount.hourOfDay(), country.characterCount()), 'coalesce(hourOfDay(amount), characterCount(country))'],
    [caseWhen([[trusted, 1]], 2), 'case when trusted then 1 else 2 end'],
    [caseWhen([[trusted, 1]]), 'case when trusted then 1 end'],
    [country.lookup({ DE: 1 }), "lookup(country, {'DE': 1}, null)"],
    [amount.negated().floor(), 'floor(negated(amount))'],
  ])('%#: $1', (expression, expected) => {
    expect(describe(expression.tree)).toBe(expected);
  });
});

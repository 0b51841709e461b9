import { expect, describe as group, it } from 'vitest';
import {
  type AnyExpression,
  ColumnTypeError,
  caseWhen,
  coalesce,
  columns,
  compilePredicate,
  compileToJavaScript,
  literal,
  type Row,
  type Value,
} from '../../../shared/expressions/index.ts';

interface Sample {
  a: number | null;
  b?: number;
  s: string;
  t: string | null;
  p: boolean;
  q: boolean | undefined;
}

const { a, b, s, t, p, q } = columns<Sample>({
  a: 'number',
  b: 'number',
  s: 'text',
  t: 'text',
  p: 'boolean',
  q: 'boolean',
});

const evaluate = (expression: AnyExpression, row: Row): Value => compileToJavaScript(expression.tree)(row);

type Case = readonly [expression: AnyExpression, row: Row, expected: Value];

function table(title: string, cases: readonly Case[]): void {
  it.each(cases.map(([expression, row, expected]) => ({ expression, row, expected })))(
    `${title}: $row → $expected`,
    ({ expression, row, expected }) => expect(evaluate(expression, row)).toBe(expected),
  );
}

group('arithmetic', () => {
  table('plus', [
    [a.plus(b), { a: 1, b: 2 }, 3],
    [a.plus(b), { a: null, b: 2 }, null],
    [a.plus(b), { a: 1 }, null],
    [a.plus(b), { a: Number.MAX_VALUE, b: Number.MAX_VALUE }, null],
    [a.plus(0.5), { a: 1 }, 1.5],
  ]);
  table('minus', [
    [a.minus(b), { a: 1, b: 2 }, -1],
    [a.minus(b), { a: 1, b: null }, null],
    [a.minus(b.minus(1)), { a: 5, b: 3 }, 3],
  ]);
  table('times', [
    [a.times(b), { a: 4, b: 2.5 }, 10],
    [a.times(b), { a: 0, b: -1 }, 0],
    [a.times(b), { a: 1e200, b: 1e200 }, null],
    [a.times(b), { a: null, b: 0 }, null],
  ]);
  table('dividedBy', [
    [a.dividedBy(b), { a: 1, b: 4 }, 0.25],
    [a.dividedBy(b), { a: 1, b: 0 }, null],
    [a.dividedBy(b), { a: 0, b: 0 }, null],
    [a.dividedBy(b), { a: 1, b: -0 }, null],
    [a.dividedBy(b), { a: 0, b: null }, null],
    [a.dividedBy(b), { a: 1, b: Number.MIN_VALUE }, null],
  ]);
  table('negated', [
    [a.negated(), { a: 3 }, -3],
    [a.negated(), { a: 0 }, 0],
    [a.negated(), { a: null }, null],
  ]);
  table('absolute', [
    [a.absolute(), { a: -3 }, 3],
    [a.absolute(), { a: null }, null],
  ]);
  table('floor', [
    [a.floor(), { a: 2.9 }, 2],
    [a.floor(), { a: -2.1 }, -3],
    [a.floor(), { a: -0 }, 0],
    [a.floor(), { a: null }, null],
  ]);
  table('naturalLogarithm', [
    [a.naturalLogarithm(), { a: Math.E }, 1],
    [a.naturalLogarithm(), { a: 1 }, 0],
    [a.naturalLogarithm(), { a: 0 }, null],
    [a.naturalLogarithm(), { a: -1 }, null],
    [a.naturalLogarithm(), { a: null }, null],
  ]);
  table('a column of NaN, an infinity or −0', [
    [a, { a: Number.NaN }, null],
    [a, { a: Number.POSITIVE_INFINITY }, null],
    [a, { a: -0 }, 0],
  ]);
});

group('timestamps', () => {
  const hour = a.hourOfDay();
  table('hourOfDay', [
    [hour, { a: 0 }, 0],
    [hour, { a: Date.UTC(2024, 1, 29, 13, 59, 59, 999) }, 13],
    [hour, { a: Date.UTC(2024, 1, 29, 23, 59, 59, 999) }, 23],
    [hour, { a: -1 }, 23],
    [hour, { a: -0.5 }, 23],
    [hour, { a: -86_400_000 }, 0],
    [hour, { a: null }, null],
  ]);
  const day = a.dayOfWeek();
  table('dayOfWeek', [
    [day, { a: 0 }, 4],
    [day, { a: -1 }, 3],
    [day, { a: Date.UTC(2024, 0, 1) }, 1],
    [day, { a: Date.UTC(2024, 0, 7, 23, 59, 59, 999) }, 7],
    [day, { a: Date.UTC(1969, 11, 28) }, 7],
    [day, { a: null }, null],
  ]);
  it('agrees with the calendar for instants on both sides of 1970', () => {
    const evaluateHour = compileToJavaScript(hour.tree);
    const evaluateDay = compileToJavaScript(day.tree);
    for (let instant = -4e12; instant < 4e12; instant += 7_777_777_777) {
      const date = new Date(instant);
      expect(evaluateHour({ a: instant })).toBe(date.getUTCHours());
      expect(evaluateDay({ a: instant })).toBe(date.getUTCDay() || 7);
    }
  });
});

group('comparisons', () => {
  const numbers = { less: { a: 1, b: 2 }, same: { a: 2, b: 2 }, more: { a: 3, b: 2 } };
  table('equals', [
    [a.equals(b), numbers.same, true],
    [a.equals(b), numbers.more, false],
    [a.equals(b), { a: 0, b: -0 }, true],
    [a.equals(b), {}, null],
    [s.equals(t), { s: 'x', t: 'x' }, true],
    [s.equals(t), { s: 'x', t: 'X' }, false],
    [s.equals(t), { s: 'x', t: null }, null],
    [p.equals(q), { p: false, q: false }, true],
    [p.equals(true), { p: false }, false],
    [p.equals(q), { p: true }, null],
  ]);
  table('differsFrom', [
    [a.differsFrom(b), numbers.same, false],
    [a.differsFrom(b), numbers.less, true],
    [a.differsFrom(b), { a: 1, b: null }, null],
    [s.differsFrom(t), { s: 'x', t: 'y' }, true],
    [s.differsFrom(t), {}, null],
    [p.differsFrom(q), { p: true, q: false }, true],
    [p.differsFrom(q), { q: false }, null],
  ]);
  table('isGreaterThan', [
    [a.isGreaterThan(b), numbers.less, false],
    [a.isGreaterThan(b), numbers.same, false],
    [a.isGreaterThan(b), numbers.more, true],
    [a.isGreaterThan(b), { b: 1 }, null],
  ]);
  table('isAtLeast', [
    [a.isAtLeast(b), numbers.less, false],
    [a.isAtLeast(b), numbers.same, true],
    [a.isAtLeast(b), numbers.more, true],
    [a.isAtLeast(b), { a: 1 }, null],
  ]);
  table('isLessThan', [
    [a.isLessThan(b), numbers.less, true],
    [a.isLessThan(b), numbers.same, false],
    [a.isLessThan(b), numbers.more, false],
    [a.isLessThan(b), { a: 1 }, null],
  ]);
  table('isAtMost', [
    [a.isAtMost(b), numbers.less, true],
    [a.isAtMost(b), numbers.same, true],
    [a.isAtMost(b), numbers.more, false],
    [a.isAtMost(b), { a: 1 }, null],
  ]);
  table('texts are ordered by code point, not by UTF-16 unit', [
    [s.isLessThan(t), { s: '\u{ff5e}', t: '\u{1f600}' }, true],
    [s.isGreaterThan(t), { s: '\u{ff5e}', t: '\u{1f600}' }, false],
    [s.isAtLeast(t), { s: '\u{1f601}', t: '\u{1f600}' }, true],
    [s.isAtMost(t), { s: 'a', t: 'ab' }, true],
    [s.isLessThan(t), { s: 'Z', t: 'a' }, true],
    [s.isLessThan(t), { s: '', t: 'a' }, true],
    [s.isLessThan(t), { s: 'a', t: null }, null],
  ]);
  table('isOneOf', [
    [a.isOneOf([1, 2]), { a: 2 }, true],
    [a.isOneOf([1, 2]), { a: 3 }, false],
    [a.isOneOf([0]), { a: -0 }, true],
    [a.isOneOf([1, 2]), {}, null],
    [s.isOneOf(['x', 'y']), { s: 'y' }, true],
    [s.isOneOf(['x', 'y']), { s: 'z' }, false],
    [s.isOneOf(['x', 'y']), { s: null }, null],
  ]);
});

group("Kleene's logic", () => {
  const values = [true, false, null] as const;
  const and = [true, false, null, false, false, false, null, false, null];
  const or = [true, true, true, true, false, null, true, null, null];
  const pairs = values.flatMap((left) => values.map((right) => ({ p: left, q: right })));
  table(
    'and',
    pairs.map((row, index): Case => [p.and(q), row, and[index] ?? null]),
  );
  table(
    'or',
    pairs.map((row, index): Case => [p.or(q), row, or[index] ?? null]),
  );
  table('not', [
    [p.not(), { p: true }, false],
    [p.not(), { p: false }, true],
    [p.not(), {}, null],
  ]);
  table('several operands', [
    [p.and(q, false), {}, false],
    [p.or(q, true), {}, true],
    [p.and(q, true), { p: true }, null],
  ]);
  it('flattens nested conjunctions, so that long rules stay shallow', () => {
    expect(p.and(q.and(true)).tree).toEqual(p.and(q, true).tree);
    expect(p.or(q).and(p).tree.kind).toBe('and');
  });
  it('accepts a row only when the condition is true', () => {
    const accepts = compilePredicate(p.tree);
    expect([accepts({ p: true }), accepts({ p: false }), accepts({ p: null }), accepts({})]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

group('choices', () => {
  const size = caseWhen(
    [
      [a.isGreaterThan(100), 'large'],
      [a.isGreaterThan(10), s],
    ],
    'small',
  );
  table('caseWhen', [
    [size, { a: 1_000, s: 'middle' }, 'large'],
    [size, { a: 50, s: 'middle' }, 'middle'],
    [size, { a: 50 }, null],
    [size, { a: 1 }, 'small'],
    [size, { a: null }, 'small'],
    [caseWhen([[p, 1]]), { p: false }, null],
    [
      caseWhen([
        [p, q],
        [true, true],
      ]),
      { p: false },
      true,
    ],
  ]);
  table('coalesce', [
    [coalesce(a, b, 7), { a: 1, b: 2 }, 1],
    [coalesce(a, b, 7), { b: 0 }, 0],
    [coalesce(a, b, 7), {}, 7],
    [coalesce(s, t), {}, null],
    [coalesce(p, q), { q: false }, false],
  ]);
  table('lookup', [
    [s.lookup({ DE: 1, FR: 2 }, 9), { s: 'FR' }, 2],
    [s.lookup({ DE: 1, FR: 2 }, 9), { s: 'US' }, 9],
    [s.lookup({ DE: 1, FR: 2 }), { s: 'US' }, null],
    [s.lookup({ DE: 1, FR: 2 }, 9), { s: null }, 9],
    [s.lookup({ DE: false }, true), { s: 'DE' }, false],
    [s.lookup({ DE: 'EU' }), { s: '__proto__' }, null],
    [a.lookup({ 5411: 'grocer', 7995: 'betting' }, 'other'), { a: 7995 }, 'betting'],
    [a.lookup({ '-1': 1, 0: 2, 1.5: 3 }), { a: 1.5 }, 3],
    [a.lookup({ 1: 'x' }), { a: null }, null],
  ]);
  table('isNull and isNotNull', [
    [a.isNull(), {}, true],
    [a.isNull(), { a: 0 }, false],
    [s.isNotNull(), { s: '' }, true],
    [p.isNotNull(), { p: null }, false],
    [a.dividedBy(0).isNull(), { a: 1 }, true],
  ]);
  table('characterCount', [
    [s.characterCount(), { s: '' }, 0],
    [s.characterCount(), { s: 'naïve' }, 5],
    [s.characterCount(), { s: '😀a😀' }, 3],
    [s.characterCount(), {}, null],
  ]);
  table('literal', [
    [literal(1.5), {}, 1.5],
    [literal('x'), {}, 'x'],
    [literal(false), {}, false],
  ]);
});

it('names the column of a row that holds another type', () => {
  expect(() => evaluate(a.plus(1), { a: '1' })).toThrow(ColumnTypeError);
  expect(() => evaluate(a.plus(1), { a: '1' })).toThrow('Column "a" holds a string, but the expression reads a number');
});

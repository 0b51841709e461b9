/**
 * The semantics of expressions are SQL's: the same small tables in a real DuckDB, written by hand as the compiler to SQL
 * will write them.
 */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, expect, it } from 'vitest';
import {
  type AnyExpression,
  caseWhen,
  coalesce,
  columns,
  compileToJavaScript,
  type Row,
  type Value,
} from '../../../shared/expressions/index.ts';

interface Sample {
  a: number;
  b: number;
  s: string;
  t: string;
  p: boolean;
  q: boolean;
}

const { a, b, s, t, p, q } = columns<Sample>({
  a: 'number',
  b: 'number',
  s: 'text',
  t: 'text',
  p: 'boolean',
  q: 'boolean',
});

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect();
});

const TYPES = { a: 'DOUBLE', b: 'DOUBLE', s: 'VARCHAR', t: 'VARCHAR', p: 'BOOLEAN', q: 'BOOLEAN' } as const;

function sqlLiteral(value: Value | undefined): string {
  if (value === null || value === undefined) return 'NULL';
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
}

async function evaluateInDuckDb(sql: string, row: Row): Promise<unknown> {
  const fields = Object.entries(TYPES).map(([name, type]) => `CAST(${sqlLiteral(row[name])} AS ${type}) AS ${name}`);
  const result = await connection.runAndReadAll(`SELECT ${sql} FROM (SELECT ${fields.join(', ')})`);
  const [value] = result.getRows()[0] ?? [];
  return typeof value === 'bigint' ? Number(value) : value;
}

function crossed(name: keyof Sample, other: keyof Sample, values: readonly Value[]): Row[] {
  return values.flatMap((left) => values.map((right) => ({ [name]: left, [other]: right })));
}

const truths = crossed('p', 'q', [true, false, null]);
const numbers = crossed('a', 'b', [null, -2.5, -1, 0, 1, 3]);
const texts = crossed('s', 't', [null, '', 'a', 'ab', 'Z', 'é', 'e\u0301', '\u{ff5e}', '\u{1f600}', "d'Or", 'a ']);
const instants = [null, 0, -1, -86_400_001, 1_709_211_599_999, 1_704_067_200_000].map((instant) => ({ a: instant }));

const HOUR_OF_DAY = 'floor(((floor(a) % 86400000) + 86400000) % 86400000 / 3600000)';
const DAY_OF_WEEK = '(floor(((floor(a) % 604800000) + 604800000) % 604800000 / 86400000) + 3) % 7 + 1';

it.each<[sql: string, expression: AnyExpression, rows: readonly Row[]]>([
  ['p AND q', p.and(q), truths],
  ['p OR q', p.or(q), truths],
  ['NOT p', p.not(), truths],
  ['p = q', p.equals(q), truths],
  ['p <> q', p.differsFrom(q), truths],
  ['p IS NULL', p.isNull(), truths],
  ['p IS NOT NULL', p.isNotNull(), truths],
  [
    'CASE WHEN p THEN 1 WHEN q THEN 2 ELSE 3 END',
    caseWhen(
      [
        [p, 1],
        [q, 2],
      ],
      3,
    ),
    truths,
  ],
  ['CASE WHEN p THEN 1 END', caseWhen([[p, 1]]), truths],
  ['coalesce(p, q)', coalesce(p, q), truths],
  ['s = t', s.equals(t), texts],
  ['s <> t', s.differsFrom(t), texts],
  ['s < t', s.isLessThan(t), texts],
  ['s <= t', s.isAtMost(t), texts],
  ['s > t', s.isGreaterThan(t), texts],
  ['s >= t', s.isAtLeast(t), texts],
  ["s IN ('a', 'Z')", s.isOneOf(['a', 'Z']), texts],
  ['length(s)', s.characterCount(), texts],
  ["CASE s WHEN 'a' THEN 1 WHEN 'Z' THEN 2 ELSE 9 END", s.lookup({ a: 1, Z: 2 }, 9), texts],
  ['a = b', a.equals(b), numbers],
  ['a < b', a.isLessThan(b), numbers],
  ['a >= b', a.isAtLeast(b), numbers],
  ['a IN (1, 3)', a.isOneOf([1, 3]), numbers],
  ['a + b', a.plus(b), numbers],
  ['a * b + 0', a.times(b), numbers],
  ['a / nullif(b, 0) + 0', a.dividedBy(b), numbers],
  ['floor(a)', a.floor(), numbers],
  [HOUR_OF_DAY, a.hourOfDay(), instants],
  [DAY_OF_WEEK, a.dayOfWeek(), instants],
])('DuckDB agrees on %s', async (sql, expression, rows) => {
  const evaluate = compileToJavaScript(expression.tree);
  for (const row of rows) {
    expect({ row, value: await evaluateInDuckDb(sql, row) }).toEqual({ row, value: evaluate(row) });
  }
});

it('DuckDB agrees on ln to the last digit but one: its library rounds otherwise than that of JavaScript', async () => {
  const evaluate = compileToJavaScript(a.naturalLogarithm().tree);
  for (const row of numbers) {
    const expected = evaluate(row);
    const actual = await evaluateInDuckDb('CASE WHEN a > 0 THEN ln(a) END', row);
    if (expected === null) expect(actual).toBeNull();
    else expect(Math.abs(Number(actual) - Number(expected))).toBeLessThanOrEqual(Number.EPSILON * Number(expected));
  }
});

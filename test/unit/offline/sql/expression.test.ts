import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import { columns, compileToJavaScript, literal, type NumberExpression } from '../../../../shared/expressions/index.ts';
import {
  DUCKDB,
  numberLiteral,
  quoteName,
  SqlTextError,
  TRINO,
  tableName,
  textLiteral,
} from '../../../../shared/offline/sql/dialect.ts';
import { compileToSql } from '../../../../shared/offline/sql/expression.ts';

const { amount, limit, label } = columns<{ amount: number; limit: number; label: string }>({
  amount: 'number',
  limit: 'number',
  label: 'text',
});

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect();
});

async function evaluate(sql: string): Promise<unknown> {
  return (await connection.runAndReadAll(`SELECT ${sql}`)).getRows()[0]?.[0];
}

describe('literals', () => {
  const texts = [
    '',
    "'",
    "d'Or",
    '\\',
    "\\'",
    '--',
    '/* */',
    ';',
    '%',
    '\0',
    'a\0b',
    '\0\0',
    '\n\t',
    'ü',
    '\u{1f600}',
    '$1 ?',
  ];
  it.each(texts)('of the text %j means it', async (text) => {
    expect(await evaluate(textLiteral(text))).toBe(text);
    expect(await evaluate(`${textLiteral(text)} = ${textLiteral(text)}`)).toBe(true);
  });

  const numbers = [
    0,
    1,
    -1,
    0.1,
    1e21,
    1e-7,
    2 ** 53,
    -(2 ** 53),
    123456.789,
    5e-324,
    Number.MAX_VALUE,
    Math.PI,
    1 / 3,
  ];
  it.each(numbers)('of the number %d is this double', async (number) => {
    expect(await evaluate(numberLiteral(number))).toBe(number);
  });

  it('refuse what SQL cannot hold', () => {
    expect(() => textLiteral('\ud800')).toThrow(SqlTextError);
    expect(() => numberLiteral(Number.NaN)).toThrow(SqlTextError);
    expect(() => numberLiteral(Number.POSITIVE_INFINITY)).toThrow(SqlTextError);
  });
});

describe('names', () => {
  it.each(['a', 'a"b', '"', '""', "'", 'select', 'a b', '-- x', 'ü', '\u{1f600}', 'a.b'])(
    '%j are columns',
    async (name) => {
      const result = await connection.runAndReadAll(`SELECT 1 AS ${quoteName(name)}`);
      expect(result.columnNames()).toEqual([name]);
    },
  );

  it('refuse what no engine takes', () => {
    expect(() => quoteName('')).toThrow(SqlTextError);
    expect(() => quoteName('a\0b')).toThrow(SqlTextError);
    expect(() => quoteName('\udc00')).toThrow(SqlTextError);
  });

  it('of tables have their parts quoted', () => {
    expect(tableName('hive', 'my schema', 'a"b')).toBe('"hive"."my schema"."a""b"');
  });
});

describe('an expression in SQL', () => {
  it('is what a person would write', () => {
    expect(compileToSql(label.isOneOf(['a', "b'"]).tree, TRINO, quoteName)).toBe(
      `((CAST("label" AS VARCHAR)) IN ('a', 'b'''))`,
    );
  });

  it('takes literals as they are, whatever they contain', async () => {
    const hostile = "x' OR '1'='1";
    const sql = compileToSql(literal(hostile).equals(label).tree, DUCKDB, () => textLiteral(hostile));
    expect(await evaluate(sql)).toBe(true);
    expect(await evaluate(compileToSql(label.equals(hostile).tree, DUCKDB, () => "'y'"))).toBe(false);
  });

  it('grows with its tree and not with its depth', () => {
    const nested = (depth: number): NumberExpression =>
      depth === 0 ? amount : amount.dividedBy(nested(depth - 1).plus(1));
    const lengthOf = (depth: number) => compileToSql(nested(depth).tree, DUCKDB, quoteName).length;
    expect(lengthOf(40) / lengthOf(20)).toBeLessThan(2.5);
  });

  it('takes what is divided by infinity as null, not as 0', async () => {
    const tree = literal(1).dividedBy(amount.times(limit)).tree;
    const row = { amount: 1e300, limit: 1e300 };
    expect(compileToJavaScript(tree)(row)).toBeNull();
    expect(await evaluate(compileToSql(tree, DUCKDB, () => '1E300'))).toBeNull();
  });

  it.each([1, Math.E, 3, 0.5, 1e-300, 0, -1])(
    'has the natural logarithm of %d to the last digit but one',
    async (value) => {
      const tree = amount.naturalLogarithm().tree;
      const expected = compileToJavaScript(tree)({ amount: value });
      const actual = await evaluate(compileToSql(tree, DUCKDB, () => numberLiteral(value)));
      if (expected === null) expect(actual).toBeNull();
      else
        expect(Math.abs(Number(actual) - Number(expected))).toBeLessThanOrEqual(
          Number.EPSILON * Math.abs(Number(expected)),
        );
    },
  );
});

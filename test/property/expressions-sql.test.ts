/**
 * The SQL of random expressions, in real engines, yields what the compiled JavaScript yields, to the last bit. The one
 * exception is the natural logarithm, whose last bit is the library's: expressions with one are left out here.
 */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalTrino, startTrino, whyNoTrino } from '../../localstack/trino.ts';
import { compileToJavaScript, type Expression, type Row, type ValueType } from '../../shared/expressions/index.ts';
import { DUCKDB, quoteName, type SqlDialect, TRINO, textLiteral } from '../../shared/offline/sql/dialect.ts';
import { compileToSql, SQL_TYPES, valueLiteral } from '../../shared/offline/sql/expression.ts';
import { expressionArbitrary, expressionRows } from '../support/expression-arbitraries.ts';

const runs = Number(process.env.PROPERTY_RUNS ?? 200);

interface Sample {
  readonly expression: Expression;
  readonly row: Row;
}

const samples = fc.array(
  fc.record({
    expression: expressionArbitrary.filter((tree) => !JSON.stringify(tree).includes('naturalLogarithm')),
    row: expressionRows,
  }),
  { minLength: 1, maxLength: 5 },
);

const COLUMNS: Readonly<Record<string, ValueType>> = {
  number_1: 'number',
  number_2: 'number',
  text_1: 'text',
  text_2: 'text',
  boolean_1: 'boolean',
  boolean_2: 'boolean',
};

/** A value as SQL, those that no expression may hold included. */
function rowLiteral(value: Row[string], type: ValueType): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return `CAST('${value}' AS DOUBLE)`;
  if (Object.is(value, -0)) return `CAST('-0.0' AS DOUBLE)`;
  return valueLiteral(value ?? null, type);
}

/** One query for an expression and its row. */
function querySql({ expression, row }: Sample, dialect: SqlDialect): string {
  const columns = Object.entries(COLUMNS).map(
    ([name, type]) => `CAST(${rowLiteral(row[name], type)} AS ${SQL_TYPES[type]}) AS ${quoteName(name)}`,
  );
  const sql = compileToSql(expression, dialect, quoteName);
  // Rows come from a table, so that nothing is computed while the query is planned.
  return `SELECT ${sql} FROM (SELECT ${columns.join(', ')} FROM (VALUES (${textLiteral('one')})) AS "rows" ("x")) AS "row"`;
}

function expectEqual({ expression, row }: Sample, value: unknown) {
  const expected = compileToJavaScript(expression)(row);
  expect({ expression, row, value }).toEqual({ expression, row, value: expected });
}

it('DuckDB yields what JavaScript yields', { timeout: 120_000 }, async () => {
  const connection: DuckDBConnection = await (await DuckDBInstance.create(':memory:')).connect();
  await fc.assert(
    fc.asyncProperty(samples, async (chosen) => {
      for (const sample of chosen) {
        const result = await connection.runAndReadAll(querySql(sample, DUCKDB));
        expectEqual(sample, result.getRows()[0]?.[0]);
      }
    }),
    { numRuns: runs },
  );
});

const noTrino = await whyNoTrino();
if (noTrino !== undefined) console.warn(`Skipped: expressions in Trino. ${noTrino}`);

describe.skipIf(noTrino !== undefined)('Trino', () => {
  let trino: LocalTrino;
  beforeAll(async () => {
    trino = await startTrino();
  }, 300_000);
  afterAll(() => trino?.stop());

  it('yields what JavaScript yields', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(samples, async (chosen) => {
        for (const sample of chosen) {
          const { rows } = await trino.query(querySql(sample, TRINO));
          expectEqual(sample, rows[0]?.[0]);
        }
      }),
      // Each query takes 40 ms.
      { numRuns: runs / 2 },
    );
  });
});

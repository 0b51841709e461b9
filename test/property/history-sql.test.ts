/**
 * The SQL of features of the past, in real engines, against the naive oracle: every feature of every row, exactly.
 */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Duration, WindowedView } from '../../shared/definitions/index.ts';
import type { HistoryMode } from '../../shared/offline/offline-store.ts';
import { DUCKDB } from '../../shared/offline/sql/dialect.ts';
import { historyQuery } from '../../shared/offline/sql/history-query.ts';
import { everyAggregateView, offsetView, viewChoiceArbitrary } from '../support/arbitraries.ts';
import {
  accountArbitrary,
  type DecimalType,
  historySql,
  oracleAnswers,
  serviceOf,
  spineSql,
  type Tables,
  tablesOf,
} from '../support/sql-history.ts';

const runs = Number(process.env.PROPERTY_RUNS ?? 100);

const SPINE_WITHOUT_ARRIVAL = ['account_id', 'timestamp'];

interface Options {
  readonly mode: HistoryMode;
  readonly hasKnownAt: boolean;
  readonly decimalType: DecimalType;
}

const optionsArbitrary: fc.Arbitrary<Options> = fc.record({
  mode: fc.constantFrom<HistoryMode>('bitemporal', 'bitemporal', 'event-time'),
  hasKnownAt: fc.boolean(),
  decimalType: fc.constantFrom<DecimalType>('DOUBLE', 'DECIMAL(18, 2)'),
});

function spineColumns(hasKnownAt: boolean): string[] {
  return hasKnownAt ? [...SPINE_WITHOUT_ARRIVAL, 'known_at'] : SPINE_WITHOUT_ARRIVAL;
}

function differences(view: WindowedView, tables: Tables, options: Options, answers: readonly (readonly unknown[])[]) {
  const expected = oracleAnswers(view, tables, options);
  if (answers.length !== expected.length) return [`${answers.length} rows instead of ${expected.length}`];
  const passedThrough = spineColumns(options.hasKnownAt).length;
  return tables.spine.flatMap((row, rowIndex) =>
    view.layout.features.flatMap(({ name }, index) => {
      const answer = answers[rowIndex]?.[passedThrough + index];
      const wanted = expected[rowIndex]?.[index];
      return answer === wanted ? [] : [{ rowIndex, row, name, answer, wanted }];
    }),
  );
}

describe('DuckDB', () => {
  let connection: DuckDBConnection;
  beforeAll(async () => {
    connection = await (await DuckDBInstance.create(':memory:')).connect();
  });

  async function expectOracle(view: WindowedView, tables: Tables, options: Options) {
    await connection.run(`CREATE OR REPLACE TABLE history AS ${historySql(tables, options.decimalType)}`);
    await connection.run(`CREATE OR REPLACE TABLE spine AS ${spineSql(tables)}`);
    const sql = historyQuery({
      service: serviceOf(view),
      mode: options.mode,
      dialect: DUCKDB,
      spine: { table: 'spine', columns: spineColumns(options.hasKnownAt), rowNumber: 'row' },
      history: { test_events: 'history' },
    });
    const result = await connection.runAndReadAll(sql);
    expect(differences(view, tables, options, result.getRows())).toEqual([]);
  }

  const accounts = fc.array(accountArbitrary, { minLength: 1, maxLength: 4 });

  it('equals the oracle for any windows, aggregates and arrivals', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(viewChoiceArbitrary, accounts, optionsArbitrary, (choice, chosen, options) => {
        const view = everyAggregateView(choice);
        return expectOracle(view, tablesOf(view, chosen, 1), options);
      }),
      { numRuns: runs },
    );
  });

  it('equals the oracle for windows with an offset', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<Duration>('1s', '1min', '10min'),
        accounts,
        optionsArbitrary,
        (offset, chosen, options) => {
          const view = offsetView(offset);
          return expectOracle(view, tablesOf(view, chosen, 1_000), options);
        },
      ),
      { numRuns: runs },
    );
  });
});

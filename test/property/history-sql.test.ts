/**
 * The SQL of features of the past, in real engines, against the naive oracle: every feature of every row, exactly.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalTrino, startTrino, whyNoTrino } from '../../localstack/trino.ts';
import type { Duration, WindowedView } from '../../shared/definitions/index.ts';
import type { HistoryMode } from '../../shared/offline/offline-store.ts';
import { DUCKDB, TRINO } from '../../shared/offline/sql/dialect.ts';
import { historyQuery } from '../../shared/offline/sql/history-query.ts';
import { everyAggregateView, offsetView, viewChoiceArbitrary } from '../support/arbitraries.ts';
import {
  accountArbitrary,
  type DecimalType,
  historyColumns,
  historySql,
  oracleAnswers,
  SPINE_COLUMNS,
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

const noTrino = await whyNoTrino();
if (noTrino !== undefined) console.warn(`Skipped: the SQL of features of the past in Trino. ${noTrino}`);

describe.skipIf(noTrino !== undefined)('Trino', () => {
  /** A query takes seconds to plan, so that each one answers for many cases. */
  const CASES_PER_QUERY = 25;
  const QUERIES = 10;

  let trino: LocalTrino;
  let connection: DuckDBConnection;
  beforeAll(async () => {
    connection = await (await DuckDBInstance.create(':memory:')).connect();
    trino = await startTrino();
    await trino.query('CREATE SCHEMA hive.default');
  }, 300_000);
  afterAll(() => trino?.stop());

  async function createTable(name: string, select: string, columns: Readonly<Record<string, string>>) {
    await mkdir(join(trino.dataDirectory, name));
    await connection.run(`COPY (${select}) TO '${join(trino.dataDirectory, name, 'rows.parquet')}' (FORMAT parquet)`);
    const types = Object.entries(columns).map(([column, type]) => `"${column}" ${type}`);
    const location = `external_location = 'local:///${name}', format = 'PARQUET'`;
    await trino.query(`CREATE TABLE ${name} (${types.join(', ')}) WITH (${location})`);
  }

  async function expectOracle(name: string, view: WindowedView, tables: Tables, options: Options) {
    await createTable(`history_${name}`, historySql(tables, options.decimalType), historyColumns(options.decimalType));
    await createTable(`spine_${name}`, spineSql(tables), SPINE_COLUMNS);
    const sql = historyQuery({
      service: serviceOf(view),
      mode: options.mode,
      dialect: TRINO,
      spine: { table: `spine_${name}`, columns: spineColumns(options.hasKnownAt), rowNumber: 'row' },
      history: { test_events: `history_${name}` },
    });
    const { rows } = await trino.query(sql);
    expect(differences(view, tables, options, rows)).toEqual([]);
  }

  const accounts = fc.array(accountArbitrary, { minLength: CASES_PER_QUERY, maxLength: CASES_PER_QUERY });
  const OPTIONS: readonly Options[] = [
    { mode: 'bitemporal', hasKnownAt: true, decimalType: 'DOUBLE' },
    { mode: 'bitemporal', hasKnownAt: false, decimalType: 'DECIMAL(18, 2)' },
    { mode: 'event-time', hasKnownAt: false, decimalType: 'DOUBLE' },
  ];
  const seed = Number(process.env.PROPERTY_SEED ?? Date.now() % 2 ** 31);

  it(`equals the oracle for any windows, aggregates and arrivals (PROPERTY_SEED=${seed})`, async () => {
    const samples = fc.sample(fc.tuple(viewChoiceArbitrary, accounts), { seed, numRuns: QUERIES });
    for (const [index, [choice, chosen]] of samples.entries()) {
      const view = everyAggregateView(choice);
      const options = OPTIONS[index % OPTIONS.length];
      if (options) await expectOracle(`any_${index}`, view, tablesOf(view, chosen, 1), options);
    }
  }, 300_000);

  it(`equals the oracle for windows with an offset (PROPERTY_SEED=${seed})`, async () => {
    const offsets = fc.constantFrom<Duration>('1s', '1min', '10min');
    const samples = fc.sample(fc.tuple(offsets, accounts), { seed, numRuns: OPTIONS.length });
    for (const [index, [offset, chosen]] of samples.entries()) {
      const view = offsetView(offset);
      const options = OPTIONS[index % OPTIONS.length];
      if (options) await expectOracle(`offset_${index}`, view, tablesOf(view, chosen, 1_000), options);
    }
  }, 300_000);
});

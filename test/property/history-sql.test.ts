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
import type { Column } from '../../shared/offline/athena/columns.ts';
import { daysOf, tableWithin } from '../../shared/offline/athena/scan.ts';
import type { HistoryMode } from '../../shared/offline/offline-store.ts';
import { DUCKDB, TRINO } from '../../shared/offline/sql/dialect.ts';
import { historyQuery } from '../../shared/offline/sql/history-query.ts';
import {
  everyAggregateView,
  excludingChoiceArbitrary,
  offsetView,
  viewChoiceArbitrary,
} from '../support/arbitraries.ts';
import { athenaTrainingSet } from '../support/athena-on-trino.ts';
import { answersSql, expectedOf, vectorArbitrary } from '../support/number-vectors.ts';
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

const HOUR_MILLIS = 3_600_000;

const SPINE_WITHOUT_ARRIVAL = ['account_id', 'timestamp', 'event_id'];

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

function failed(): never {
  throw new Error('no row was asked about');
}

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

/** How many of the oracle's answers the decided events would have changed. */
function valuesLeftOut(view: WindowedView, tables: Tables, options: Options): number {
  const nothing = { ...tables, spine: tables.spine.map((row) => ({ ...row, decidedId: null })) };
  const including = oracleAnswers(view, nothing, options);
  return oracleAnswers(view, tables, options)
    .flatMap((values, row) => values.map((value, index) => value !== including[row]?.[index]))
    .filter(Boolean).length;
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
    return valuesLeftOut(view, tables, options);
  }

  const accounts = fc.array(accountArbitrary, { minLength: 1, maxLength: 4 });

  it('equals the oracle for any windows, aggregates, arrivals and decided events', { timeout: 120_000 }, async () => {
    let leftOut = 0;
    await fc.assert(
      fc.asyncProperty(excludingChoiceArbitrary, accounts, optionsArbitrary, async (choice, chosen, options) => {
        const view = everyAggregateView(choice);
        leftOut += await expectOracle(view, tablesOf(view, chosen, 1), options);
      }),
      { numRuns: runs },
    );
    expect(leftOut).toBeGreaterThan(runs);
  });

  it('equals the oracle where only the days that matter are read', { timeout: 120_000 }, async () => {
    const daysOfRow = fc.record({ midnight: fc.integer({ min: 0, max: 4 * HOUR_MILLIS }), row: fc.nat() });
    let eventsLeftOut = 0;
    await fc.assert(
      fc.asyncProperty(
        excludingChoiceArbitrary,
        accounts,
        optionsArbitrary,
        daysOfRow,
        async (choice, chosen, options, at) => {
          const view = everyAggregateView(choice);
          const { deliveries, spine } = tablesOf(view, chosen, 1);
          const [asked = failed()] = spine.slice(at.row % spine.length);
          const tables = { deliveries, spine: [asked] };
          // Histories are hours long: the day ends somewhere in them.
          const shiftMillis = 24 * HOUR_MILLIS - at.midnight;
          const latestMillis = asked.timestampMillis + shiftMillis;
          const knownMillis = options.hasKnownAt ? asked.knownAtMillis + shiftMillis : latestMillis;
          const service = serviceOf(view);
          const days = daysOf({
            service,
            mode: options.mode,
            earliestMillis: latestMillis,
            latestMillis,
            latestKnownMillis: knownMillis,
            nowMillis: Number.MAX_SAFE_INTEGER,
          });
          await connection.run(
            `CREATE OR REPLACE TABLE history AS
             SELECT *, strftime(make_timestamp(("at" + ${shiftMillis}) * 1000), '%Y-%m-%d') AS event_date
             FROM (${historySql(tables, options.decimalType)})`,
          );
          await connection.run(`CREATE OR REPLACE TABLE spine AS ${spineSql(tables)}`);
          const history = tableWithin('history', days);
          const left = await connection.runAndReadAll(
            `SELECT (SELECT count(*) FROM history) - (SELECT count(*) FROM ${history})`,
          );
          eventsLeftOut += Number(left.getRows()[0]?.[0]);
          const sql = historyQuery({
            service,
            mode: options.mode,
            dialect: DUCKDB,
            spine: { table: 'spine', columns: spineColumns(options.hasKnownAt), rowNumber: 'row' },
            history: { test_events: history },
          });
          const result = await connection.runAndReadAll(sql);
          expect(differences(view, tables, options, result.getRows())).toEqual([]);
        },
      ),
      { numRuns: runs },
    );
    expect(eventsLeftOut).toBeGreaterThan(0);
  });

  it('equals the oracle for windows with an offset', { timeout: 120_000 }, async () => {
    let leftOut = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<Duration>('1s', '1min', '10min'),
        accounts,
        optionsArbitrary,
        fc.boolean(),
        async (offset, chosen, options, excluding) => {
          const view = offsetView(offset, excluding);
          leftOut += await expectOracle(view, tablesOf(view, chosen, 1_000), options);
        },
      ),
      { numRuns: runs },
    );
    expect(leftOut).toBeGreaterThan(runs);
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
  const EXCLUDING = [true, true, true, false];
  const seed = Number(process.env.PROPERTY_SEED ?? Date.now() % 2 ** 31);

  it(`equals the oracle for any windows, aggregates and arrivals (PROPERTY_SEED=${seed})`, async () => {
    const samples = fc.sample(fc.tuple(viewChoiceArbitrary, accounts), { seed, numRuns: QUERIES });
    for (const [index, [choice, chosen]] of samples.entries()) {
      const view = everyAggregateView({ ...choice, excluding: EXCLUDING[index % EXCLUDING.length] ?? failed() });
      const options = OPTIONS[index % OPTIONS.length];
      if (options) await expectOracle(`any_${index}`, view, tablesOf(view, chosen, 1), options);
    }
  }, 300_000);

  it(`equals the oracle for windows with an offset (PROPERTY_SEED=${seed})`, async () => {
    const offsets = fc.constantFrom<Duration>('1s', '1min', '10min');
    const samples = fc.sample(fc.tuple(offsets, accounts), { seed, numRuns: OPTIONS.length });
    for (const [index, [offset, chosen]] of samples.entries()) {
      const view = offsetView(offset, true);
      const options = OPTIONS[index % OPTIONS.length];
      if (options) await expectOracle(`offset_${index}`, view, tablesOf(view, chosen, 1_000), options);
    }
  }, 300_000);

  it(`adds and divides to the nearest double at every scale (PROPERTY_SEED=${seed})`, async () => {
    for (let scale = 0; scale <= 15; scale++) {
      const vectors = fc.sample(vectorArbitrary(scale), { seed, numRuns: 25 });
      const { rows } = await trino.query(answersSql(TRINO, scale, vectors));
      expect(rows).toEqual(vectors.map(expectedOf));
    }
  }, 300_000);

  it(`makes training sets by the adapter for Athena as the oracle (PROPERTY_SEED=${seed})`, async () => {
    const samples = fc.sample(fc.tuple(viewChoiceArbitrary, accounts), { seed, numRuns: OPTIONS.length });
    for (const [index, [choice, chosen]] of samples.entries()) {
      const view = everyAggregateView({ ...choice, excluding: true });
      const options = OPTIONS[index] ?? failed();
      const tables = tablesOf(view, chosen, 1);
      const history = `SELECT *, strftime(make_timestamp("at" * 1000), '%Y-%m-%d') AS event_date FROM (${historySql(tables, options.decimalType)})`;
      await createTable(`adapter_${index}`, history, {
        ...historyColumns(options.decimalType),
        event_date: 'VARCHAR',
      });
      const columns = await athenaTrainingSet(trino, {
        service: serviceOf(view),
        mode: options.mode,
        history: { test_events: `adapter_${index}` },
        spine: athenaSpine(tables, options.hasKnownAt),
      });
      const rows = tables.spine.map((_, row) => columns.map(({ cells }) => cells[row]));
      expect(differences(view, tables, options, rows)).toEqual([]);
    }
  }, 300_000);
});

function athenaSpine({ spine }: Tables, hasKnownAt: boolean): Column[] {
  const millis = (cells: readonly number[]) => cells.map((cell) => new Date(cell));
  return [
    { name: 'account_id', kind: 'text', cells: spine.map(({ account }) => account) },
    { name: 'timestamp', kind: 'instant', cells: millis(spine.map(({ timestampMillis }) => timestampMillis)) },
    { name: 'event_id', kind: 'text', cells: spine.map(({ decidedId }) => decidedId) },
    ...(hasKnownAt
      ? [
          {
            name: 'known_at',
            kind: 'instant' as const,
            cells: millis(spine.map(({ knownAtMillis }) => knownAtMillis)),
          },
        ]
      : []),
  ];
}

/**
 * The rows that the handbook trains and tests on, each with our features of its instant.
 *
 * 1. History: every transaction, one Parquet file, arrived at its own instant.
 * 2. Spine: the transactions of a week, in order of time, with their amount and whether they were frauds.
 * 3. Training set: the spine with features, by the command that anyone would use.
 */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';
import { handbookService, handbookTransactions } from './declarations.ts';
import { historySql } from './sql.ts';

export interface TrainingSetFiles {
  readonly train: string;
  readonly test: string;
}

export interface TuningSetFiles extends TrainingSetFiles {
  readonly tuning: string;
  readonly validation: string;
}

export interface SetSize {
  readonly rows: number;
  readonly frauds: number;
}

interface Week {
  readonly firstDay: string;
  readonly lastDay: string;
}

const CLI = join(import.meta.dirname, '../../cli/feature-store.cjs');
const FEATURES = join(import.meta.dirname, 'features.ts');

const TRAINING_WEEK: Week = { firstDay: '2018-07-25', lastDay: '2018-07-31' };
const TEST_WEEK: Week = { firstDay: '2018-08-08', lastDay: '2018-08-14' };
/** Its frauds are known on the eve of the test week, and it lies as far behind the tuning week as that behind the training. */
const VALIDATION_WEEK: Week = TRAINING_WEEK;
const TUNING_WEEK: Week = { firstDay: '2018-07-11', lastDay: '2018-07-17' };
/** A fraud of a day is known from this many days after it, so its card is no longer in use then. */
const DAYS_UNTIL_COMPROMISE_IS_KNOWN = 8;

/** The history's transactions of a week, with the columns that a spine needs and those that models need. */
function weekSql(history: string, { firstDay, lastDay }: Week): string {
  return `SELECT transaction_id, customer_id, terminal_id, "at" AS timestamp, amount, fraud,
    make_timestamp_ms("at")::DATE AS day FROM read_parquet(${textLiteral(history)})
    WHERE day BETWEEN DATE ${textLiteral(firstDay)} AND DATE ${textLiteral(lastDay)}`;
}

/** A week without cards that were known to be compromised by then, as far as the days since the training tell. */
function testSql(history: string, tested: Week, training: Week): string {
  const known = weekSql(history, { firstDay: training.firstDay, lastDay: tested.lastDay });
  return `SELECT * FROM (${weekSql(history, tested)}) AS tested WHERE NOT EXISTS
    (SELECT 1 FROM (${known}) AS past WHERE past.customer_id = tested.customer_id AND past.fraud = 1
     AND past.day <= tested.day - ${DAYS_UNTIL_COMPROMISE_IS_KNOWN})`;
}

async function makeTrainingSet(files: { history: string; spine: string; output: string }): Promise<string> {
  const options = {
    service: handbookService.name,
    features: FEATURES,
    history: `${handbookTransactions.name}=${files.history}`,
    spine: files.spine,
    output: files.output,
  };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'training-set', ...flags]);
  return stdout.trimEnd();
}

/** Makes the handbook's two sets in a folder, from its data in another. */
export async function makeTrainingSets(data: string, folder: string): Promise<TrainingSetFiles> {
  return makeSets(data, folder, (history) => ({
    train: weekSql(history, TRAINING_WEEK),
    test: testSql(history, TEST_WEEK, TRAINING_WEEK),
  }));
}

/** Beside those two: a week to validate on before the test week, and the one to learn from as far before it. */
export async function makeTuningSets(data: string, folder: string): Promise<TuningSetFiles> {
  return makeSets(data, folder, (history) => ({
    tuning: weekSql(history, TUNING_WEEK),
    validation: testSql(history, VALIDATION_WEEK, TUNING_WEEK),
    train: weekSql(history, TRAINING_WEEK),
    test: testSql(history, TEST_WEEK, TRAINING_WEEK),
  }));
}

/** Makes a set of each spine. */
async function makeSets<Name extends string>(
  data: string,
  folder: string,
  spines: (history: string) => Readonly<Record<Name, string>>,
): Promise<Record<Name, string>> {
  await mkdir(folder, { recursive: true });
  const connection = await (await DuckDBInstance.create()).connect();
  const write = (sql: string, file: string) => connection.run(`COPY (${sql}) TO ${textLiteral(file)} (FORMAT parquet)`);
  const history = join(folder, 'history.parquet');
  await write(historySql(data), history);
  const made: [string, string][] = [];
  for (const [name, sql] of Object.entries<string>(spines(history))) {
    const [spine, output] = [join(folder, `${name}-spine.parquet`), join(folder, `${name}.parquet`)];
    await write(`SELECT * EXCLUDE (day) FROM (${sql}) ORDER BY timestamp, transaction_id`, spine);
    console.log(await makeTrainingSet({ history, spine, output }));
    made.push([name, output]);
  }
  return Object.fromEntries(made) as Record<Name, string>;
}

export async function sizeOf(trainingSet: string): Promise<SetSize> {
  const connection = await (await DuckDBInstance.create()).connect();
  const result = await connection.runAndReadAll('SELECT count(*), sum(fraud) FROM read_parquet($1)', [trainingSet]);
  const [rows = 0, frauds = 0] = (result.getRows()[0] ?? []).map(Number);
  return { rows, frauds };
}

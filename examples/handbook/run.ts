/**
 * Trains the Fraud Detection Handbook's baseline models on training sets of ours and compares them with its table.
 *
 *     npm run handbook:models [-- --data DIR]
 *
 * Exit codes: 0 as published, 1 something differs, 2 it cannot be run (one sentence says what to do).
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Table from 'cli-table3';
import { program } from 'commander';
import * as z from 'zod';
import { PythonUnavailableError, preparePython } from '../python-environment.ts';
import { makeTrainingSets, type SetSize, sizeOf, type TrainingSetFiles } from './training-sets.ts';

const Metrics = z.strictObject({ aucRoc: z.number(), averagePrecision: z.number(), cardPrecision: z.number() });
type Metrics = z.infer<typeof Metrics>;

interface Published extends Metrics {
  /** Whether ours must agree: XGBoost changes with its version, a tree without limit with the last digits of its inputs. */
  readonly isBinding: boolean;
}

/** Chapter 3 of the handbook, baseline models. It has one XGBoost; ours is today's defaults and those of its time. */
const PUBLISHED: Readonly<Record<string, Published>> = {
  'logistic regression': { aucRoc: 0.871, averagePrecision: 0.606, cardPrecision: 0.291, isBinding: true },
  'decision tree, depth 2': { aucRoc: 0.763, averagePrecision: 0.496, cardPrecision: 0.241, isBinding: true },
  'decision tree, unlimited': { aucRoc: 0.788, averagePrecision: 0.309, cardPrecision: 0.243, isBinding: false },
  'random forest': { aucRoc: 0.867, averagePrecision: 0.658, cardPrecision: 0.287, isBinding: true },
  XGBoost: { aucRoc: 0.862, averagePrecision: 0.639, cardPrecision: 0.273, isBinding: false },
  'XGBoost, defaults of 1.x': { aucRoc: 0.862, averagePrecision: 0.639, cardPrecision: 0.273, isBinding: false },
};
const PUBLISHED_SIZES: Readonly<Record<keyof TrainingSetFiles, SetSize>> = {
  train: { rows: 67_240, frauds: 598 },
  test: { rows: 58_264, frauds: 385 },
};
const TOLERANCE = 0.005;
const METRIC_TITLES: Readonly<Record<keyof Metrics, string>> = {
  aucRoc: 'AUC ROC',
  averagePrecision: 'average precision',
  cardPrecision: 'card precision@100',
};
const METRIC_NAMES = Object.keys(METRIC_TITLES) as (keyof Metrics)[];

const FOLDER = join(import.meta.dirname, '../../.local/handbook-models');
const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');

function refuse(message: string, cause?: unknown): never {
  console.error(`handbook:models: ${message}`);
  if (cause instanceof Error) console.error(cause.message);
  process.exit(2);
}

async function python(): Promise<string> {
  try {
    return await preparePython(join(FOLDER, 'python'), REQUIREMENTS);
  } catch (error) {
    if (error instanceof PythonUnavailableError) refuse(error.message, error.cause);
    throw error;
  }
}

async function train(interpreter: string, files: TrainingSetFiles): Promise<Record<string, Metrics>> {
  const metrics = join(FOLDER, 'metrics.json');
  const script = join(import.meta.dirname, 'train.py');
  const { status } = spawnSync(interpreter, [script, files.train, files.test, metrics], { stdio: 'inherit' });
  if (status !== 0) throw new Error('train.py failed; what it said is above');
  return z.record(z.string(), Metrics).parse(JSON.parse(await readFile(metrics, 'utf8')));
}

/** What is not as published, one sentence each. */
function sizeDifferences(sizes: Readonly<Record<string, SetSize>>): string[] {
  return Object.entries(PUBLISHED_SIZES).flatMap(([name, { rows, frauds }]) => {
    const ours = sizes[name];
    if (ours?.rows === rows && ours.frauds === frauds) return [];
    return [`${name}: ${ours?.rows} rows and ${ours?.frauds} frauds, published ${rows} and ${frauds}`];
  });
}

function metricDifferences(measured: Readonly<Record<string, Metrics>>): string[] {
  return Object.entries(PUBLISHED).flatMap(([model, published]) =>
    METRIC_NAMES.flatMap((metric) => {
      const ours = measured[model]?.[metric] ?? Number.NaN;
      if (!published.isBinding || Math.abs(ours - published[metric]) <= TOLERANCE) return [];
      return [`${model}: ${METRIC_TITLES[metric]} ${ours.toFixed(4)}, published ${published[metric]}`];
    }),
  );
}

function comparison(measured: Readonly<Record<string, Metrics>>): string {
  const table = new Table({
    head: ['', ...METRIC_NAMES.flatMap((metric) => [METRIC_TITLES[metric], 'published'])],
    style: { head: [], border: [] },
  });
  for (const [model, published] of Object.entries(PUBLISHED)) {
    const cells = METRIC_NAMES.flatMap((metric) => [
      (measured[model]?.[metric] ?? Number.NaN).toFixed(3),
      published[metric].toFixed(3),
    ]);
    table.push([published.isBinding ? model : `${model} *`, ...cells]);
  }
  return `${table.toString()}\n* shown, not checked`;
}

function sizeLine(name: keyof TrainingSetFiles, { rows, frauds }: SetSize): string {
  const published = PUBLISHED_SIZES[name];
  return `${name}: ${rows} rows, ${frauds} frauds (published ${published.rows} and ${published.frauds})`;
}

program
  .name('handbook:models')
  .description("Trains the Fraud Detection Handbook's baseline models on our training sets.")
  .option('--data <directory>', 'folder of transactions.parquet', '../shared/handbook')
  .parse();
const { data } = program.opts<{ data: string }>();
if (!existsSync(join(data, 'transactions.parquet'))) {
  refuse(`there is no transactions.parquet in ${data}; give the handbook's folder with --data DIR.`);
}
const startedAt = performance.now();
console.log('1/3 Training sets');
const files = await makeTrainingSets(data, FOLDER);
const sizes = { train: await sizeOf(files.train), test: await sizeOf(files.test) };
console.log('2/3 Python environment');
const interpreter = await python();
console.log('3/3 Models');
const models = await train(interpreter, files);

console.log(`\n${sizeLine('train', sizes.train)}\n${sizeLine('test', sizes.test)}\n${comparison(models)}`);
const differences = [...sizeDifferences(sizes), ...metricDifferences(models)];
for (const difference of differences) console.error(`DIFFERS  ${difference}`);
const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
console.log(JSON.stringify({ sizes, models, differences, seconds }));
process.exitCode = differences.length > 0 ? 1 : 0;

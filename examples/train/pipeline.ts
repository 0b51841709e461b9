/**
 * From nothing to model packages: every step by the command that anyone would use, its files in one folder.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import * as z from 'zod';
import { main as featureStore } from '../../cli/main.ts';
import { labels, transactions } from '../../shared/features/fraud.ts';
import { repository } from '../../shared/features/index.ts';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';
import { type LoadedModel, ModelDocument, readModelPackage } from '../../shared/scoring/package.ts';
import { preparePython } from '../python-environment.ts';
import { CHAMPION, COSTS, MODELS, type PlannedModel, SERVICE } from './models.ts';
import { type Simulation, simulate, writeSimulation } from './simulate.ts';
import { DAYS, type SplitSize, writeSpine } from './splits.ts';

/** The first day of the simulation. Fixed, so that a seed says everything. */
export const START_MILLIS = Date.UTC(2026, 0, 5);

/** Thrown when a step could not be done, with what it said. */
export class TrainingError extends Error {
  override readonly name = 'TrainingError';
}

export interface Folder {
  readonly path: string;
  /** Parquet files of both sources, as globs. */
  readonly history: { readonly transactions: string; readonly labels: string };
  readonly trainingSet: string;
  /** The test rows with what Python says about each: what `evaluate` reads. */
  readonly scores: string;
}

export function folderAt(path: string): Folder {
  const history = (name: string) => join(path, 'history', name, '*.parquet');
  return {
    path,
    history: { transactions: history(transactions.name), labels: history(labels.name) },
    trainingSet: join(path, 'training-set.parquet'),
    scores: join(path, 'scores.parquet'),
  };
}

/** Runs a command of ours. @returns what it printed. @throws TrainingError */
export async function command(...commandLine: string[]): Promise<string> {
  const lines: string[] = [];
  const code = await featureStore(commandLine, {
    print: (line) => lines.push(line),
    printError: (line) => lines.push(line),
  });
  if (code !== 0) throw new TrainingError(`${commandLine[0]} ended with code ${code}: ${lines.join('\n')}`);
  return lines.join('\n');
}

/** Simulates, and imports what was simulated as history. */
export async function makeHistory(
  folder: Folder,
  options: { readonly seed: number; readonly transactions: number },
): Promise<Simulation> {
  await rm(folder.path, { recursive: true, force: true });
  await mkdir(folder.path, { recursive: true });
  const simulation = simulate({ ...options, startMillis: START_MILLIS, days: DAYS });
  const files = await writeSimulation(simulation, join(folder.path, 'simulated'));
  for (const [source, from] of Object.entries(files)) {
    await command('import', '--source', source, '--from', from, '--to', join(folder.path, 'history', source));
  }
  return simulation;
}

/** The spine of labelled transactions, and their features by `training-set`. */
export async function makeTrainingSet(folder: Folder): Promise<SplitSize[]> {
  const spine = join(folder.path, 'spine.parquet');
  const connection = await (await DuckDBInstance.create()).connect();
  const sizes = await writeSpine(connection, { history: folder.history, startMillis: START_MILLIS, output: spine });
  connection.closeSync();
  const history = Object.entries(folder.history).flatMap(([source, glob]) => ['--history', `${source}=${glob}`]);
  await command(
    'training-set',
    '--service',
    SERVICE.name,
    '--spine',
    spine,
    ...history,
    '--output',
    folder.trainingSet,
  );
  return sizes;
}

const Trained = z.object({
  versions: z.record(z.string(), z.string()),
  models: z.record(
    z.string(),
    z.object({
      format: ModelDocument.shape.format,
      size: z.string(),
      thresholds: z.object({ review: z.number(), block: z.number() }),
      validation: z.object({ aucRoc: z.number(), averagePrecision: z.number() }),
    }),
  ),
});
export type Trained = z.infer<typeof Trained>;

/** Trains all models in Python. @throws PythonUnavailableError, TrainingError */
export async function trainModels(folder: Folder, seed: number): Promise<Trained> {
  const python = await preparePython(
    join(import.meta.dirname, '../../.local/train/python'),
    join(import.meta.dirname, 'requirements.txt'),
  );
  const plan = join(folder.path, 'plan.json');
  await writeFile(plan, JSON.stringify({ seed, costs: COSTS, models: MODELS }));
  const script = join(import.meta.dirname, 'train.py');
  try {
    await promisify(execFile)(python, [script, plan, folder.trainingSet, folder.path], {
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
  } catch (cause) {
    throw new TrainingError(`train.py failed: ${String(cause)}`, { cause });
  }
  return Trained.parse(JSON.parse(await readFile(join(folder.path, 'models.json'), 'utf8')));
}

export interface PackagedModel {
  readonly planned: PlannedModel;
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly loaded: LoadedModel;
}

/** A package of each model by `model package`, read back as the serving function does. */
export async function packageModels(folder: Folder, trained: Trained, seed: number): Promise<PackagedModel[]> {
  const packages: PackagedModel[] = [];
  for (const planned of MODELS) {
    const made = trained.models[planned.name];
    if (made === undefined) throw new TrainingError(`train.py made no model ${planned.name}`);
    const versions = Object.entries(trained.versions).map(([name, version]) => `${name} ${version}`);
    const notes =
      `${planned.description} Trained on simulated transactions by examples/train with seed ${seed} and ` +
      `${versions.join(', ')}. Thresholds cost least on the validation days, at ${COSTS.review} for a review and ` +
      `${COSTS.honestBlocked} for an honest customer who is blocked.`;
    const file = join(folder.path, planned.key);
    const flags = {
      model: join(folder.path, `${planned.name}.model`),
      'training-set': folder.trainingSet,
      rows: 'split=training',
      name: planned.name,
      version: planned.version,
      review: made.thresholds.review,
      block: made.thresholds.block,
      output: file,
      notes,
    };
    const imputed = planned.inputs.flatMap(({ feature, imputation }) =>
      imputation === null ? [] : ['--imputation', `${feature}=${imputation}`],
    );
    const given = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
    await command('model', 'package', ...given, ...imputed);
    const bytes = await readFile(file);
    packages.push({ planned, file, bytes, loaded: readModelPackage(bytes, repository) });
  }
  return packages;
}

export interface ScoreAgreement {
  readonly key: string;
  readonly rows: number;
  readonly greatestDifference: number;
}

/** Every test row through the packages, against what Python said about it. */
export async function compareScores(folder: Folder, packages: readonly PackagedModel[]): Promise<ScoreAgreement[]> {
  const connection = await (await DuckDBInstance.create()).connect();
  try {
    const agreements: ScoreAgreement[] = [];
    for (const { loaded, planned } of packages) {
      const columns = planned.inputs.map(
        ({ feature, type }) => `"${feature}"::${type === 'boolean' ? 'BOOLEAN' : 'DOUBLE'} AS "${feature}"`,
      );
      const sql = `SELECT scored."${planned.key}" AS python, ${columns.join(', ')}
        FROM read_parquet(${textLiteral(folder.trainingSet)}) AS features
        JOIN (SELECT transaction_id, "${planned.key}" FROM read_parquet(${textLiteral(folder.scores)})) AS scored
        USING (transaction_id) WHERE split = 'test'`;
      const rows = (await connection.runAndReadAll(sql)).getRows();
      let greatestDifference = 0;
      for (const [python, ...values] of rows) {
        const row = Object.fromEntries(planned.inputs.map(({ feature }, index) => [feature, asFeature(values[index])]));
        greatestDifference = Math.max(greatestDifference, Math.abs(loaded.score(loaded.vector(row)) - Number(python)));
      }
      agreements.push({ key: planned.key, rows: rows.length, greatestDifference });
    }
    return agreements;
  } finally {
    connection.closeSync();
  }
}

function asFeature(value: unknown): number | boolean | null {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  throw new TrainingError(`a feature of the training set is a ${typeof value}`);
}

export function championOf(packages: readonly PackagedModel[]): PackagedModel {
  const champion = packages.find(({ planned }) => planned.key === CHAMPION);
  if (champion === undefined) throw new TrainingError(`there is no model ${CHAMPION}`);
  return champion;
}

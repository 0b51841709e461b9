/**
 * The evaluators against the libraries they stand for, live: Python trains models, we answer as it does.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { PythonUnavailableError, preparePython } from '../../examples/python-environment.ts';
import { MODEL_FORMATS, type ModelFormat } from '../../shared/scoring/models/model.ts';
import { parseModel } from '../../shared/scoring/models/parse-model.ts';

const FOLDER = join(import.meta.dirname, '../../.local/parity');
const CASES = join(FOLDER, 'cases');

const Cases = z.array(
  z.strictObject({
    name: z.string(),
    format: z.enum(MODEL_FORMATS),
    file: z.string(),
    rows: z.int().min(1),
    explained: z.int(),
  }),
);
type Case = z.infer<typeof Cases>[number];

const SCORE_TOLERANCE: Readonly<Record<ModelFormat, number>> = {
  'xgboost-json': 1e-6,
  'lightgbm-text': 1e-6,
  'sklearn-trees': 1e-6,
  'logistic-regression': 1e-12,
};
const CONTRIBUTION_TOLERANCE = 1e-5;

async function trainedCases(): Promise<readonly Case[] | undefined> {
  try {
    const python = await preparePython(join(FOLDER, 'python'), join(import.meta.dirname, 'requirements.txt'));
    execFileSync(python, [join(import.meta.dirname, 'models.py'), CASES], {
      stdio: 'inherit',
      env: { ...process.env, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' },
    });
  } catch (error) {
    if (!(error instanceof PythonUnavailableError)) throw error;
    console.warn(`Parity with the Python libraries was not tested: it ${error.message}`);
    return undefined;
  }
  return Cases.parse(JSON.parse(readFileSync(join(CASES, 'cases.json'), 'utf8')));
}

const cases = await trainedCases();

function doubles(file: string): Float64Array {
  return new Float64Array(new Uint8Array(readFileSync(join(CASES, file))).buffer);
}

/** The rows of a table of doubles. */
function rowsOf(values: Float64Array, rows: number): Float64Array[] {
  const width = values.length / rows;
  return Array.from({ length: rows }, (_, row) => values.subarray(row * width, (row + 1) * width));
}

/** Greatest difference, relative to the largest number of theirs where that is above 1. */
function greatestDifference(ours: readonly number[], theirs: Float64Array): number {
  expect(ours.length).toBe(theirs.length);
  const largest = theirs.reduce((size, value) => Math.max(size, Math.abs(value)), 1);
  // Math.max keeps NaN.
  return ours.reduce(
    (greatest, value, index) => Math.max(greatest, Math.abs(value - (theirs[index] ?? Number.NaN)) / largest),
    0,
  );
}

function load({ format, file, rows }: Case) {
  const model = parseModel(format, readFileSync(join(CASES, `${file}.model`), 'utf8'));
  return { model, rows: rowsOf(doubles(`${file}.rows`), rows) };
}

describe.skipIf(cases === undefined)('models answer as the Python libraries do', () => {
  it('covers every format with at least 10,000 rows', () => {
    const most = new Map<string, number>();
    for (const { format, rows } of cases ?? []) most.set(format, Math.max(most.get(format) ?? 0, rows));
    expect(Object.fromEntries(most)).toEqual(Object.fromEntries(MODEL_FORMATS.map((format) => [format, 10_000])));
  });

  it.each(cases ?? [])('$name: the same scores and margins', (tested) => {
    const { model, rows } = load(tested);

    const scores = rows.map((row) => model.score(row));
    const margins = rows.map((row) => model.margin(row));

    const tolerance = SCORE_TOLERANCE[tested.format];
    expect(greatestDifference(scores, doubles(`${tested.file}.scores`))).toBeLessThanOrEqual(tolerance);
    expect(greatestDifference(margins, doubles(`${tested.file}.margins`))).toBeLessThanOrEqual(tolerance);
  });

  it.each((cases ?? []).filter(({ explained }) => explained > 0))('$name: the same contributions', (tested) => {
    const { model, rows } = load(tested);
    const explained = rows.slice(0, tested.explained);

    const contributions = explained.map((row) => model.contributions(row));

    // The libraries write the base behind the contributions.
    const ours = contributions.flatMap(({ base, values }) => [...values, base]);
    expect(greatestDifference(ours, doubles(`${tested.file}.contributions`))).toBeLessThanOrEqual(
      CONTRIBUTION_TOLERANCE,
    );
    const sums = contributions.map(({ base, values }) => values.reduce((sum, value) => sum + value, base));
    const margins = Float64Array.from(explained, (row) => model.margin(row));
    expect(greatestDifference(sums, margins)).toBeLessThanOrEqual(
      tested.format === 'xgboost-json' ? CONTRIBUTION_TOLERANCE : 1e-9,
    );
  });
});

/** From a model in Python to a package: by the commands that documents name, against what Python says of the same rows. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { main } from '../../cli/main.ts';
import { PythonUnavailableError, preparePython } from '../../examples/python-environment.ts';
import { fraudDetection } from '../../shared/features/fraud.ts';
import { repository } from '../../shared/features/index.ts';
import { definitionFingerprints } from '../../shared/registry/fingerprints.ts';
import { readModelPackage } from '../../shared/scoring/package.ts';
import { readParquet } from '../support/parquet.ts';

const ROOT = join(import.meta.dirname, '../..');
const EXPORTER = join(ROOT, 'cli/python/export_sklearn.py');
const TOLERANCE = 1e-6;

const python = await preparePython(
  join(ROOT, '.local/train/python'),
  join(ROOT, 'examples/train/requirements.txt'),
).catch((error: unknown) => {
  if (!(error instanceof PythonUnavailableError)) throw error;
  console.warn(`Packages of models trained in Python were not tested: it ${error.message}`);
  return undefined;
});

const folder = mkdtempSync(join(tmpdir(), 'packaging-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

async function run(...commandLine: string[]) {
  const errors: string[] = [];
  const code = await main(commandLine, { print: () => {}, printError: (line) => errors.push(line) });
  return { code, errors: errors.join('\n') };
}

const packaged = (model: string, name: string, ...more: string[]) =>
  run(
    'model',
    'package',
    '--model',
    path(model),
    '--training-set',
    path('training.parquet'),
    '--rows',
    'split=training',
    '--name',
    name,
    '--version',
    '1',
    '--output',
    path(name),
    ...more,
  );

function exported(interpreter: string, pickle: string, output: string) {
  const { status, stderr } = spawnSync(interpreter, [EXPORTER, path(pickle), path(output)], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  return { status, stderr };
}

describe.skipIf(python === undefined)('a model that was trained in Python', { timeout: 300_000 }, () => {
  const interpreter = python ?? '';

  it('is packaged from the file of its library, or of the exporter, and scores as there', async () => {
    execFileSync(interpreter, [join(import.meta.dirname, 'one_of_each.py'), folder], {
      env: { ...process.env, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' },
    });
    const manifest = {
      service: fraudDetection.key,
      registryVersion: repository.registryVersion,
      definitions: Object.fromEntries(definitionFingerprints(fraudDetection)),
      mode: 'bitemporal',
      engine: 'sweep',
      sqlHash: null,
      spineHash: '',
      rows: 600,
      columns: [],
      notes: [],
    };
    writeFileSync(path('training.manifest.json'), JSON.stringify(manifest));
    for (const [pickle, json] of [
      ['histogram.joblib', 'histogram.json'],
      ['linear.pkl', 'linear.json'],
    ] as const) {
      expect(exported(interpreter, pickle, json)).toEqual({ status: 0, stderr: '' });
      expect(await packaged(pickle, 'refused')).toMatchObject({
        code: 2,
        errors: expect.stringContaining(path(pickle)),
      });
    }

    const scores = z
      .record(z.string(), z.array(z.number()))
      .parse(JSON.parse(readFileSync(path('scores.json'), 'utf8')));
    const rows = (await readParquet(path('training.parquet'))).filter(({ split }) => split === 'training');
    for (const [file, name, ...imputation] of [
      ['xgboost.json', 'xgboost'],
      ['lightgbm.txt', 'lightgbm'],
      ['histogram.json', 'histogram'],
      ['linear.json', 'linear', '--imputation', '0'],
    ] as const) {
      expect(await packaged(file, name, ...imputation)).toEqual({ code: 0, errors: '' });
      const loaded = readModelPackage(readFileSync(path(name)), repository);
      expect(loaded.document.reference.rows).toBe(500);
      const differences = rows.map((row, index) => {
        const values = row as Record<string, number | boolean | null>;
        const { amount, tx_count_1min, avg_amount_1h, is_burst } = values;
        const score = loaded.score(
          // Whole numbers of 64 bits come as text.
          loaded.vector({ amount, tx_count_1min: Number(tx_count_1min), avg_amount_1h, is_burst }),
        );
        return Math.abs(score - (scores[name]?.[index] ?? Number.NaN));
      });
      expect(differences).toHaveLength(500);
      expect(Math.max(...differences), name).toBeLessThan(TOLERANCE);
    }
    expect((await packaged('xgboost.ubj', 'refused')).errors).toContain("is XGBoost's binary form, UBJSON");
  });

  it('is refused by the exporter in one sentence where it is none, or cannot be exported', () => {
    writeFileSync(path('text.joblib'), 'hello');
    expect(exported(interpreter, 'nowhere.joblib', 'none.json')).toEqual({
      status: 1,
      stderr: `export_sklearn.py: there is no file ${path('nowhere.joblib')}\n`,
    });
    const text = exported(interpreter, 'text.joblib', 'none.json');
    expect(text).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^export_sklearn\.py: .*cannot be loaded \(.*\n$/),
    });
    execFileSync(interpreter, ['-c', `import joblib; joblib.dump({"a": 1}, ${JSON.stringify(path('dict.joblib'))})`]);
    expect(exported(interpreter, 'dict.joblib', 'none.json').stderr).toContain('dict must be fitted with two classes');
    expect(() => readFileSync(path('none.json'))).toThrow('ENOENT');
  });
});

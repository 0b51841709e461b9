/** Packages of models that libraries trained, over a training set that the command made. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../../cli/main.ts';
import { fraudDetection } from '../../../shared/features/fraud.ts';
import { repository } from '../../../shared/features/index.ts';
import { definitionFingerprints } from '../../../shared/registry/fingerprints.ts';
import { readModelPackage } from '../../../shared/scoring/package.ts';
import { readParquet, values, writeParquet } from '../../support/parquet.ts';
import { golden } from '../models/golden.ts';

let directory: string;
const path = (name: string) => join(directory, name);
const T = Date.UTC(2026, 0, 1);

/** Features that stand for the nine inputs of the golden models. */
const NAMES = ['amount', ...['1min', '5min', '1h', '24h', '7d'].map((window) => `tx_count_${window}`)];
const INPUTS = [...NAMES, 'total_amount_1h', 'label_count_7d', 'fraud_share_7d'];

async function run(...commandLine: string[]) {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await main(commandLine, { print: (line) => lines.push(line), printError: (line) => errors.push(line) });
  return { code, output: lines.join('\n'), errors: errors.join('\n') };
}

type Flags = Readonly<Record<string, string | undefined>>;

/** Of a logistic regression over two inputs, unless something else is said. */
const packaged = (flags: Flags = {}) => {
  const all: Flags = {
    model: path('small.json'),
    'training-set': path('training.parquet'),
    name: 'small',
    version: '1',
    imputation: '0',
    output: path('small@1.json.gz'),
    ...flags,
  };
  const given = Object.entries(all).flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}`, value]));
  return run('model', 'package', ...given);
};

const small = (changes: object = {}) =>
  JSON.stringify({
    format: 'logistic-regression',
    formatVersion: 1,
    estimator: 'by hand',
    inputNames: ['amount', 'tx_count_1min'],
    coefficients: [0.001, 0.5],
    intercept: -5,
    standardisation: null,
    ...changes,
  });

async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(path(name), content);
  return path(name);
}

/** The manifest of the training set with something else. */
async function manifestWith(changes: object): Promise<string> {
  const manifest: object = JSON.parse(await readFile(path('training.manifest.json'), 'utf8'));
  return fileOf('changed.manifest.json', JSON.stringify({ ...manifest, ...changes }));
}

const packageAt = async (name: string) => readModelPackage(await readFile(path(name)), repository);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'package-cli-'));
  const row = (index: number) => [`t${index}`, 'u', 'm', `${index}.50`, T + index * 1_000, T + index * 1_000];
  const columns = ['transaction_id VARCHAR', 'user_id VARCHAR', 'merchant_id VARCHAR'];
  const instants = ['timestamp BIGINT', 'arrived_at BIGINT'];
  const rows = [0, 1, 2, 3].map(row);
  await writeParquet(path('transactions.parquet'), values([...columns, 'amount DECIMAL(18,2)', ...instants], rows));
  const labels = ['label_id VARCHAR', ...columns, 'is_fraud INTEGER', 'labelled_at BIGINT', 'arrived_at BIGINT'];
  await writeParquet(path('labels.parquet'), values(labels, []));
  await writeParquet(
    path('spine.parquet'),
    values(
      [...columns, 'amount DOUBLE', 'timestamp BIGINT', 'split VARCHAR'],
      rows.map(([id = '', user = '', merchant = '', amount = '', at = ''], index) => {
        const split = index < 3 ? 'training' : 'test';
        return [id, user, merchant, amount, at, split];
      }),
    ),
  );
  const made = await run(
    'training-set',
    '--service',
    'fraud_detection',
    '--spine',
    path('spine.parquet'),
    '--output',
    path('training.parquet'),
    ...['transactions', 'labels'].flatMap((source) => ['--history', `${source}=${path(`${source}.parquet`)}`]),
  );
  expect(made).toMatchObject({ code: 0, errors: '' });
  await fileOf('small.json', small());
}, 60_000);
afterAll(() => rm(directory, { recursive: true }));

describe('a package', () => {
  it('has what serving functions check, and what the training rows were like', async () => {
    const { code, output, errors } = await packaged({
      rows: 'split=training',
      review: '0.2',
      block: '0.8',
      notes: 'a try',
    });

    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('model small@1 of fraud_detection@1: 2 inputs');
    expect(output).toMatch(/scored {3}3 of 3 rows: 0\.01\d\d to 0\.0[234]\d\d/);
    const { document } = await packageAt('small@1.json.gz');
    const definitions = definitionFingerprints(fraudDetection);
    expect(document).toMatchObject({
      packageVersion: 2,
      service: 'fraud_detection@1',
      registryVersion: repository.registryVersion,
      definitions: { amount: definitions.get('amount'), tx_count_1min: definitions.get('tx_count_1min') },
      inputs: [
        { feature: 'amount', type: 'number', imputation: 0 },
        { feature: 'tx_count_1min', type: 'number', imputation: 0 },
      ],
      thresholds: { review: 0.2, block: 0.8 },
      trainingSet: { rows: 4, engine: 'sweep' },
      reference: { rows: 3, features: { tx_count_1min: { mean: 2, minimum: 1, maximum: 3, nulls: 0 } } },
      notes: 'a try',
    });
    const { quantiles = [], stddev } = document.reference.features.amount ?? {};
    expect([quantiles.length, quantiles[0], quantiles[50], quantiles[100]]).toEqual([101, 0.5, 1.5, 2.5]);
    expect(stddev).toBeCloseTo(Math.sqrt(2 / 3), 12);
  });

  it('is what "model push" takes', async () => {
    await packaged();
    const put: string[] = [];
    const bucket = { putNew: async (name: string) => put.push(name) > 0 };
    const code = await main(
      ['model', 'push', '--bucket', 'decisions', '--file', path('small@1.json.gz')],
      { print: () => {}, printError: (line) => put.push(line) },
      { withBucket: (_options, work) => work(bucket as unknown as Parameters<typeof work>[0]) },
    );
    expect({ code, put }).toEqual({ code: 0, put: ['models/fraud_detection@1/small@1'] });
  });

  it.each([
    ['xgboost', 'xgboost-json', undefined],
    ['lightgbm', 'lightgbm-text', undefined],
    ['random-forest', 'sklearn-trees', undefined],
    ['logistic-regression', 'logistic-regression', '0'],
  ])('of %s scores the rows of its training set as Python did', async (name, format, imputation) => {
    const { model, rows, scores } = golden(name);
    const columns = INPUTS.map((input) => `${input} DOUBLE`);
    const finite = rows.filter((row) => imputation === undefined || !row.includes(null));
    await writeParquet(path(`${name}.parquet`), values(columns, finite));
    const made = await packaged({
      model: await fileOf(`${name}.model`, model),
      inputs: INPUTS.join(', '),
      imputation,
      'training-set': path(`${name}.parquet`),
      manifest: path('training.manifest.json'),
      name: 'golden',
      output: path(name),
    });
    expect(made).toMatchObject({ code: 0, errors: '' });
    const loaded = await packageAt(name);
    expect(loaded.document.format).toBe(format);
    const read = await readParquet(path(`${name}.parquet`));
    const expected = scores.filter((_, index) => finite.includes(rows[index] ?? []));
    expect(expected.length).toBeGreaterThan(5);
    expected.forEach((score, index) => {
      const row = read[index] as Record<string, number | null>;
      expect(loaded.score(loaded.vector(row))).toBeCloseTo(score, 6);
    });
  });

  it('names inputs that have no value in any row', async () => {
    const model = await fileOf('share.json', small({ inputNames: ['amount', 'fraud_share_7d'] }));
    expect((await packaged({ model })).output).toContain('note: null in every row: fraud_share_7d');
  });
});

describe('what cannot be packaged', () => {
  /** A model of other inputs than the small one. */
  const over = (...inputNames: string[]) => fileOf('other.json', small({ inputNames }));
  const cases: [string, () => Promise<Flags>, string][] = [
    [
      'an input that is not declared',
      async () => ({ model: await over('amuont', 'tx_count_1h') }),
      'input amuont is no field, feature or derived feature of fraud_detection@1',
    ],
    [
      'a field that is no number',
      async () => ({ model: await over('amount', 'user_id') }),
      'input user_id is text in fraud_detection@1',
    ],
    [
      'a model without names',
      async () => ({ model: await fileOf('nameless.json', small({ inputNames: null })) }),
      '--inputs amount,…',
    ],
    ['too few names', async () => ({ inputs: 'amount' }), '--inputs has 1 names, and '],
    ['names in another order', async () => ({ inputs: 'tx_count_1min,amount' }), 'its file says amount'],
    ['a model that needs imputation', async () => ({ imputation: undefined }), 'input amount has no imputation'],
    ['imputation of no input', async () => ({ imputation: 'amuont=0' }), 'the model has no input "amuont"'],
    ['imputation by no number', async () => ({ imputation: 'amount=none' }), 'write INPUT=NUMBER'],
    ['rows that there are not', async () => ({ rows: 'split=validation' }), 'no row of '],
    ['rows by a column that there is not', async () => ({ rows: 'part=1' }), 'write COLUMN=VALUE'],
    ['a threshold above 1', async () => ({ block: '85' }), 'It must be a number from 0 to 1.'],
    ['a name that is none', async () => ({ name: 'My Model' }), 'name: must be snake_case'],
    [
      'a training set that is not there',
      async () => ({ 'training-set': path('none.parquet'), manifest: path('training.manifest.json') }),
      'there is no such file',
    ],
    [
      'a training set that lacks an input',
      async () => ({ 'training-set': path('spine.parquet'), manifest: path('training.manifest.json') }),
      'has no column "tx_count_1min"',
    ],
    [
      'a training set that lies elsewhere',
      async () => ({ 'training-set': 's3://bucket/training.parquet' }),
      'copy it and its manifest here first',
    ],
    ['no manifest', async () => ({ 'training-set': path('spine.parquet') }), 'there is no manifest '],
    [
      'a manifest of something else',
      async () => ({ manifest: await fileOf('other.manifest.json', '{"service":"x"}') }),
      'look at "registryVersion"',
    ],
    [
      'a service that is not declared',
      async () => ({ manifest: await manifestWith({ service: 'fraud_detection@7' }) }),
      'of service fraud_detection@7, and the declared ones are fraud_detection@1',
    ],
    [
      'a feature that computes differently since',
      async () => ({
        manifest: await manifestWith({
          definitions: {
            amount: definitionFingerprints(fraudDetection).get('amount'),
            tx_count_1min: '0123456789abcdef',
          },
        }),
      }),
      'input tx_count_1min of user_transactions@1 is computed by definition',
    ],
    [
      'a manifest that knows no definitions, of other declarations',
      async () => ({ manifest: await manifestWith({ definitions: undefined, registryVersion: 'another' }) }),
      'the declarations have changed since',
    ],
    [
      'a pickle',
      async () => ({ model: await fileOf('a.bin', Uint8Array.of(0x80, 4, 0x95)) }),
      'python cli/python/export_sklearn.py',
    ],
    ['a file of joblib', async () => ({ model: await fileOf('a.joblib', 'x') }), 'is a pickle of Python objects'],
    [
      "XGBoost's binary form",
      async () => ({ model: await fileOf('m.ubj', '{L\0\0\0\0\0\0\0\u0007learner{L') }),
      "save_model('model.json')",
    ],
    ['bytes', async () => ({ model: await fileOf('m.bin', Uint8Array.of(1, 0xff)) }), 'is no text'],
    [
      'something else',
      async () => ({ model: await fileOf('m.onnx', '{"graph": 1}') }),
      'is no model that can be scored',
    ],
    [
      'a model of another objective',
      async () => ({ model: await fileOf('m.txt', 'tree\nversion=v4\nobjective=lambdarank\n') }),
      'm.txt: lightgbm-text',
    ],
    ['no model', async () => ({ model: path('nowhere') }), 'cannot be read; look at its name'],
  ];
  it.each(cases)('%s is refused with the fix, and nothing is written', async (_, flags, message) => {
    const output = path('refused');
    const refused = await packaged({ output, ...(await flags()) });
    expect({ ...refused, errors: '' }).toEqual({ code: 2, output: '', errors: '' });
    expect(refused.errors).toContain(message);
    await expect(readFile(output)).rejects.toThrow('ENOENT');
  });

  it('a feature of another service is named with it', async () => {
    const imported = (file: string) => JSON.stringify(resolve(import.meta.dirname, '../../..', file));
    const features = await fileOf(
      'features.ts',
      `import { featureService } from ${imported('shared/definitions/index.ts')};
       import { fraudDetection, merchantRisk, userTransactions } from ${imported('shared/features/fraud.ts')};
       import { featureRepository } from ${imported('shared/registry/manifest.ts')};
       const merchants = featureService({ name: 'merchants', version: 1, description: 'Shops.', owner: 'shops', views: [merchantRisk] });
       export const repository = featureRepository({ views: [userTransactions, merchantRisk], services: [fraudDetection, merchants] });`,
    );
    const manifest = await manifestWith({ service: 'merchants@1' });
    const { errors } = await packaged({ features, manifest });
    expect(errors).toContain('input amount is one of fraud_detection@1, and the training set is of merchants@1');
  });
});

it('the manifest of a training set says by which definitions its features were computed', async () => {
  const { definitions } = JSON.parse(await readFile(path('training.manifest.json'), 'utf8'));
  expect(definitions).toEqual(Object.fromEntries(definitionFingerprints(fraudDetection)));
});

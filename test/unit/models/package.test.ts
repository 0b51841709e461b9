import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  last,
  mean,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { definitionVersions, featureRepository } from '../../../shared/registry/manifest.ts';
import {
  type ModelDocument,
  ModelPackageError,
  readModelPackage,
  writeModelPackage,
} from '../../../shared/scoring/package.ts';

function repositoryWith({ hop = '1min', threshold = 3 }: { hop?: '1min' | '30s'; threshold?: number } = {}) {
  const account = entity({ name: 'account', description: 'Who pays.', joinKeys: ['account_id'] });
  const payments = eventSource({
    name: 'payments',
    description: 'Payments.',
    owner: 'payments',
    schema: z.strictObject({
      payment_id: identifier(),
      account_id: identifier(),
      amount: decimal({ scale: 2 }),
      is_abroad: z.boolean().optional(),
      paid_at: eventTime(),
    }),
    eventId: 'payment_id',
    eventTime: 'paid_at',
    partitionKey: 'account_id',
    allowedLateness: '5s',
  });
  const view = windowedView({
    name: 'account_payments',
    version: 1,
    description: 'How often an account pays.',
    owner: 'fraud',
    entity: account,
    source: payments,
    windows: { '1h': { length: '1h', hop } },
    features: { payments: count(), avg_amount: mean('amount'), last_account: last('account_id') },
    ttl: '1d',
  });
  const service = featureService({
    name: 'payment_fraud',
    version: 2,
    description: 'Decides payments.',
    owner: 'fraud',
    views: [view],
    decides: payments,
    derived: { is_burst: ({ payments_1h }) => payments_1h.isGreaterThan(threshold) },
  });
  return featureRepository({ views: [view], services: [service] });
}

const repository = repositoryWith();
const MODEL = {
  format: 'logistic-regression',
  formatVersion: 1,
  estimator: 'written by hand',
  inputNames: ['amount', 'payments_1h', 'avg_amount_1h', 'is_burst', 'is_abroad'],
  coefficients: [0.01, 0.5, -0.02, 1, 2],
  intercept: -3,
  standardisation: null,
};
const STATISTICS = { mean: 2, stddev: 1, minimum: 0, maximum: 5, nulls: 0, quantiles: [0, 2, 5] };

function documentWith(changes: Partial<ModelDocument> = {}): Omit<ModelDocument, 'modelSha256'> {
  const inputs: ModelDocument['inputs'] = [
    { feature: 'amount', type: 'number', imputation: 0 },
    { feature: 'payments_1h', type: 'number', imputation: 0 },
    { feature: 'avg_amount_1h', type: 'number', imputation: 7.5 },
    { feature: 'is_burst', type: 'boolean', imputation: 0 },
    { feature: 'is_abroad', type: 'boolean', imputation: 0 },
  ];
  return {
    packageVersion: 1,
    name: 'payments_baseline',
    version: 3,
    service: 'payment_fraud@2',
    registryVersion: repository.registryVersion,
    definitions: definitionVersions(repository),
    inputs,
    format: 'logistic-regression',
    thresholds: { review: 0.5, block: 0.9 },
    trainingSet: { absentBecause: 'written by hand' },
    reference: { rows: 10, features: Object.fromEntries(inputs.map(({ feature }) => [feature, STATISTICS])) },
    createdAt: '2026-11-01T00:00:00Z',
    ...changes,
  };
}

function packageWith(changes: Partial<ModelDocument> = {}, model: object = MODEL): Uint8Array {
  return writeModelPackage(documentWith(changes), JSON.stringify(model));
}

/** The package's JSON, changed behind the back of its writer. */
function tampered(change: (file: Record<string, unknown>) => void): Uint8Array {
  const file = z.record(z.string(), z.unknown()).parse(JSON.parse(gunzipSync(packageWith()).toString()));
  change(file);
  return gzipSync(JSON.stringify(file));
}

function expectRefusal(bytes: Uint8Array, message: string | RegExp, declared = repository): void {
  expect(() => readModelPackage(bytes, declared)).toThrow(ModelPackageError);
  expect(() => readModelPackage(bytes, declared)).toThrow(message);
}

describe('a package that fits', () => {
  const loaded = readModelPackage(packageWith(), repository);

  it('is named by its model and version, and keeps its document', () => {
    expect(loaded.key).toBe('payments_baseline@3');
    expect(loaded.document).toMatchObject(documentWith());
  });

  it('turns rows into vectors, filling in what is null or absent', () => {
    const row = { amount: 12.5, payments_1h: 4, avg_amount_1h: null, is_burst: true, merchant: 'not an input' };

    expect(loaded.vector(row)).toEqual(Float64Array.of(12.5, 4, 7.5, 1, 0));
  });

  it('writes into the memory it is given', () => {
    const memory = new Float64Array(5);

    expect(loaded.vector({ amount: 1 }, memory)).toBe(memory);
    expect(memory).toEqual(Float64Array.of(1, 0, 7.5, 0, 0));
  });

  it('scores and explains vectors, strongest input first', () => {
    const vector = loaded.vector({ amount: 2, payments_1h: 12, avg_amount_1h: 2, is_burst: true });

    const margin = 0.01 * 2 + 0.5 * 12 - 0.02 * 2 + 1 - 3;
    expect(loaded.score(vector)).toBeCloseTo(1 / (1 + Math.exp(-margin)), 12);
    // Measured from the reference, whose means are 2.
    expect(loaded.explain(vector, 3)).toEqual([
      { feature: 'payments_1h', value: 12, contribution: 5 },
      { feature: 'is_abroad', value: 0, contribution: -4 },
      { feature: 'is_burst', value: 1, contribution: -1 },
    ]);
  });

  it('refuses a value of another type, naming the input', () => {
    expect(() => loaded.vector({ amount: '12.50' })).toThrow(
      'model payments_baseline@3: input amount is number, and the row has a string; give it as declared',
    );
  });

  it('keeps fitting when only words change', () => {
    expect(definitionVersions(repositoryWith())).toEqual(definitionVersions(repository));
    expect(readModelPackage(packageWith({ registryVersion: 'another' }), repository).key).toBe('payments_baseline@3');
  });

  it('hands nulls over as missing to a model that takes them', () => {
    const stump = { left: [1, -1, -1], right: [2, -1, -1], input: [0, 0, 0], threshold: [5, 0, 0] };
    const tree = { ...stump, missingLeft: [1, 0, 0], value: [0, 0.25, 0.75], weight: [4, 3, 1] };
    const { format: _, ...common } = MODEL;
    const trees = {
      format: 'sklearn-trees',
      formatVersion: 1,
      estimator: common.estimator,
      inputNames: null,
      inputCount: 1,
      inputPrecision: 'float64',
      acceptsMissing: true,
      output: 'probability',
      start: 0,
      trees: [tree],
    };
    const inputs: ModelDocument['inputs'] = [{ feature: 'amount', type: 'number', imputation: null }];
    const missing = readModelPackage(packageWith({ format: 'sklearn-trees', inputs }, trees), repository);

    expect(missing.score(missing.vector({ amount: null }))).toBe(0.25);
    expect(missing.score(missing.vector({ amount: 6 }))).toBe(0.75);
    expect(missing.explain(missing.vector({}), 1)).toEqual([{ feature: 'amount', value: null, contribution: -0.125 }]);
  });
});

describe('a package whose features are not what they were', () => {
  it('is refused when a view computes differently, naming the input and the view', () => {
    expectRefusal(
      packageWith(),
      /model payments_baseline@3: input payments_1h comes from account_payments@1, whose definition is \w{16} today and was \w{16}/,
      repositoryWith({ hop: '30s' }),
    );
  });

  it('is refused when a derived feature computes differently', () => {
    expectRefusal(
      packageWith(),
      'input is_burst comes from payment_fraud@2 derived, whose definition is',
      repositoryWith({ threshold: 4 }),
    );
  });

  it('is refused when it does not say by which definition an input was computed', () => {
    expectRefusal(packageWith({ definitions: {} }), 'was not recorded in training');
  });

  it('fits when only what it does not use has changed', () => {
    const inputs: ModelDocument['inputs'] = [{ feature: 'amount', type: 'number', imputation: 0 }];
    const model = { ...MODEL, inputNames: ['amount'], coefficients: [1] };

    expect(readModelPackage(packageWith({ inputs }, model), repositoryWith({ hop: '30s' })).key).toBe(
      'payments_baseline@3',
    );
  });

  it.each([
    [
      'another service',
      { service: 'payment_fraud@1' },
      'it is for service payment_fraud@1, and the declared ones are payment_fraud@2',
    ],
    ['crossed thresholds', { thresholds: { review: 0.9, block: 0.5 } }, 'the threshold for review, 0.9, is above'],
    ['no reference', { reference: { rows: 1, features: {} } }, 'reference.features lacks input amount'],
  ])('is refused for %s', (_, changes, message) => expectRefusal(packageWith(changes), message));

  it.each([
    ['an input that does not exist', 0, { feature: 'amuont' }, 'input amuont is no field, feature or derived feature'],
    ['an input that is text', 0, { feature: 'last_account_1h' }, 'input last_account_1h is text'],
    ['an input of another type', 3, { type: 'number' as const }, 'input is_burst is boolean in payment_fraud@2'],
    ['an input that is there twice', 1, { feature: 'amount' }, 'input amount is there twice'],
    ['another order than the model has', 0, { feature: 'is_abroad', type: 'boolean' as const }, 'is_abroad'],
    ['no imputation for a model that needs it', 2, { imputation: null }, 'input avg_amount_1h has no imputation'],
  ])('is refused for %s', (_, changed, change, message) => {
    const inputs = documentWith().inputs.map((input, index) => (index === changed ? { ...input, ...change } : input));
    const features = Object.fromEntries(inputs.map(({ feature }) => [feature, STATISTICS]));

    expectRefusal(packageWith({ inputs, reference: { rows: 1, features } }), message);
  });

  it('is refused for names in another order, naming the first that differs', () => {
    const inputNames = ['amount', 'avg_amount_1h', 'payments_1h', 'is_burst', 'is_abroad'];

    expectRefusal(packageWith({}, { ...MODEL, inputNames }), 'input 1 is payments_1h, and its file says avg_amount_1h');
  });

  it('is refused for another number of inputs', () => {
    const model = { ...MODEL, inputNames: null, coefficients: [1, 2] };

    expectRefusal(packageWith({}, model), 'its file has 2 inputs, and the package has 5');
  });
});

describe('a package that is damaged', () => {
  it.each([
    ['no gzip', () => new TextEncoder().encode('{}'), 'the package is not gzip'],
    ['no JSON', () => gzipSync('{'), 'the package is not JSON'],
    ['no UTF-8', () => gzipSync(Uint8Array.of(0x22, 0xff, 0x22)), 'the package is not JSON in UTF-8'],
    ['a field missing', () => tampered((file) => delete file.service), 'the package: service: '],
    ['an unknown field', () => tampered((file) => (file.comment = '')), 'comment'],
    ['another version of packages', () => tampered((file) => (file.packageVersion = 2)), 'packageVersion'],
    ['an unknown format', () => tampered((file) => (file.format = 'onnx')), 'format'],
    ['a threshold above 1', () => tampered((file) => (file.thresholds = { block: 85 })), 'thresholds.block'],
    ['another model than was packaged', () => tampered((file) => (file.model = '{}')), 'modelSha256'],
    ['a model of another format', () => packageWith({ format: 'lightgbm-text' }), 'end of trees'],
    ['a model that is none', () => packageWith({}, {}), 'logistic-regression: format'],
    [
      'a model that has no probability',
      () => packageWith({}, { ...MODEL, coefficients: [1e308, -1e308, 0, 0, 0] }),
      'it answers',
    ],
  ])('is refused for %s', (_, bytes, message) => expectRefusal(bytes(), message));

  it('is refused when it is too large, before it is inflated', () => {
    expectRefusal(new Uint8Array(LIMITS.modelPackageBytes + 1), 'more than');
  });

  it('is refused when it would inflate beyond the limit', () => {
    const bomb = gzipSync(new Uint8Array(LIMITS.inflatedPackageBytes + 1), { level: 1 });

    expect(bomb.length).toBeLessThan(LIMITS.modelPackageBytes);
    expectRefusal(bomb, `has more than ${LIMITS.inflatedPackageBytes} bytes inflated`);
  });

  it('is not written either', () => {
    expect(() => packageWith({ name: 'Not A Name' })).toThrow('model Not A Name@3: name: must be snake_case');
  });
});

import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import { count, decimal, distinct, mean } from '../../../shared/definitions/index.ts';
import type { NumberExpression } from '../../../shared/expressions/index.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { applyEvents } from '../../../shared/online/apply-events.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import { derivedValues, featureValues, readViews } from '../../../shared/online/read-features.ts';
import { definitionVersions } from '../../../shared/registry/manifest.ts';
import {
  definitionsOfInputs,
  type LoadedModel,
  type ModelDocument,
  ModelPackageError,
  readModelPackage,
  writeModelPackage,
} from '../../../shared/scoring/package.ts';
import { type PaymentChanges, paymentsOf } from '../../support/payments.ts';

const { repository, service } = paymentsOf();
const repositoryWith = (changes: PaymentChanges) => paymentsOf(changes).repository;
const HOP: PaymentChanges = { windows: { '1h': { length: '1h', hop: '30s' } } };
const THRESHOLD: PaymentChanges = {
  derived: { is_burst: (row: { payments_1h: NumberExpression }) => row.payments_1h.isGreaterThan(4) },
};

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
    packageVersion: 2,
    name: 'payments_baseline',
    version: 3,
    service: 'payment_fraud@2',
    registryVersion: repository.registryVersion,
    definitions: definitionsOfInputs(service, changes.inputs ?? inputs),
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

/** What the model says of the last of an account's payments, each counted before the next. */
async function scoreAfterPayments(changes: PaymentChanges): Promise<{ score: number; vector: Float64Array }> {
  const { payments, view, service: declared, repository: declaredToday } = paymentsOf(changes);
  const loaded: LoadedModel = readModelPackage(packageWith(), declaredToday);
  const store = new MemoryOnlineStore();
  const start = Date.UTC(2026, 10, 21);
  const events = [12.5, 80, 0.07, 33.33, 12.5].map((amount, index) => {
    const paid_at = start + index * 7_001;
    const payment = { payment_id: `p${index}`, account_id: 'a', card_id: `c${index % 2}`, amount, paid_at };
    const decoded = decodeEvent(payments, payment, paid_at);
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
    return decoded.event;
  });
  for (const event of events) await applyEvents(store, view, 'a', [event]);
  const last = events.at(-1);
  const [readings = new Map()] = await readViews(store, [view], [{ account_id: 'a' }], last?.timeMillis ?? 0);
  const row = { ...last?.values, ...featureValues(declared.features, readings) };
  const vector = loaded.vector({ ...row, ...derivedValues(declared, row) });
  return { score: loaded.score(vector), vector };
}

describe('a package when something is declared that it does not use', () => {
  it.each<[string, PaymentChanges]>([
    ['another aggregation', { features: { cards: distinct('card_id'), total: mean('amount') } }],
    ['another window', { windows: { '1d': '1d' } }],
    ['another optional field', { fields: { ip: z.string().optional() } }],
  ])('scores to the bit as before with %s', async (_, changes) => {
    const [before, after] = [await scoreAfterPayments({}), await scoreAfterPayments(changes)];

    expect(before.vector).toEqual(Float64Array.of(12.5, 5, 27.68, 1, 0));
    expect(after.vector).toEqual(before.vector);
    expect(Object.is(after.score, before.score)).toBe(true);
  });

  it('fits when only what it does not use has changed', () => {
    const inputs: ModelDocument['inputs'] = [{ feature: 'amount', type: 'number', imputation: 0 }];
    const model = { ...MODEL, inputNames: ['amount'], coefficients: [1] };

    expect(readModelPackage(packageWith({ inputs }, model), repositoryWith(HOP)).key).toBe('payments_baseline@3');
  });
});

describe('a package whose features are not what they were', () => {
  const ofTheView = 'input payments_1h of account_payments@1 is computed by definition';

  it.each<[string, PaymentChanges, string]>([
    ['another lateness', { source: { allowedLateness: '6s' } }, ofTheView],
    ['another window', { windows: { '1h': { length: '2h', hop: '1min' } } }, ofTheView],
    ['another hop', HOP, ofTheView],
    ['another filter', { view: { where: undefined } }, ofTheView],
    ['another entity', { entity: { joinKeys: ['card_id'] } }, ofTheView],
    ['another scale', { fields: { amount: decimal({ scale: 3 }) } }, 'input amount is computed by definition'],
    [
      'another aggregate',
      { features: { avg_amount: count('amount') } },
      'input avg_amount_1h of account_payments@1 is computed by definition',
    ],
    ['another derived feature', THRESHOLD, 'input is_burst is computed by definition'],
  ])('is refused for %s, naming the input', (_, changes, message) => {
    const declared = repositoryWith(changes);

    expectRefusal(packageWith(), `model payments_baseline@3: ${message}`, declared);
    expectRefusal(
      packageWith(),
      /by definition \w{16} today and was by \w{16} in training; train it again with a new training set, or restore the definition$/,
      declared,
    );
  });

  it('is refused when it does not say by which definition an input was computed', () => {
    expectRefusal(packageWith({ definitions: {} }), 'input amount is computed by definition');
    expectRefusal(packageWith({ definitions: {} }), 'today and was by one that is not recorded in training');
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

describe('profiles and tables', () => {
  it('are kept, and change no score', () => {
    const more: Partial<ModelDocument> = {
      profiles: { amount: { edges: [1, 10], counts: [4, 5, 1], nulls: 0 } },
      tables: { share_by_channel: { field: 'channel', values: { web: 0.02, app: 0.01 }, otherwise: null } },
    };
    const vector = Float64Array.of(2, 12, 2, 1, 0);
    const loaded = readModelPackage(packageWith(more), repository);

    expect(loaded.document).toMatchObject(more);
    expect(loaded.score(vector)).toBe(readModelPackage(packageWith(), repository).score(vector));
  });
});

describe('a package of the first form', () => {
  const first: Partial<ModelDocument> = { packageVersion: 1, definitions: definitionVersions(repository) };

  it('decides as before while its view is what it was', () => {
    const vector = Float64Array.of(2, 12, 2, 1, 0);
    const loaded = readModelPackage(packageWith(first), repository);

    expect(loaded.score(vector)).toBe(readModelPackage(packageWith(), repository).score(vector));
  });

  it.each<[string, PaymentChanges, RegExp]>([
    [
      'its view computes differently',
      HOP,
      /input payments_1h comes from account_payments@1, whose definition is \w{16} today and was \w{16}/,
    ],
    ['its view has one more feature', { features: { cards: distinct('card_id') } }, /comes from account_payments@1/],
    [
      'a derived feature computes differently',
      THRESHOLD,
      /input is_burst comes from payment_fraud@2 derived, whose definition is/,
    ],
  ])('is refused when %s', (_, changes, message) => {
    expectRefusal(packageWith(first), message, repositoryWith(changes));
  });

  it('is refused when it does not say by which definition an input was computed', () => {
    expectRefusal(packageWith({ ...first, definitions: {} }), 'was not recorded in training');
  });
});

describe('a package that is damaged', () => {
  it.each([
    ['no gzip', () => new TextEncoder().encode('{}'), 'the package is not gzip'],
    ['no JSON', () => gzipSync('{'), 'the package is not JSON'],
    ['no UTF-8', () => gzipSync(Uint8Array.of(0x22, 0xff, 0x22)), 'the package is not JSON in UTF-8'],
    ['a field missing', () => tampered((file) => delete file.service), 'the package: service: '],
    ['an unknown field', () => tampered((file) => (file.comment = '')), 'comment'],
    [
      'a newer form of packages',
      () => tampered((file) => (file.packageVersion = 3)),
      'packageVersion 3, and this program reads up to 2',
    ],
    ['no form of packages', () => tampered((file) => delete file.packageVersion), 'packageVersion'],
    [
      'a profile without a bin',
      () => tampered((file) => (file.profiles = { amount: { edges: [1, 2], counts: [1, 2], nulls: 0 } })),
      'one count more than edges',
    ],
    [
      'a profile of no input',
      () => packageWith({ profiles: { age: { edges: [1], counts: [1, 2], nulls: 0 } } }),
      'profiles has age, which is no input',
    ],
    [
      'a table without a field',
      () => tampered((file) => (file.tables = { risk: { values: {}, otherwise: 0 } })),
      'tables.risk.field',
    ],
    ['an unknown format', () => tampered((file) => (file.format = 'onnx')), 'format'],
    ['a threshold above 1', () => tampered((file) => (file.thresholds = { block: 85 })), 'thresholds.block'],
    ['another model than was packaged', () => tampered((file) => (file.model = '{}')), 'modelSha256'],
    ['a model of another format', () => packageWith({ format: 'lightgbm-text' }), 'its first line is not "tree"'],
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

/**
 * The model package: one gzip-compressed JSON file with a model and everything that must be true for its scores to mean
 * what they meant in training.
 *
 * 1. The file is inflated up to a limit and parsed; the model's text must have the hash that the document states.
 * 2. The document is held against what is declared today: the service, the type of each input, the definitions by which
 *    the inputs are computed, and the names that the model's own file gives to its inputs.
 * 3. What is loaded turns a row of features into the model's vector. Missing values are filled in there and nowhere else.
 */
import { hash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as z from 'zod';
import type { FieldValue } from '../definitions/fields.ts';
import type { FeatureService } from '../definitions/service.ts';
import { columnTypes } from '../definitions/view.ts';
import { columnsOf } from '../expressions/index.ts';
import { LIMITS } from '../limits.ts';
import { definitionFingerprints } from '../registry/fingerprints.ts';
import { definitionVersions, type FeatureRepository } from '../registry/manifest.ts';
import { MODEL_FORMATS, type Model, ModelError } from './models/model.ts';
import { parseModel } from './models/parse-model.ts';
import { firstIssue } from './models/reading.ts';

/** Thrown when a package cannot be used. The message says which field, feature or view is at fault and what to do. */
export class ModelPackageError extends Error {
  override readonly name = 'ModelPackageError';
}

const Probability = z.number().min(0).max(1);
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
const Reason = z.string().min(1).max(1_000);
const Count = z.int().min(0);

/** One input of the model: a field of the decided event, a feature or a derived feature of the service. */
const ModelInput = z.strictObject({
  feature: z.string().min(1),
  type: z.enum(['number', 'boolean']),
  /** What stands in for a value that is null; null hands it over as missing. */
  imputation: z.number().nullable(),
});

/** How an input was distributed in the training set; nulls do not count, and all are null where there was nothing else. */
const ReferenceStatistics = z.strictObject({
  mean: z.number().nullable(),
  stddev: z.number().min(0).nullable(),
  minimum: z.number().nullable(),
  maximum: z.number().nullable(),
  nulls: Count,
  /** Values at equidistant ranks, from the minimum to the maximum. */
  quantiles: z
    .array(z.number())
    .max(1_001)
    .refine((values) => values.every((value, index) => value >= (values[index - 1] ?? value)), 'must be ascending'),
});

/** `TrainingSetManifest` of shared/offline/offline-store.ts, with whatever more an engine wrote. */
export const TrainingSet = z.looseObject({
  service: z.string(),
  registryVersion: z.string(),
  /** As in the package, of all that the service offered then. */
  definitions: z.record(z.string(), z.string()).optional(),
  mode: z.enum(['bitemporal', 'event-time']),
  engine: z.string(),
  sqlHash: z.string().nullable(),
  spineHash: z.string(),
  rows: Count,
  columns: z.array(z.string()),
});

/** The form that is written. */
export const PACKAGE_VERSION = 2;

/** How many training rows lay where, of one input: to tell later that what is served lies elsewhere. */
const Profile = z
  .strictObject({
    /** Between the bins: the first holds what is at most the first edge, the last what is above the last. */
    edges: z.array(z.number()).min(1).max(1_000),
    counts: z.array(Count),
    nulls: Count,
  })
  .refine(
    ({ edges }) => edges.every((edge, index) => index === 0 || edge > (edges[index - 1] ?? edge)),
    'edges must ascend',
  )
  .refine(({ edges, counts }) => counts.length === edges.length + 1, 'must have one count more than edges');

/** What stood for the texts of a field in training, such as the share of frauds by category. */
const LookupTable = z.strictObject({
  field: z.string().min(1),
  values: z.record(z.string(), z.number()),
  /** Of a text that is not there. */
  otherwise: z.number().nullable(),
});

export const ModelDocument = z.strictObject({
  /** 2: `definitions` is by input. 1, as packages were written before: by view and service, and so with all of their features. */
  packageVersion: z.literal([1, PACKAGE_VERSION]),
  name: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'must be snake_case, at most 63 characters'),
  version: z.int().min(1),
  /** `name@version` of the service whose features the model was trained with. */
  service: z.string().min(1),
  registryVersion: z.string().min(1),
  /** Of each input, by `definitionFingerprints` of shared/registry/fingerprints.ts, when the training set was made. */
  definitions: z.record(z.string(), z.string()),
  /** In the order of the model's vector. */
  inputs: z.array(ModelInput).min(1).max(LIMITS.modelInputs),
  format: z.enum(MODEL_FORMATS),
  /** Of the model's text in UTF-8. */
  modelSha256: Sha256,
  /** Above which score a transaction is reviewed, and is blocked and called fraud. */
  thresholds: z.strictObject({
    review: Probability.optional(),
    block: Probability.optional(),
  }),
  trainingSet: z.union([TrainingSet, z.strictObject({ absentBecause: Reason })]),
  /** What the training set looked like; what is served is compared with it. */
  reference: z.strictObject({ rows: Count, features: z.record(z.string(), ReferenceStatistics) }),
  /** By input. */
  profiles: z.record(z.string(), Profile).optional(),
  /** By name. */
  tables: z.record(z.string(), LookupTable).optional(),
  createdAt: z.iso.datetime({ offset: true }),
  notes: z.string().max(10_000).optional(),
});
export type ModelDocument = z.infer<typeof ModelDocument>;
export type ModelInput = z.infer<typeof ModelInput>;

/** What one input had to do with a score. */
export interface InputContribution {
  readonly feature: string;
  /** As the model saw it, after imputation; null was missing. */
  readonly value: number | null;
  /** In the space of the model's margin; negative speaks against fraud. */
  readonly contribution: number;
}

/** A model whose package fits what is declared today. */
export interface LoadedModel {
  /** `name@version` */
  readonly key: string;
  readonly document: ModelDocument;
  readonly model: Model;
  /**
   * The model's inputs out of a row of fields and features; null and absent are the same.
   * @param into memory to use again; its length is the number of inputs.
   * @throws ModelPackageError when a value has another type than its input.
   */
  vector(row: Readonly<Record<string, FieldValue>>, into?: Float64Array): Float64Array;
  /** Probability of fraud for a vector. */
  score(vector: Float64Array): number;
  /** The inputs that moved the score most, strongest first. */
  explain(vector: Float64Array, top: number): InputContribution[];
}

/** `definitions` of a package whose training set was made by what is declared now. */
export function definitionsOfInputs(service: FeatureService, inputs: readonly ModelInput[]): Record<string, string> {
  const today = definitionFingerprints(service);
  return Object.fromEntries(
    inputs.flatMap(({ feature }) => {
      const definition = today.get(feature);
      return definition === undefined ? [] : [[feature, definition] as const];
    }),
  );
}

const PackageFile = ModelDocument.extend({ model: z.string() });

/**
 * Writes a package; `modelSha256` is filled in.
 * @throws ModelPackageError when the document is not as described, or the package would be too large to be read.
 */
export function writeModelPackage(document: Omit<ModelDocument, 'modelSha256'>, modelText: string): Uint8Array {
  const file = { ...document, modelSha256: hash('sha256', modelText), model: modelText };
  const parsed = PackageFile.safeParse(file);
  if (!parsed.success) throw new ModelPackageError(`model ${keyOf(document)}: ${firstIssue(parsed.error)}`);
  const inflated = Buffer.from(JSON.stringify(parsed.data));
  const bytes = gzipSync(inflated);
  if (inflated.length > LIMITS.inflatedPackageBytes || bytes.length > LIMITS.modelPackageBytes) {
    throw new ModelPackageError(
      `model ${keyOf(document)}: the package has ${bytes.length} bytes, ${inflated.length} inflated, and may have ` +
        `${LIMITS.modelPackageBytes} and ${LIMITS.inflatedPackageBytes}; train a smaller model`,
    );
  }
  return bytes;
}

/**
 * Loads a package, which may be anything, for what is declared today.
 * @throws ModelPackageError when it cannot be used, or its scores would not mean what they meant in training.
 */
export function readModelPackage(bytes: Uint8Array, repository: FeatureRepository): LoadedModel {
  const { model: text, ...document } = parsePackage(inflate(bytes));
  const key = keyOf(document);
  const fail: Fail = (problem) => {
    throw new ModelPackageError(`model ${key}: ${problem}`);
  };
  if (hash('sha256', text) !== document.modelSha256) {
    fail('the hash of its model is not modelSha256, so the file was changed; package the model again');
  }
  requireConsistentDocument(document, fail);
  requireFittingService(document, repository, fail);
  const model = modelOf(document, text, fail);
  requireFittingModel(document, model, fail);
  const loaded = loadedModel(key, document, model);
  requireProbabilities(loaded, fail);
  return loaded;
}

/** Refuses a package, with what is wrong and what to do. */
type Fail = (problem: string) => never;

function keyOf({ name, version }: Pick<ModelDocument, 'name' | 'version'>): string {
  return `${name}@${version}`;
}

function inflate(bytes: Uint8Array): Uint8Array {
  if (bytes.length > LIMITS.modelPackageBytes) {
    throw new ModelPackageError(
      `the package has ${bytes.length} bytes, more than ${LIMITS.modelPackageBytes}; train a smaller model`,
    );
  }
  try {
    return gunzipSync(bytes, { maxOutputLength: LIMITS.inflatedPackageBytes });
  } catch (error) {
    throw new ModelPackageError(
      `the package is not gzip, or has more than ${LIMITS.inflatedPackageBytes} bytes inflated; write it again`,
      { cause: error },
    );
  }
}

function parsePackage(inflated: Uint8Array): z.infer<typeof PackageFile> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(inflated));
  } catch (error) {
    throw new ModelPackageError('the package is not JSON in UTF-8; write it again', { cause: error });
  }
  const newer = z.object({ packageVersion: z.int().min(PACKAGE_VERSION + 1) }).safeParse(json);
  if (newer.success) {
    throw new ModelPackageError(
      `the package has packageVersion ${newer.data.packageVersion}, and this program reads up to ${PACKAGE_VERSION}; ` +
        'update it, or make the package with it',
    );
  }
  const parsed = PackageFile.safeParse(json);
  if (!parsed.success) throw new ModelPackageError(`the package: ${firstIssue(parsed.error)}; write it again`);
  return parsed.data;
}

function requireConsistentDocument({ inputs, thresholds, reference, profiles }: ModelDocument, fail: Fail): void {
  const { review, block } = thresholds;
  if (review !== undefined && block !== undefined && review > block) {
    fail(`the threshold for review, ${review}, is above the one for block, ${block}; lower it`);
  }
  const names = inputs.map(({ feature }) => feature);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) fail(`input ${twice} is there twice; train without its copy`);
  const unknown = names.find((name) => !Object.hasOwn(reference.features, name));
  if (unknown !== undefined) fail(`reference.features lacks input ${unknown}; package the model again`);
  const strange = Object.keys(profiles ?? {}).find((name) => !names.includes(name));
  if (strange !== undefined) fail(`profiles has ${strange}, which is no input; package the model again`);
}

function requireFittingService(document: ModelDocument, repository: FeatureRepository, fail: Fail): void {
  const service =
    repository.services.find(({ key }) => key === document.service) ??
    fail(
      `it is for service ${document.service}, and the declared ones are ` +
        `${repository.services.map(({ key }) => key).join(', ')}; train it for one of these`,
    );
  const types = inputTypes(service);
  for (const { feature, type } of document.inputs) {
    const declared =
      types.get(feature) ??
      fail(
        `input ${feature} is no field, feature or derived feature of ${service.key}; declare it, or train without it`,
      );
    if (declared !== type) {
      fail(`input ${feature} is ${declared} in ${service.key}, and the package says ${type}; train it again`);
    }
  }
  if (document.packageVersion === 1) requireSameViews(document, service, definitionVersions(repository), fail);
  else requireSameInputs(document, service, fail);
}

/** What a service offers to models, and what else it has, by name. */
export function inputTypes({ decides, features, derived }: FeatureService): ReadonlyMap<string, string> {
  const fields = Object.entries(columnTypes(decides?.fields ?? {}));
  return new Map([...fields, ...[...features, ...derived].map(({ name, type }) => [name, type] as const)]);
}

function requireSameInputs({ inputs, definitions }: ModelDocument, service: FeatureService, fail: Fail): void {
  const today = definitionFingerprints(service);
  const views = new Map(service.features.map(({ name, view }) => [name, ` of ${view.key}`]));
  for (const { feature } of inputs) {
    const trainedWith = definitions[feature];
    if (trainedWith === today.get(feature)) continue;
    fail(
      `input ${feature}${views.get(feature) ?? ''} is computed by definition ${today.get(feature)} today and was by ` +
        `${trainedWith ?? 'one that is not recorded'} in training; train it again with a new training set, or restore the definition`,
    );
  }
}

/** The first form of packages knows whole views, and derived features by their service, as `definitionVersions` names them. */
function requireSameViews(
  { inputs, definitions }: ModelDocument,
  service: FeatureService,
  today: Readonly<Record<string, string>>,
  fail: Fail,
): void {
  const origins = new Map(service.features.map(({ name, view }) => [name, [view.key]]));
  for (const { name, expression } of service.derived) {
    const views = [...columnsOf(expression)].flatMap((column) => origins.get(column) ?? []);
    origins.set(name, [`${service.key} derived`, ...new Set(views)]);
  }
  for (const { feature } of inputs) {
    for (const definition of origins.get(feature) ?? []) {
      const trainedWith = definitions[definition];
      if (trainedWith === today[definition]) continue;
      fail(
        `input ${feature} comes from ${definition}, whose definition is ${today[definition]} today and was ` +
          `${trainedWith ?? 'not recorded'} in training; train it again with a new training set, or restore the definition`,
      );
    }
  }
}

function modelOf({ format, inputs, reference }: ModelDocument, text: string, fail: Fail): Model {
  const means = inputs.map(({ feature }) => reference.features[feature]?.mean ?? null);
  try {
    // Contributions of linear models are measured from the mean row, where there is one.
    return parseModel(format, text, means.includes(null) ? undefined : means.map((mean) => mean ?? 0));
  } catch (error) {
    if (error instanceof ModelError) return fail(error.message);
    throw error;
  }
}

function requireFittingModel({ inputs }: ModelDocument, model: Model, fail: Fail): void {
  if (model.inputCount !== inputs.length) {
    fail(
      `its file has ${model.inputCount} inputs, and the package has ${inputs.length}; list those it was trained with`,
    );
  }
  inputs.forEach(({ feature, imputation }, index) => {
    const own = model.inputNames?.[index] ?? feature;
    if (own !== feature) {
      fail(`input ${index} is ${feature}, and its file says ${own}; list the inputs in the order of the training`);
    }
    if (imputation === null && !model.acceptsMissing) {
      fail(`input ${feature} has no imputation, and the model takes no missing values; say what stands for null`);
    }
  });
}

/** A row of nothing and the mean row must have a probability. */
function requireProbabilities(loaded: LoadedModel, fail: Fail): void {
  const nothing = loaded.vector({});
  const { inputs, reference } = loaded.document;
  const means = nothing.map((value, index) => reference.features[inputs[index]?.feature ?? '']?.mean ?? value);
  for (const probe of [nothing, means]) {
    const probability = loaded.score(probe);
    if (!(probability >= 0 && probability <= 1)) fail(`it answers ${probability} and no probability; train it again`);
  }
}

function loadedModel(key: string, document: ModelDocument, model: Model): LoadedModel {
  const { inputs } = document;
  return {
    key,
    document,
    model,
    vector(row, into = new Float64Array(inputs.length)) {
      inputs.forEach((input, index) => {
        into[index] = numberOf(key, input, row[input.feature]);
      });
      return into;
    },
    score: (vector) => model.score(vector),
    explain(vector, top) {
      const { values } = model.contributions(vector);
      return inputs
        .map(({ feature }, index) => {
          const value = vector[index] ?? Number.NaN;
          return { feature, value: Number.isNaN(value) ? null : value, contribution: values[index] ?? 0 };
        })
        .sort((left, right) => Math.abs(right.contribution) - Math.abs(left.contribution))
        .slice(0, top);
    },
  };
}

/** A value as the model takes it. A number that is not finite is null, as everywhere in features. */
function numberOf(key: string, { feature, type, imputation }: ModelInput, value: FieldValue): number {
  if (value === null || value === undefined) return imputation ?? Number.NaN;
  if (typeof value === 'number' && type === 'number')
    return Number.isFinite(value) ? value : (imputation ?? Number.NaN);
  if (typeof value === 'boolean' && type === 'boolean') return Number(value);
  throw new ModelPackageError(
    `model ${key}: input ${feature} is ${type}, and the row has a ${typeof value}; give it as declared`,
  );
}

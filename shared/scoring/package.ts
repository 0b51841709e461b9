/**
 * The model package: one gzip-compressed JSON file with a model and everything that must be true for its scores to mean
 * what they meant in training.
 *
 * 1. The file is inflated up to a limit and parsed; the model's text must have the hash that the document states.
 * 2. The document is held against what is declared today: the service, the type of each input, the definitions by which
 *    the inputs are computed, and the names that the model's own file gives to its inputs.
 * 3. What is loaded turns a row of features into the model's vector. Missing values are filled in there and nowhere else.
 */
import * as z from 'zod';
import type { FieldValue } from '../definitions/fields.ts';
import { MODEL_FORMATS, type Model } from './models/model.ts';

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
const TrainingSet = z.looseObject({
  service: z.string(),
  registryVersion: z.string(),
  mode: z.enum(['bitemporal', 'event-time']),
  engine: z.string(),
  sqlHash: z.string().nullable(),
  spineHash: z.string(),
  rows: Count,
  columns: z.array(z.string()),
});

export const ModelDocument = z.strictObject({
  packageVersion: z.literal(1),
  name: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'must be snake_case, at most 63 characters'),
  version: z.int().min(1),
  /** `name@version` of the service whose features the model was trained with. */
  service: z.string().min(1),
  registryVersion: z.string().min(1),
  /** By `definitionVersions` of shared/registry/manifest.ts, when the training set was made. */
  definitions: z.record(z.string(), z.string()),
  /** In the order of the model's vector. */
  inputs: z.array(ModelInput).min(1),
  format: z.enum(MODEL_FORMATS),
  /** Of the model's text in UTF-8. */
  modelSha256: Sha256,
  /** Above which score a transaction is fraud, is reviewed, is blocked. */
  thresholds: z.strictObject({
    fraud: Probability.optional(),
    review: Probability.optional(),
    block: Probability.optional(),
  }),
  trainingSet: z.union([TrainingSet, z.strictObject({ absentBecause: Reason })]),
  /** What the training set looked like; what is served is compared with it. */
  reference: z.strictObject({ rows: Count, features: z.record(z.string(), ReferenceStatistics) }),
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

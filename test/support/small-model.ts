import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import {
  definitionsOfInputs,
  type ModelDocument,
  type ModelInput,
  writeModelPackage,
} from '../../shared/scoring/package.ts';

const NO_STATISTICS = { mean: null, stddev: null, minimum: null, maximum: null, nulls: 0, quantiles: [] };

/** A logistic regression over the amount and the count of a minute, in a package that fits a repository. */
export function smallModelPackage(
  repository: FeatureRepository,
  options: {
    readonly name?: string;
    readonly version?: number;
    readonly intercept?: number;
    readonly document?: Partial<ModelDocument>;
    readonly model?: object;
  } = {},
): Uint8Array {
  const names = ['amount', 'tx_count_1min'];
  const inputs = names.map((feature): ModelInput => ({ feature, type: 'number', imputation: 0 }));
  const text = JSON.stringify({
    format: 'logistic-regression',
    formatVersion: 1,
    estimator: 'by hand',
    inputNames: names,
    coefficients: [0.001, 0.5],
    intercept: options.intercept ?? -5,
    standardisation: null,
    ...options.model,
  });
  const [service] = repository.services;
  if (service === undefined) throw new Error('the repository has no service to score for');
  return writeModelPackage(
    {
      packageVersion: 2,
      name: options.name ?? 'small',
      version: options.version ?? 1,
      service: service.key,
      registryVersion: repository.registryVersion,
      definitions: definitionsOfInputs(service, inputs),
      inputs,
      format: 'logistic-regression',
      thresholds: {},
      trainingSet: { absentBecause: 'written by hand for a test' },
      reference: { rows: 0, features: Object.fromEntries(names.map((feature) => [feature, NO_STATISTICS])) },
      createdAt: '2026-01-01T00:00:00Z',
      ...options.document,
    },
    text,
  );
}

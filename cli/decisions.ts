/** Configurations of decisions and packages of models, in the bucket that serving functions read. */
import { readFile } from 'node:fs/promises';
import pMap from 'p-map';
import type { FeatureService } from '../shared/definitions/service.ts';
import { LIMITS } from '../shared/limits.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import {
  ConfigurationError,
  type DecisionConfiguration,
  parseConfiguration,
  type VersionedConfiguration,
} from '../shared/scoring/configuration.ts';
import {
  activate,
  activeConfiguration,
  configurationOf,
  modelObjectName,
  type ObjectStore,
  rollBack,
} from '../shared/scoring/decision-store.ts';
import { ModelPackageError, readModelPackage } from '../shared/scoring/package.ts';
import type { BucketOptions, WithBucket } from './decision-bucket.ts';
import { findService, repositoryOf } from './repository.ts';
import { UserError } from './user-error.ts';

/** Whom every command asks for. */
export interface DecisionOptions extends BucketOptions {
  readonly features?: string;
}

export interface ServiceOptions extends DecisionOptions {
  readonly service: string;
}

const REQUESTS_AT_ONCE = 8;

/** A configuration as it was set: the active one, or the one of a version. @throws UserError, ConfigurationError */
export async function showConfiguration(
  options: ServiceOptions & { readonly version?: number },
  withBucket: WithBucket,
): Promise<VersionedConfiguration & { readonly service: FeatureService }> {
  const { service } = await serviceOf(options);
  const { version } = options;
  const found = await withBucket(options, (bucket) =>
    version === undefined ? activeConfiguration(bucket, service) : configurationOf(bucket, service, version),
  );
  return { service, ...found };
}

export interface HistoryEntry {
  readonly version: number;
  readonly isActive: boolean;
  /** `undefined` of the default one. */
  readonly writtenAt: Date | undefined;
  /** Or why it can no longer be used. */
  readonly configuration: DecisionConfiguration | ConfigurationError;
}

/** All configurations of a service, the newest first; the last one is the default. @throws UserError */
export async function configurationHistory(options: ServiceOptions, withBucket: WithBucket): Promise<HistoryEntry[]> {
  const { service } = await serviceOf(options);
  return withBucket(options, async (bucket) => {
    const objects = await bucket.list(`configurations/${service.key}/`);
    const writtenAt = new Map(
      objects.flatMap((object) => {
        const [, version] = /\/(\d+)\.json$/.exec(object.name) ?? [];
        return version === undefined ? [] : [[Number(version), object.writtenAt] as const];
      }),
    );
    const active = await activeVersion(bucket, service);
    return pMap(
      [...[...writtenAt.keys()].sort((left, right) => right - left), 0],
      async (version) => {
        const configuration = await configurationOf(bucket, service, version).then(
          (found) => found.configuration,
          (error: unknown) => {
            if (error instanceof ConfigurationError) return error;
            throw error;
          },
        );
        return { version, isActive: version === active, writtenAt: writtenAt.get(version), configuration };
      },
      { concurrency: REQUESTS_AT_ONCE },
    );
  });
}

/** `undefined` when what is active cannot be used. */
async function activeVersion(bucket: ObjectStore, service: FeatureService): Promise<number | undefined> {
  try {
    return (await activeConfiguration(bucket, service)).version;
  } catch (error) {
    if (error instanceof ConfigurationError) return undefined;
    throw error;
  }
}

/**
 * Makes the configuration of a file the active one. Nothing is written unless all of it can be used, its models included.
 * @returns its version.
 * @throws UserError, ConfigurationError, ModelPackageError
 */
export async function setConfiguration(
  options: ServiceOptions & { readonly file: string },
  withBucket: WithBucket,
): Promise<VersionedConfiguration & { readonly service: FeatureService }> {
  const { repository, service } = await serviceOf(options);
  const configuration = parseConfiguration(jsonOf(await contentOf(options.file), options.file), service);
  return withBucket(options, async (bucket) => {
    for (const key of modelsOf(configuration)) await requireModel(bucket, repository, service, key);
    return { service, configuration, version: await activate(bucket, service, configuration) };
  });
}

/**
 * Makes an older configuration active again; by default the one before.
 * @returns it, and what is wrong with its models: it was written nevertheless, for whoever rolls back is in a hurry.
 * @throws UserError, ConfigurationError
 */
export async function rollBackConfiguration(
  options: ServiceOptions & { readonly to?: number },
  withBucket: WithBucket,
): Promise<VersionedConfiguration & { readonly service: FeatureService; readonly warnings: readonly string[] }> {
  const { repository, service } = await serviceOf(options);
  return withBucket(options, async (bucket) => {
    const { version, configuration } = await rollBack(bucket, service, options.to);
    const warnings: string[] = [];
    for (const key of modelsOf(configuration)) {
      await requireModel(bucket, repository, service, key).catch((error: unknown) => {
        if (!(error instanceof UserError || error instanceof ModelPackageError)) throw error;
        const consequence =
          key === configuration.model
            ? `it decides without its model, and nothing milder than "${configuration.degraded}"`
            : 'a challenger does not score';
        warnings.push(`${consequence}: ${error.message}`);
      });
    }
    return { service, version, configuration, warnings };
  });
}

function modelsOf({ model, challengers }: DecisionConfiguration): string[] {
  return [...(model === null ? [] : [model]), ...challengers];
}

/** @throws UserError, ModelPackageError when serving functions could not use it. */
async function requireModel(
  bucket: ObjectStore,
  repository: FeatureRepository,
  service: FeatureService,
  key: string,
): Promise<void> {
  const content = await bucket.get(modelObjectName(service, key), { bytesMaximum: LIMITS.modelPackageBytes });
  if (content === undefined) {
    throw new UserError(`there is no model ${key} of ${service.key}; put it there with: model push --file PACKAGE`);
  }
  const loaded = readModelPackage(content, repository);
  if (loaded.key !== key || loaded.document.service !== service.key) {
    throw new UserError(
      `what lies in the place of model ${key} of ${service.key} is ${loaded.key} of ${loaded.document.service}; ` +
        'push the package again under a new version',
    );
  }
}

export interface PushedModel {
  readonly service: string;
  readonly model: string;
  readonly inputs: number;
  readonly bytes: number;
}

/** Puts a package into the bucket, if it fits what is declared. @throws UserError, ModelPackageError */
export async function pushModel(
  options: DecisionOptions & { readonly file: string },
  withBucket: WithBucket,
): Promise<PushedModel> {
  const repository = await repositoryOf(options);
  const content = await contentOf(options.file);
  const { key, document } = readModelPackage(content, repository);
  const service = findService(repository, document.service);
  const isNew = await withBucket(options, (bucket) => bucket.putNew(modelObjectName(service, key), content));
  if (!isNew) {
    throw new UserError(
      `model ${key} of ${service.key} is there already, and packages never change; give yours a new version`,
    );
  }
  return { service: service.key, model: key, inputs: document.inputs.length, bytes: content.length };
}

export interface ModelEntry {
  readonly service: string;
  readonly model: string;
  readonly bytes: number;
  /** What it does in the active configuration of its service. */
  readonly role: 'decides' | 'scores in the shadow' | 'none';
}

/** All models of the bucket, also those of services that are no longer declared. @throws UserError */
export async function listModels(options: DecisionOptions, withBucket: WithBucket): Promise<ModelEntry[]> {
  const { services } = await repositoryOf(options);
  return withBucket(options, async (bucket) => {
    const roles = new Map<string, ModelEntry['role']>();
    for (const service of services) {
      const version = await activeVersion(bucket, service);
      if (version === undefined) continue;
      const { configuration } = await configurationOf(bucket, service, version);
      for (const key of configuration.challengers) roles.set(modelObjectName(service, key), 'scores in the shadow');
      if (configuration.model !== null) roles.set(modelObjectName(service, configuration.model), 'decides');
    }
    const objects = await bucket.list('models/');
    return objects.flatMap(({ name, bytes }) => {
      const [, service, model] = /^models\/([^/]+)\/([^/]+)$/.exec(name) ?? [];
      return service && model ? [{ service, model, bytes, role: roles.get(name) ?? 'none' }] : [];
    });
  });
}

async function serviceOf({ features, service }: ServiceOptions) {
  const repository = await repositoryOf({ features });
  return { repository, service: findService(repository, service) };
}

async function contentOf(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new UserError(`the file ${file} cannot be read; look at its name`, { cause });
  }
}

function jsonOf(content: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString());
  } catch (cause) {
    throw new UserError(`the file ${file} is not JSON; write an object such as {"rules":{},"note":"why"}`, { cause });
  }
}

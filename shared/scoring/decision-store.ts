/**
 * Where configurations and models are kept: objects under names that say what they are, and that never change.
 *
 *     configurations/fraud_detection@1/000003.json   the third configuration of the service
 *     configurations/fraud_detection@1/active.json   {"version":3}: the one that decides; the only object that changes
 *     models/fraud_detection@1/boosted_trees@2       a model package
 *
 * To roll back is to make an older one active: nothing is written again, so nothing can be wrong in a new way.
 */
import * as z from 'zod';
import type { FeatureService } from '../definitions/service.ts';
import type { VersionedConfiguration } from './configuration.ts';
import {
  ConfigurationError,
  DEFAULT_CONFIGURATION,
  type DecisionConfiguration,
  parseConfiguration,
} from './configuration.ts';

/** A few small objects by name: a bucket, or memory. */
export interface ObjectStore {
  /**
   * `undefined` when there is none. Rejects when it cannot be said.
   * @throws ObjectTooLargeError before any of it is read, when it is longer than `bytesMaximum`.
   */
  get(name: string, options?: { readonly bytesMaximum?: number }): Promise<Uint8Array | undefined>;
  put(name: string, content: Uint8Array): Promise<void>;
  /** False when there was one already; it stays as it is. */
  putNew(name: string, content: Uint8Array): Promise<boolean>;
}

/** Thrown instead of reading an object that nobody should have written. */
export class ObjectTooLargeError extends Error {
  override readonly name = 'ObjectTooLargeError';
}

export function modelObjectName({ key }: FeatureService, modelKey: string): string {
  return `models/${key}/${modelKey}`;
}

function configurationName({ key }: FeatureService, version: number): string {
  return `configurations/${key}/${String(version).padStart(6, '0')}.json`;
}

function activeName({ key }: FeatureService): string {
  return `configurations/${key}/active.json`;
}

const activePointer = z.strictObject({ version: z.int().min(0) });

/** The configuration that decides now: the default one where none was ever set. @throws ConfigurationError */
export async function activeConfiguration(
  store: ObjectStore,
  service: FeatureService,
): Promise<VersionedConfiguration> {
  const pointer = await store.get(activeName(service));
  if (pointer === undefined) return { version: 0, configuration: DEFAULT_CONFIGURATION };
  const parsed = activePointer.safeParse(jsonOf(pointer));
  if (!parsed.success) {
    throw new ConfigurationError(
      `service ${service.key}: active.json must be {"version":N}; roll back to write it anew`,
    );
  }
  return configurationOf(store, service, parsed.data.version);
}

/** A configuration by its version. @throws ConfigurationError when there is none, or it no longer fits the service. */
export async function configurationOf(
  store: ObjectStore,
  service: FeatureService,
  version: number,
): Promise<VersionedConfiguration> {
  if (version === 0) return { version, configuration: DEFAULT_CONFIGURATION };
  const content = await store.get(configurationName(service, version));
  if (content === undefined) {
    throw new ConfigurationError(`service ${service.key}: there is no configuration ${version}`);
  }
  return { version, configuration: parseConfiguration(jsonOf(content), service) };
}

/**
 * Keeps a configuration as the next version and makes it active. Whether its models can be loaded is for the caller to
 * have seen: a configuration that names a model is checked against the packages before.
 * @returns its version.
 * @throws ConfigurationError when somebody else wrote the same version at the same time.
 */
export async function activate(
  store: ObjectStore,
  service: FeatureService,
  configuration: DecisionConfiguration,
): Promise<number> {
  const version = (await newestVersion(store, service)) + 1;
  const content = bytesOf(configuration);
  if (!(await store.putNew(configurationName(service, version), content))) {
    throw new ConfigurationError(
      `service ${service.key}: configuration ${version} was written by somebody else just now; look at it and try again`,
    );
  }
  await store.put(activeName(service), bytesOf({ version }));
  return version;
}

/**
 * Makes an older configuration active again.
 * @param version default: the one before the active one.
 * @throws ConfigurationError when there is none, or it no longer fits the service.
 */
export async function rollBack(
  store: ObjectStore,
  service: FeatureService,
  version?: number,
): Promise<VersionedConfiguration> {
  const target = version ?? (await pointedVersion(store, service)) - 1;
  if (target < 0) throw new ConfigurationError(`service ${service.key}: nothing lies before the default configuration`);
  const found = await configurationOf(store, service, target);
  await store.put(activeName(service), bytesOf({ version: target }));
  return found;
}

async function pointedVersion(store: ObjectStore, service: FeatureService): Promise<number> {
  const pointer = await store.get(activeName(service));
  const parsed = activePointer.safeParse(pointer && jsonOf(pointer));
  // What cannot be read points nowhere: whoever rolls back wants the newest one before it.
  return parsed.success ? parsed.data.version : (await newestVersion(store, service)) + (pointer === undefined ? 0 : 1);
}

/** Versions have no gaps, so doubling and halving finds the newest one without listing. */
async function newestVersion(store: ObjectStore, service: FeatureService): Promise<number> {
  const exists = async (version: number) => (await store.get(configurationName(service, version))) !== undefined;
  let missing = 1;
  while (await exists(missing)) missing *= 2;
  let known = Math.floor(missing / 2);
  while (missing - known > 1) {
    const middle = Math.floor((known + missing) / 2);
    if (await exists(middle)) known = middle;
    else missing = middle;
  }
  return known;
}

function bytesOf(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

function jsonOf(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString());
  } catch {
    return undefined;
  }
}

/**
 * Where configurations and models are kept: objects under names that say what they are, and that never change.
 *
 *     configurations/fraud_detection@1/000003.json   the third configuration of the service
 *     configurations/fraud_detection@1/active.json   {"version":3}: the one that decides; the only object that changes
 *     models/fraud_detection@1/boosted_trees@2       a model package
 *
 * To roll back is to make an older one active: nothing is written again, so nothing can be wrong in a new way. Nothing else
 * makes an older one active: `active.json` is replaced only while it is what its writer has seen.
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
  /** As `get`, with the tag by which `putOver` knows it again. */
  getTagged(name: string): Promise<TaggedObject | undefined>;
  /** False when the object no longer has that tag; it stays as it is. */
  putOver(name: string, content: Uint8Array, tag: string): Promise<boolean>;
}

export interface TaggedObject {
  readonly content: Uint8Array;
  /** Different for different contents. */
  readonly tag: string;
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
  return configurationOf(store, service, await activeVersion(store, service));
}

/** Which configuration decides now; 0 is the default one. @throws ConfigurationError */
export async function activeVersion(store: ObjectStore, service: FeatureService): Promise<number> {
  const { version } = await pointerOf(store, service);
  if (version !== undefined) return version;
  throw new ConfigurationError(`service ${service.key}: active.json must be {"version":N}; roll back to write it anew`);
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
 * @throws ConfigurationError when somebody else wrote the same version at the same time, or made a newer one active or
 * rolled back meanwhile.
 */
export async function activate(
  store: ObjectStore,
  service: FeatureService,
  configuration: DecisionConfiguration,
): Promise<number> {
  const pointer = await pointerOf(store, service);
  const version = (await newestVersion(store, service)) + 1;
  const content = bytesOf(configuration);
  if (!(await store.putNew(configurationName(service, version), content))) {
    throw new ConfigurationError(
      `service ${service.key}: configuration ${version} was written by somebody else just now; look at it and try again`,
    );
  }
  await pointForwards(store, service, version, pointer);
  return version;
}

/**
 * Makes an older configuration active again.
 * @param version default: the one before the active one.
 * @throws ConfigurationError when there is none, it no longer fits the service, or somebody else made another one active.
 */
export async function rollBack(
  store: ObjectStore,
  service: FeatureService,
  version?: number,
): Promise<VersionedConfiguration> {
  const pointer = await pointerOf(store, service);
  const target = version ?? (await versionBefore(store, service, pointer));
  if (target < 0) throw new ConfigurationError(`service ${service.key}: nothing lies before the default configuration`);
  const found = await configurationOf(store, service, target);
  if (!(await putPointer(store, service, target, pointer))) {
    const { version: active } = await pointerOf(store, service);
    if (active !== target) {
      throw new ConfigurationError(
        `service ${service.key}: somebody else made configuration ${active ?? 'of another kind'} active just now; ` +
          'look at it with "config show", and roll back again if it must go',
      );
    }
  }
  return found;
}

/** What `active.json` was when it was read. */
interface Pointer {
  /** `undefined` when it cannot be understood. */
  readonly version: number | undefined;
  /** `undefined` when there is none. */
  readonly tag: string | undefined;
}

async function pointerOf(store: ObjectStore, service: FeatureService): Promise<Pointer> {
  const object = await store.getTagged(activeName(service));
  if (object === undefined) return { version: 0, tag: undefined };
  const parsed = activePointer.safeParse(jsonOf(object.content));
  return { version: parsed.success ? parsed.data.version : undefined, tag: object.tag };
}

/** False when the pointer is no longer what it was. */
async function putPointer(
  store: ObjectStore,
  service: FeatureService,
  version: number,
  { tag }: Pointer,
): Promise<boolean> {
  const content = bytesOf({ version });
  return tag === undefined
    ? store.putNew(activeName(service), content)
    : store.putOver(activeName(service), content, tag);
}

/** Whoever changes the pointer at the same time needs one try for each of us. */
const POINTER_TRIES = 10;

/**
 * Points to a new version unless, since the pointer was seen, a newer one became active or an older one was rolled back to.
 * Only versions that became active between the two make way.
 * @throws ConfigurationError saying who won.
 */
async function pointForwards(
  store: ObjectStore,
  service: FeatureService,
  version: number,
  seen: Pointer,
): Promise<void> {
  let pointer = seen;
  for (let tries = 0; tries < POINTER_TRIES && isBefore(pointer, version); tries++) {
    if (await putPointer(store, service, version, pointer)) return;
    const found = await pointerOf(store, service);
    // The answer to a try that had succeeded was lost.
    if (found.version === version) return;
    const isRolledBack = found.version === undefined || found.version < (pointer.version ?? 0);
    pointer = found;
    if (isRolledBack) break;
  }
  throw new ConfigurationError(
    `service ${service.key}: configuration ${version} is kept but not active, because somebody else made ` +
      `${pointer.version ?? 'another'} active meanwhile; look at both with "config show", then set yours again, ` +
      `or make it active with "config rollback --to ${version}"`,
  );
}

/** What points nowhere makes way for anything. */
function isBefore({ version }: Pointer, next: number): boolean {
  return version === undefined || version < next;
}

async function versionBefore(store: ObjectStore, service: FeatureService, { version }: Pointer): Promise<number> {
  // What cannot be read points nowhere: whoever rolls back wants the newest one before it.
  return version === undefined ? newestVersion(store, service) : version - 1;
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

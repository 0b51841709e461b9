import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type * as z from 'zod';
import { decodeJson } from '../../shared/definitions/forms.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { type decisionConfiguration, parseConfiguration } from '../../shared/scoring/configuration.ts';
import { decisionPolicy } from '../../shared/scoring/decide.ts';
import { type LoadedModel, readModelPackage } from '../../shared/scoring/package.ts';
import { scorerOf } from '../../shared/scoring/scorer.ts';
import type { ActivePolicy, DecisionPolicies } from '../serve/decision-policies.ts';
import type { Problem } from '../serve/schemas.ts';

/** An instant: ISO 8601 with an offset, milliseconds since 1970, or a date. */
export type Instant = string | number | Date;

export interface TestStoreOptions {
  /** What time it is at first. It stands still until it is moved. */
  readonly clock: Instant;
  /** The package of the model that decides: its file, its bytes, or its document with the text of its model. */
  readonly model?: string | URL | Uint8Array | object;
  /**
   * By which the service of the model decides, or the one service that decides: what `config set` takes. By default the
   * model that is given decides.
   */
  readonly configuration?: z.input<typeof decisionConfiguration>;
  /** Ids that force an outcome are refused. Default false. */
  readonly production?: boolean;
}

/** Thrown when `testStore` is given what it cannot work with. Names the option and the fix. */
export class TestStoreOptionError extends Error {
  override readonly name = 'TestStoreOptionError';
}

/** Thrown when the store refuses a request, or its consumer an event. The message is the one that callers are told. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  /** Of HTTP; undefined where the consumer put an event into quarantine. */
  readonly status: number | undefined;
  /** The fields at fault, and what each must be. */
  readonly errors: NonNullable<Problem['errors']>;

  constructor(
    message: string,
    { status, errors = [] }: { readonly status?: number | undefined; readonly errors?: Problem['errors'] },
  ) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/** @throws TestStoreOptionError for what is no instant. */
export function millisOf(option: string, instant: Instant): number {
  const millis = decodeJson({ kind: 'timestamp' }, instant instanceof Date ? instant.getTime() : instant);
  if (typeof millis === 'number') return millis;
  throw new TestStoreOptionError(
    `${option} must be an instant such as 2026-01-05T12:00:00Z, milliseconds since 1970, or a Date; got ${String(instant)}`,
  );
}

/** Decides by what was given, from the first decision on. */
export class GivenPolicies implements DecisionPolicies {
  readonly #active = new Map<FeatureService, ActivePolicy>();

  /** @throws TestStoreOptionError, ModelPackageError, ConfigurationError */
  constructor(repository: FeatureRepository, { model, configuration }: TestStoreOptions) {
    const loaded = model === undefined ? undefined : readModelPackage(bytesOf(model), repository);
    const configured = configuredService(repository, loaded, configuration !== undefined);
    for (const service of repository.services) {
      const isConfigured = service === configured;
      const parsed = parseConfiguration(
        isConfigured ? { ...(loaded && { model: loaded.key }), ...configuration } : {},
        service,
      );
      if (parsed.model !== null && parsed.model !== loaded?.key) {
        throw new TestStoreOptionError(
          `configuration: its model is ${parsed.model}; give its package as "model"${loaded ? `, which is ${loaded.key} now` : ''}`,
        );
      }
      const champion = parsed.model !== null && loaded ? scorerOf(loaded) : undefined;
      this.#active.set(service, {
        policy: decisionPolicy(service, parsed, { champion }),
        configurationVersion: isConfigured ? 1 : 0,
        ageSeconds: null,
      });
    }
  }

  async policyOf(service: FeatureService): Promise<ActivePolicy> {
    const active = this.#active.get(service);
    if (active === undefined) throw new Error(`the service ${service.key} is not of this repository`);
    return active;
  }
}

function configuredService(
  { services }: FeatureRepository,
  loaded: LoadedModel | undefined,
  isConfigured: boolean,
): FeatureService | undefined {
  if (loaded !== undefined) return services.find(({ key }) => key === loaded.document.service);
  if (!isConfigured) return undefined;
  const deciding = services.filter(({ decides }) => decides !== undefined);
  const [only] = deciding;
  if (only !== undefined && deciding.length === 1) return only;
  throw new TestStoreOptionError(
    `configuration: which service is it for? These decide: ${deciding.map(({ key }) => key).join(', ') || 'none'}; ` +
      'test with a repository of one of them, or give the model of one',
  );
}

function bytesOf(model: NonNullable<TestStoreOptions['model']>): Uint8Array {
  if (model instanceof Uint8Array) return model;
  if (typeof model !== 'string' && !(model instanceof URL)) return gzipSync(JSON.stringify(model));
  try {
    return readFileSync(model);
  } catch (error) {
    throw new TestStoreOptionError(`model: the file ${String(model)} cannot be read; give the path of its package`, {
      cause: error,
    });
  }
}

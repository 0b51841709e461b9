import { setTimeout as delay } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { FeatureService } from '../../shared/definitions/service.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import {
  ConfigurationError,
  DEFAULT_CONFIGURATION,
  type VersionedConfiguration,
} from '../../shared/scoring/configuration.ts';
import { type DecisionPolicy, decisionPolicy, type Scorer } from '../../shared/scoring/decide.ts';
import {
  activeVersion,
  configurationOf,
  modelObjectName,
  type ObjectStore,
  ObjectTooLargeError,
} from '../../shared/scoring/decision-store.ts';
import { ModelPackageError, readModelPackage } from '../../shared/scoring/package.ts';
import { scorerOf } from '../../shared/scoring/scorer.ts';
import { CONFIGURATION_AGE, CONFIGURATION_RENEWAL } from './constants.ts';
import { describeError } from './describe-error.ts';
import type { ServeLogger } from './ports.ts';

/** How a service decides at this moment. */
export interface ActivePolicy {
  readonly policy: DecisionPolicy;
  /** 0 is the default configuration. */
  readonly configurationVersion: number;
  /** Seconds for which nobody has said that this configuration is the active one; null where there is nothing to ask. */
  readonly ageSeconds: number | null;
}

/** Says how a service decides now. Never rejects, and never waits for longer than an answer can. */
export interface DecisionPolicies {
  policyOf(service: FeatureService): Promise<ActivePolicy>;
}

/** Without a store there is nothing to configure and no model. */
export class DefaultPolicies implements DecisionPolicies {
  readonly #policies = new WeakMap<FeatureService, ActivePolicy>();

  async policyOf(service: FeatureService): Promise<ActivePolicy> {
    let known = this.#policies.get(service);
    if (known === undefined) {
      known = { policy: decisionPolicy(service, DEFAULT_CONFIGURATION), configurationVersion: 0, ageSeconds: null };
      this.#policies.set(service, known);
    }
    return known;
  }
}

/** Of a service. Packages never change, so they are loaded once: the champion, its challengers, and those before a change. */
const MODELS_KEPT = 2 * (1 + LIMITS.challengers);

/** What is in force for a service, and what is known of it. */
interface Entry {
  policy: DecisionPolicy;
  version: number;
  /** Whether all models of the configuration are there. */
  isWhole: boolean;
  /** Whether a newer configuration is active that cannot be used. */
  isReplaced: boolean;
  /** Since when the store has named another configuration as the active one, without its being in force yet. */
  replacedSinceMillis: number | undefined;
  /** When the last read began by which S3 said which configuration is active. */
  confirmedAtMillis: number | undefined;
  /** Of the renewal that said so. */
  confirmedBy: number;
  readonly createdAtMillis: number;
  /** By key. */
  readonly models: LRUCache<string, Scorer>;
  /** The newest one. */
  renewal: Renewal | undefined;
}

interface Renewal {
  /** Renewals are numbered as they begin. */
  readonly number: number;
  readonly beganAtMillis: number;
  /** The active configuration while its models are being read. */
  configuration: VersionedConfiguration | undefined;
  isOver: boolean;
  done: Promise<void>;
}

/**
 * Policies from an object store, in memory and renewed beside requests (`CONFIGURATION_AGE`).
 *
 * 1. A policy is as old as the last read that confirmed it. A request uses a young one as it is; from `askedFirst` on, as
 *    after a sleep of the environment, it waits for a renewal, and for a second one if need be, each for `waited` at most.
 * 2. A renewal asks which version is active, and reads nothing else when that is the one in force. It is never trusted to
 *    end: an old one is left behind for a new one, and what it brings later does not replace anything newer.
 * 3. While the store does not answer, the last policy stays; from `unknown` on it has the problem `configuration`. A newer
 *    configuration that cannot be used leaves the one before it in force, with the same problem at once. A model that
 *    cannot be used leaves its configuration without it, with the problem `model`.
 */
export class StoredPolicies implements DecisionPolicies {
  readonly #store: ObjectStore;
  readonly #repository: FeatureRepository;
  readonly #clock: () => number;
  readonly #logger: ServeLogger;
  readonly #wait: () => Promise<unknown>;
  readonly #entries = new Map<FeatureService, Entry>();
  #renewals = 0;

  constructor(options: {
    readonly store: ObjectStore;
    readonly repository: FeatureRepository;
    readonly clock: () => number;
    readonly logger: ServeLogger;
    /** Settles when a request no longer waits for a renewal; by default after `CONFIGURATION_RENEWAL.waited`. */
    readonly wait?: () => Promise<unknown>;
  }) {
    this.#store = options.store;
    this.#repository = options.repository;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#wait = options.wait ?? (() => delay(CONFIGURATION_RENEWAL.waited));
  }

  async policyOf(service: FeatureService): Promise<ActivePolicy> {
    const entry = this.#entryOf(service);
    const renewal = this.#renewalOf(service, entry);
    if (renewal && this.#mustAsk(entry)) await this.#answered(service, entry, renewal);
    const { replacedSinceMillis: since } = entry;
    const isSuperseded = since !== undefined && this.#since(since) >= CONFIGURATION_AGE.askedFirst;
    const isKnown = !entry.isReplaced && !isSuperseded && this.#unconfirmedMillis(entry) < CONFIGURATION_AGE.unknown;
    const { policy, version: configurationVersion } = entry;
    return {
      policy: isKnown ? policy : { ...policy, problems: ['configuration', ...policy.problems] },
      configurationVersion,
      ageSeconds: this.#since(entry.confirmedAtMillis ?? entry.createdAtMillis) / 1_000,
    };
  }

  #mustAsk(entry: Entry): boolean {
    return this.#unconfirmedMillis(entry) >= CONFIGURATION_AGE.askedFirst;
  }

  /**
   * Waits until a renewal has an answer. A second one is begun when the first has failed, or has none for `waited`: a sleep
   * breaks the connections of an environment, so that the first request on them fails, or hangs, though S3 is well.
   */
  async #answered(service: FeatureService, entry: Entry, first: Renewal): Promise<void> {
    await Promise.race([first.done, this.#wait()]);
    if (!this.#mustAsk(entry)) return;
    let second = entry.renewal ?? first;
    if (second === first && first.configuration === undefined) second = this.#begin(service, entry);
    const pending = [first, second].filter(({ isOver }) => !isOver);
    await Promise.race([...pending.map(({ done }) => done), this.#wait()]);
    // A configuration that has come does not wait for its models.
    for (const renewal of [first, second]) {
      if (renewal.configuration) this.#putInForce(entry, renewal, renewal.configuration);
    }
  }

  #entryOf(service: FeatureService): Entry {
    let entry = this.#entries.get(service);
    if (entry === undefined) {
      entry = {
        policy: decisionPolicy(service, DEFAULT_CONFIGURATION),
        version: 0,
        isWhole: true,
        isReplaced: false,
        replacedSinceMillis: undefined,
        confirmedAtMillis: undefined,
        confirmedBy: 0,
        createdAtMillis: this.#clock(),
        models: new LRUCache({ max: MODELS_KEPT }),
        renewal: undefined,
      };
      this.#entries.set(service, entry);
    }
    return entry;
  }

  /** Clocks are set back, too: a time to come is as far away as one that is past. */
  #since(millis: number): number {
    return Math.abs(this.#clock() - millis);
  }

  #unconfirmedMillis({ confirmedAtMillis }: Entry): number {
    return confirmedAtMillis === undefined ? Number.POSITIVE_INFINITY : this.#since(confirmedAtMillis);
  }

  /** The renewal that is under way, begun now if it is due. */
  #renewalOf(service: FeatureService, entry: Entry): Renewal | undefined {
    const { renewal } = entry;
    const passedMillis = renewal ? this.#since(renewal.beganAtMillis) : Number.POSITIVE_INFINITY;
    const { repeatedAfter, abandonedAfter } = CONFIGURATION_RENEWAL;
    if (renewal && passedMillis < (renewal.isOver ? repeatedAfter : abandonedAfter)) {
      return renewal.isOver ? undefined : renewal;
    }
    return this.#unconfirmedMillis(entry) < CONFIGURATION_AGE.renewed ? undefined : this.#begin(service, entry);
  }

  #begin(service: FeatureService, entry: Entry): Renewal {
    const begun: Renewal = {
      number: ++this.#renewals,
      beganAtMillis: this.#clock(),
      configuration: undefined,
      isOver: false,
      done: Promise.resolve(),
    };
    begun.done = this.#renew(service, entry, begun).finally(() => {
      begun.isOver = true;
    });
    entry.renewal = begun;
    return begun;
  }

  async #renew(service: FeatureService, entry: Entry, renewal: Renewal): Promise<void> {
    try {
      const version = await activeVersion(this.#store, service);
      if (version === entry.version && entry.isWhole) {
        this.#confirm(entry, renewal, {});
        return;
      }
      // A stalled answer that comes after a newer one is old news.
      const isNews = version !== entry.version && renewal.number > entry.confirmedBy;
      if (isNews) entry.replacedSinceMillis ??= renewal.beganAtMillis;
      const { configuration } =
        version === entry.version ? entry.policy : await configurationOf(this.#store, service, version);
      const active = { version, configuration };
      renewal.configuration = active;
      if (configuration.model !== null) await this.#load(entry, configuration.model);
      renewal.configuration = undefined;
      this.#putInForce(entry, renewal, active);
      // A challenger decides nothing, so nothing waits for it and nothing fails with it.
      const challengers = configuration.challengers.map((key) =>
        this.#load(entry, key).catch((error: unknown) => this.#modelFailed(entry, key, error)),
      );
      await Promise.all(challengers);
      if (challengers.length > 0) this.#putInForce(entry, renewal, active);
    } catch (error) {
      this.#renewalFailed(entry, renewal, error);
    }
  }

  /** Whether the store has answered with something that cannot be used, or has not answered. */
  #renewalFailed(entry: Entry, renewal: Renewal, cause: unknown): void {
    renewal.configuration = undefined;
    const details = {
      featureService: entry.policy.service.key,
      configuration: entry.version,
      ageSeconds: this.#since(entry.confirmedAtMillis ?? entry.createdAtMillis) / 1_000,
      error: describeError(cause),
    };
    if (cause instanceof ConfigurationError) {
      this.#confirm(entry, renewal, { isReplaced: true });
      this.#logger.error('the active configuration of decisions cannot be used; the one before it stays', details);
    } else {
      this.#logger.warn('the store of configurations of decisions does not answer; the last one stays', details);
    }
  }

  /** With the models that have been loaded. */
  #putInForce(entry: Entry, renewal: Renewal, { version, configuration }: VersionedConfiguration): void {
    const { model, challengers: keys } = configuration;
    const champion = model === null ? undefined : entry.models.get(model);
    const challengers = keys.flatMap((key) => entry.models.get(key) ?? []);
    const lacksModel = model !== null && champion === undefined;
    // Lists may be long, so they are prepared once for each configuration.
    const policy = version === entry.version ? entry.policy : decisionPolicy(entry.policy.service, configuration);
    this.#confirm(entry, renewal, {
      policy: { ...policy, champion, challengers, problems: lacksModel ? ['model'] : [] },
      version,
      isWhole: !lacksModel && challengers.length === keys.length,
    });
  }

  /** Unless a newer renewal has said something since. */
  #confirm(
    entry: Entry,
    { number, beganAtMillis }: Renewal,
    changes: Partial<Pick<Entry, 'policy' | 'version' | 'isWhole' | 'isReplaced'>>,
  ): void {
    if (number < entry.confirmedBy) return;
    const confirmed = { confirmedAtMillis: beganAtMillis, confirmedBy: number, replacedSinceMillis: undefined };
    Object.assign(entry, { isReplaced: false, ...changes, ...confirmed });
  }

  /** What cannot be used is logged and not loaded. Rejects when the store does not answer. */
  async #load(entry: Entry, key: string): Promise<void> {
    if (entry.models.has(key)) return;
    const { service } = entry.policy;
    const name = modelObjectName(service, key);
    let content: Uint8Array | undefined;
    try {
      content = await this.#store.get(name, { bytesMaximum: LIMITS.modelPackageBytes });
    } catch (error) {
      if (!(error instanceof ObjectTooLargeError)) throw error;
      this.#modelFailed(entry, key, error);
      return;
    }
    try {
      if (content === undefined) throw new ModelPackageError(`there is no object ${name}; push the model`);
      entry.models.set(key, scorerOf(readModelPackage(content, this.#repository)));
    } catch (error) {
      this.#modelFailed(entry, key, error);
    }
  }

  #modelFailed({ policy }: Entry, model: string, error: unknown): void {
    this.#logger.error('a model cannot be used', {
      featureService: policy.service.key,
      model,
      error: describeError(error),
    });
  }
}

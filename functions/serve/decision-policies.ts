import { LRUCache } from 'lru-cache';
import type { FeatureService } from '../../shared/definitions/service.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { DEFAULT_CONFIGURATION } from '../../shared/scoring/configuration.ts';
import { type DecisionPolicy, decisionPolicy, type PolicyProblem, type Scorer } from '../../shared/scoring/decide.ts';
import { activeConfiguration, modelObjectName, type ObjectStore } from '../../shared/scoring/decision-store.ts';
import { ModelPackageError, readModelPackage } from '../../shared/scoring/package.ts';
import { scorerOf } from '../../shared/scoring/scorer.ts';
import { describeError } from './describe-error.ts';
import type { ServeLogger } from './ports.ts';

/** How a service decides at this moment. */
export interface ActivePolicy {
  readonly policy: DecisionPolicy;
  /** 0 is the default configuration. */
  readonly configurationVersion: number;
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
      known = { policy: decisionPolicy(service, DEFAULT_CONFIGURATION), configurationVersion: 0 };
      this.#policies.set(service, known);
    }
    return known;
  }
}

/** A changed configuration decides everywhere after this long. */
const REFRESH_AFTER_MILLIS = 30_000;
/** What failed is not asked for again with every request. */
const RETRY_AFTER_MILLIS = 5_000;
/** How long the first request of a service waits for its configuration and model, before it is decided without. */
const FIRST_WAIT_MILLIS = 400;
/** Packages never change, so they are loaded once. The champion, its challengers, and those before a change. */
const MODELS_KEPT = 2 * (1 + LIMITS.challengers);

/**
 * Policies from an object store, in memory for half a minute and renewed beside requests: no request waits for a renewal.
 *
 * A configuration or package that cannot be used changes nothing: the policy before it stays, and the reason is logged.
 * Where there is none yet, the default configuration decides, without a model, and says so.
 */
export class StoredPolicies implements DecisionPolicies {
  readonly #store: ObjectStore;
  readonly #repository: FeatureRepository;
  readonly #clock: () => number;
  readonly #logger: ServeLogger;
  readonly #models = new LRUCache<string, Scorer>({ max: MODELS_KEPT });
  readonly #entries = new Map<FeatureService, Entry>();

  constructor(options: {
    readonly store: ObjectStore;
    readonly repository: FeatureRepository;
    readonly clock: () => number;
    readonly logger: ServeLogger;
  }) {
    this.#store = options.store;
    this.#repository = options.repository;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  async policyOf(service: FeatureService): Promise<ActivePolicy> {
    const entry = this.#entryOf(service);
    if (this.#clock() >= entry.renewAtMillis && entry.renewal === undefined) {
      entry.renewal = this.#renew(service, entry).finally(() => {
        entry.renewal = undefined;
      });
    }
    if (!entry.isLoaded && entry.renewal !== undefined) await settledWithin(entry.renewal, FIRST_WAIT_MILLIS);
    return entry.active;
  }

  #entryOf(service: FeatureService): Entry {
    let entry = this.#entries.get(service);
    if (entry === undefined) {
      const policy = decisionPolicy(service, DEFAULT_CONFIGURATION, { problems: ['configuration'] });
      const active: ActivePolicy = { policy, configurationVersion: 0 };
      entry = { active, isLoaded: false, renewAtMillis: Number.NEGATIVE_INFINITY, renewal: undefined };
      this.#entries.set(service, entry);
    }
    return entry;
  }

  async #renew(service: FeatureService, entry: Entry): Promise<void> {
    try {
      const { version, configuration } = await activeConfiguration(this.#store, service);
      const challengers: Scorer[] = [];
      let champion: Scorer | undefined;
      const problems: PolicyProblem[] = [];
      if (configuration.model !== null) {
        champion = await this.#model(service, configuration.model);
        // Models are part of a configuration: one that cannot be loaded makes all of it unusable, if there is another.
        if (champion === undefined && entry.isLoaded) return this.#keep(entry);
        if (champion === undefined) problems.push('model');
      }
      for (const key of configuration.challengers) {
        const challenger = await this.#model(service, key);
        if (challenger) challengers.push(challenger);
      }
      entry.active = {
        policy: decisionPolicy(service, configuration, { champion, challengers, problems }),
        configurationVersion: version,
      };
      entry.isLoaded = problems.length === 0;
      entry.renewAtMillis = this.#clock() + (entry.isLoaded ? REFRESH_AFTER_MILLIS : RETRY_AFTER_MILLIS);
    } catch (error) {
      this.#logger.error('the configuration of decisions cannot be used; the one before it stays', {
        service: service.key,
        configuration: entry.active.configurationVersion,
        error: describeError(error),
      });
      this.#keep(entry);
    }
  }

  #keep(entry: Entry): void {
    entry.renewAtMillis = this.#clock() + RETRY_AFTER_MILLIS;
  }

  async #model(service: FeatureService, key: string): Promise<Scorer | undefined> {
    const name = modelObjectName(service, key);
    const known = this.#models.get(name);
    if (known) return known;
    try {
      const content = await this.#store.get(name, { bytesMaximum: LIMITS.modelPackageBytes });
      if (content === undefined) throw new ModelPackageError(`there is no object ${name}; push the model`);
      const model = scorerOf(readModelPackage(content, this.#repository));
      this.#models.set(name, model);
      return model;
    } catch (error) {
      this.#logger.error('a model cannot be used', { service: service.key, model: key, error: describeError(error) });
      return undefined;
    }
  }
}

interface Entry {
  active: ActivePolicy;
  /** Whether `active` is what the store wants, or wanted once. */
  isLoaded: boolean;
  renewAtMillis: number;
  renewal: Promise<void> | undefined;
}

async function settledWithin(work: Promise<void>, millis: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, millis);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}

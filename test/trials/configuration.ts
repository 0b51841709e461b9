/**
 * How old the configurations are by which is decided, while reads of them stall, break and crawl: `npm run trial -- configuration`.
 *
 * 1. An operator activates configurations and rolls back, straight at the S3 of the local endpoint.
 * 2. An environment of the serving function decides. It reads the same bucket through a proxy that spoils answers, by a
 *    client without any deadline of its own, and sleeps, also with a renewal under way, which may be answered later.
 * 3. Every decision is held against the history of what was active. The time of all is a clock that the trial moves: what
 *    a decision waits for is an answer or a stall, so nothing depends on the speed of the machine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { S3ObjectStore } from '../../functions/s3-object-store.ts';
import { CONFIGURATION_AGE, CONFIGURATION_RENEWAL } from '../../functions/serve/constants.ts';
import { StoredPolicies } from '../../functions/serve/decision-policies.ts';
import { freePort } from '../../localstack/child-process.ts';
import { clientConfigurationOf } from '../../localstack/endpoint.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { parseConfiguration } from '../../shared/scoring/configuration.ts';
import { activate, activeVersion, rollBack } from '../../shared/scoring/decision-store.ts';
import { Random } from '../simulation/random.ts';
import { type Fault, FaultProxy } from '../support/fault-proxy.ts';
import {
  transactionsRepository as repository,
  transactionsService as service,
} from '../support/transactions-service.ts';
import type { Trial } from './trial.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** What is promised. */
const REPLACED_MAX_MILLIS = 30 * SECOND;
const UNCONFIRMED_MAX_MILLIS = 15 * MINUTE;
const TRIALS = 100;
const STEPS = 8;
/** Longer than any answer takes that is not stalled: then a decision would wait in vain, which is a violation. */
const HOPELESS_MILLIS = 10_000;
/** For most late answers, which makes them worth it; one that needs longer is later still. */
const ARRIVES_WITHIN_MILLIS = 10;
const FAULTS: readonly Fault[] = [
  'none',
  'slow',
  'stalled before headers',
  'stalled after headers',
  'reset in the body',
];

/** What was counted over all trials. */
class Findings {
  decisions = 0;
  whileAnswering = 0;
  afterSleep = 0;
  /** Stalled answers that came after newer ones had. */
  lateAnswers = 0;
  oldestMillis = 0;
  unconfirmed15min = 0;
  degradedAfter15min = 0;
  readonly byFault: Partial<Record<Fault, number>> = {};
  readonly violations: string[] = [];
}

/** One environment, its operator, and the clock of both. */
class World {
  readonly #random: Random;
  readonly #findings: Findings;
  readonly #proxy: FaultProxy;
  readonly #operator: S3ObjectStore;
  readonly #policies: StoredPolicies;
  readonly #name: string;
  /** What became active when; the first is the default configuration. */
  readonly #history: { readonly version: number; readonly atMillis: number }[];
  #nowMillis = Date.UTC(2026, 0, 5);
  #hasSlept = false;

  constructor(options: {
    readonly name: string;
    readonly random: Random;
    readonly findings: Findings;
    readonly proxy: FaultProxy;
    readonly operator: S3ObjectStore;
    readonly reader: S3ObjectStore;
  }) {
    this.#name = options.name;
    this.#random = options.random;
    this.#findings = options.findings;
    this.#proxy = options.proxy;
    this.#operator = options.operator;
    this.#history = [{ version: 0, atMillis: this.#nowMillis }];
    this.#policies = new StoredPolicies({
      store: options.reader,
      repository,
      clock: () => this.#nowMillis,
      logger: { error: () => {}, warn: () => {} },
      wait: () => Promise.race([this.#proxy.stall(), delay(HOPELESS_MILLIS, undefined, { ref: false })]),
    });
  }

  async step(): Promise<void> {
    const random = this.#random;
    if (random.chance(0.5)) await this.#change();
    if (random.chance(0.5)) this.#turnTo(random.pick(FAULTS));
    if (random.chance(0.4)) await this.#sleep();
    else this.#nowMillis += random.integer(1, 14) * SECOND;
    await this.#decide();
    if (random.chance(0.3)) await this.#decide();
    if (random.chance(0.3)) {
      await this.#release();
      await this.#decide();
    }
  }

  async #release(): Promise<void> {
    this.#findings.lateAnswers += this.#proxy.release();
    await delay(ARRIVES_WITHIN_MILLIS);
  }

  async #change(): Promise<void> {
    const atMillis = this.#nowMillis;
    const active = this.#history.at(-1)?.version ?? 0;
    if (active > 1 && this.#random.chance(0.2)) {
      const { version } = await rollBack(this.#operator, service);
      this.#history.push({ version, atMillis });
    } else {
      const configuration = parseConfiguration({ deny: { user: [`user-${this.#history.length}`] } }, service);
      this.#history.push({ version: await activate(this.#operator, service, configuration), atMillis });
    }
    const { version } = this.#history.at(-1) ?? {};
    if ((await activeVersion(this.#operator, service)) !== version) this.#violation('an activation was undone');
  }

  /** A read that stalled before is left behind, and one that failed is repeated, only after some seconds. */
  #turnTo(fault: Fault): void {
    this.#proxy.fault = fault;
    this.#nowMillis += CONFIGURATION_RENEWAL.abandonedAfter;
  }

  async #sleep(): Promise<void> {
    const random = this.#random;
    if (random.chance(0.5)) {
      // A renewal begins beside this decision, and is under way when the environment falls asleep.
      const fault = this.#proxy.fault;
      this.#turnTo('stalled after headers');
      this.#nowMillis += CONFIGURATION_AGE.renewed;
      await this.#decide();
      this.#turnTo(fault);
    }
    this.#nowMillis += random.pick([random.integer(25, 120) * SECOND, random.integer(2, 120) * MINUTE]);
    if (random.chance(0.5)) await this.#change();
    this.#nowMillis += random.integer(0, 60) * SECOND;
    this.#hasSlept = true;
    // What was under way may have its answer before the first decision after the sleep, and is old news.
    if (random.chance(0.5)) await this.#release();
  }

  async #decide(): Promise<void> {
    const { policy, configurationVersion: version, ageSeconds } = await this.#policies.policyOf(service);
    const findings = this.#findings;
    const { fault } = this.#proxy;
    const isAnswering = fault === 'none' || fault === 'slow';
    const replacedAtMillis = this.#replacedAt(version);
    const replacedMillis = this.#nowMillis - replacedAtMillis;
    const ageMillis = (ageSeconds ?? 0) * SECOND;
    const isUnknown = policy.problems.includes('configuration');
    findings.decisions++;
    findings.byFault[fault] = (findings.byFault[fault] ?? 0) + 1;
    if (this.#hasSlept) findings.afterSleep++;
    this.#hasSlept = false;
    if (isAnswering) {
      findings.whileAnswering++;
      findings.oldestMillis = Math.max(findings.oldestMillis, replacedMillis);
      if (replacedMillis > REPLACED_MAX_MILLIS) this.#violation(`${version} was replaced ${replacedMillis} ms before`);
      if (isUnknown) this.#violation('degraded although S3 answers');
    }
    if (replacedAtMillis < this.#nowMillis - ageMillis && !isUnknown) {
      this.#violation(`${version} is said to be confirmed after it was replaced`);
    }
    if (ageMillis >= UNCONFIRMED_MAX_MILLIS) {
      findings.unconfirmed15min++;
      if (isUnknown) findings.degradedAfter15min++;
    }
  }

  /** When a version ceased to be active; now, if it is. */
  #replacedAt(version: number): number {
    const last = this.#history.findLastIndex((one) => one.version === version);
    if (last === -1) this.#violation(`${version} was never active`);
    return this.#history[last + 1]?.atMillis ?? this.#nowMillis;
  }

  #violation(what: string): void {
    this.#findings.violations.push(`${this.#name}, ${this.#proxy.fault}: ${what}`);
  }
}

async function runTrial(endpoint: string, number: number, seed: number, findings: Findings): Promise<void> {
  const proxy = await FaultProxy.start(endpoint);
  const bucketName = `decisions-${number}`;
  const client = new S3Client({ ...clientConfigurationOf(endpoint), forcePathStyle: true });
  const reading = new S3Client({ ...clientConfigurationOf(proxy.endpoint), forcePathStyle: true, maxAttempts: 1 });
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucketName }));
    const world = new World({
      name: `trial ${number} of seed ${seed}`,
      random: new Random(seed * 1_000 + number),
      findings,
      proxy,
      operator: new S3ObjectStore({ client, bucketName }),
      reader: new S3ObjectStore({ client: reading, bucketName }),
    });
    for (let step = 0; step < STEPS; step++) await world.step();
  } finally {
    reading.destroy();
    client.destroy();
    await proxy.stop();
  }
}

export const configuration: Trial = {
  name: 'configuration',
  proves:
    'no decision is made by a configuration that was replaced more than 30 s before, while S3 answers; after 15 min without an answer decisions are degraded',
  async run({ trials = TRIALS, seed = 1 }) {
    const startedAt = performance.now();
    const directory = await mkdtemp(join(tmpdir(), 'configuration-trial-'));
    const server = await startMiniStack({ port: await freePort(), directory });
    const findings = new Findings();
    try {
      for (let number = 0; number < trials; number++) await runTrial(server.endpoint, number, seed, findings);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true });
    }
    const { violations, unconfirmed15min, degradedAfter15min, whileAnswering, afterSleep, lateAnswers } = findings;
    for (const violation of violations) process.stderr.write(`${violation}\n`);
    // A run that did not come across what it is about would prove nothing.
    const isTelling = Math.min(unconfirmed15min, whileAnswering, afterSleep, lateAnswers) > 0;
    return {
      ok: violations.length === 0 && degradedAfter15min === unconfirmed15min && isTelling,
      json: {
        trials,
        seed,
        ...findings,
        violations: violations.length,
        seconds: Math.round((performance.now() - startedAt) / 100) / 10,
      },
    };
  },
};

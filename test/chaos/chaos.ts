/**
 * The serving function while what it depends on misbehaves: `npm run chaos`.
 *
 * 1. Sixteen callers at once decide transactions through the real handler, its guard and DynamoDB Local, while a phase of
 *    trouble lies between the guard and the store, or in the store of configurations and models.
 * 2. Every answer must come within the deadline and say truthfully whether it had its features.
 * 3. After each phase the stream delivers its events, and in the end each of them must be counted once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { program } from 'commander';
import pMap from 'p-map';
import { createHandler } from '../../functions/serve/app.ts';
import { CachedViews } from '../../functions/serve/cached-views.ts';
import { HEDGE_AFTER_MILLIS, SERVE_DEADLINES } from '../../functions/serve/constants.ts';
import { StoredPolicies } from '../../functions/serve/decision-policies.ts';
import { type BreakerState, GuardedStore } from '../../functions/serve/guarded-store.ts';
import { updateWindows } from '../../functions/update-windows/update-windows.ts';
import { userTransactions } from '../../shared/features/fraud.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { readViews } from '../../shared/online/read-features.ts';
import { type OnlineStore, OnlineStoreThrottledError, OnlineStoreUnavailableError } from '../../shared/online/store.ts';
import { parseConfiguration } from '../../shared/scoring/configuration.ts';
import { activate, modelObjectName } from '../../shared/scoring/decision-store.ts';
import { API } from '../support/api-description.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import { MemoryObjectStore } from '../support/memory-object-store.ts';
import { smallModelPackage } from '../support/small-model.ts';
import {
  transactionsRepository as repository,
  transactionsService as service,
} from '../support/transactions-service.ts';
import { httpRequest } from '../unit/serve/harness.ts';

/** Between guard and store. */
type Trouble = 'none' | 'slow' | 'down' | 'throttled' | 'answers lost';

export interface Phase {
  readonly name: string;
  readonly requests: number;
  readonly p99Millis: number;
  readonly slowestMillis: number;
  /** Statuses other than 200. */
  readonly failures: number;
  readonly degraded: number;
  readonly scored: number;
  /** Answers that said they were whole and were not, or the other way round. */
  readonly untruthful: number;
  readonly breaker: readonly BreakerState[];
}

export interface ChaosResult {
  readonly deadlineMillis: number;
  readonly phases: readonly Phase[];
  /** Transactions sent, and transactions counted after the stream has delivered them all. */
  readonly sent: number;
  readonly counted: number;
}

const CALLERS = 16;
const USERS = 12;
const SLOW_MILLIS = 500;
const HALF_OPEN_AFTER = { initialDelay: 300, maxDelay: 1_000 };

/** A store in trouble, with the client's own limit of one try. */
class TroubledStore implements OnlineStore {
  trouble: Trouble = 'none';
  readonly #store: OnlineStore;
  readonly #tryMillis: number;
  #calls = 0;

  constructor(store: OnlineStore, { tryMillis }: { readonly tryMillis: number }) {
    this.#store = store;
    this.#tryMillis = tryMillis;
  }

  update(...parameters: Parameters<OnlineStore['update']>) {
    return this.#troubled(() => this.#store.update(...parameters));
  }

  get(...parameters: Parameters<OnlineStore['get']>) {
    return this.#troubled(() => this.#store.get(...parameters));
  }

  async #troubled<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    this.#calls++;
    switch (this.trouble) {
      case 'none':
        return call();
      case 'down':
        throw new OnlineStoreUnavailableError('down');
      case 'throttled':
        // Three of ten, in a pattern that no phase can be lucky with.
        if ((this.#calls * 7) % 10 < 3) throw new OnlineStoreThrottledError('slow down');
        return call();
      case 'slow':
        // The request reaches the store, whose answer comes when nobody waits for it any more.
        void delay(Math.max(SLOW_MILLIS, this.#tryMillis + 100))
          .then(call)
          .catch(() => {});
        await delay(this.#tryMillis);
        throw new OnlineStoreUnavailableError('no answer in time');
      case 'answers lost':
        await call();
        throw new OnlineStoreUnavailableError('the answer was lost');
    }
  }
}

export interface ChaosOptions {
  readonly requestsPerPhase: number;
  /** Default: that of the product. */
  readonly deadlineMillis?: number;
}

/** Runs all phases of trouble with the store, then those with configuration and model, each in a function of its own. */
export async function runChaos({
  requestsPerPhase,
  deadlineMillis = SERVE_DEADLINES.decision,
}: ChaosOptions): Promise<ChaosResult> {
  const table = await startTestTable();
  try {
    const store = new DynamoDbOnlineStore({ client: table.client, tableName: TEST_TABLE });
    const run = new ChaosRun(store, { requestsPerPhase, deadlineMillis });
    const phases: Phase[] = [];
    const one = await run.newFunction();
    await run.warmUp(one);
    for (const trouble of ['none', 'slow', 'none', 'down', 'none', 'throttled', 'answers lost', 'none'] as const) {
      phases.push(await run.phase(one, trouble === 'none' ? 'well' : trouble, trouble));
    }
    for (const [name, breakIt] of Object.entries(BREAKAGES)) {
      const objects = await usableObjects();
      await breakIt(objects);
      phases.push(await run.phase(await run.newFunction(objects), name, 'none'));
    }
    // Updates that nobody waits for any more may still come.
    await delay(2 * Math.max(SLOW_MILLIS, deadlineMillis));
    return { deadlineMillis, phases, sent: run.sentCount, counted: await run.countedCount() };
  } finally {
    await table.stop();
  }
}

const MODEL = 'small@1';

async function usableObjects(): Promise<MemoryObjectStore> {
  const objects = new MemoryObjectStore();
  await objects.put(modelObjectName(service, MODEL), smallModelPackage(repository));
  await activate(objects, service, parseConfiguration({ model: MODEL }, service));
  return objects;
}

/** At the cold start of a function. */
const BREAKAGES: Readonly<Record<string, (objects: MemoryObjectStore) => Promise<void>>> = {
  'S3 down at cold start': async (objects) => {
    objects.get = () => Promise.reject(new Error('S3 is down'));
  },
  'S3 hanging at cold start': async (objects) => {
    objects.get = () => new Promise(() => {});
  },
  'corrupt package': (objects) => objects.put(modelObjectName(service, MODEL), Buffer.from('not a package')),
  'broken configuration': (objects) =>
    objects.put(`configurations/${service.key}/000001.json`, Buffer.from('{"rules":')),
};

interface ServingFunction {
  readonly handler: ReturnType<typeof createHandler>;
  readonly store: TroubledStore;
  readonly states: BreakerState[];
}

interface Answer {
  readonly status: number;
  readonly millis: number;
  // biome-ignore lint/suspicious/noExplicitAny: the answers of a decision and of a problem.
  readonly body: any;
}

class ChaosRun {
  readonly #store: OnlineStore;
  readonly #options: Required<ChaosOptions>;
  readonly #sent: Readonly<Record<string, unknown>>[] = [];
  readonly #startedAtMillis = Date.now();
  #deliveredCount = 0;

  constructor(store: OnlineStore, options: Required<ChaosOptions>) {
    this.#store = store;
    this.#options = options;
  }

  get sentCount(): number {
    return this.#sent.length;
  }

  async newFunction(objects?: MemoryObjectStore): Promise<ServingFunction> {
    const { deadlineMillis } = this.#options;
    // A slow store is slower than a try may take, as in the product.
    const store = new TroubledStore(this.#store, { tryMillis: deadlineMillis * 0.375 });
    const states: BreakerState[] = [];
    const logger = { error: () => {}, warn: () => {} };
    const handler = createHandler({
      store: new GuardedStore(store, {
        hedgeAfterMillis: HEDGE_AFTER_MILLIS,
        halfOpenAfter: HALF_OPEN_AFTER,
        onState: (state) => states.push(state),
      }),
      policies: new StoredPolicies({ store: objects ?? (await usableObjects()), repository, clock: Date.now, logger }),
      cachedViews: new CachedViews({ clock: Date.now }),
      deadlines: { decision: deadlineMillis, features: deadlineMillis },
      repository,
      api: API,
      stream: { put: () => Promise.reject(new Error('nothing is published here')) },
      clock: Date.now,
      logger,
      metrics: { answered: () => {}, decided: () => {}, nulls: () => {}, age: () => {} },
      probes: [],
    });
    return { handler, store, states };
  }

  /** Code that runs for the first time is slow for reasons of its own. */
  async warmUp(serving: ServingFunction): Promise<void> {
    for (let call = 0; call < 30; call++) await this.#decide(serving);
  }

  async phase(serving: ServingFunction, name: string, trouble: Trouble): Promise<Phase> {
    serving.states.length = 0;
    serving.store.trouble = trouble;
    // A breaker that is open lets a try through after its pause; a phase is about what comes then.
    if (trouble === 'none') await this.#recovered(serving);
    const answers = await pMap(
      Array.from({ length: this.#options.requestsPerPhase }, () => serving),
      (one) => this.#decide(one),
      { concurrency: CALLERS },
    );
    await this.#deliver();
    const millis = answers.map((answer) => answer.millis).sort((left, right) => left - right);
    return {
      name,
      requests: answers.length,
      p99Millis: Math.round(millis[Math.floor(millis.length * 0.99)] ?? 0),
      slowestMillis: Math.round(millis.at(-1) ?? 0),
      failures: answers.filter(({ status }) => status !== 200).length,
      degraded: answers.filter(({ body }) => body.degraded?.length > 0).length,
      scored: answers.filter(({ body }) => typeof body.score === 'number').length,
      untruthful: answers.filter(({ body }) => !isTruthful(body)).length,
      breaker: [...serving.states],
    };
  }

  async #recovered(serving: ServingFunction): Promise<void> {
    for (let attempt = 0; attempt < 50; attempt++) {
      const { body } = await this.#decide(serving);
      if (!body.degraded?.some(({ what }: { what: string }) => what === 'view')) return;
      await delay(100);
    }
  }

  async #decide({ handler }: ServingFunction): Promise<Answer> {
    const index = this.#sent.length;
    const transaction = {
      transaction_id: `chaos-${index}`,
      user_id: `user-${index % USERS}`,
      merchant_id: `merchant-${index % 5}`,
      amount: 10,
      timestamp: Date.now(),
    };
    this.#sent.push(transaction);
    const startedAt = performance.now();
    const { statusCode, body } = await handler(
      httpRequest('POST', '/services/fraud_detection/decide', { body: JSON.stringify(transaction) }),
    );
    return { status: statusCode ?? 0, millis: performance.now() - startedAt, body: JSON.parse(body ?? '') };
  }

  /** The stream brings what was sent since it last did, whatever was decided. */
  async #deliver(): Promise<void> {
    const undelivered = this.#sent.slice(this.#deliveredCount);
    this.#deliveredCount = this.#sent.length;
    const records = undelivered.map((transaction, index) => ({
      sequenceNumber: String(index),
      partitionKey: String(transaction.user_id),
      data: Buffer.from(JSON.stringify(transaction)),
      arrivedAtMillis: Date.now(),
    }));
    const refuse = () => Promise.reject(new Error('a transaction was refused'));
    for (let first = 0; first < records.length; first += 500) {
      await updateWindows(records.slice(first, first + 500), {
        source: userTransactions.source,
        views: [userTransactions],
        store: this.#store,
        quarantine: { put: refuse },
      });
    }
  }

  async countedCount(): Promise<number> {
    const rows = Array.from({ length: USERS }, (_, user) => ({ user_id: `user-${user}` }));
    const index = userTransactions.features.findIndex(({ name }) => name === 'tx_count_24h');
    const readings = await readViews(this.#store, [userTransactions], rows, this.#startedAtMillis);
    return readings.reduce((sum, reading) => sum + Number(reading.get(userTransactions)?.values[index] ?? 0), 0);
  }
}

/** An answer is whole exactly if it names nothing as missing: then it has its counts, its event is in, and it is scored. */
function isTruthful(body: Answer['body']): boolean {
  const missing = new Set(body.degraded?.map(({ what }: { what: string }) => what));
  const hasCounts = body.features?.tx_count_24h >= 1 && body.views?.['user_transactions@1'] !== undefined;
  const isScored = typeof body.score === 'number';
  return (
    missing.has('view') === !hasCounts &&
    missing.has('view') === (body.event_status === 'unknown') &&
    isScored === (missing.size === 0)
  );
}

/** What is not as it must be, one sentence each. */
export function complaintsOf({ phases, deadlineMillis, sent, counted }: ChaosResult): string[] {
  const complaints = phases.flatMap(({ name, failures, untruthful, slowestMillis, degraded, requests, breaker }) => {
    const isWell = name === 'well' || name === 'throttled';
    const isHopeless = ['slow', 'down', 'answers lost'].includes(name);
    return [
      failures > 0 && `${name}: ${failures} requests were not answered with 200`,
      untruthful > 0 && `${name}: ${untruthful} answers are not what they say`,
      // Beyond the deadline an answer needs only computation, for which a busy machine may take its time.
      slowestMillis > deadlineMillis * 5 && `${name}: one answer took ${slowestMillis} ms`,
      isWell && degraded > requests * 0.2 && `${name}: ${degraded} answers are degraded`,
      isHopeless && degraded < requests * 0.9 && `${name}: only ${degraded} of ${requests} answers are degraded`,
      isHopeless && !breaker.includes('open') && `${name}: the breaker did not open`,
    ].filter((complaint) => complaint !== false);
  });
  const recoveries = phases.filter(({ name, breaker }) => name === 'well' && breaker.includes('closed'));
  for (const { breaker } of recoveries) {
    if (!breaker.includes('half-open')) complaints.push('the breaker closed without having been half open');
  }
  if (recoveries.length < 3)
    complaints.push(`the breaker closed ${recoveries.length} times, and there are 3 recoveries`);
  if (counted !== sent) complaints.push(`${counted} of ${sent} transactions are counted`);
  return complaints;
}

if (import.meta.main) {
  program
    .name('chaos')
    .description('Decides while the store is slow, down or throttled, and while configuration and model are broken.')
    .option('--requests <number>', 'decisions per phase', Number, 320)
    .parse();
  const result = await runChaos({ requestsPerPhase: program.opts<{ requests: number }>().requests });
  console.table(
    Object.fromEntries(
      result.phases.map(({ name, breaker, ...figures }, index) => [
        `${index + 1} ${name}`,
        { ...figures, breaker: breaker.join(' → ') },
      ]),
    ),
  );
  console.log(`${result.counted} of ${result.sent} transactions counted after the stream has delivered them all`);
  const complaints = complaintsOf(result);
  for (const complaint of complaints) console.error(`WRONG  ${complaint}`);
  process.exitCode = complaints.length > 0 ? 1 : 0;
}

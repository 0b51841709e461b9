/**
 * One simulated run of the product: producers, stream shards, consumers and scorers around one store, under faults; in some
 * runs the view goes live in the middle, and backfill brings what arrived before while the others go on.
 *
 * 1. A seed draws a view (windows, lateness, lanes) and deliveries: events of a few accounts, out of order, repeated, with
 *    skewed clocks, with garbage between them.
 * 2. The real consumer and the real decisions work on them. Between any two effects the scheduler lets others act;
 *    requests are throttled, answers lost, invocations crash and are repeated, batches fail in part, shards split, and
 *    checkpoints are forgotten.
 * 3. At the end, and in every decision on the way, features must equal the naive oracle's over the events that count.
 */

import { CachedViews } from '../../functions/serve/cached-views.ts';
import { decideEvent } from '../../functions/serve/decide-event.ts';
import { DefaultPolicies } from '../../functions/serve/decision-policies.ts';
import type { PredictAnswer } from '../../functions/serve/schemas.ts';
import type { StreamRecord } from '../../functions/update-windows/update-windows.ts';
import { updateWindows } from '../../functions/update-windows/update-windows.ts';
import { agrees, countedInHistory, oracleFeatures } from '../../localstack/oracle.ts';
import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import { type Duration, featureService, type WindowedView } from '../../shared/definitions/index.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { MaintenancePolicy } from '../../shared/online/apply-events.ts';
import { backfillView, type EntityHistory } from '../../shared/online/backfill.ts';
import { countsOnline } from '../../shared/online/counts-online.ts';
import { itemKeyOf, itemKeysOf, laneOf } from '../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { featureRepository } from '../../shared/registry/manifest.ts';
import { idHashOf, type WindowEvent } from '../../shared/windows/event.ts';
import { readWindows } from '../../shared/windows/read.ts';
import { everyAggregateView, START_MILLIS, type ViewChoice, WINDOWS } from '../support/arbitraries.ts';
import { ActorStore, type FaultRates, Journal, type Sabotage } from './actor-store.ts';
import { Random } from './random.ts';
import { type Break, backfillSabotageOf, sabotagedView, sabotageOf } from './sabotage.ts';
import { Scheduler } from './scheduler.ts';

/** A disagreement with the oracle, in words. */
export type Difference = string;

export interface RunResult {
  readonly differences: readonly Difference[];
  /** What happened, so that a reader sees that the run was worth something. */
  readonly events: number;
  readonly deliveries: number;
  readonly decisions: number;
  readonly crashes: number;
  readonly failedRecords: number;
  readonly quarantined: number;
  /** Items into which history was merged. */
  readonly backfilled: number;
  /** Features of decisions that were compared, and those of repeated events that could not be told. */
  readonly compared: number;
  readonly untold: number;
}

const MAINTENANCE: MaintenancePolicy = { everyEvents: 1, minimumBytesFreed: -1_000_000 };
const ACCOUNTS = ['acc-1', 'acc-2', 'acc-3'];
const PHASE_DELIVERIES = 8;
/** Share of runs in which the stream begins to count somewhere on the way. */
const LIVE_LATER = 0.35;
/** Much may happen while a month of history is folded. */
const BACKFILL_TURNS_MAX = 12;
/** Backfills of one run that fail or crash before somebody looks into it. */
const BACKFILL_ATTEMPTS = 100;

type EventFields = Record<string, string | number | boolean | null>;

/** Something that reaches the stream: an event, or garbage. */
interface Delivery {
  readonly account: string;
  readonly data: Uint8Array;
  readonly arrivedAtMillis: number;
  readonly fields: EventFields | undefined;
}

interface Shard {
  readonly records: StreamRecord[];
  position: number;
  isRunning: boolean;
}

export async function runWorld(seed: number, planted?: Break): Promise<RunResult> {
  return new World(seed, planted).run();
}

class World {
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #store = new MemoryOnlineStore();
  readonly #journal = new Journal((key) => this.#historyOf(key));
  readonly #view: WindowedView;
  /** What the product works with: the view, with or without the planted defect. */
  readonly #productView: WindowedView;
  readonly #productService: ReturnType<typeof featureService>;
  readonly #planted: Break | undefined;
  readonly #faults: FaultRates;
  /** Share of events that come behind others; their clocks are skewed a quarter as often. */
  readonly #disorder: number;
  readonly #batchSize: number;
  readonly #eventsByHash = new Map<string, WindowEvent>();
  /** What reached the stream, with the arrivals of each delivery. */
  readonly #history: WindowEvent[] = [];
  readonly #deliveries: readonly Delivery[];
  readonly #shards: Shard[] = [{ records: [], position: 0, isRunning: false }];
  readonly #quarantined = new Set<string>();
  readonly #garbage = new Set<string>();
  readonly #differences: Difference[] = [];
  #decisions = 0;
  #crashes = 0;
  #failedRecords = 0;
  #sequence = 0;
  #backfilled = 0;
  #compared = 0;
  #untold = 0;
  /** `none` where the view counts all that arrives. */
  #backfill: 'none' | 'waiting' | 'running' | 'done';

  constructor(seed: number, planted: Break | undefined) {
    this.#random = new Random(seed);
    this.#scheduler = new Scheduler(this.#random);
    this.#planted = planted;
    this.#disorder = this.#random.pick([0, 0.1, 0.4]);
    const choice = this.#viewChoice();
    this.#view = everyAggregateView(choice);
    this.#deliveries = this.#newDeliveries();
    const liveFromMillis = this.#random.chance(LIVE_LATER) ? this.#liveFrom() : undefined;
    this.#backfill = liveFromMillis === undefined ? 'none' : 'waiting';
    if (liveFromMillis !== undefined) this.#view = everyAggregateView({ ...choice, liveFromMillis });
    this.#productView = sabotagedView(planted, this.#view);
    this.#productService = featureService({
      name: 'simulated',
      version: 1,
      description: 'Decides over simulated events.',
      owner: 'tests',
      views: [this.#productView],
      decides: this.#view.source,
    });
    this.#batchSize = this.#random.pick([1, 4, 12]);
    const rate = this.#random.pick([0, 0.02, 0.1]);
    this.#faults = { throttle: rate, lostAnswer: rate, crash: rate / 2 };
  }

  async run(): Promise<RunResult> {
    const deliveries = this.#deliveries;
    for (let first = 0; first < deliveries.length; first += PHASE_DELIVERIES) {
      for (const delivery of deliveries.slice(first, first + PHASE_DELIVERIES)) this.#deliver(delivery);
      for (const shard of this.#shards) this.#startConsumer(shard);
      this.#maybeBackfill(deliveries[first + PHASE_DELIVERIES]?.arrivedAtMillis);
      if (this.#random.chance(0.1)) this.#forgetCheckpoint();
      if (this.#random.chance(0.1)) this.#shards.push({ records: [], position: 0, isRunning: false });
      await this.#scheduler.run(this.#random.chance(0.5) ? this.#random.integer(1, 60) : undefined);
    }
    await this.#scheduler.run();
    if (this.#backfill === 'waiting') void this.#runBackfill();
    await this.#scheduler.run();
    await this.#compareAtTheEnd();
    return {
      differences: this.#differences,
      events: this.#eventsByHash.size,
      deliveries: deliveries.length,
      decisions: this.#decisions,
      crashes: this.#crashes,
      failedRecords: this.#failedRecords,
      quarantined: this.#quarantined.size,
      backfilled: this.#backfilled,
      compared: this.#compared,
      untold: this.#untold,
    };
  }

  #viewChoice(): ViewChoice {
    const random = this.#random;
    return {
      windows: Array.from({ length: random.integer(1, 3) }, () => random.pick(WINDOWS)),
      lateness: random.pick<Duration>(['0s', '2s', '30s', '10min', '1h']),
      lanes: random.pick([1, 1, 1, 3]),
      filtered: random.chance(0.3),
      endpoints: random.chance(0.5),
    };
  }

  /** In the middle of the deliveries, mostly; before or after all of them, sometimes. */
  #liveFrom(): number {
    const arrivals = this.#deliveries.map(({ arrivedAtMillis }) => arrivedAtMillis);
    const [first = 0, last = 0] = [arrivals[0], arrivals.at(-1)];
    return this.#random.chance(0.8) ? this.#random.pick(arrivals) : this.#random.pick([first - 1, last + 1]);
  }

  #newDeliveries(): Delivery[] {
    const random = this.#random;
    const longest = Math.max(...this.#view.layout.windows.map(({ lengthMillis }) => lengthMillis));
    const meanStep = (longest * random.pick([0.5, 2, 5])) / 60;
    const deliveries: Delivery[] = [];
    let clock = START_MILLIS;
    for (let index = random.integer(20, 60); index > 0; index--) {
      clock += Math.floor(random.next() * 2 * meanStep);
      const known = deliveries.length > 0 && random.chance(0.2) ? random.pick(deliveries) : undefined;
      deliveries.push(
        known ? { ...known, arrivedAtMillis: clock } : this.#newDelivery(index, clock, deliveries.at(-1)),
      );
    }
    return deliveries;
  }

  #newDelivery(index: number, clock: number, previous: Delivery | undefined): Delivery {
    const random = this.#random;
    // Bursts of one account, in one instant or nearly, are where writers meet in one bucket.
    const isBurst = previous?.fields !== undefined && random.chance(0.5);
    const account = isBurst ? previous.account : random.pick(ACCOUNTS);
    if (random.chance(0.05)) {
      const data = Buffer.from(
        random.pick(['{"event_id":', 'null', '{"event_id":"x"}', '\ud800', `[${index}]`]) + index,
      );
      this.#garbage.add(data.toString('base64'));
      return { account, data, arrivedAtMillis: clock, fields: undefined };
    }
    const lateness = this.#view.layout.allowedLatenessMillis;
    const behind = random.chance(this.#disorder) ? Math.floor(random.next() * (lateness * 1.5 + 2_000)) : 0;
    const ahead = random.chance(this.#disorder / 4) ? random.integer(0, 4 * 60_000) : 0;
    const fields = {
      event_id: `e${index}`,
      account_id: account,
      at: isBurst ? Number(previous.fields?.at) + random.pick([0, 1, 40, 900]) : clock - behind + ahead,
      amount: random.integer(-20_000, 100_000) / 100,
      quantity: random.chance(0.2) ? null : random.integer(-1_000, 1_000),
      label: random.chance(0.2) ? null : random.pick(['a', 'b', 'c', '\u{1f600}', '\u{ff5e}']),
      flag: random.chance(0.5),
      ratio: random.chance(0.2) ? null : random.integer(-1_000_000, 1_000_000) / 1_024,
    };
    const decoded = decodeEvent(this.#view.source, fields, clock);
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
    this.#eventsByHash.set(decoded.event.idHash, decoded.event);
    return { account, data: Buffer.from(JSON.stringify(fields)), arrivedAtMillis: clock, fields };
  }

  /** To the stream, to a decision, or to both; a decision's caller may be impatient and ask twice. */
  #deliver(delivery: Delivery): void {
    const { account, data, arrivedAtMillis, fields } = delivery;
    const isDecided = fields !== undefined && this.#random.chance(0.4);
    if (fields && isDecided) {
      void this.#decide(fields, arrivedAtMillis);
      if (this.#random.chance(0.2)) void this.#decide(fields, arrivedAtMillis);
    }
    if (isDecided && this.#random.chance(0.3)) return;
    const event = fields && this.#eventsByHash.get(idHashOf(String(fields.event_id)));
    if (event) this.#history.push({ ...event, arrivedAtMillis });
    const copies = this.#random.chance(0.15) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const shard = this.#random.chance(0.9)
        ? this.#shards[ACCOUNTS.indexOf(account) % this.#shards.length]
        : undefined;
      (shard ?? this.#random.pick(this.#shards)).records.push({
        sequenceNumber: String(this.#sequence++),
        partitionKey: account,
        data,
        arrivedAtMillis,
      });
    }
  }

  #newActorStore(
    faults: FaultRates,
    { sabotage, turnsMax = 0 }: { readonly sabotage?: Sabotage | undefined; readonly turnsMax?: number } = {
      sabotage: sabotageOf(this.#planted, this.#view),
    },
  ): ActorStore {
    return new ActorStore({
      store: this.#store,
      scheduler: this.#scheduler,
      random: this.#random,
      journal: this.#journal,
      faults,
      sabotage,
      turnsMax,
    });
  }

  /** Backfill may begin when all that arrived before `liveFrom` has, and later; once more when it is done. */
  #maybeBackfill(nextArrivalMillis: number | undefined): void {
    const { liveFromMillis = Number.POSITIVE_INFINITY } = this.#view.layout;
    if (nextArrivalMillis === undefined || nextArrivalMillis < liveFromMillis) return;
    if (this.#backfill === 'waiting') {
      this.#sendAgain(liveFromMillis, nextArrivalMillis);
      if (this.#random.chance(0.4)) void this.#runBackfill();
    } else if (this.#backfill === 'done' && this.#random.chance(0.1)) void this.#runBackfill();
  }

  /** What is delivered on both sides of the seam meets backfill: some of what arrived last before it comes again. */
  #sendAgain(liveFromMillis: number, arrivedAtMillis: number): void {
    const before = this.#deliveries.filter((delivery) => delivery.arrivedAtMillis < liveFromMillis);
    for (const delivery of before.slice(-PHASE_DELIVERIES)) {
      if (this.#random.chance(0.3)) this.#deliver({ ...delivery, arrivedAtMillis });
    }
    for (const shard of this.#shards) this.#startConsumer(shard);
  }

  /** As an operator would: again and again, until nothing is left to be done. */
  async #runBackfill(): Promise<void> {
    const wasDone = this.#backfill === 'done';
    this.#backfill = 'running';
    for (let attempt = 0; attempt < BACKFILL_ATTEMPTS; attempt++) {
      const sabotage = backfillSabotageOf(this.#planted, this.#view);
      const store = this.#newActorStore(this.#faults, { sabotage, turnsMax: BACKFILL_TURNS_MAX });
      const failed = await Promise.race([this.#backfillOnce(store, wasDone), store.crashed]);
      if (failed === 'crashed') this.#crashes++;
      else if (failed === 0) {
        this.#backfill = 'done';
        return;
      }
      await this.#scheduler.turn();
    }
    this.#differences.push('backfill did not end');
  }

  /** @returns how many items were left over. */
  async #backfillOnce(store: ActorStore, wasDone: boolean): Promise<number> {
    const clock = () => Math.max(this.#deliveries.at(-1)?.arrivedAtMillis ?? 0, this.#view.layout.liveFromMillis ?? 0);
    let failed = 0;
    for await (const items of backfillView({ store, clock }, this.#productView, this.#entityHistories(), 2)) {
      for (const { outcome } of items) {
        if (outcome === 'failed') failed++;
        else if (outcome === 'written') this.#backfilled++;
        else if (outcome !== 'done') this.#differences.push(`an item was ${outcome} to backfill`);
        if (outcome === 'written' && wasDone) this.#differences.push('backfill was done and wrote again');
      }
    }
    return failed;
  }

  async *#entityHistories(): AsyncGenerator<EntityHistory> {
    for (const account of ACCOUNTS) {
      const events = this.#countedInHistory(account);
      if (events.length > 0) yield { entityKey: account, events };
    }
  }

  #countedInHistory(account: string): WindowEvent[] {
    const { liveFromMillis } = this.#view.layout;
    const deliveries = this.#history.filter(({ values }) => values.account_id === account);
    return liveFromMillis === undefined ? [] : countedInHistory(this.#view, deliveries, liveFromMillis);
  }

  /** Hashes of the ids of events that history has for an item. */
  #historyOf(key: string): string[] {
    return ACCOUNTS.flatMap((account) =>
      this.#countedInHistory(account)
        .filter((event) => itemKeyOf(this.#view, account, laneOf(this.#view, event)) === key)
        .map(({ idHash }) => idHash),
    );
  }

  #startConsumer(shard: Shard): void {
    if (shard.isRunning) return;
    shard.isRunning = true;
    void this.#consume(shard);
  }

  /** A shard's poller: the next batch, again from its first failed record, until there are no more records. */
  async #consume(shard: Shard): Promise<void> {
    while (shard.position < shard.records.length) {
      const from = shard.position;
      const batch = shard.records.slice(from, from + this.#random.integer(1, this.#batchSize));
      const store = this.#newActorStore(this.#faults);
      const invocation = updateWindows(batch, {
        source: this.#view.source,
        views: [this.#productView],
        store,
        quarantine: { put: async (records) => this.#quarantine(records) },
        maintenance: MAINTENANCE,
        concurrency: 3,
      });
      await this.#scheduler.turn();
      const result = await Promise.race([invocation, store.crashed]);
      if (result === 'crashed') {
        this.#crashes++;
        continue;
      }
      this.#failedRecords += result.failedSequenceNumbers.length;
      const [firstFailed] = result.failedSequenceNumbers;
      const failedAt = batch.findIndex(({ sequenceNumber }) => sequenceNumber === firstFailed);
      const reached = from + (failedAt < 0 ? batch.length : failedAt);
      // The checkpoint may have been forgotten meanwhile; then it stays forgotten.
      if (shard.position === from) shard.position = reached;
    }
    shard.isRunning = false;
  }

  #quarantine(records: readonly { readonly data: Uint8Array }[]): void {
    for (const { data } of records) this.#quarantined.add(Buffer.from(data).toString('base64'));
  }

  #forgetCheckpoint(): void {
    const shard = this.#random.pick(this.#shards);
    shard.position = Math.max(0, shard.position - this.#random.integer(1, 10));
    this.#startConsumer(shard);
  }

  async #decide(fields: EventFields, arrivedAtMillis: number): Promise<void> {
    const mode = this.#random.chance(0.2) ? 'read-only' : 'apply';
    // Its clock is not the stream's: on which side of `liveFrom` an event lies is another question to each.
    const skewMillis = this.#backfill === 'none' ? 0 : this.#random.integer(-60_000, 60_000);
    const clockMillis = Math.max(arrivedAtMillis + skewMillis, Number(fields.at) - LIMITS.futureToleranceMillis);
    // Retries after throttles wait for real time, so the caller's own repetition stands for them here.
    const store = this.#newActorStore({ throttle: 0, lostAnswer: 0, crash: this.#faults.crash });
    const ports = {
      // Deadlines are real time, of which nothing passes here.
      store: { within: () => store },
      cachedViews: new CachedViews({ clock: () => clockMillis }),
      policies: new DefaultPolicies(),
      repository: featureRepository({ views: [this.#productView], services: [this.#productService] }),
      stream: { put: () => Promise.reject(new Error('nothing is published here')) },
      clock: () => clockMillis,
      logger: { error: () => {}, warn: () => {} },
      metrics: { answered: () => {}, nulls: () => {}, age: () => {}, decided: () => {} },
      probes: [],
    };
    const answer = await Promise.race([
      decideEvent(
        ports as never,
        { service: this.#productService, source: this.#productView.source },
        { ...fields, mode },
      ),
      store.crashed,
    ]);
    if (answer === 'crashed') {
      this.#crashes++;
      if (this.#random.chance(0.7)) await this.#decide(fields, arrivedAtMillis);
      return;
    }
    this.#decisions++;
    this.#compareDecision(fields, clockMillis, answer, store);
  }

  /** A decision must have seen every event that its item counted when it was answered, and its own, once. */
  #compareDecision(
    fields: EventFields,
    clockMillis: number,
    answer: Pick<PredictAnswer, 'as_of' | 'features' | 'event_status' | 'degraded'>,
    store: ActorStore,
  ): void {
    const scored = [...this.#eventsByHash.values()].find(({ id }) => id === fields.event_id);
    if (!scored || !this.#view.includes(scored.values)) return;
    const seen = itemKeysOf(this.#view, String(fields.account_id)).flatMap((key) =>
      this.#journal.counted(key).slice(0, store.lastSeen.get(key) ?? 0),
    );
    // Ids are not kept for ever: whoever asks again long after the fact is told as if for the first time.
    const forgottenBefore = Date.parse(answer.as_of) - this.#view.layout.eventIdRetentionMillis;
    if (seen.includes(scored.idHash) && scored.timeMillis < forgottenBefore) return;
    // An event that is left to backfill is not put into the windows either.
    const own = countsOnline(this.#view, { ...scored, arrivedAtMillis: clockMillis }) ? scored : undefined;
    const expected = oracleFeatures(this.#view, this.#eventsOf(seen), Date.parse(answer.as_of), own);
    // Of a repeated event some cannot be told, and the answer says so.
    const untold = new Set(answer.degraded.map((one) => one.name));
    this.#view.layout.features.forEach(({ name, aggregate }, index) => {
      if (untold.has(name)) {
        this.#untold++;
        return;
      }
      this.#compared++;
      const value = answer.features[name] as ReturnType<typeof oracleFeatures>[number];
      if (!agrees(aggregate.name, value, expected[index])) {
        this.#differences.push(
          `decision over ${scored.id} (${answer.event_status}): ${name} = ${value}, not ${expected[index]}`,
        );
      }
    });
  }

  #eventsOf(hashes: readonly string[]): WindowEvent[] {
    return hashes.map((hash) => this.#eventsByHash.get(hash)).filter((event) => event !== undefined);
  }

  async #compareAtTheEnd(): Promise<void> {
    for (const shard of this.#shards) {
      if (shard.position < shard.records.length)
        this.#differences.push('a consumer stopped before the end of its shard');
    }
    for (const key of this.#journal.falls) this.#differences.push(`the high water of ${key} fell`);
    for (const key of this.#journal.keys()) this.#compareJournal(key);
    for (const account of ACCOUNTS) await this.#compareFeatures(account);
    this.#compareDeliveries();
    this.#compareHistory();
  }

  /** No event counted twice, none counted that was late. */
  #compareJournal(key: string): void {
    const hashes = this.#journal.counted(key);
    let newest = Number.NEGATIVE_INFINITY;
    for (const [index, event] of this.#eventsOf(hashes).entries()) {
      if (hashes.indexOf(event.idHash) !== index) this.#differences.push(`${event.id} was counted twice`);
      const isLate = event.timeMillis < newest - this.#view.layout.allowedLatenessMillis;
      if (isLate && !this.#journal.isHistory(key, event.idHash)) {
        this.#differences.push(`${event.id} was counted although it was late`);
      }
      newest = Math.max(newest, event.timeMillis);
    }
  }

  async #compareFeatures(account: string): Promise<void> {
    const keys = itemKeysOf(this.#view, account);
    const items = (await this.#store.get(keys)).filter((item) => item !== undefined);
    const counted = this.#eventsOf(keys.flatMap((key) => [...new Set(this.#journal.counted(key))]));
    const newest = counted.reduce((latest, { timeMillis }) => Math.max(latest, timeMillis), START_MILLIS);
    for (let read = 0; read < 4; read++) {
      const longest = Math.max(...this.#view.layout.windows.map(({ lengthMillis }) => lengthMillis));
      const instant = newest + (read === 0 ? 0 : Math.floor(this.#random.next() * 1.2 * longest));
      const reading = readWindows(this.#view.layout, items, instant);
      const expected = oracleFeatures(this.#view, counted, reading.asOfMillis);
      this.#view.layout.features.forEach(({ name, aggregate }, index) => {
        if (!agrees(aggregate.name, reading.values[index], expected[index])) {
          this.#differences.push(`${account}: ${name} = ${reading.values[index]}, not ${expected[index]}`);
        }
      });
    }
  }

  /** Whatever history has is counted. */
  #compareHistory(): void {
    if (this.#backfill === 'none') return;
    for (const account of ACCOUNTS) {
      for (const event of this.#countedInHistory(account)) {
        const key = itemKeyOf(this.#view, account, laneOf(this.#view, event));
        if (!this.#journal.counted(key).includes(event.idHash))
          this.#differences.push(`${event.id} is left in history`);
      }
    }
  }

  /** Whatever reached the stream is counted, or it was late, or it lies in quarantine. */
  #compareDeliveries(): void {
    const streamed = new Set(
      this.#shards.flatMap(({ records }) => records.map(({ data }) => Buffer.from(data).toString('base64'))),
    );
    for (const data of this.#garbage) {
      if (streamed.has(data) && !this.#quarantined.has(data))
        this.#differences.push('garbage is missing from quarantine');
    }
    for (const event of this.#eventsByHash.values()) {
      const text = Buffer.from(JSON.stringify(event.values)).toString('base64');
      if (!streamed.has(text) || !this.#view.includes(event.values)) continue;
      const key = itemKeyOf(this.#view, String(event.values.account_id), laneOf(this.#view, event));
      const counted = this.#journal.counted(key);
      const newest = Math.max(...this.#eventsOf(counted).map(({ timeMillis }) => timeMillis));
      const mayBeLate = event.timeMillis < newest - this.#view.layout.allowedLatenessMillis;
      if (!counted.includes(event.idHash) && !mayBeLate) this.#differences.push(`${event.id} was lost`);
      if (this.#quarantined.has(text)) this.#differences.push(`${event.id} is in quarantine although it is good`);
    }
  }
}

/**
 * A whole store in memory, for tests of declarations: the code that is deployed, over a store in memory and a clock that
 * stands still.
 *
 * 1. `send` asks the API to publish events, and hands what it puts on the stream to the stream's consumer at once.
 * 2. `features` and `decide` ask the API. What is not of memory is left out: no deadline passes and nobody is alarmed.
 * 3. Whatever is refused is thrown, with the sentence that callers of the API are told.
 */
import { type Duration, parseDuration } from '../../shared/definitions/duration.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { LIMITS } from '../../shared/limits.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { createHandler, type ServeHandler } from '../serve/app.ts';
import { CachedViews } from '../serve/cached-views.ts';
import { GuardedStore } from '../serve/guarded-store.ts';
import type { ServingMetrics } from '../serve/metrics.ts';
import type { EventRecord, EventStream, ServeLogger } from '../serve/ports.ts';
import type { EntityFeatures, FeaturesAnswer, PredictAnswer, Problem } from '../serve/schemas.ts';
import type { QuarantinedRecord } from '../update-windows/quarantine.ts';
import { type BatchResult, updateWindows } from '../update-windows/update-windows.ts';
import { httpRequest } from './http-request.ts';
import { GivenPolicies, type Instant, millisOf, RefusedError, type TestStoreOptions } from './options.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What became of sent events, summed over the views of their source. */
export type SentEvents = Readonly<Record<'applied' | 'duplicate' | 'late' | 'excluded', number>>;

export interface TestStore {
  /** Milliseconds since 1970 UTC, as fields of event times take them. */
  now(): number;
  /** Moves the clock on: `'24h'`, or milliseconds. */
  advance(duration: Duration | number): void;
  /** Moves the clock on to an instant. @throws RangeError for one that is past. */
  advanceTo(instant: Instant): void;
  /**
   * Sends one event or several, which arrive now, through the stream of their source. Long lists go in several requests, in
   * their order.
   * @returns what became of them.
   * @throws RefusedError when the API refuses one, and so all of its request; or when the consumer puts one into quarantine.
   */
  send(source: string, events: Fields | readonly Fields[]): Promise<SentEvents>;
  /**
   * The features of one entity: `POST /features`.
   * @param options.at for which instant; by default now.
   * @throws RefusedError
   */
  features(service: string, entity: Fields, options?: { readonly at?: Instant }): Promise<EntityFeatures>;
  /**
   * Decides over one event, which it counts: `POST /services/{name}/decide`. The service is `name` or `name@version`.
   * @throws RefusedError
   */
  decide(
    service: string,
    event: Fields,
    options?: { readonly mode?: 'apply' | 'read-only'; readonly explain?: number },
  ): Promise<PredictAnswer>;
}

/** A stream whose records wait in memory for its consumer. */
class WaitingStream implements EventStream {
  waiting: EventRecord[] = [];

  async put(_source: EventSource, records: readonly EventRecord[]): Promise<readonly EventRecord[]> {
    this.waiting.push(...records);
    return [];
  }

  take(): EventRecord[] {
    const taken = this.waiting;
    this.waiting = [];
    return taken;
  }
}

const UNMEASURED: ServingMetrics = { answered() {}, decided() {}, nulls() {}, age() {} };

/** Failures are told to people who run tests; that something was missing, the answer says itself. */
const LOGGER: ServeLogger = { error: (message, details) => console.error(message, details), warn() {} };

/** Longer than any test, and short enough for a timer. */
const NEVER_MILLIS = 2 ** 31 - 1;

/**
 * A store of declarations in memory. Two stores know nothing of each other.
 * @throws TestStoreOptionError, ModelPackageError, ConfigurationError naming what is wrong with an option.
 */
export function testStore(repository: FeatureRepository, options: TestStoreOptions): TestStore {
  const { production = false } = options;
  let nowMillis = millisOf('clock', options.clock);
  const clock = () => nowMillis;
  const timeout = () => new AbortController().signal;
  const online = new MemoryOnlineStore();
  const stream = new WaitingStream();
  const handler = createHandler({
    store: new GuardedStore(online, { hedgeAfterMillis: NEVER_MILLIS, timeout }),
    cachedViews: new CachedViews({ clock }),
    policies: new GivenPolicies(repository, options),
    repository,
    production,
    // What is forced to be slow moves the clock, and keeps nobody waiting.
    pause: async (millis) => {
      nowMillis += millis;
    },
    api: { url: 'http://localhost', authorization: 'none', offersTrainingSets: false },
    stream,
    clock,
    timeout,
    logger: LOGGER,
    metrics: UNMEASURED,
    probes: [],
  });
  const post = async <Answer>(path: string, body: unknown, query?: Record<string, string>): Promise<Answer> =>
    answerOf(handler, path, body, { ...(query && { query }), nowMillis });

  let records = 0;
  async function consume(source: EventSource): Promise<BatchResult> {
    const quarantined: QuarantinedRecord[] = [];
    const delivered = stream.take().map(({ partitionKey, text }) => ({
      sequenceNumber: String(++records),
      partitionKey,
      data: Buffer.from(text),
      arrivedAtMillis: nowMillis,
    }));
    const result = await updateWindows(delivered, {
      source,
      views: repository.views.filter((view) => view.source === source),
      store: online,
      production,
      quarantine: { put: async (refused) => void quarantined.push(...refused) },
    });
    for (const error of result.errors) throw error;
    const errors = quarantined.flatMap(({ problems }) => problems);
    const [first] = errors;
    if (first) {
      const place = first.field === '' ? '' : `${first.field}: `;
      throw new RefusedError(`the event is in quarantine: ${place}${first.problem}`, { errors });
    }
    return result;
  }

  return {
    now: clock,
    advance(duration) {
      const millis = typeof duration === 'number' ? duration : parseDuration('advance', duration);
      this.advanceTo(nowMillis + millis);
    },
    advanceTo(instant) {
      const millis = millisOf('advanceTo', instant);
      if (millis < nowMillis) {
        throw new RangeError(`the clock cannot go back from ${isoOf(nowMillis)} to ${isoOf(millis)}; begin earlier`);
      }
      nowMillis = millis;
    },
    async send(name, given) {
      const path = `/events/${encodeURIComponent(name)}`;
      const source = repository.sources.find((one) => one.name === name);
      const counts = { applied: 0, duplicate: 0, late: 0, excluded: 0 };
      for (const { body, first } of requestsOf(given)) {
        await post(path, body).catch((error: unknown) => {
          if (first === 0 || !(error instanceof RefusedError)) throw error;
          throw new RefusedError(`of the events from the ${first + 1}th on: ${error.message}`, error);
        });
        // Where there is no such source, the API has said so.
        if (source === undefined) continue;
        const result = await consume(source);
        for (const what of Object.keys(counts) as (keyof SentEvents)[]) counts[what] += result.counts[what];
      }
      return counts;
    },
    async features(service, entity, { at } = {}) {
      const body = { service, entities: [entity], ...(at !== undefined && { at: millisOf('at', at) }) };
      const { results } = await post<FeaturesAnswer>('/features', body);
      const [result] = results;
      if (result === undefined) throw new Error('the API answered without the entity that it was asked for');
      return result;
    },
    decide(service, event, more = {}) {
      const [name = '', version] = service.split('@');
      const path = `/services/${encodeURIComponent(name)}/decide`;
      return post<PredictAnswer>(path, { ...event, ...more }, version === undefined ? undefined : { version });
    },
  };
}

const isoOf = (millis: number) => new Date(millis).toISOString();

/** Requests for one event, or for as many of several as the API takes at once; with the place of their first one. */
function requestsOf(events: Fields | readonly Fields[]): { readonly body: unknown; readonly first: number }[] {
  if (!isList(events)) return [{ body: events, first: 0 }];
  const requests: { readonly body: { readonly events: Fields[] }; readonly first: number }[] = [];
  let bytes = 0;
  for (const [index, event] of events.entries()) {
    const size = Buffer.byteLength(JSON.stringify(event)) + 1;
    const last = requests.at(-1)?.body.events;
    // Half of what a request may have leaves room for what is around the events.
    if (last && last.length < LIMITS.eventsPerRequest && bytes + size <= LIMITS.requestBytes / 2) {
      last.push(event);
      bytes += size;
    } else {
      requests.push({ body: { events: [event] }, first: index });
      bytes = size;
    }
  }
  return requests;
}

function isList(events: Fields | readonly Fields[]): events is readonly Fields[] {
  return Array.isArray(events);
}

/** @throws RefusedError with the problem that the API answered. */
async function answerOf<Answer>(
  handler: ServeHandler,
  path: string,
  body: unknown,
  more: { readonly query?: Record<string, string>; readonly nowMillis: number },
): Promise<Answer> {
  const { statusCode, body: text = '' } = await handler(
    httpRequest('POST', path, { ...more, body: JSON.stringify(body) }),
  );
  if (statusCode === 200 || statusCode === 202) return JSON.parse(text);
  const problem: Problem = JSON.parse(text);
  throw new RefusedError(problem.detail, problem);
}

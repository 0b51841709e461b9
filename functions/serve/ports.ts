import type { EventSource } from '../../shared/definitions/source.ts';
import type { OnlineStore } from '../../shared/online/store.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { RowSink } from '../row-sink.ts';
import type { CachedViews } from './cached-views.ts';
import type { SERVE_DEADLINES } from './constants.ts';
import type { DecisionPolicies } from './decision-policies.ts';
import type { ServingMetrics } from './metrics.ts';

/** One event on its way: JSON text, and the value by which events keep their order. */
export interface EventRecord {
  /** 1 to 256 characters. */
  readonly partitionKey: string;
  readonly text: string;
}

/** Where events are sent. One try per call; trying again is the caller's business. */
export interface EventStream {
  /**
   * @param records at most `LIMITS.eventsPerRequest`.
   * @returns those that were not accepted and may be sent again.
   * @throws EventStreamUnavailableError
   */
  put(source: EventSource, records: readonly EventRecord[]): Promise<readonly EventRecord[]>;
}

/** The stream did not answer, or failed. Some records may be in it; sending them again counts nothing twice. */
export class EventStreamUnavailableError extends Error {
  override readonly name = 'EventStreamUnavailableError';
}

/** Asks one dependency for a sign of life. */
export interface HealthProbe {
  /** What the answer calls it. */
  readonly name: string;
  /** Rejects when the dependency does not work. */
  check(): Promise<unknown>;
}

/** What is written when a request fails through no fault of the caller. Satisfied by the Powertools logger. */
export interface ServeLogger {
  error(message: string, details: Readonly<Record<string, unknown>>): void;
  warn(message: string, details: Readonly<Record<string, unknown>>): void;
}

/** The online store, for requests that end. Satisfied by `GuardedStore`. */
export interface RequestStores {
  /** The store for one request: whatever is not answered `deadlineMillis` from now has failed. */
  within(deadlineMillis: number): OnlineStore;
}

/** What the OpenAPI document says of a deployment. */
export interface ApiDescription {
  /** Where the routes are, without a slash at the end. */
  readonly url: string;
  /** Whether requests are signed. */
  readonly authorization: 'iam' | 'none';
  readonly offersTrainingSets: boolean;
}

/** Everything that the serving function uses of the world. */
export interface ServePorts {
  readonly store: RequestStores;
  /** Readings of slow-moving views, which outlive a request. */
  readonly cachedViews: CachedViews;
  readonly policies: DecisionPolicies;
  readonly repository: FeatureRepository;
  readonly api: ApiDescription;
  readonly stream: EventStream;
  /** Milliseconds since 1970 UTC. */
  readonly clock: () => number;
  readonly logger: ServeLogger;
  readonly metrics: ServingMetrics;
  readonly probes: readonly HealthProbe[];
  /** Instead of `SERVE_DEADLINES`. */
  readonly deadlines?: Partial<Readonly<Record<keyof typeof SERVE_DEADLINES, number>>>;
  /** Ids that force an outcome are refused. Default true. */
  readonly production?: boolean;
  /** Resolves when an answer that is forced to be slow has taken so many milliseconds. Default: a timer. */
  readonly pause?: (millis: number) => Promise<unknown>;
  /** Aborts so many milliseconds from now. Default `AbortSignal.timeout`. */
  readonly timeout?: (millis: number) => AbortSignal;
  /** Where rows of answers are kept, where history is landed. */
  readonly rows?: {
    readonly sink: RowSink;
    /** Answers wait until their rows are sent, or `deadlines.rows`: for tests and audits, which want to find every row. */
    readonly waits: boolean;
  };
}

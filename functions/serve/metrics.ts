import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { EventStatus } from '../../shared/definitions/service.ts';
import { SERVE_METRICS, SERVE_SERVICE } from './constants.ts';

/** What the serving function measures. */
export interface ServingMetrics {
  /** One answered request. `route` is a name of `servingRoutes`, or `unknown`. */
  answered(route: string, options: { readonly latencyMillis: number; readonly status: number }): void;
  /** One decision. */
  decided(decision: MeasuredDecision): void;
  /** Counts the nulls among features. */
  nulls(features: Readonly<Record<string, unknown>>): void;
  /** How old a view's answer was; null when the view did not know the entity. */
  age(view: string, ageSeconds: number | null): void;
}

export interface MeasuredDecision {
  readonly featureService: string;
  /** Whether something was missing that it should have had. */
  readonly isDegraded: boolean;
  readonly eventStatus: EventStatus;
  /** For how long nobody had said that its configuration is the active one; null when there is nobody to ask. */
  readonly configurationAgeSeconds: number | null;
}

/** How long nulls and ages are gathered before they are emitted, milliseconds. */
const GATHERED_MILLIS = 10_000;

/** CloudWatch takes at most so many values of a metric in one line; then they are emitted at once. */
const VALUES_PER_LINE = 100;

/** How long latencies are gathered before they are emitted, milliseconds. */
const LATENCIES_GATHERED_MILLIS = 1_000;

/** Ages are gathered by what is old: the dimension of each metric. */
const AGE_DIMENSIONS = { featureAge: 'view', configurationAge: 'feature_service' } as const;
type AgeMetric = keyof typeof AGE_DIMENSIONS;

/** What one route's requests were measured to be since they were last emitted. */
interface RouteValues {
  readonly latencies: number[];
  readonly availabilities: number[];
}

/**
 * Metrics as EMF lines on standard output, which CloudWatch reads.
 *
 * A line costs more than a decision's own work, and holds a hundred values of one route, feature or view. So a request
 * that comes a second after the last line is emitted at once, and those in between are gathered; nulls and ages, which
 * need a line per feature, view or service, are gathered for ten seconds. What an environment has gathered when it is shut down is
 * lost: at most its last second of latencies, and ten of nulls and ages, never a failure.
 */
export class EmfServingMetrics implements ServingMetrics {
  readonly #clock: () => number;
  readonly #metrics = new Metrics({ serviceName: SERVE_SERVICE });
  readonly #routes = new Map<string, RouteValues>();
  readonly #nullCounts = new Map<string, number>();
  readonly #doubtfulCounts = new Map<EventStatus, number>();
  readonly #ages: Readonly<Record<AgeMetric, Map<string, number[]>>> = {
    featureAge: new Map(),
    configurationAge: new Map(),
  };
  #latenciesEmittedAtMillis = Number.NEGATIVE_INFINITY;
  #emittedAtMillis = Number.NEGATIVE_INFINITY;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  answered(
    route: string,
    { latencyMillis, status }: { readonly latencyMillis: number; readonly status: number },
  ): void {
    const values = this.#routes.get(route) ?? { latencies: [], availabilities: [] };
    this.#routes.set(route, values);
    values.latencies.push(latencyMillis);
    values.availabilities.push(status < 500 ? 1 : 0);
    const now = this.#clock();
    const isDue = now - this.#latenciesEmittedAtMillis >= LATENCIES_GATHERED_MILLIS;
    if (isDue || status >= 500 || values.latencies.length >= VALUES_PER_LINE) this.#emitRoutes();
    if (now - this.#emittedAtMillis >= GATHERED_MILLIS) this.#emitGathered();
  }

  #emitRoutes(): void {
    this.#latenciesEmittedAtMillis = this.#clock();
    for (const [route, { latencies, availabilities }] of this.#routes) {
      this.#metrics.addDimension('route', route);
      latencies.forEach((latency, index) => {
        this.#metrics.addMetric(SERVE_METRICS.servingLatency, MetricUnit.Milliseconds, latency);
        this.#metrics.addMetric(SERVE_METRICS.availability, MetricUnit.Count, availabilities[index] ?? 1);
      });
      if (this.#metrics.hasStoredMetrics()) this.#metrics.publishStoredMetrics();
      else this.#metrics.clearDimensions();
    }
    this.#routes.clear();
  }

  /** Degraded ones at once: whoever is woken by it wants to know now. A sound decision is worth no line of its own. */
  decided({ featureService, isDegraded, eventStatus, configurationAgeSeconds }: MeasuredDecision): void {
    this.#gather('configurationAge', featureService, configurationAgeSeconds);
    if (eventStatus !== 'applied') {
      this.#doubtfulCounts.set(eventStatus, (this.#doubtfulCounts.get(eventStatus) ?? 0) + 1);
    }
    if (!isDegraded) return;
    this.#metrics.addMetric(SERVE_METRICS.degradedDecisions, MetricUnit.Count, 1);
    this.#metrics.publishStoredMetrics();
  }

  nulls(features: Readonly<Record<string, unknown>>): void {
    for (const name in features) {
      if (features[name] === null) this.#nullCounts.set(name, (this.#nullCounts.get(name) ?? 0) + 1);
    }
  }

  age(view: string, ageSeconds: number | null): void {
    this.#gather('featureAge', view, ageSeconds);
  }

  #gather(metric: AgeMetric, subject: string, ageSeconds: number | null): void {
    if (ageSeconds === null) return;
    const ages = this.#ages[metric].get(subject) ?? [];
    this.#ages[metric].set(subject, ages);
    if (ages.push(ageSeconds) >= VALUES_PER_LINE) this.#emitAges(metric, subject, ages);
  }

  #emitGathered(): void {
    const { featureAge, configurationAge } = this.#ages;
    const counts = this.#nullCounts.size + this.#doubtfulCounts.size;
    if (counts + featureAge.size + configurationAge.size === 0) return;
    this.#emittedAtMillis = this.#clock();
    this.#emitCounts(SERVE_METRICS.nullFeatures, 'feature', this.#nullCounts);
    this.#emitCounts(SERVE_METRICS.doubtfulEvents, 'event_status', this.#doubtfulCounts);
    for (const [view, ages] of featureAge) this.#emitAges('featureAge', view, ages);
    for (const [service, ages] of configurationAge) this.#emitAges('configurationAge', service, ages);
  }

  #emitCounts(name: string, dimension: string, counts: Map<string, number>): void {
    for (const [value, count] of counts) {
      this.#metrics.addDimension(dimension, value).addMetric(name, MetricUnit.Count, count);
      this.#metrics.publishStoredMetrics();
    }
    counts.clear();
  }

  #emitAges(metric: AgeMetric, subject: string, ages: readonly number[]): void {
    this.#metrics.addDimension(AGE_DIMENSIONS[metric], subject);
    for (const age of ages) this.#metrics.addMetric(SERVE_METRICS[metric], MetricUnit.Seconds, age);
    // Powertools itself publishes a metric with as many values as a line takes.
    if (this.#metrics.hasStoredMetrics()) this.#metrics.publishStoredMetrics();
    else this.#metrics.clearDimensions();
    this.#ages[metric].delete(subject);
  }
}

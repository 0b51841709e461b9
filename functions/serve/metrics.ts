import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { METRICS_NAMESPACE } from '../constants.ts';
import { SERVE_METRICS, SERVE_SERVICE } from './constants.ts';

/** What the serving function measures. */
export interface ServingMetrics {
  /** One answered request. `route` is a name of `ROUTES`, or `unknown`. */
  answered(route: string, options: { readonly latencyMillis: number; readonly status: number }): void;
  /** Counts the nulls among features. */
  nulls(features: Readonly<Record<string, unknown>>): void;
  /** How old a view's answer was; null when the view did not know the entity. */
  age(view: string, ageSeconds: number | null): void;
}

/** How long nulls and ages are gathered before they are emitted, milliseconds. */
const GATHERED_MILLIS = 10_000;

/** CloudWatch takes at most so many values of a metric in one line; then they are emitted at once. */
const VALUES_PER_LINE = 100;

/**
 * Metrics as EMF lines on standard output, which CloudWatch reads.
 *
 * A line has one value per dimension, so nulls need a line per feature and ages one per view: too many for every
 * request. A request emits one line, its own; nulls and ages are gathered and emitted with the first request after ten
 * seconds. What an environment has gathered when it is shut down is lost: at most its last ten seconds of busy traffic,
 * never a latency or a failure.
 */
export class EmfServingMetrics implements ServingMetrics {
  readonly #clock: () => number;
  readonly #metrics = new Metrics({ namespace: METRICS_NAMESPACE, serviceName: SERVE_SERVICE });
  readonly #nullCounts = new Map<string, number>();
  readonly #ages = new Map<string, number[]>();
  #emittedAtMillis = Number.NEGATIVE_INFINITY;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  answered(
    route: string,
    { latencyMillis, status }: { readonly latencyMillis: number; readonly status: number },
  ): void {
    this.#metrics
      .addDimension('route', route)
      .addMetric(SERVE_METRICS.servingLatency, MetricUnit.Milliseconds, latencyMillis);
    this.#metrics.addMetric(SERVE_METRICS.availability, MetricUnit.Count, status < 500 ? 1 : 0);
    this.#metrics.publishStoredMetrics();
    if (this.#clock() - this.#emittedAtMillis >= GATHERED_MILLIS) this.#emitGathered();
  }

  nulls(features: Readonly<Record<string, unknown>>): void {
    for (const name in features) {
      if (features[name] === null) this.#nullCounts.set(name, (this.#nullCounts.get(name) ?? 0) + 1);
    }
  }

  age(view: string, ageSeconds: number | null): void {
    if (ageSeconds === null) return;
    const ages = this.#ages.get(view) ?? [];
    this.#ages.set(view, ages);
    if (ages.push(ageSeconds) >= VALUES_PER_LINE) this.#emitAges(view, ages);
  }

  #emitGathered(): void {
    if (this.#nullCounts.size === 0 && this.#ages.size === 0) return;
    this.#emittedAtMillis = this.#clock();
    for (const [feature, count] of this.#nullCounts) {
      this.#metrics.addDimension('feature', feature).addMetric(SERVE_METRICS.nullFeatures, MetricUnit.Count, count);
      this.#metrics.publishStoredMetrics();
    }
    this.#nullCounts.clear();
    for (const [view, ages] of this.#ages) this.#emitAges(view, ages);
  }

  #emitAges(view: string, ages: readonly number[]): void {
    this.#metrics.addDimension('view', view);
    for (const age of ages) this.#metrics.addMetric(SERVE_METRICS.featureAge, MetricUnit.Seconds, age);
    // Powertools itself publishes a metric with as many values as a line takes.
    if (this.#metrics.hasStoredMetrics()) this.#metrics.publishStoredMetrics();
    else this.#metrics.clearDimensions();
    this.#ages.delete(view);
  }
}

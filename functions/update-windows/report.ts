import type { Logger } from '@aws-lambda-powertools/logger';
import { type Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { EventSource } from '../../shared/definitions/source.ts';
import { countByErrorName, countByField } from '../problem-counts.ts';
import { UPDATE_WINDOWS_METRICS } from './constants.ts';
import type { BatchResult } from './update-windows.ts';

/** CloudWatch takes 100 values of a metric in one line, and Powertools would begin another line at that. */
const FRESHNESS_VALUES_PER_LINE = 50;

/**
 * Adds the metrics of a batch. Those of views are published at once, one line per view that was updated; those of the
 * batch are left to whoever publishes last, with the dimensions that `metrics` has anyway.
 */
export function measure(metrics: Metrics, result: BatchResult, computationMillis: number): void {
  for (const { view, freshnessMillis } of result.views) {
    if (freshnessMillis.length === 0) continue;
    metrics.addDimension('view', view.key);
    for (const millis of spread(freshnessMillis, FRESHNESS_VALUES_PER_LINE)) {
      metrics.addMetric(UPDATE_WINDOWS_METRICS.freshness, MetricUnit.Seconds, millis / 1_000);
    }
    metrics.publishStoredMetrics();
  }
  const { counts } = result;
  metrics.addMetric(UPDATE_WINDOWS_METRICS.eventsReceived, MetricUnit.Count, counts.received);
  metrics.addMetric(UPDATE_WINDOWS_METRICS.eventsApplied, MetricUnit.Count, counts.applied);
  metrics.addMetric(UPDATE_WINDOWS_METRICS.eventsDuplicate, MetricUnit.Count, counts.duplicate);
  metrics.addMetric(UPDATE_WINDOWS_METRICS.eventsLate, MetricUnit.Count, counts.late);
  metrics.addMetric(UPDATE_WINDOWS_METRICS.eventsQuarantined, MetricUnit.Count, counts.quarantined);
  if (result.ignoredFields > 0) {
    metrics.addMetric(UPDATE_WINDOWS_METRICS.fieldsIgnored, MetricUnit.Count, result.ignoredFields);
  }
  metrics.addMetric(UPDATE_WINDOWS_METRICS.writeFailures, MetricUnit.Count, counts.failed);
  metrics.addMetric(UPDATE_WINDOWS_METRICS.computationLatency, MetricUnit.Milliseconds, computationMillis);
}

/** At most `count` of the values, at evenly spaced ranks: the greatest is among them, and quantiles stay where they are. */
export function spread(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values];
  const descending = Float64Array.from(values).sort().reverse();
  return Array.from({ length: count }, (_, rank) => descending[Math.floor((rank * values.length) / count)] ?? 0);
}

/** One line for a batch in which something was not simply counted, or not kept: how many, which fields, which errors. No contents. */
export function logTroubles(logger: Logger, source: EventSource, result: BatchResult): void {
  const { counts } = result;
  if (counts.quarantined + counts.late + counts.failed + result.errors.length === 0) return;
  logger.warn('Some records of the batch were not counted, or their features not kept', {
    counts: { ...counts },
    problemsByField: countByField(
      source,
      result.quarantined.flatMap(({ problems }) => problems),
    ),
    failuresByError: countByErrorName(result.errors),
  });
}

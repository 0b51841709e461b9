import { type Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import * as z from 'zod';
import { audit, IN_FLIGHT_MILLIS } from '../../shared/offline/audit/audit.ts';
import type { AuditSource } from '../../shared/offline/audit/audit-source.ts';
import { htmlReport } from '../../shared/offline/audit/html-report.ts';
import { type FeatureSkew, matchRate, type SkewReport, unexplainedCount } from '../../shared/offline/audit/report.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { AUDIT_METRICS, AUDITS_PREFIX } from './constants.ts';

const DAY_MILLIS = 86_400_000;

/** What the function may be called with; the schedule says nothing, which is yesterday. */
const request = z.object({ date: z.iso.date().optional() });

export interface AuditPorts {
  readonly source: AuditSource;
  readonly repository: FeatureRepository;
  /** Milliseconds since 1970 UTC. */
  readonly clock: () => number;
  readonly metrics: Metrics;
  readonly rowsMax: number;
  readonly store: (report: {
    readonly key: string;
    readonly text: string;
    readonly contentType: string;
  }) => Promise<void>;
}

export interface AuditSummary {
  readonly date: string;
  readonly rows: number;
  readonly unreadable: number;
  readonly unexplained: number;
  /** Where the HTML lies in the bucket of history; the JSON is beside it. */
  readonly report: string;
}

/** Audits one day, UTC, keeps the report and measures it. Rejects when any of it fails, which an alarm tells. */
export async function runAudit(ports: AuditPorts, event: unknown): Promise<AuditSummary> {
  const { date = dateOf(ports.clock() - DAY_MILLIS) } = request.parse(event ?? {});
  const fromMillis = Date.parse(date);
  const report = await audit({
    source: ports.source,
    repository: ports.repository,
    // The date is part of the seed: a sample that is asked for again is the same one.
    sample: { fromMillis, toMillis: fromMillis + DAY_MILLIS, rowsMax: ports.rowsMax, seed: date },
    inFlightMillis: IN_FLIGHT_MILLIS,
  });
  const folder = `${AUDITS_PREFIX}${date}/`;
  const json = `${JSON.stringify(report, null, 2)}\n`;
  await ports.store({ key: `${folder}report.json`, text: json, contentType: 'application/json' });
  await ports.store({ key: `${folder}report.html`, text: htmlReport(report), contentType: 'text/html; charset=utf-8' });
  measure(ports.metrics, report);
  return {
    date,
    rows: report.rows,
    unreadable: report.unreadable,
    unexplained: unexplainedCount(report),
    report: `${folder}report.html`,
  };
}

function dateOf(millis: number): string {
  return new Date(millis).toISOString().slice(0, 10);
}

/** The rates are published at once, a line for each dimension; the rest is left to whoever publishes last. */
function measure(metrics: Metrics, report: SkewReport): void {
  for (const [declaredBy, skews] of Map.groupBy(report.features, (skew) => skew.declaredBy)) {
    const rate = matchRateOf(skews);
    if (rate === undefined) continue;
    metrics.addDimension('view', declaredBy);
    metrics.addMetric(AUDIT_METRICS.matchRate, MetricUnit.Percent, 100 * rate);
    metrics.publishStoredMetrics();
  }
  metrics.addMetric(AUDIT_METRICS.rowsCompared, MetricUnit.Count, report.rows);
  metrics.addMetric(AUDIT_METRICS.rowsUnreadable, MetricUnit.Count, report.unreadable);
  metrics.addMetric(AUDIT_METRICS.unexplained, MetricUnit.Count, unexplainedCount(report));
}

/** Over all features of a view together. */
function matchRateOf(skews: readonly FeatureSkew[]): number | undefined {
  const rates = skews.map(matchRate).filter((rate) => rate !== undefined);
  return rates.length === 0 ? undefined : rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

import { styleText } from 'node:util';
import Table from 'cli-table3';
import { parseDuration } from '../shared/definitions/duration.ts';
import type { Duration } from '../shared/definitions/index.ts';
import { audit } from '../shared/offline/audit/audit.ts';
import { differenceText, hindsightText, htmlReport, percentText } from '../shared/offline/audit/html-report.ts';
import { type FeatureSkew, matchRate, type SkewReport } from '../shared/offline/audit/report.ts';
import { withEmbeddedAuditSource } from '../shared/offline/embedded/embedded-audit-source.ts';
import { findSource, repositoryOf } from './repository.ts';
import { withDownloads } from './s3.ts';
import { globOf, historyOf } from './training-set.ts';
import { UserError } from './user-error.ts';
import { writeOutput } from './write-output.ts';

export interface AuditCommandOptions {
  /** Parquet files of served rows, or a folder of them. */
  readonly served: string;
  /** `source=GLOB` each. */
  readonly history: readonly string[];
  /** ISO 8601: a date, or an instant. */
  readonly from: string;
  /** The same; exclusive. */
  readonly to: string;
  /** Rows. */
  readonly sample: number;
  readonly seed: string;
  readonly inFlight: string;
  /** Where the report is written. */
  readonly report: string;
  /** Where it is written as JSON, too. */
  readonly json?: string;
  readonly features?: string;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** Compares what was served with history, and writes the report. @throws UserError, AuditSourceError, DefinitionError */
export async function auditServed(options: AuditCommandOptions): Promise<SkewReport> {
  const repository = await repositoryOf(options);
  const sample = {
    fromMillis: instantOf('--from', options.from),
    toMillis: instantOf('--to', options.to),
    rowsMax: options.sample,
    seed: options.seed,
  };
  if (sample.fromMillis >= sample.toMillis) throw new UserError('--from must lie before --to, which is exclusive');
  const inFlightMillis = parseDuration('--in-flight', options.inFlight as Duration);
  const report = await withDownloads(async (download) => {
    const history = Object.entries(await historyOf(options.history, download)).map(([name, glob]) => ({
      source: findSource(repository, name),
      glob,
    }));
    return withEmbeddedAuditSource({ served: await globOf(options.served, download), history }, (source) =>
      audit({
        source,
        repository,
        sample,
        inFlightMillis,
        ...(options.onProgress && { onProgress: options.onProgress }),
      }),
    );
  });
  await writeOutput(options.report, htmlReport(report));
  if (options.json !== undefined) await writeOutput(options.json, `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

function instantOf(option: string, text: string): number {
  const millis = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isInteger(millis)) return millis;
  throw new UserError(`${option} ${text}: write a date such as 2026-11-20, or an instant such as 2026-11-20T06:00:00Z`);
}

/** The figures of a report, for a terminal. */
export function auditTable({ features }: SkewReport): string {
  const head = [
    'feature',
    'rows',
    'equal',
    'largest difference',
    'late',
    'in flight',
    'definition',
    'not answered',
    'unexplained',
    'hindsight',
  ];
  const table = new Table({
    head: head.map((name) => styleText('bold', name)),
    // Without rules between rows, and without colours of its own, which it would also write into files.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
  });
  for (const skew of features) table.push(cellsOf(skew));
  return table.toString();
}

function cellsOf(skew: FeatureSkew): string[] {
  const unexplained = String(skew.unexplained);
  return [
    skew.feature,
    String(skew.rows),
    percentText(matchRate(skew)),
    differenceText(skew),
    String(skew.lateArrival),
    String(skew.inFlight),
    String(skew.otherDefinition),
    String(skew.notAnswered),
    skew.unexplained > 0 ? styleText('red', unexplained) : unexplained,
    hindsightText(skew),
  ];
}

import type { FeatureValue } from '../../windows/aggregate.ts';
import type { AuditSample } from './audit-source.ts';
import type { Cause } from './causes.ts';
import type { FeatureFinding } from './examine-row.ts';
import type { ServedRecord } from './served-record.ts';

/** Rows of one feature by what became of the comparison: `equal` and the causes add up to `rows`. */
export interface FeatureSkew {
  /** The view or service that declares it: `name@version`. */
  readonly declaredBy: string;
  readonly feature: string;
  readonly rows: number;
  readonly equal: number;
  readonly lateArrival: number;
  readonly inFlight: number;
  /** Not recomputed: declared otherwise then. */
  readonly otherDefinition: number;
  /** Not compared: the view did not answer then. */
  readonly notAnswered: number;
  readonly unexplained: number;
  /** Between numbers; 0 where all are equal, null where only other values differ. */
  readonly largestDifference: number | null;
  /** Not skew: rows whose recomputed value is also what everything in history today makes of it. Null where none was compared. */
  readonly hindsightEqual: number | null;
}

/** One difference, without the entity: a report may be passed on. */
export interface SkewExample {
  readonly feature: string;
  readonly declaredBy: string;
  readonly served: FeatureValue;
  readonly recomputed: FeatureValue;
  readonly cause: Cause;
  readonly service: string | null;
  readonly entityHash: string;
  /** ISO 8601. */
  readonly servedAt: string;
  readonly asOf: string | null;
}

export interface SkewReport {
  /** ISO 8601. */
  readonly from: string;
  /** ISO 8601, exclusive. */
  readonly to: string;
  readonly rowsMax: number;
  readonly seed: string;
  readonly inFlightMillis: number;
  readonly registryVersion: string;
  /** Rows that were compared. */
  readonly rows: number;
  /** Sampled rows that could not be understood. */
  readonly unreadable: number;
  readonly features: readonly FeatureSkew[];
  /** Differences that were recomputed, the gravest first. */
  readonly examples: readonly SkewExample[];
}

const EXAMPLES_MAX = 20;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

const COUNTER_BY_CAUSE = {
  'late arrival': 'lateArrival',
  'in flight': 'inFlight',
  'other definition version': 'otherDefinition',
  'not answered': 'notAnswered',
  unexplained: 'unexplained',
} as const satisfies Record<Cause, keyof FeatureSkew>;

/** Share of the compared rows that are equal, 0 to 1; undefined where none was compared. */
export function matchRate(skew: FeatureSkew): number | undefined {
  const compared = comparedRows(skew);
  return compared === 0 ? undefined : skew.equal / compared;
}

/** Rows whose value was recomputed. */
export function comparedRows({ rows, otherDefinition, notAnswered }: FeatureSkew): number {
  return rows - otherDefinition - notAnswered;
}

export function unexplainedCount({ features }: SkewReport): number {
  return features.reduce((sum, { unexplained }) => sum + unexplained, 0);
}

/** Adds up what was found, row by row. */
export class AuditTally {
  readonly #skews = new Map<string, Mutable<FeatureSkew>>();
  readonly #examples = new Map<Cause, SkewExample[]>();
  #rows = 0;
  #unreadable = 0;

  addUnreadable(): void {
    this.#unreadable++;
  }

  add(row: {
    readonly record: ServedRecord;
    readonly entityHash: string;
    readonly findings: readonly FeatureFinding[];
  }): void {
    this.#rows++;
    for (const finding of row.findings) {
      const skew = this.#skewOf(finding);
      skew.rows++;
      if (finding.cause === undefined) skew.equal++;
      else skew[COUNTER_BY_CAUSE[finding.cause]]++;
      const { served, recomputed, hindsight, cause } = finding;
      if (hindsight !== undefined)
        skew.hindsightEqual = (skew.hindsightEqual ?? 0) + (hindsight === recomputed ? 1 : 0);
      if (cause === undefined || recomputed === undefined) continue;
      if (typeof served === 'number' && typeof recomputed === 'number') {
        skew.largestDifference = Math.max(skew.largestDifference ?? 0, Math.abs(served - recomputed));
      } else if (skew.largestDifference === 0) skew.largestDifference = null;
      this.#addExample(row, { ...finding, cause, recomputed });
    }
  }

  #skewOf({ declaredBy, feature }: FeatureFinding): Mutable<FeatureSkew> {
    const key = `${declaredBy} ${feature}`;
    const known = this.#skews.get(key);
    if (known) return known;
    const causes = { lateArrival: 0, inFlight: 0, otherDefinition: 0, notAnswered: 0, unexplained: 0 };
    const skew = { declaredBy, feature, rows: 0, equal: 0, ...causes, largestDifference: 0, hindsightEqual: null };
    this.#skews.set(key, skew);
    return skew;
  }

  #addExample(
    { record, entityHash }: { readonly record: ServedRecord; readonly entityHash: string },
    finding: FeatureFinding & { readonly cause: Cause; readonly recomputed: FeatureValue },
  ): void {
    const examples = this.#examples.get(finding.cause) ?? [];
    this.#examples.set(finding.cause, examples);
    if (examples.length >= EXAMPLES_MAX) return;
    const { declaredBy, feature, served, recomputed, cause } = finding;
    const asOf = record.views[declaredBy]?.as_of;
    examples.push({
      feature,
      declaredBy,
      served,
      recomputed,
      cause,
      service: record.service,
      entityHash,
      servedAt: new Date(record.servedAtMillis).toISOString(),
      asOf: asOf === undefined ? null : new Date(asOf).toISOString(),
    });
  }

  report(options: AuditSample & { readonly inFlightMillis: number; readonly registryVersion: string }): SkewReport {
    const { fromMillis, toMillis, rowsMax, seed, inFlightMillis, registryVersion } = options;
    const gravestFirst = ['unexplained', 'in flight', 'late arrival'] as const;
    return {
      from: new Date(fromMillis).toISOString(),
      to: new Date(toMillis).toISOString(),
      rowsMax,
      seed,
      inFlightMillis,
      registryVersion,
      rows: this.#rows,
      unreadable: this.#unreadable,
      features: [...this.#skews.values()],
      examples: gravestFirst.flatMap((cause) => this.#examples.get(cause) ?? []).slice(0, EXAMPLES_MAX),
    };
  }
}

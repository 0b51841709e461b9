/** Which days of history a query must read: what lies in other partitions is not even opened. */
import type { FeatureService } from '../../definitions/service.ts';
import { LIMITS } from '../../limits.ts';
import { PARTITION } from '../history-schema.ts';
import type { HistoryMode } from '../offline-store.ts';
import { quoteName, textLiteral } from '../sql/dialect.ts';

/** First and last day, UTC, as the partition column has them. */
export interface Days {
  readonly first: string;
  readonly last: string;
}

export interface ScanScope {
  readonly service: FeatureService;
  readonly mode: HistoryMode;
  readonly earliestMillis: number;
  readonly latestMillis: number;
  readonly latestKnownMillis: number;
  readonly nowMillis: number;
}

/**
 * Every day that can matter for rows from `earliestMillis` to `latestMillis`, whichever source.
 *
 * 1. No window reaches further back than the longest with its offset; an older event cannot make another one late either,
 *    because only newer ones do.
 * 2. After the last row only bitemporal rows look, and only to judge lateness: by events that had arrived by the time
 *    that is asked about, and are at most `LIMITS.futureToleranceMillis` ahead of their arrival. Others are never landed.
 * 3. Deliveries of one event may differ in time by as long as ids are remembered; the first of them must be seen.
 */
export function daysOf({ service, mode, nowMillis, ...rows }: ScanScope): Days {
  const reaches = service.views.flatMap(({ layout }) =>
    layout.windows.map(({ lengthMillis, offsetMillis, hopMillis }) => lengthMillis + offsetMillis + hopMillis),
  );
  const latenesses = service.views.map(({ layout }) => layout.allowedLatenessMillis);
  const marginMillis = Math.max(LIMITS.eventIdRetentionMillis, ...latenesses);
  const known = Math.min(Math.max(rows.latestMillis, rows.latestKnownMillis), nowMillis) + LIMITS.futureToleranceMillis;
  return {
    first: dayOf(rows.earliestMillis - Math.max(0, ...reaches) - marginMillis),
    last: dayOf((mode === 'bitemporal' ? known : rows.latestMillis) + marginMillis),
  };
}

function dayOf(millis: number): string {
  return new Date(Math.max(millis, LIMITS.earliestInstantMillis)).toISOString().slice(0, 10);
}

/** What can follow FROM: the rows of a table of history within these days. */
export function tableWithin(table: string, { first, last }: Days): string {
  return `(SELECT * FROM ${table} WHERE ${quoteName(PARTITION.date)} BETWEEN ${textLiteral(first)} AND ${textLiteral(last)})`;
}

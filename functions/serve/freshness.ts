import type { ViewReadings } from '../../shared/online/read-features.ts';
import type { WindowReading } from '../../shared/windows/read.ts';
import type { ViewFreshness } from './schemas.ts';

/** Seconds from the arrival of the last counted events to the instant of a reading; null when nothing was counted. */
export function ageSecondsOf({ arrivedAtMillis, asOfMillis }: WindowReading): number | null {
  // Events of that instant may have arrived after it.
  return arrivedAtMillis === undefined ? null : Math.max(0, asOfMillis - arrivedAtMillis) / 1_000;
}

export const isoOf = (millis: number): string => new Date(millis).toISOString();

function freshnessOf(reading: WindowReading): ViewFreshness {
  const { found, asOfMillis, highWaterMillis, arrivedAtMillis } = reading;
  return {
    status: found ? 'found' : 'unknown',
    as_of: isoOf(asOfMillis),
    last_event_at: highWaterMillis === undefined ? null : isoOf(highWaterMillis),
    updated_at: arrivedAtMillis === undefined ? null : isoOf(arrivedAtMillis),
    age_seconds: ageSecondsOf(reading),
  };
}

/** How fresh each view is, by `view@version`. */
export function freshnessByView(readings: ViewReadings): Record<string, ViewFreshness> {
  const freshness: Record<string, ViewFreshness> = {};
  for (const [view, reading] of readings) freshness[view.key] = freshnessOf(reading);
  return freshness;
}

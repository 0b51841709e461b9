import type { FeatureService } from '../definitions/service.ts';

/**
 * Features of the past: for rows of (entity, instant), what the online store would have answered then.
 *
 * Contract (every engine and the naive oracle agree on it exactly):
 * 1. History is the table of a source's events: one column per field, by the field's name, and `arrived_at`, when the
 *    event reached the product, in the forms of `docs/forms.md`. Deliveries of one event id are one event,
 *    which arrived with the first of them (of several at one instant, any: they are equal).
 * 2. At a spine row, an event counts when `event time ≤ timestamp` and `arrived_at ≤ known_at`: nothing from the future,
 *    and nothing that was not known. It is inside a window by the same buckets as online.
 * 3. Late events do not count, as online: an event that is older, by more than the source's allowed lateness, than the
 *    newest event of its entity that belongs to the view and arrived before it (of several at one instant, the older ones
 *    first, then those with the smaller event id: what arrives together makes nothing of it late). A view with lanes judges
 *    this per lane.
 * 4. With `mode: 'event-time'`, arrival is not looked at: 2 is `event time ≤ timestamp` alone, and 3 does not apply.
 * 5. Output rows are the spine's rows in the spine's order, with the spine's columns first and the service's features
 *    after them, window features first, in the order of the service. An entity without events has empty values, and so has a row
 *    whose join key is missing, where events may lack it. Derived
 *    features take the fields of the decided event from the spine's columns of those names, its time from `timestamp` if
 *    there is none; what the spine lacks is null.
 * 6. A row may name its decided event, in a column with the name of the `eventId` of the service's `decides`. The windows
 *    of features with `excludesCurrent` then hold every event that counts but that one, whatever else is said of it;
 *    where the row has null there, nothing is left out. A spine without the column is refused for a service with
 *    such features.
 */
export type HistoryMode = 'bitemporal' | 'event-time';

/** Names of the spine's own columns. Join keys have their own names; all other columns are handed through. */
export const SPINE = {
  /** The instant for which features are wanted. */
  timestamp: 'timestamp',
  /** Until when events must have arrived; `timestamp` where the column is absent. */
  knownAt: 'known_at',
} as const;

/** Column of history that says when an event reached the product. */
export const ARRIVED_AT = 'arrived_at';

export interface HistoricalRequest {
  readonly service: FeatureService;
  readonly mode: HistoryMode;
  /** Where the spine is: a Parquet file, or several as a glob. */
  readonly spine: string;
  /** Where the history of each source is, by the source's name: Parquet files as a glob. */
  readonly history: Readonly<Record<string, string>>;
  /** The Parquet file to write. */
  readonly output: string;
  /** How far ahead of UTC instants are, in files, that do not say it. By default they are refused. */
  readonly offsetMinutes?: number;
}

/** What made a training set, so that it can be made again and trusted. Written beside it. */
export interface TrainingSetManifest {
  readonly service: string;
  readonly registryVersion: string;
  /** By which definition what the service offers was computed, by name; `definitionFingerprints` makes them. */
  readonly definitions?: Readonly<Record<string, string>>;
  readonly mode: HistoryMode;
  readonly engine: string;
  /** SHA-256 of the SQL, where an engine is told in SQL. */
  readonly sqlHash: string | null;
  /** SHA-256 over the spine's rows. */
  readonly spineHash: string;
  readonly rows: number;
  readonly columns: readonly string[];
  /** What to look at, in sentences. */
  readonly notes: readonly string[];
}

/** What an engine says of it; which declarations they were, its caller knows. */
export type ComputedManifest = Omit<TrainingSetManifest, 'registryVersion' | 'definitions'>;

/** An engine that computes features of the past. */
export interface OfflineStore {
  readonly engine: string;
  getHistoricalFeatures(request: HistoricalRequest): Promise<ComputedManifest>;
}

/** Thrown when a spine cannot be used. Says which column or row, and what it must be. */
export class SpineError extends Error {
  override readonly name = 'SpineError';
}

import type { EventSource } from '../../definitions/source.ts';
import type { StoredRow } from './served-record.ts';

/** Which served rows are audited: a sample of what was served in a time. The same sample whenever and wherever asked for. */
export interface AuditSample {
  readonly fromMillis: number;
  /** Exclusive. */
  readonly toMillis: number;
  readonly rowsMax: number;
  /** Another seed is another sample. */
  readonly seed: string;
}

/** The entities of a sample in the terms of one source, and the times that matter. */
export interface SampleHistory {
  readonly source: EventSource;
  readonly joinKeys: readonly string[];
  /** Event times, both inclusive. */
  readonly earliestMillis: number;
  readonly latestMillis: number;
}

/** Where an audit reads. Rows are as stored: what they mean, and what is wrong with them, is not the source's business. */
export interface AuditSource {
  /** @returns `SERVED_RECORD_COLUMNS` of each row. */
  servedRows(sample: AuditSample): Promise<readonly StoredRow[]>;
  /** Every delivery of the events of the sample's entities: the source's fields and `arrived_at`. */
  deliveries(sample: AuditSample, history: SampleHistory): Promise<readonly StoredRow[]>;
}

/** Thrown when what was served, or history, cannot be read. Says what is missing. */
export class AuditSourceError extends Error {
  override readonly name = 'AuditSourceError';
}

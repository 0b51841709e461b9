/**
 * What became of events, as it was known at an instant: the truth that models are trained on and measured by.
 *
 * 1. Of an event's labels that had arrived by then, the latest holds: a chargeback that was taken back is none.
 * 2. An event is mature when it is older than the time in which labels come. Younger ones say nothing yet, even when they
 *    have a label: those labelled so soon are not like the others.
 * 3. A mature event without a label is honest. Some are frauds that nobody reported, and no data know better.
 */
import { ARRIVED_AT } from '../offline-store.ts';
import { quoted } from './duckdb.ts';

/** Labels with `arrived_at`, and which of their columns say what. */
export interface LabelHistory {
  /** What can follow FROM. */
  readonly relation: string;
  /** Column that names the label. */
  readonly labelId: string;
  /** Column that names the event which it is about. */
  readonly eventId: string;
  /** Column of the outcome: 1 and 0, or true and false; null where it is open again. */
  readonly outcome: string;
  /** Column of when it became known. */
  readonly knownAt: string;
}

export interface Maturity {
  /** When it is asked; labels that arrived later are not known. */
  readonly asOfMillis: number;
  /** How old an event must be then. */
  readonly maturityMillis: number;
}

/** @returns a query of the labels' columns `eventId` and `outcome` (0, 1, null), for every event that had a label. */
export function latestLabelsSql(labels: LabelHistory, { asOfMillis }: Pick<Maturity, 'asOfMillis'>): string {
  const [labelId, eventId, outcome, knownAt] = columnsOf(labels);
  return `SELECT ${eventId}, arg_max_null(${outcome}, (${knownAt}, ${ARRIVED_AT}, ${labelId}))::INTEGER AS ${outcome}
    FROM ${labels.relation} WHERE ${ARRIVED_AT} <= ${asOfMillis} GROUP BY ${eventId}`;
}

/**
 * Rows with what became of them, by the name of the outcome.
 * @param rows a query with the labels' column `eventId`, and the instants `timestamp`; its columns stay.
 */
export function maturedRowsSql(rows: string, labels: LabelHistory, maturity: Maturity): string {
  const [, eventId, outcome] = columnsOf(labels);
  return `SELECT mature.*, CASE WHEN known.${eventId} IS NULL THEN 0 ELSE known.${outcome} END AS ${outcome}
    FROM (SELECT * FROM (${rows}) AS every WHERE "timestamp" <= ${maturity.asOfMillis - maturity.maturityMillis}) AS mature
    LEFT JOIN (${latestLabelsSql(labels, maturity)}) AS known ON known.${eventId} = mature.${eventId}`;
}

function columnsOf({ labelId, eventId, outcome, knownAt }: LabelHistory): [string, string, string, string] {
  return [quoted(labelId), quoted(eventId), quoted(outcome), quoted(knownAt)];
}

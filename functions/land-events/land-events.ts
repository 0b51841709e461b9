import { decodeEventBytes, type EventProblem } from '../../shared/definitions/decode-event.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import {
  type HistoryPartition,
  type HistoryRow,
  historyPartition,
  historyRow,
} from '../../shared/offline/history-schema.ts';
import { withoutRefusedIds } from '../../shared/reserved-ids.ts';
import { takenApart } from '../kinesis-aggregation.ts';

/** One record on its way to history. */
export interface LandingRecord {
  readonly data: Uint8Array;
  /** When the stream took it in, milliseconds. The online features know the event by the same instant. */
  readonly arrivedAtMillis: number;
  /** What went wrong on the way here. Such a record is refused, whatever its data look like. */
  readonly deliveryProblem?: string;
}

export type Landing =
  | { readonly ok: true; readonly row: HistoryRow; readonly partition: HistoryPartition }
  | {
      readonly ok: false;
      /** The bytes that are no event, without what they were aggregated with. */
      readonly data: Uint8Array;
      readonly problems: readonly EventProblem[];
      readonly error?: unknown;
    };

/**
 * Makes rows of history out of records, one landing per record and in their order; of an aggregated record one for each event in
 * it. Never throws: Firehose gives up a whole batch when its transformation fails, and one record's defect must not take its
 * neighbours along.
 *
 * Records are judged by the same decoder as online, so what is counted is landed, and what is quarantined is refused. An event
 * that was delivered twice is landed twice: who reads history folds it by its id.
 */
export function landEvents(
  source: EventSource,
  records: readonly LandingRecord[],
  /** In production, ids that force an outcome are refused. */
  { production = true }: { readonly production?: boolean } = {},
): Landing[] {
  return takenApart(records).map((record) => {
    try {
      return landEvent(source, record, production);
    } catch (error) {
      return { ok: false, data: record.data, problems: [], error };
    }
  });
}

function landEvent(
  source: EventSource,
  { data, arrivedAtMillis, deliveryProblem }: LandingRecord,
  production: boolean,
): Landing {
  if (deliveryProblem !== undefined) return { ok: false, data, problems: [{ field: '', problem: deliveryProblem }] };
  const decoded = withoutRefusedIds(source, decodeEventBytes(source, data, arrivedAtMillis), { production });
  if (!decoded.ok) return { ...decoded, data };
  return { ok: true, row: historyRow(source, decoded.event), partition: historyPartition(decoded.event) };
}

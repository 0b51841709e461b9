import type { Logger } from '@aws-lambda-powertools/logger';
import { type Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type {
  FirehoseTransformationEvent,
  FirehoseTransformationEventRecord,
  FirehoseTransformationResult,
  FirehoseTransformationResultRecord,
} from 'aws-lambda';
import type { EventSource } from '../../shared/definitions/source.ts';
import { countByErrorName, countByField } from '../problem-counts.ts';
import { LAND_EVENTS_METRICS } from './constants.ts';
import { type Landing, type LandingRecord, landEvents } from './land-events.ts';

type Landed = Extract<Landing, { readonly ok: true }>;
type Refused = Extract<Landing, { readonly ok: false }>;

/** What became of one record of Firehose. */
type Outcome =
  | { readonly ok: true; readonly landed: readonly Landed[] }
  | { readonly ok: false; readonly events: number; readonly reasons: readonly Omit<Refused, 'ok' | 'data'>[] };

/** What a transformation handler is made of. */
export interface TransformationHandlerParts {
  readonly source: EventSource;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Default true. */
  readonly production?: boolean;
}

/** Turns an invocation by Firehose into one call of the use case, its measurements and an answer for each record. */
export function transformationHandler({ source, metrics, logger, production = true }: TransformationHandlerParts) {
  return async ({ records }: FirehoseTransformationEvent): Promise<FirehoseTransformationResult> => {
    const outcomes = records.map((record) => outcomeOf(landEvents(source, [landingRecordOf(record)], { production })));
    const eventsLanded = outcomes.reduce((sum, outcome) => sum + (outcome.ok ? outcome.landed.length : 0), 0);
    const eventsRefused = outcomes.reduce((sum, outcome) => sum + (outcome.ok ? 0 : outcome.events), 0);
    metrics.addMetric(LAND_EVENTS_METRICS.eventsLanded, MetricUnit.Count, eventsLanded);
    metrics.addMetric(LAND_EVENTS_METRICS.eventsRefused, MetricUnit.Count, eventsRefused);
    if (eventsRefused > 0) {
      const reasons = outcomes.flatMap((outcome) => (outcome.ok ? [] : outcome.reasons));
      logger.warn('Some records of the batch were not landed', {
        counts: { received: eventsLanded + eventsRefused, refused: eventsRefused },
        problemsByField: countByField(
          source,
          reasons.flatMap(({ problems }) => problems),
        ),
        failuresByError: countByErrorName(reasons.flatMap((reason) => ('error' in reason ? [reason.error] : []))),
      });
    }
    return { records: records.map((record, index) => answerFor(record, outcomes[index])) };
  };
}

/**
 * A record as Firehose hands it over. Decoding base64 never fails, it passes over what it does not understand; so what
 * does not come back the same when it is encoded again was damaged.
 */
function landingRecordOf(record: FirehoseTransformationEventRecord): LandingRecord {
  const data = Buffer.from(record.data, 'base64');
  // The time of the stream. Firehose's own, some seconds later, is all that there is where emulators know no other.
  const arrivedAtMillis =
    record.kinesisRecordMetadata?.approximateArrivalTimestamp ?? record.approximateArrivalTimestamp;
  if (data.toString('base64') !== record.data) {
    return { data, arrivedAtMillis, deliveryProblem: 'the record was not delivered as base64 text' };
  }
  // Without it nobody could say later whether the event had been known.
  if (!Number.isSafeInteger(arrivedAtMillis)) {
    return { data, arrivedAtMillis, deliveryProblem: 'the record was delivered without its time of arrival' };
  }
  return { data, arrivedAtMillis };
}

/**
 * Firehose takes one answer and one partition for each of its records, and takes aggregated ones apart before it asks. Where something
 * else hands one over whole, its events land together or not at all: part of them would be in the wrong partition, or lost. Refused
 * whole, the record is kept, and those of its events that are valid land when it is replayed through the stream.
 */
function outcomeOf(landings: readonly Landing[]): Outcome {
  const landed = landings.filter((landing) => landing.ok);
  const events = landings.length;
  if (landed.length < events) return { ok: false, events, reasons: landings.filter((landing) => !landing.ok) };
  const partitions = new Set(landed.map(({ partition }) => JSON.stringify(partition)));
  if (partitions.size === 1) return { ok: true, landed };
  const problem = 'the events of a record that Firehose did not take apart must be of one hour; got several';
  return { ok: false, events, reasons: [{ problems: [{ field: '', problem }] }] };
}

/** A row per line, or the original bytes, which Firehose then keeps below the error prefix. */
function answerFor(
  { recordId, data }: FirehoseTransformationEventRecord,
  outcome: Outcome | undefined,
): FirehoseTransformationResultRecord {
  const [first] = outcome?.ok ? outcome.landed : [];
  if (!outcome?.ok || first === undefined) return { recordId, result: 'ProcessingFailed', data };
  const lines = outcome.landed.map(({ row }) => `${JSON.stringify(row)}\n`);
  return {
    recordId,
    result: 'Ok',
    data: Buffer.from(lines.join('')).toString('base64'),
    metadata: { partitionKeys: { ...first.partition } },
  };
}

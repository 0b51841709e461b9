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

/** What a transformation handler is made of. */
export interface TransformationHandlerParts {
  readonly source: EventSource;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Turns an invocation by Firehose into one call of the use case, its measurements and an answer for each record. */
export function transformationHandler({ source, metrics, logger }: TransformationHandlerParts) {
  return async ({ records }: FirehoseTransformationEvent): Promise<FirehoseTransformationResult> => {
    const landings = landEvents(source, records.map(landingRecordOf));
    const refused = landings.filter((landing) => !landing.ok);
    metrics.addMetric(LAND_EVENTS_METRICS.eventsLanded, MetricUnit.Count, landings.length - refused.length);
    metrics.addMetric(LAND_EVENTS_METRICS.eventsRefused, MetricUnit.Count, refused.length);
    if (refused.length > 0) {
      logger.warn('Some records of the batch were not landed', {
        counts: { received: landings.length, refused: refused.length },
        problemsByField: countByField(
          source,
          refused.flatMap(({ problems }) => problems),
        ),
        failuresByError: countByErrorName(refused.flatMap((landing) => ('error' in landing ? [landing.error] : []))),
      });
    }
    return { records: records.map((record, index) => answerFor(record, landings[index])) };
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

/** The row, or the original bytes, which Firehose then keeps below the error prefix. */
function answerFor(
  { recordId, data }: FirehoseTransformationEventRecord,
  landing: Landing | undefined,
): FirehoseTransformationResultRecord {
  if (!landing?.ok) return { recordId, result: 'ProcessingFailed', data };
  const line = Buffer.from(`${JSON.stringify(landing.row)}\n`);
  return {
    recordId,
    result: 'Ok',
    data: line.toString('base64'),
    metadata: { partitionKeys: { ...landing.partition } },
  };
}

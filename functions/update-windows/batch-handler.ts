import type { Logger } from '@aws-lambda-powertools/logger';
import type { Metrics } from '@aws-lambda-powertools/metrics';
import type { Context, KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import { withRetries } from '../../shared/online/retry.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { type RowSink, sendWithin } from '../row-sink.ts';
import { TIME_BUDGET } from './constants.ts';
import { FeatureRows } from './feature-rows.ts';
import type { Quarantine } from './quarantine.ts';
import { logTroubles, measure } from './report.ts';
import { streamRecordOf } from './stream-record.ts';
import { type UpdateWindowsPorts, updateWindows } from './update-windows.ts';

/** What a batch handler is made of. The store is given bare; its retries end with the time of each invocation. */
export interface BatchHandlerParts extends Pick<UpdateWindowsPorts, 'source' | 'views' | 'store' | 'production'> {
  /** A quarantine whose retries end when `signal` aborts. */
  readonly quarantine: (signal: AbortSignal) => Quarantine;
  /** Where rows of updated features are kept, where history is landed. */
  readonly rows?: { readonly repository: FeatureRepository; readonly sink: RowSink };
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly now: () => number;
}

/** Turns an invocation by the stream into one call of the use case, its measurements and the partial batch answer. */
export function batchHandler(parts: BatchHandlerParts) {
  const { source, views, metrics, logger, now, rows } = parts;
  const featureLog = rows && new FeatureRows({ ...rows, now });
  return async (event: KinesisStreamEvent, context: Context): Promise<KinesisStreamBatchResponse> => {
    const startedAtMillis = now();
    const remainingMillis = context.getRemainingTimeInMillis();
    const result = await updateWindows(event.Records.map(streamRecordOf), {
      source,
      views,
      production: parts.production ?? true,
      store: withRetries(parts.store, {
        signal: signalBeforeEnd(remainingMillis, TIME_BUDGET.storeReserveMillis),
        maxDelayMillis: TIME_BUDGET.longestBackoffMillis,
      }),
      quarantine: parts.quarantine(signalBeforeEnd(remainingMillis, TIME_BUDGET.quarantineReserveMillis)),
      ...(featureLog && { featureLog }),
      now,
    });
    const computationMillis = now() - startedAtMillis;
    // The events are counted, so the batch succeeds even if no row is taken.
    if (rows) await sendWithin(rows.sink, context.getRemainingTimeInMillis() - TIME_BUDGET.rowsReserveMillis);
    measure(metrics, result, computationMillis);
    logTroubles(logger, source, result);
    return { batchItemFailures: result.failedSequenceNumbers.map((itemIdentifier) => ({ itemIdentifier })) };
  };
}

/** Aborts so long before the end of the invocation; half-way to it when the invocation is too short for that. */
function signalBeforeEnd(remainingMillis: number, reserveMillis: number): AbortSignal {
  return AbortSignal.timeout(Math.max(0, Math.floor(remainingMillis - Math.min(reserveMillis, remainingMillis / 2))));
}

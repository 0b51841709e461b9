import { randomUUID } from 'node:crypto';
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import { AthenaClient } from '@aws-sdk/client-athena';
import { GlueClient } from '@aws-sdk/client-glue';
import { S3Client } from '@aws-sdk/client-s3';
import middy from '@middy/core';
import * as z from 'zod';
import { repository } from '#features';
import { AthenaOfflineStore } from '../../shared/offline/athena/athena-offline-store.ts';
import { AthenaQueries } from '../../shared/offline/athena/athena-queries.ts';
import { clientConfiguration } from '../aws-clients.ts';
import { ENV } from '../constants.ts';
import { requireEnvironment } from '../environment.ts';
import { S3ObjectStore } from '../s3-object-store.ts';
import { describeError } from '../serve/describe-error.ts';
import { SCRATCH_PREFIX } from '../training-sets/constants.ts';
import {
  AWS_REQUEST_TIMEOUT_MILLIS,
  LAST_WORDS_MILLIS,
  MAKE_TRAINING_SET_ENV,
  MAKE_TRAINING_SET_SERVICE,
  TRAINING_SET_METRICS,
} from './constants.ts';
import { makeTrainingSet, type Outcome } from './make-training-set.ts';

// Nobody waits for an answer, and the SDK may try again.
const configuration = { ...clientConfiguration({ requestTimeoutMillis: AWS_REQUEST_TIMEOUT_MILLIS }), maxAttempts: 5 };
// Local endpoints have no name of their own per bucket.
const s3 = new S3Client({ ...configuration, forcePathStyle: process.env[ENV.endpoint] !== undefined });
const glue = new GlueClient(configuration);
const bucketName = requireEnvironment(MAKE_TRAINING_SET_ENV.historyBucket);
const database = requireEnvironment(MAKE_TRAINING_SET_ENV.database);
const sqlEngine = z.enum(['trino', 'duckdb']).parse(requireEnvironment(MAKE_TRAINING_SET_ENV.sqlEngine));
const queries = new AthenaQueries({
  client: new AthenaClient(configuration),
  workgroup: requireEnvironment(MAKE_TRAINING_SET_ENV.workgroup),
  database,
  // No two spines have the same table.
  reuseMinutes: 0,
});
const metrics = new Metrics({ serviceName: MAKE_TRAINING_SET_SERVICE });
const logger = new Logger({ serviceName: MAKE_TRAINING_SET_SERVICE });
const request = z.object({ id: z.uuid() });

/** Invoked asynchronously with the `id` of a training set that was asked for. */
export const handler = middy<unknown, void>()
  .use(logMetrics(metrics))
  .handler(async (event, context) => {
    const { id } = request.parse(event);
    const attemptId = randomUUID();
    const store = new AthenaOfflineStore({
      queries,
      glue,
      s3,
      database,
      scratch: `s3://${bucketName}/${SCRATCH_PREFIX}${id}/${attemptId}/`,
      attemptId,
      sqlEngine,
      clock: Date.now,
      signal: AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - LAST_WORDS_MILLIS)),
    });
    const outcome = await makeTrainingSet(
      {
        repository,
        store: new S3ObjectStore({ client: s3, bucketName }),
        bucketName,
        compute: (asked) => store.getHistoricalFeatures(asked),
        clock: Date.now,
      },
      id,
    );
    measure(id, outcome);
    // Not the error itself: Athena's reasons can repeat values, and what is thrown is logged.
    if (outcome.kind === 'failed' && outcome.isWorthRepeating) throw new Error('not made; Lambda tries once more');
  });

function measure(id: string, outcome: Outcome): void {
  if (outcome.kind === 'made') {
    metrics.addMetric(TRAINING_SET_METRICS.made, MetricUnit.Count, 1);
    metrics.addMetric(TRAINING_SET_METRICS.bytesScanned, MetricUnit.Bytes, outcome.bytesScanned);
  }
  if (outcome.kind === 'failed' && !outcome.isFaultOfRequest) {
    metrics.addMetric(TRAINING_SET_METRICS.failed, MetricUnit.Count, 1);
    logger.error('a training set was not made', { id, error: describeError(outcome.error) });
  }
}

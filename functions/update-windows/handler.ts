import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import middy from '@middy/core';
import type { KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import { repository } from '#features';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { clientConfiguration } from '../aws-clients.ts';
import { ENV } from '../constants.ts';
import { isProduction, requireEnvironment } from '../environment.ts';
import { rowSinkFromEnvironment } from '../row-sink-from-environment.ts';
import { sourceNamedBy } from '../source-named.ts';
import { batchHandler } from './batch-handler.ts';
import { SERVICE_NAME, TIME_BUDGET, UPDATE_WINDOWS_ENV } from './constants.ts';
import { S3Quarantine } from './quarantine.ts';

const source = sourceNamedBy(UPDATE_WINDOWS_ENV.sourceName, repository.sources);
const bucketName = requireEnvironment(UPDATE_WINDOWS_ENV.quarantineBucket);
const dynamoDb = new DynamoDBClient(clientConfiguration({ requestTimeoutMillis: TIME_BUDGET.storeRequestMillis }));
const s3 = new S3Client({
  ...clientConfiguration({ requestTimeoutMillis: TIME_BUDGET.quarantineRequestMillis }),
  // Local endpoints have no name of their own per bucket.
  forcePathStyle: process.env[ENV.endpoint] !== undefined,
});
const logger = new Logger({ serviceName: SERVICE_NAME, persistentKeys: { source: source.name } });
const sink = rowSinkFromEnvironment({ serviceName: SERVICE_NAME, logger });
const metrics = new Metrics({
  serviceName: SERVICE_NAME,
  defaultDimensions: { source: source.name },
});

/** Consumes the stream of one event source. */
export const handler = middy<KinesisStreamEvent, KinesisStreamBatchResponse>()
  .use(logMetrics(metrics))
  .handler(
    batchHandler({
      source,
      production: isProduction(),
      views: repository.views.filter((view) => view.source === source),
      store: new DynamoDbOnlineStore({ client: dynamoDb, tableName: requireEnvironment(ENV.tableName) }),
      quarantine: (signal) =>
        new S3Quarantine({
          client: s3,
          bucketName,
          sourceName: source.name,
          registryVersion: repository.registryVersion,
          signal,
        }),
      metrics,
      logger,
      ...(sink && { rows: { repository, sink } }),
      now: Date.now,
    }),
  );

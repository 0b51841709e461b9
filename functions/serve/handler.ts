import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@aws-lambda-powertools/logger';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DescribeStreamSummaryCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { repository } from '#features';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { clientConfiguration } from '../aws-clients.ts';
import { ENV } from '../constants.ts';
import { isProduction, MissingEnvironmentError, requireEnvironment } from '../environment.ts';
import { rowSinkFromEnvironment } from '../row-sink-from-environment.ts';
import { S3ObjectStore } from '../s3-object-store.ts';
import { createHandler } from './app.ts';
import { CachedViews } from './cached-views.ts';
import { AWS_REQUEST_TIMEOUT_MILLIS, HEDGE_AFTER_MILLIS, SERVE_ENV, SERVE_SERVICE } from './constants.ts';
import { DefaultPolicies, StoredPolicies } from './decision-policies.ts';
import { GuardedStore } from './guarded-store.ts';
import { KinesisEventStream } from './kinesis-stream.ts';
import { EmfServingMetrics } from './metrics.ts';
import type { ApiDescription } from './ports.ts';

const clock = Date.now;
const logger = new Logger({ serviceName: SERVE_SERVICE });
const sink = rowSinkFromEnvironment({ serviceName: SERVE_SERVICE, logger });
const streamNames = streamNamesOf(requireEnvironment(SERVE_ENV.streamNames));
const deadlineMillis = Number(process.env[SERVE_ENV.deadlineMillis] ?? Number.NaN);
const store = new DynamoDbOnlineStore({
  client: new DynamoDBClient(
    clientConfiguration({
      requestTimeoutMillis: Number.isNaN(deadlineMillis) ? AWS_REQUEST_TIMEOUT_MILLIS.store : deadlineMillis / 2,
    }),
  ),
  tableName: requireEnvironment(ENV.tableName),
});
const kinesis = new KinesisClient(clientConfiguration({ requestTimeoutMillis: AWS_REQUEST_TIMEOUT_MILLIS.streams }));

const apiDescription: z.ZodType<ApiDescription> = z.object({
  url: z.url(),
  authorization: z.enum(['iam', 'none']),
  offersTrainingSets: z.boolean(),
});

/** No view has this name, so no item has this key. */
const ABSENT_KEY = 'health';

export const handler = createHandler({
  store: new GuardedStore(store, {
    hedgeAfterMillis: HEDGE_AFTER_MILLIS,
    onState: (state) => logger.warn('the breaker of the online store changed', { state }),
  }),
  cachedViews: new CachedViews({ clock }),
  policies: policiesFromEnvironment(),
  ...(!Number.isNaN(deadlineMillis) && {
    deadlines: {
      decision: deadlineMillis,
      features: deadlineMillis,
      events: deadlineMillis,
      probe: deadlineMillis,
    },
  }),
  repository,
  production: isProduction(),
  api: apiDescription.parse(JSON.parse(requireEnvironment(SERVE_ENV.api))),
  stream: new KinesisEventStream({ client: kinesis, streamNames }),
  clock,
  logger,
  metrics: new EmfServingMetrics(clock),
  ...(sink && { rows: { sink, waits: process.env[SERVE_ENV.waitsForRows] === 'true' } }),
  probes: [
    { name: 'online_store', check: () => store.get([ABSENT_KEY]) },
    ...Object.entries(streamNames).map(([source, StreamName]) => ({
      name: `stream_${source}`,
      check: () => kinesis.send(new DescribeStreamSummaryCommand({ StreamName })),
    })),
  ],
});

function policiesFromEnvironment() {
  const bucketName = process.env[SERVE_ENV.decisionsBucket];
  if (bucketName === undefined) return new DefaultPolicies();
  const client = new S3Client({
    ...clientConfiguration({ requestTimeoutMillis: AWS_REQUEST_TIMEOUT_MILLIS.objects }),
    // Local endpoints have no name of their own per bucket.
    forcePathStyle: process.env[ENV.endpoint] !== undefined,
  });
  const policies = new StoredPolicies({
    store: new S3ObjectStore({ client, bucketName }),
    repository,
    clock,
    logger,
    ...(!Number.isNaN(deadlineMillis) && { wait: () => delay(deadlineMillis * 0.375) }),
  });
  // Begun while the function starts, so that its first decision need not wait.
  for (const service of repository.services) if (service.decides) void policies.policyOf(service);
  return policies;
}

/** @throws MissingEnvironmentError when a source of the repository has no stream. */
function streamNamesOf(json: string): Record<string, string> {
  const names = z.record(z.string(), z.string()).parse(JSON.parse(json));
  const missing = repository.sources.find(({ name }) => names[name] === undefined);
  if (missing) throw new MissingEnvironmentError(`${SERVE_ENV.streamNames} names no stream for ${missing.name}.`);
  return names;
}

import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { FirehoseTransformationEvent, FirehoseTransformationResult } from 'aws-lambda';
import { repository } from '#features';
import { isProduction } from '../environment.ts';
import { sourceNamedBy } from '../source-named.ts';
import { LAND_EVENTS_ENV, LAND_EVENTS_SERVICE } from './constants.ts';
import { transformationHandler } from './transformation-handler.ts';

const source = sourceNamedBy(LAND_EVENTS_ENV.sourceName, repository.sources);
const metrics = new Metrics({
  serviceName: LAND_EVENTS_SERVICE,
  defaultDimensions: { source: source.name },
});

/** Makes rows of history out of the events of one source, on their way through Firehose. */
export const handler = middy<FirehoseTransformationEvent, FirehoseTransformationResult>()
  .use(logMetrics(metrics))
  .handler(
    transformationHandler({
      source,
      metrics,
      production: isProduction(),
      logger: new Logger({ serviceName: LAND_EVENTS_SERVICE, persistentKeys: { source: source.name } }),
    }),
  );

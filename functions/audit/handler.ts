import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import { AthenaClient } from '@aws-sdk/client-athena';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import middy from '@middy/core';
import { repository } from '#features';
import { athenaAuditSource } from '../../shared/offline/athena/athena-audit-source.ts';
import { AthenaQueries } from '../../shared/offline/athena/athena-queries.ts';
import { DUCKDB, TRINO } from '../../shared/offline/sql/dialect.ts';
import { clientConfiguration } from '../aws-clients.ts';
import { ENV } from '../constants.ts';
import { requireEnvironment } from '../environment.ts';
import { AUDIT_ENV, AUDIT_SERVICE, AWS_REQUEST_TIMEOUT_MILLIS } from './constants.ts';
import { type AuditSummary, runAudit } from './run-audit.ts';

// Nobody waits for an audit, and the SDK may try again.
const configuration = {
  ...clientConfiguration({ requestTimeoutMillis: AWS_REQUEST_TIMEOUT_MILLIS }),
  maxAttempts: 5,
};
const queries = new AthenaQueries({
  client: new AthenaClient(configuration),
  workgroup: requireEnvironment(AUDIT_ENV.workgroup),
  database: requireEnvironment(AUDIT_ENV.database),
  reuseMinutes: 0,
});
// Local endpoints have no name of their own per bucket.
const s3 = new S3Client({ ...configuration, forcePathStyle: process.env[ENV.endpoint] !== undefined });
const Bucket = requireEnvironment(AUDIT_ENV.historyBucket);
const rowsMax = Number(requireEnvironment(AUDIT_ENV.rowsMax));
const dialect = process.env[AUDIT_ENV.sqlEngine] === DUCKDB.name ? DUCKDB : TRINO;
const metrics = new Metrics({ serviceName: AUDIT_SERVICE });
const logger = new Logger({ serviceName: AUDIT_SERVICE });

/** Audits what was served yesterday, or on the `date` that it is called with. */
export const handler = middy<unknown, AuditSummary>()
  .use(logMetrics(metrics))
  .handler(async (event) => {
    const summary = await runAudit(
      {
        source: athenaAuditSource(queries, repository.sources, dialect),
        repository,
        clock: Date.now,
        metrics,
        rowsMax,
        store: async ({ key, text, contentType }) => {
          await s3.send(new PutObjectCommand({ Bucket, Key: key, Body: text, ContentType: contentType }));
        },
      },
      event,
    );
    logger.info('What was served was audited', { ...summary });
    return summary;
  });

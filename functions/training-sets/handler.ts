import { randomUUID } from 'node:crypto';
import { Logger } from '@aws-lambda-powertools/logger';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { repository } from '#features';
import { clientConfiguration } from '../aws-clients.ts';
import { ENV } from '../constants.ts';
import { requireEnvironment } from '../environment.ts';
import { S3ObjectStore } from '../s3-object-store.ts';
import { createHandler } from './app.ts';
import { AWS_REQUEST_TIMEOUT_MILLIS, DOWNLOAD_SECONDS, TRAINING_SETS_ENV, TRAINING_SETS_SERVICE } from './constants.ts';

// Nothing here is done twice by being tried twice, so the SDK may try again.
const configuration = { ...clientConfiguration({ requestTimeoutMillis: AWS_REQUEST_TIMEOUT_MILLIS }), maxAttempts: 3 };
// Local endpoints have no name of their own per bucket.
const s3 = new S3Client({ ...configuration, forcePathStyle: process.env[ENV.endpoint] !== undefined });
const lambda = new LambdaClient(configuration);
const bucketName = requireEnvironment(TRAINING_SETS_ENV.historyBucket);
const FunctionName = requireEnvironment(TRAINING_SETS_ENV.makeFunction);

export const handler = createHandler({
  repository,
  store: new S3ObjectStore({ client: s3, bucketName }),
  bucketName,
  start: async (id) => {
    await lambda.send(
      new InvokeCommand({ FunctionName, InvocationType: 'Event', Payload: Buffer.from(JSON.stringify({ id })) }),
    );
  },
  presign: (Key) =>
    getSignedUrl(s3, new GetObjectCommand({ Bucket: bucketName, Key }), { expiresIn: DOWNLOAD_SECONDS }),
  newId: randomUUID,
  clock: Date.now,
  logger: new Logger({ serviceName: TRAINING_SETS_SERVICE }),
});

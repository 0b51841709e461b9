import { ListObjectsV2Command, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { clientConfiguration } from '../functions/aws-clients.ts';
import { S3ObjectStore } from '../functions/s3-object-store.ts';
import { awsErrorKind } from '../shared/aws-errors.ts';
import type { ObjectStore } from '../shared/scoring/decision-store.ts';
import { UserError } from './user-error.ts';

export interface ListedObject {
  readonly name: string;
  readonly bytes: number;
  readonly writtenAt: Date;
}

/** Configurations and models, which can also be listed. */
export interface DecisionBucket extends ObjectStore {
  /** Objects whose names begin so, by name. */
  list(prefix: string): Promise<readonly ListedObject[]>;
}

export interface BucketOptions {
  readonly bucket: string;
  readonly endpoint?: string;
}

/** Opens a bucket for the time of some work. */
export type WithBucket = <Result>(
  options: BucketOptions,
  work: (bucket: DecisionBucket) => Promise<Result>,
) => Promise<Result>;

/** A package of a model has some megabytes, and the line of whoever sends it is not that of a function. */
const REQUEST_TIMEOUT_MILLIS = 60_000;

/** @throws UserError when the bucket is not there or may not be used. */
export const withS3Bucket: WithBucket = async ({ bucket: bucketName, endpoint }, work) => {
  const client = new S3Client({
    ...clientConfiguration({ requestTimeoutMillis: REQUEST_TIMEOUT_MILLIS }),
    maxAttempts: 3,
    ...(endpoint !== undefined && { endpoint }),
    // Local endpoints have no name of their own per bucket.
    forcePathStyle: (endpoint ?? process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL) !== undefined,
  });
  const objects = new S3ObjectStore({ client, bucketName });
  try {
    return await work({
      get: objects.get.bind(objects),
      put: objects.put.bind(objects),
      putNew: objects.putNew.bind(objects),
      getTagged: objects.getTagged.bind(objects),
      putOver: objects.putOver.bind(objects),
      list: (prefix) => listed(client, bucketName, prefix),
    });
  } catch (error) {
    throw explained(error, bucketName);
  } finally {
    client.destroy();
  }
};

async function listed(client: S3Client, Bucket: string, Prefix: string): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }));
    objects.push(
      ...(page.Contents ?? []).map(({ Key = '', Size = 0, LastModified = new Date(0) }) => ({
        name: Key,
        bytes: Size,
        writtenAt: LastModified,
      })),
    );
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return objects;
}

/** What somebody at a keyboard can do about it; anything else is a defect and stays as it is. */
function explained(error: unknown, bucketName: string): unknown {
  if (!(error instanceof Error)) return error;
  const where = `the bucket ${bucketName}`;
  if (error instanceof S3ServiceException && awsErrorKind(error) === 'final') {
    if (error.name === 'NoSuchBucket') {
      return new UserError(`${where} is not there; the output DecisionsBucketName of the stateful stack names it`);
    }
    return new UserError(`${where} cannot be used: ${error.name}; look at your AWS credentials and their rights`);
  }
  if (/Credentials|Region is missing/.test(`${error.name} ${error.message}`)) {
    return new UserError(`${where} cannot be used: ${error.message}; sign in to AWS, or set AWS_REGION and a profile`);
  }
  if (error instanceof S3ServiceException || 'code' in error || error.name === 'TimeoutError') {
    return new UserError(
      `${where} does not answer: ${error.message || error.name}; look at --endpoint and the network`,
    );
  }
  return error;
}

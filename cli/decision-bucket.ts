import { S3ObjectStore } from '../functions/s3-object-store.ts';
import type { ObjectStore } from '../shared/scoring/decision-store.ts';
import { explainAws } from './explain-aws.ts';
import { type ListedObject, listedObjects, s3Client } from './s3.ts';

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
  const client = s3Client({ requestTimeoutMillis: REQUEST_TIMEOUT_MILLIS, endpoint });
  const objects = new S3ObjectStore({ client, bucketName });
  try {
    return await work({
      get: objects.get.bind(objects),
      put: objects.put.bind(objects),
      putNew: objects.putNew.bind(objects),
      getTagged: objects.getTagged.bind(objects),
      putOver: objects.putOver.bind(objects),
      list: (prefix) => listedObjects(client, bucketName, prefix),
    });
  } catch (error) {
    throw explainAws(error, `the bucket ${bucketName}`) ?? error;
  } finally {
    client.destroy();
  }
};

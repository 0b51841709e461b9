import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { AsyncBuffer } from 'hyparquet';
import { awsErrorKind } from '../../aws-errors.ts';
import { SpineError } from '../offline-store.ts';

/** Where an object is. */
export interface S3Place {
  readonly bucket: string;
  readonly key: string;
}

/** `s3://bucket/key` in its parts; `undefined` for what is none. */
export function placeOf(location: string): S3Place | undefined {
  const [, bucket, key] = /^s3:\/\/([a-z0-9][a-z0-9.-]+)\/(.+)$/s.exec(location) ?? [];
  return bucket === undefined || key === undefined ? undefined : { bucket, key };
}

export function locationOf({ bucket, key }: S3Place): string {
  return `s3://${bucket}/${key}`;
}

/** @throws Error for what is no address of an object. */
export function requirePlace(location: string): S3Place {
  const place = placeOf(location);
  if (place === undefined) throw new Error(`${location} is no address of an object: write s3://bucket/key`);
  return place;
}

/**
 * An object that is read in pieces. A piece of another version of it is never returned.
 * @throws SpineError when there is no such object.
 */
export async function objectOf(client: S3Client, { bucket, key }: S3Place): Promise<AsyncBuffer> {
  const { ContentLength = 0, ETag } = await head(client, { bucket, key });
  return {
    byteLength: ContentLength,
    slice: async (start, end = ContentLength) => {
      if (end <= start) return new ArrayBuffer(0);
      const { Body } = await client.send(
        new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=${start}-${end - 1}`, IfMatch: ETag }),
      );
      const bytes = await Body?.transformToByteArray();
      // A copy of exactly these bytes: the array may be a part of a larger buffer.
      return new Uint8Array(bytes ?? []).buffer;
    },
  };
}

async function head(client: S3Client, { bucket, key }: S3Place) {
  try {
    return await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  } catch (error) {
    const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
    // Without the permission to list, what does not exist is forbidden.
    if ((status !== 404 && status !== 403) || awsErrorKind(error) !== 'final') throw error;
    throw new SpineError(`the spine ${locationOf({ bucket, key })} does not exist, or may not be read`, {
      cause: error,
    });
  }
}

export async function putObject(
  client: S3Client,
  { bucket, key }: S3Place,
  body: Uint8Array | string,
  contentType: string,
): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: contentType }));
}

/** Keys of the objects below a prefix. */
export async function keysBelow(client: S3Client, { bucket, key }: S3Place): Promise<string[]> {
  const keys: string[] = [];
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: key })) {
    keys.push(...Contents.flatMap(({ Key }) => Key ?? []));
  }
  return keys;
}

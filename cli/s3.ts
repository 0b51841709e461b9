import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { clientConfiguration } from '../functions/aws-clients.ts';
import { explainAws } from './explain-aws.ts';
import { UserError } from './user-error.ts';

export interface ListedObject {
  readonly name: string;
  readonly bytes: number;
  readonly writtenAt: Date;
}

/** A client for somebody at a keyboard. @param options.endpoint by default that of the environment or the region. */
export function s3Client(options: {
  readonly requestTimeoutMillis: number;
  readonly endpoint?: string | undefined;
}): S3Client {
  const { requestTimeoutMillis, endpoint } = options;
  return new S3Client({
    ...clientConfiguration({ requestTimeoutMillis }),
    maxAttempts: 3,
    ...(endpoint !== undefined && { endpoint }),
    // Local endpoints have no name of their own per bucket.
    forcePathStyle: (endpoint ?? process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL) !== undefined,
  });
}

export async function listedObjects(client: S3Client, Bucket: string, Prefix: string): Promise<ListedObject[]> {
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

/** A file from S3, and what it is there. */
export interface DownloadedFile {
  readonly url: string;
  readonly path: string;
}

export interface Downloaded {
  readonly folder: string;
  readonly files: readonly DownloadedFile[];
}

/** Downloads what an address in S3 names: an object, all objects below a prefix, or those of a glob. */
export type Download = (url: string) => Promise<Downloaded>;

/** A file may have gigabytes. */
const DOWNLOAD_TIMEOUT_MILLIS = 15 * 60_000;

const S3_URL = /^s3:\/\/([^/]+)\/(.*)$/;

export function isS3(path: string): boolean {
  return path.startsWith('s3://');
}

/** Downloads into a folder that is there for the time of some work. */
export async function withDownloads<Result>(
  work: (download: Download) => Promise<Result>,
  makeClient: () => S3Client = () => s3Client({ requestTimeoutMillis: DOWNLOAD_TIMEOUT_MILLIS }),
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'feature-store-s3-'));
  let client: S3Client | undefined;
  let downloads = 0;
  try {
    return await work((url) => {
      client ??= makeClient();
      return downloaded(client, url, join(folder, String(downloads++)));
    });
  } finally {
    client?.destroy();
    await rm(folder, { recursive: true, force: true });
  }
}

async function downloaded(client: S3Client, url: string, folder: string): Promise<Downloaded> {
  const [, bucket = '', key = ''] = S3_URL.exec(url) ?? [];
  if (bucket === '') throw new UserError(`${url}: write s3://BUCKET/PREFIX`);
  try {
    const prefix = key.split(/[*?[]/)[0] ?? '';
    const matches = prefix === key ? isBelow(key) : globMatcher(key);
    const found = (await listedObjects(client, bucket, prefix)).filter(({ name }) => matches(name) && !isMarker(name));
    if (found.length === 0) throw new UserError(`there is nothing at ${url}; look at its bucket and prefix`);
    const files: DownloadedFile[] = [];
    for (const { name } of found) {
      const path = join(folder, ...name.split('/').filter((part) => part !== '' && part !== '.' && part !== '..'));
      await mkdir(dirname(path), { recursive: true });
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
      if (Body instanceof Readable) await pipeline(Body, createWriteStream(path));
      files.push({ url: `s3://${bucket}/${name}`, path });
    }
    return { folder, files };
  } catch (error) {
    throw explainAws(error, `the bucket ${bucket}`) ?? error;
  }
}

const isBelow = (key: string) => (name: string) =>
  name === key || key === '' || name.startsWith(key.endsWith('/') ? key : `${key}/`);

/** What consoles and Spark leave beside data. */
const isMarker = (name: string) => /(^|\/)([_.][^/]*)?$/.test(name);

function globMatcher(glob: string): (name: string) => boolean {
  const WILD: Readonly<Record<string, string>> = { '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' };
  const pattern = glob.replaceAll(/\*\*\/?|[*?]|\[[^\]]*\]|[\\^$.|+(){}[\]]/g, (found) =>
    found.length > 1 && found.startsWith('[') ? found.replace(/^\[!/, '[^') : (WILD[found] ?? `\\${found}`),
  );
  const expression = new RegExp(`^${pattern}$`);
  return (name) => expression.test(name);
}

/** A bucket of S3 in memory, behind the real client's commands. */
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';

export class MemoryBucket {
  readonly client = new S3Client({ region: 'eu-central-1' });
  readonly objects = new Map<string, Uint8Array>();
  /** Bytes that were read. */
  bytesRead = 0;

  constructor() {
    const mock = mockClient(this.client);
    mock.on(PutObjectCommand).callsFake(({ Key, Body }) => {
      this.objects.set(Key, typeof Body === 'string' ? Buffer.from(Body) : Body);
      return {};
    });
    mock.on(HeadObjectCommand).callsFake(({ Key }) => ({ ContentLength: this.#required(Key).length, ETag: '"1"' }));
    mock.on(GetObjectCommand).callsFake(({ Key, Range }) => {
      const [, start = 0, end = 0] = /^bytes=(\d+)-(\d+)$/.exec(Range) ?? [];
      const bytes = this.#required(Key).subarray(Number(start), Number(end) + 1);
      this.bytesRead += bytes.length;
      return { Body: { transformToByteArray: () => Promise.resolve(bytes) } };
    });
    mock.on(ListObjectsV2Command).callsFake(({ Prefix }) => ({
      Contents: [...this.objects.keys()].filter((key) => key.startsWith(Prefix)).map((Key) => ({ Key })),
    }));
  }

  #required(key: string): Uint8Array {
    const bytes = this.objects.get(key);
    if (bytes) return bytes;
    throw new S3ServiceException({
      name: 'NotFound',
      $fault: 'client',
      $metadata: { httpStatusCode: 404 },
      message: 'not found',
    });
  }
}

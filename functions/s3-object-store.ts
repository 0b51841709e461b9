import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { type ObjectStore, ObjectTooLargeError } from '../shared/scoring/decision-store.ts';

/** Objects below a prefix of a bucket. Names are relative to it. */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucketName: string;

  constructor(options: { readonly client: S3Client; readonly bucketName: string }) {
    this.#client = options.client;
    this.#bucketName = options.bucketName;
  }

  async get(
    name: string,
    { bytesMaximum = Number.POSITIVE_INFINITY }: { readonly bytesMaximum?: number } = {},
  ): Promise<Uint8Array | undefined> {
    // The SDK's own attempts end with the headers, so a body that breaks off is asked for again as often.
    const attempts = await this.#client.config.maxAttempts();
    for (let attempt = 1; ; attempt++) {
      const body = await this.#open(name, bytesMaximum);
      try {
        return await body?.transformToByteArray();
      } catch (error) {
        if (attempt >= attempts) throw error;
      }
    }
  }

  async #open(name: string, bytesMaximum: number): Promise<GetObjectCommandOutput['Body']> {
    try {
      const { Body, ContentLength = 0 } = await this.#client.send(
        new GetObjectCommand({ Bucket: this.#bucketName, Key: name }),
      );
      if (ContentLength <= bytesMaximum) return Body;
      // An unread body would keep its connection.
      (Body as { destroy?: () => void } | undefined)?.destroy?.();
      throw new ObjectTooLargeError(`${name} has ${ContentLength} bytes; at most ${bytesMaximum} are read`);
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }

  async put(name: string, content: Uint8Array): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: this.#bucketName, Key: name, Body: content }));
  }

  async putNew(name: string, content: Uint8Array): Promise<boolean> {
    try {
      await this.#client.send(
        new PutObjectCommand({ Bucket: this.#bucketName, Key: name, Body: content, IfNoneMatch: '*' }),
      );
      return true;
    } catch (error) {
      const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
      // 409: somebody else is writing it at this moment.
      if (status === 412 || status === 409) return false;
      throw error;
    }
  }
}

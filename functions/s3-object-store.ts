import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { type ObjectStore, ObjectTooLargeError, type TaggedObject } from '../shared/scoring/decision-store.ts';

/** It is another object, somebody is writing it at this moment, or there is none to be replaced. */
const CONDITION_FAILED: readonly string[] = ['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchKey'];

/** Objects below a prefix of a bucket. Names are relative to it. */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucketName: string;

  constructor(options: { readonly client: S3Client; readonly bucketName: string }) {
    this.#client = options.client;
    this.#bucketName = options.bucketName;
  }

  async get(name: string, options: { readonly bytesMaximum?: number } = {}): Promise<Uint8Array | undefined> {
    return (await this.#read(name, options))?.content;
  }

  getTagged(name: string): Promise<TaggedObject | undefined> {
    return this.#read(name, {});
  }

  async put(name: string, content: Uint8Array): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: this.#bucketName, Key: name, Body: content }));
  }

  putNew(name: string, content: Uint8Array): Promise<boolean> {
    return this.#putIf(name, content, { IfNoneMatch: '*' });
  }

  putOver(name: string, content: Uint8Array, tag: string): Promise<boolean> {
    return this.#putIf(name, content, { IfMatch: tag });
  }

  async #read(
    name: string,
    { bytesMaximum = Number.POSITIVE_INFINITY }: { readonly bytesMaximum?: number },
  ): Promise<TaggedObject | undefined> {
    // The SDK's own attempts end with the headers, so a body that breaks off is asked for again as often.
    const attempts = await this.#client.config.maxAttempts();
    for (let attempt = 1; ; attempt++) {
      const { Body, ETag: tag = '' } = (await this.#open(name, bytesMaximum)) ?? {};
      try {
        const content = await Body?.transformToByteArray();
        return content && { content, tag };
      } catch (error) {
        if (attempt >= attempts) throw error;
      }
    }
  }

  async #open(name: string, bytesMaximum: number): Promise<GetObjectCommandOutput | undefined> {
    try {
      const output = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucketName, Key: name }));
      const { Body, ContentLength = 0 } = output;
      if (ContentLength <= bytesMaximum) return output;
      // An unread body would keep its connection.
      (Body as { destroy?: () => void } | undefined)?.destroy?.();
      throw new ObjectTooLargeError(`${name} has ${ContentLength} bytes; at most ${bytesMaximum} are read`);
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }

  async #putIf(
    name: string,
    content: Uint8Array,
    condition: { IfMatch: string } | { IfNoneMatch: '*' },
  ): Promise<boolean> {
    try {
      await this.#client.send(
        new PutObjectCommand({ Bucket: this.#bucketName, Key: name, Body: content, ...condition }),
      );
      return true;
    } catch (error) {
      if (error instanceof S3ServiceException && CONDITION_FAILED.includes(error.name)) return false;
      throw error;
    }
  }
}

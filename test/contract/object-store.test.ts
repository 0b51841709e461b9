import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { S3ObjectStore } from '../../functions/s3-object-store.ts';
import { freePort, type LocalServer } from '../../localstack/child-process.ts';
import { clientConfigurationOf } from '../../localstack/endpoint.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { type ObjectStore, ObjectTooLargeError } from '../../shared/scoring/decision-store.ts';
import { MemoryObjectStore } from '../support/memory-object-store.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (content: Uint8Array | undefined) => content && Buffer.from(content).toString();

let directory: string;
let server: LocalServer;
let client: S3Client;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'object-store-'));
  server = await startMiniStack({ port: await freePort(), directory });
  client = new S3Client({ ...clientConfigurationOf(server.endpoint), forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'objects' }));
});
afterAll(async () => {
  client.destroy();
  await server.stop();
  await rm(directory, { recursive: true });
});

const STORES: Readonly<Record<string, () => ObjectStore>> = {
  'in memory': () => new MemoryObjectStore(),
  'on S3': () => new S3ObjectStore({ client, bucketName: 'objects' }),
};

describe.each(Object.entries(STORES))('objects %s', (_, storeOf) => {
  it('are what was put there last, and absent before', async () => {
    const store = storeOf();
    expect(await store.get('a/1')).toBeUndefined();
    expect(await store.getTagged('a/1')).toBeUndefined();
    await store.put('a/1', bytes('one'));
    await store.put('a/1', bytes('two'));
    expect(textOf(await store.get('a/1'))).toBe('two');
    await expect(store.get('a/1', { bytesMaximum: 2 })).rejects.toThrow(ObjectTooLargeError);
    expect(textOf(await store.get('a/1', { bytesMaximum: 3 }))).toBe('two');
  });

  it('that are new do not replace any', async () => {
    const store = storeOf();
    expect(await store.putNew('b', bytes('first'))).toBe(true);
    expect(await store.putNew('b', bytes('second'))).toBe(false);
    expect(textOf(await store.get('b'))).toBe('first');
  });

  it('are replaced only as what they were seen as', async () => {
    const store = storeOf();
    expect(await store.putOver('c', bytes('nothing to replace'), '"0"')).toBe(false);
    await store.put('c', bytes('seen'));
    const seen = await store.getTagged('c');
    if (seen === undefined) throw new Error('the object is gone');
    expect(textOf(seen.content)).toBe('seen');
    expect(await store.putOver('c', bytes('next'), seen.tag)).toBe(true);
    expect(await store.putOver('c', bytes('too late'), seen.tag)).toBe(false);
    expect(textOf(await store.get('c'))).toBe('next');
  });

  it('are replaced by one of those who saw the same', async () => {
    const store = storeOf();
    await store.put('d', bytes('seen'));
    const { tag = '' } = (await store.getTagged('d')) ?? {};
    const won = await Promise.all(
      Array.from({ length: 10 }, (_none, writer) => store.putOver('d', bytes(`by ${writer}`), tag)),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(textOf(await store.get('d'))).toBe(`by ${won.indexOf(true)}`);
  });
});

import { type PutObjectCommandInput, S3ServiceException } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import {
  type QuarantinedRecord,
  quarantineObject,
  S3Quarantine,
} from '../../../functions/update-windows/quarantine.ts';
import { recordOf } from './fixtures.ts';

const identity = { sourceName: 'transactions', registryVersion: '0123456789abcdef' };
const bytes = Buffer.from([0xff, 0x00, 0x0a]);
const records: readonly QuarantinedRecord[] = [
  {
    ...recordOf(bytes, 0),
    problems: [{ field: '', problem: 'the event must be one JSON object in UTF-8; got no bytes.' }],
  },
  { ...recordOf('{"amount":-1}', 1), problems: [{ field: 'amount', problem: 'must be at least 0' }] },
];

describe('the object of a batch', () => {
  it('has one line per record, with its reason and its original bytes', () => {
    const { body } = quarantineObject(records, identity);
    const lines = body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toEqual({
      source: 'transactions',
      sequence_number: '1000',
      partition_key_hash: expect.stringMatching(/^[0-9a-f]{16}$/),
      arrived_at: '2026-03-01T12:00:00.000Z',
      reason: [{ field: '', problem: 'the event must be one JSON object in UTF-8; got no bytes.' }],
      data_base64: bytes.toString('base64'),
      registry_version: '0123456789abcdef',
    });
    expect(body).not.toContain('user-1');
  });

  it('lies under its source and day, named by its first record and its content', () => {
    const { key } = quarantineObject(records, identity);
    expect(key).toMatch(/^quarantine\/transactions\/2026\/03\/01\/1000-[0-9a-f]{16}\.jsonl$/);
    expect(quarantineObject([...records], identity).key).toBe(key);
    expect(quarantineObject(records.slice(0, 1), identity).key).not.toBe(key);
  });
});

describe('the S3 adapter', () => {
  const s3Error = (httpStatusCode: number) =>
    new S3ServiceException({ name: 'S3Error', $fault: 'server', $metadata: { httpStatusCode }, message: 'no' });

  /** An S3 client that answers as it is told, one answer per call; the last one for ever. */
  function quarantineOver(answers: readonly (Error | 'stored')[], onCall: (calls: number) => void = () => {}) {
    const inputs: PutObjectCommandInput[] = [];
    const time = new AbortController();
    const send = async ({ input }: { input: PutObjectCommandInput }) => {
      inputs.push(input);
      onCall(inputs.length);
      const answer = answers[Math.min(inputs.length, answers.length) - 1];
      if (answer instanceof Error) throw answer;
      return {};
    };
    const quarantine = new S3Quarantine({
      ...identity,
      // The real signature has an overload for every operation of S3.
      client: { send: send as never },
      bucketName: 'quarantine-bucket',
      signal: time.signal,
      initialDelayMillis: 1,
      maxDelayMillis: 1,
    });
    return { quarantine, inputs, time };
  }

  it('writes one object, and the same one when a batch comes again', async () => {
    const { quarantine, inputs } = quarantineOver(['stored']);
    await quarantine.put(records);
    await quarantine.put(records);
    const { key, body } = quarantineObject(records, identity);
    const expected = { Bucket: 'quarantine-bucket', Key: key, Body: body, ContentType: 'application/x-ndjson' };
    expect(inputs).toEqual([expected, expected]);
  });

  it.each([
    ['overload', s3Error(503)],
    ['too many requests', s3Error(429)],
    ['a lost connection', new Error('socket hang up')],
  ])('tries again after %s', async (_name, error) => {
    const { quarantine, inputs } = quarantineOver([error, error, 'stored']);
    await quarantine.put(records);
    expect(inputs).toHaveLength(3);
  });

  it('says so at once when trying again is of no use', async () => {
    const denied = s3Error(403);
    const { quarantine, inputs } = quarantineOver([denied]);
    await expect(quarantine.put(records)).rejects.toBe(denied);
    expect(inputs).toHaveLength(1);
  });

  it('says so when the time is over', async () => {
    const overload = s3Error(503);
    const { quarantine, inputs, time } = quarantineOver([overload], (calls) => {
      if (calls === 4) time.abort();
    });
    await expect(quarantine.put(records)).rejects.toBe(overload);
    expect(inputs).toHaveLength(4);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchBucket,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DecisionBucket } from '../../../cli/decision-bucket.ts';
import { main } from '../../../cli/main.ts';
import { fraudDetection } from '../../../shared/features/fraud.ts';
import { repository } from '../../../shared/features/index.ts';
import { activeConfiguration } from '../../../shared/scoring/decision-store.ts';
import { MemoryObjectStore } from '../../support/memory-object-store.ts';
import { smallModelPackage } from '../../support/small-model.ts';

class MemoryBucket extends MemoryObjectStore implements DecisionBucket {
  async list(prefix: string) {
    return [...this.objects]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, content]) => ({ name, bytes: content.length, writtenAt: new Date('2026-01-31T12:00:00.5Z') }))
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  }
}

let directory: string;
let bucket: MemoryBucket;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'decisions-cli-'));
});
afterAll(() => rm(directory, { recursive: true }));
beforeEach(() => {
  bucket = new MemoryBucket();
});

async function run(commandLine: readonly string[], ports: Parameters<typeof main>[2]) {
  const lines: string[] = [];
  const errors: string[] = [];
  const terminal = { print: (line: string) => lines.push(line), printError: (line: string) => errors.push(line) };
  const code = await main([...commandLine, '--bucket', 'decisions'], terminal, ports);
  return { code, output: lines.join('\n'), errors: errors.join('\n') };
}

const withMemory = (...commandLine: string[]) => run(commandLine, { withBucket: (_options, work) => work(bucket) });
const config = (verb: string, ...more: string[]) => withMemory('config', verb, '--service', 'fraud_detection', ...more);
const model = (verb: string, ...more: string[]) => withMemory('model', verb, ...more);

async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, content);
  return file;
}

async function set(configuration: object) {
  return config('set', '--file', await fileOf('configuration.json', JSON.stringify(configuration)));
}

async function push(options: Parameters<typeof smallModelPackage>[1] = {}) {
  return model('push', '--file', await fileOf('model.package', smallModelPackage(repository, options)));
}

describe('config', () => {
  it('sets, shows, lists and rolls back', async () => {
    expect(await set({ rules: { HIGH_VELOCITY: 'shadow' }, note: 'too many complaints' })).toMatchObject({
      code: 0,
      output: expect.stringContaining('configuration 1 of fraud_detection@1 is active'),
    });
    await set({ rules: { HIGH_VELOCITY: 'off' }, note: 'still' });
    expect((await activeConfiguration(bucket, fraudDetection)).version).toBe(2);

    const shown = await config('show');
    expect(JSON.parse(shown.output)).toMatchObject({ rules: { HIGH_VELOCITY: 'off' }, note: 'still' });
    expect(shown.errors).toBe('configuration 2 of fraud_detection@1');
    expect(JSON.parse((await config('show', '--version', '1')).output).note).toBe('too many complaints');

    expect((await config('history')).output.split('\n')).toEqual([
      '*    2  2026-01-31T12:00:00Z  rules alone decide: still',
      '     1  2026-01-31T12:00:00Z  rules alone decide: too many complaints',
      '     0  the default one',
    ]);
    expect(await config('rollback')).toMatchObject({ code: 0, errors: '' });
    expect((await activeConfiguration(bucket, fraudDetection)).version).toBe(1);
    expect((await config('rollback', '--to', '2')).output).toContain('configuration 2 of fraud_detection@1');
    expect((await config('history')).output).toMatch(/^\* {4}2 /);
  });

  it('shows what applies where nothing was ever set, and takes it again', async () => {
    const { output, errors, code } = await config('show');
    expect({ code, errors }).toEqual({ code: 0, errors: 'configuration 0 of fraud_detection@1, the default one' });
    expect(await set(JSON.parse(output))).toMatchObject({ code: 0 });
  });

  it('lets a model decide that is in the bucket and fits', async () => {
    expect(await push()).toMatchObject({
      code: 0,
      output: expect.stringContaining('model small@1 of fraud_detection@1'),
    });
    await push({ version: 2 });
    await push({ version: 3 });
    expect(await set({ model: 'small@2', challengers: ['small@1'] })).toMatchObject({ code: 0, errors: '' });
    const { output } = await model('list');
    expect(output.split('\n').map((line) => line.split(/ {2}/))).toEqual([
      ['fraud_detection@1', 'small@1', expect.stringMatching(/^0\.\d{3} MB$/), 'scores in the shadow'],
      ['fraud_detection@1', 'small@2', expect.stringContaining('MB'), 'decides'],
      ['fraud_detection@1', 'small@3', expect.stringContaining('MB')],
    ]);
    expect((await config('history')).output).toContain('  small@2, beside it small@1');
  });

  it.each([
    ['a rule that there is not', { rules: { HIGH_VELOCTY: 'off' } }, 'there is no rule "HIGH_VELOCTY"'],
    ['an unknown member', { threshold: 0.5 }, 'threshold'],
    ['a model that is not there', { model: 'small@7' }, 'there is no model small@7 of fraud_detection@1; put it there'],
    ['a challenger that is not there', { challengers: ['small@8'] }, 'there is no model small@8'],
    ['a model that no longer fits', { model: 'old@1' }, 'is computed by definition'],
    ['a broken package', { model: 'broken@1' }, 'not gzip'],
    ['a package of another model', { model: 'other@1' }, 'what lies in the place of model other@1'],
  ])('refuses %s, and writes nothing', async (_what, configuration, message) => {
    const definitions = { amount: 'another', tx_count_1min: 'another' };
    const place = (key: string, content: Uint8Array) => bucket.put(`models/fraud_detection@1/${key}`, content);
    await place('old@1', smallModelPackage(repository, { name: 'old', document: { definitions } }));
    await place('broken@1', Buffer.from('broken'));
    await place('other@1', smallModelPackage(repository));
    const before = new Map(bucket.objects);
    const { code, output, errors } = await set(configuration);
    expect({ code, output }).toEqual({ code: 2, output: '' });
    expect(errors).toContain(message);
    expect(bucket.objects).toEqual(before);
  });

  it('refuses what is no file, no JSON, no service or no number', async () => {
    const cases = [
      [await config('set', '--file', join(directory, 'nowhere.json')), 'cannot be read'],
      [await config('set', '--file', await fileOf('half.json', '{')), 'is not JSON'],
      [await withMemory('config', 'show', '--service', 'credit'), 'there is no service "credit"'],
      [await config('show', '--version', '1.5'), 'must be a whole number from 0'],
      [await config('show', '--version', '9'), 'there is no configuration 9'],
      [await config('rollback', '--to', '9'), 'there is no configuration 9'],
      [await config('rollback'), 'nothing lies before the default configuration'],
      [await withMemory('config', 'show'), "required option '--service"],
    ] as const;
    for (const [{ code, errors }, message] of cases) {
      expect(code).toBe(2);
      expect(errors).toContain(message);
    }
    expect(bucket.objects.size).toBe(0);
  });

  it('rolls back to a model that is gone, because it is asked to, and says what that means', async () => {
    await push();
    await set({ model: 'small@1' });
    await set({});
    bucket.objects.delete('models/fraud_detection@1/small@1');
    const { code, errors } = await config('rollback');
    expect(code).toBe(0);
    expect(errors).toContain(
      'it decides without its model, and nothing milder than "review": there is no model small@1',
    );
    expect((await activeConfiguration(bucket, fraudDetection)).version).toBe(1);
  });

  it('lists a configuration that no longer fits with the reason', async () => {
    await set({});
    await bucket.put('configurations/fraud_detection@1/000001.json', Buffer.from('{"rules":{"GONE":"off"}}'));
    const { output, code } = await config('history');
    expect(code).toBe(0);
    expect(output).toMatch(/^ +1 {2}\S+ {2}cannot be used: .*there is no rule "GONE"/);
  });
});

describe('model', () => {
  it('never overwrites a package', async () => {
    await push();
    const [before] = bucket.objects.values();
    const { code, errors } = await push({ intercept: 1 });
    expect(code).toBe(2);
    expect(errors).toContain('packages never change; give yours a new version');
    expect([...bucket.objects.values()]).toEqual([before]);
  });

  it('puts nothing into the bucket that does not fit', async () => {
    expect(await push({ document: { service: 'credit@1' } })).toMatchObject({
      code: 2,
      errors: expect.stringContaining('it is for service credit@1'),
    });
    const text = await model('push', '--file', await fileOf('text.package', 'no package'));
    expect(text).toMatchObject({ code: 2, errors: expect.stringContaining('not gzip') });
    expect(bucket.objects.size).toBe(0);
    expect((await model('list')).output).toContain('no models yet');
  });

  it('explains its verbs', async () => {
    expect((await withMemory('model', '--help')).output).toMatch(/ {2}push .* {2}list /s);
    expect((await withMemory('config', 'rollback', '--help')).output).toContain('--to <number>');
  });
});

describe('the bucket on S3', () => {
  const s3 = mockClient(S3Client);
  const onS3 = (...commandLine: string[]) => run([...commandLine, '--endpoint', 'http://localhost:1'], {});

  afterEach(() => s3.reset());

  it('is listed page by page', async () => {
    s3.on(GetObjectCommand).resolves({});
    s3.on(ListObjectsV2Command).callsFake(({ ContinuationToken, Prefix }) => ({
      Contents: [
        {
          Key: `${Prefix}fraud_detection@1/small@${ContinuationToken ?? 1}`,
          Size: 2_000_000,
          LastModified: new Date(0),
        },
      ],
      ...(ContinuationToken === undefined && { NextContinuationToken: '2' }),
    }));
    const { code, output } = await onS3('model', 'list');
    expect(code).toBe(0);
    expect(output).toBe('fraud_detection@1  small@1  2.000 MB\nfraud_detection@1  small@2  2.000 MB');
    expect(s3.commandCalls(ListObjectsV2Command).map(({ args }) => args[0].input.Bucket)).toEqual([
      'decisions',
      'decisions',
    ]);
  });

  it.each([
    ['is not there', new NoSuchBucket({ message: '', $metadata: {} }), 'DecisionsBucketName'],
    [
      'may not be used',
      new S3ServiceException({ name: 'AccessDenied', $fault: 'client', $metadata: { httpStatusCode: 403 } }),
      'AWS denies access',
    ],
    [
      'does not answer',
      Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
      'nothing answers there (ECONNREFUSED)',
    ],
  ])('that %s is refused with the fix', async (_what, error, message) => {
    s3.on(GetObjectCommand).rejects(error);
    s3.on(PutObjectCommand).rejects(error);
    const { code, errors } = await onS3('config', 'show', '--service', 'fraud_detection');
    expect(code).toBe(2);
    expect(errors).toContain(message);
  });
});

import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { doLastWork, LocalEnvironmentError, startServer } from '../../../localstack/child-process.ts';
import { parseOutputs, resourceProgressOf } from '../../../localstack/deploy.ts';
import { environmentOf } from '../../../localstack/endpoint.ts';
import { startMiniStack } from '../../../localstack/ministack.ts';
import { curlLine } from '../../../localstack/report.ts';

const ENDPOINT = 'http://localhost:4566';

const outputs = {
  Stateful: {
    OnlineTableName: 'table',
    QuarantineBucketName: 'bucket',
    HistoryBucketName: 'history',
    DecisionsBucketName: 'decisions',
    StreamNames: '{"transactions":"stream"}',
  },
  Stateless: {
    ApiUrl: 'http://localhost:4566/_aws/execute-api/abc123/$default',
    ConsumerFunctionNames: '{"transactions":"consumer"}',
    LandingFunctionNames: '{}',
    RegistryVersion: 'v',
  },
};

describe('deployment', () => {
  test('is known by the outputs of all stacks, with an API address that resolves', () => {
    expect(parseOutputs(ENDPOINT, JSON.stringify(outputs))).toEqual({
      endpoint: ENDPOINT,
      apiUrl: 'http://localhost:4566/_aws/execute-api/abc123/$default',
      tableName: 'table',
      quarantineBucketName: 'bucket',
      historyBucketName: 'history',
      decisionsBucketName: 'decisions',
      streamNames: { transactions: 'stream' },
      consumerFunctionNames: { transactions: 'consumer' },
      landingFunctionNames: {},
      registryVersion: 'v',
      callerPolicyArns: {},
    });
  });

  test('names the outputs that a stack lacks', () => {
    const { Stateless } = outputs;
    expect(() => parseOutputs(ENDPOINT, JSON.stringify({ Stateless }))).toThrow(/OnlineTableName/);
  });

  test('shows progress in resources, and nothing of the other output', () => {
    const line = 'FeatureStore-local-Stateless |  3/18 | 1:19:44 AM | CREATE_COMPLETE | AWS::IAM::Role | Serve';
    expect(resourceProgressOf(line)).toBe('Stateless: 3 of 18 resources');
    expect(resourceProgressOf('✨  Synthesis time: 2.1s')).toBeUndefined();
  });

  test('never uses the credentials of the shell', () => {
    expect(environmentOf(ENDPOINT)).toMatchObject({ AWS_ACCESS_KEY_ID: 'test', AWS_PROFILE: undefined });
  });
});

describe('a local server', () => {
  test('is refused a port that is taken, with what to do', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    const { port } = squatter.address() as AddressInfo;
    await expect(startMiniStack({ port })).rejects.toThrow(`Port ${port} is in use`);
    squatter.close();
  });

  test('that ends while it starts is reported with its log', async () => {
    const logFile = join(tmpdir(), `local-server-${process.pid}.log`);
    const starting = startServer({
      name: 'A server',
      command: process.execPath,
      arguments: ['-e', 'process.exit(3)'],
      logFile,
      endpoint: ENDPOINT,
      isReady: async () => false,
      readyWithinMillis: 10_000,
    });
    await expect(starting).rejects.toThrow(LocalEnvironmentError);
    await expect(starting).rejects.toThrow(logFile);
  });

  test('ends when it is stopped', async () => {
    const server = await startServer({
      name: 'A server',
      command: process.execPath,
      arguments: ['-e', 'setInterval(() => {}, 1000)'],
      logFile: join(tmpdir(), `local-server-${process.pid}.log`),
      endpoint: ENDPOINT,
      isReady: async () => true,
      readyWithinMillis: 10_000,
    });
    await expect(server.stop()).resolves.toBeUndefined();
  });
});

describe('work before the end', () => {
  const never = new Promise<void>(() => {});
  const of = (work: () => Promise<void>) => ({ work, unfinished: () => 'unfinished' });

  test('says what failed, whatever the others do', async () => {
    const works = [
      of(async () => {}),
      of(() => Promise.reject(new LocalEnvironmentError('3 rows are lost'))),
      of(() => Promise.reject(new TypeError('a fault'))),
    ];
    expect(await doLastWork(works, never)).toEqual(['3 rows are lost', 'TypeError: a fault']);
  });

  test('says what was not done in time', async () => {
    expect(await doLastWork([of(() => never), of(async () => {})], Promise.resolve())).toEqual(['unfinished']);
  });
});

test('a curl line survives the shell', () => {
  const line = curlLine('/features', { name: 'it\'s "quoted"' });
  const printed = execFileSync('sh', ['-c', line.replace(/^curl/, 'printf "%s\\n"')], {
    env: { ...process.env, API: 'http://localhost/$default' },
  })
    .toString()
    .split('\n');
  expect(printed).toContain('http://localhost/$default/features');
  expect(printed).toContain('{"name":"it\'s \\"quoted\\""}');
});

/** Errors as the clients of AWS raise them: from answers of a server here, from nobody there, and without being set up. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { explainAws } from '../../../cli/explain-aws.ts';
import { main } from '../../../cli/main.ts';
import { LocalEnvironmentError } from '../../../localstack/child-process.ts';
import { explainedDeployment } from '../../../localstack/deploy.ts';
import { OnlineStoreUnavailableError } from '../../../shared/online/store.ts';

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

let server: Server;
let endpoint: string;
let closed: string;
let answer: Answer;
let home: string;

const listening = (started: Server) =>
  new Promise<string>((resolve) => {
    started.listen(0, '127.0.0.1', () => {
      const address = started.address();
      resolve(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
    });
  });

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'no-aws-'));
  server = createServer((request, response) => {
    request.resume();
    response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body);
  });
  endpoint = await listening(server);
  const other = createServer();
  closed = await listening(other);
  await new Promise((resolve) => other.close(resolve));
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(home, { recursive: true });
});
beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
  vi.stubEnv('HOME', home);
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };
const REGION = 'eu-central-1';

const dynamoDbSays = (name: string, message: string): Answer => ({
  status: 400,
  type: 'application/x-amz-json-1.0',
  body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message }),
});
const s3Says = (status: number, name: string, message: string): Answer => ({
  status,
  type: 'application/xml',
  body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${name}</Code><Message>${message}</Message></Error>`,
});

async function raised(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (error: unknown) => error,
  );
}

async function dynamoDb(options: ConstructorParameters<typeof DynamoDBClient>[0]): Promise<unknown> {
  const client = new DynamoDBClient({ maxAttempts: 1, ...options });
  return raised(client.send(new DescribeTableCommand({ TableName: 'online' }))).finally(() => client.destroy());
}

async function s3(): Promise<unknown> {
  const client = new S3Client({
    maxAttempts: 1,
    endpoint,
    region: REGION,
    credentials: CREDENTIALS,
    forcePathStyle: true,
  });
  return raised(client.send(new ListObjectsV2Command({ Bucket: 'decisions' }))).finally(() => client.destroy());
}

describe('what DynamoDB answers', () => {
  it.each([
    [
      'ExpiredTokenException',
      'The security token included in the request is expired',
      'aws-expired-credentials',
      'sign in',
    ],
    [
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
      'aws-invalid-credentials',
      'UnrecognizedClientException',
    ],
    [
      'AccessDeniedException',
      'User: arn:aws:iam::123456789012:user/x is not authorized to perform: dynamodb:BatchGetItem on resource: arn:aws:dynamodb:eu-central-1:123456789012:table/online',
      'aws-access-denied',
      'AWS denies dynamodb:BatchGetItem; permit it',
    ],
    ['ResourceNotFoundException', 'Requested resource not found', 'aws-no-table', 'no such table'],
    ['LimitExceededException', 'Subscriber limit exceeded', 'aws-quota', 'LimitExceeded'],
    ['ThrottlingException', 'Rate exceeded', 'aws-throttled', 'ThrottlingException'],
    ['InternalServerError', 'The request failed', 'aws-failed', 'InternalServerError'],
    ['ValidationException', 'Value too long', 'aws-refused', 'Value too long'],
  ])('%s', async (name, message, code, sentence) => {
    answer = { ...dynamoDbSays(name, message), status: name === 'InternalServerError' ? 500 : 400 };
    const explained = explainAws(await dynamoDb({ endpoint, region: REGION, credentials: CREDENTIALS }), 'the table t');
    expect(explained?.code).toBe(code);
    expect(explained?.message).toMatch(/^the table t cannot be used: /);
    expect(explained?.message).toContain(sentence);
  });
});

describe('what S3 answers', () => {
  it.each([
    [400, 'ExpiredToken', 'The provided token has expired.', 'aws-expired-credentials', 'expired'],
    [403, 'InvalidAccessKeyId', 'It does not exist.', 'aws-invalid-credentials', 'InvalidAccessKeyId'],
    [403, 'AccessDenied', 'Access Denied', 'aws-access-denied', 'without naming the action'],
    [
      403,
      'AccessDenied',
      'User: arn:aws:iam::1:user/x is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::x" because no policy allows it',
      'aws-access-denied',
      'AWS denies s3:ListBucket;',
    ],
    [404, 'NoSuchBucket', 'The specified bucket does not exist', 'aws-no-bucket', 'no such bucket'],
    [301, 'PermanentRedirect', 'Use the specified endpoint.', 'aws-other-region', 'AWS_REGION'],
    [503, 'SlowDown', 'Please reduce your request rate.', 'aws-throttled', 'SlowDown'],
  ])('%i %s', async (status, name, message, code, sentence) => {
    answer = s3Says(status, name, message);
    const explained = explainAws(await s3());
    expect(explained?.code).toBe(code);
    expect(explained?.message).toContain(sentence);
  });
});

describe('what never got to AWS', () => {
  it('has no credentials', async () => {
    expect(explainAws(await dynamoDb({ endpoint, region: REGION }))?.code).toBe('aws-no-credentials');
  });

  it('has no region', async () => {
    expect(explainAws(await dynamoDb({ credentials: CREDENTIALS }))?.code).toBe('aws-no-region');
  });

  it.each(['127.0.0.1', 'localhost'])('finds nobody at %s, also behind the error of a store', async (host) => {
    const error = await dynamoDb({
      endpoint: closed.replace('127.0.0.1', host),
      region: REGION,
      credentials: CREDENTIALS,
    });
    const explained = explainAws(new OnlineStoreUnavailableError('DynamoDB did not answer: Error', { cause: error }));
    expect(explained?.code).toBe('aws-unreachable');
    expect(explained?.message).toContain(`ECONNREFUSED 127.0.0.1:${new URL(closed).port}`);
  });
});

describe('what is no failure of AWS', () => {
  it.each([new Error('AccessDenied'), new TypeError('x is undefined'), 'nothing of note', undefined])('%s', (error) => {
    expect(explainAws(error)).toBeUndefined();
  });
});

describe('a command', () => {
  async function run(...commandLine: string[]) {
    const errors: string[] = [];
    const code = await main(commandLine, { print: () => {}, printError: (line) => errors.push(line) });
    return { code, errors: errors.join('\n') };
  }
  const list = (...more: string[]) => run('model', 'list', '--bucket', 'decisions', ...more);

  it('says what is missing, and its code', async () => {
    vi.stubEnv('AWS_REGION', REGION);
    expect(await list('--endpoint', endpoint)).toMatchObject({
      code: 2,
      errors: expect.stringMatching(
        /^feature-store: the bucket decisions cannot be used: there are no AWS credentials; .* \[aws-no-credentials\]$/,
      ),
    });
  });

  it('says who does not listen', async () => {
    vi.stubEnv('AWS_REGION', REGION);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    const { code, errors } = await list('--endpoint', closed);
    expect(code).toBe(2);
    expect(errors).toMatch(/the bucket decisions .*ECONNREFUSED .*is it running\?.* \[aws-unreachable\]$/);
  });

  it.each([
    ['localhost:4801', 'It must begin with http:// or https://, such as http://localhost:4801.'],
    ['ftp://localhost', 'such as http://localhost:4566.'],
    ['somewhere else', 'such as http://localhost:4566.'],
  ])('takes no endpoint %s', async (address, fix) => {
    const { code, errors } = await list('--endpoint', address);
    expect(code).toBe(2);
    expect(errors).toContain(fix);
    expect(errors).toMatch(/^feature-store: option '--endpoint <url>' .* \[usage\]$/);
  });
});

describe('the end of the log of cdk', () => {
  it.each([
    [
      'FeatureStore-local-Stateful: SSM parameter /cdk-bootstrap/hnb659fds/version not found. Has the environment been bootstrapped? Please run `cdk bootstrap`',
      'aws-not-bootstrapped',
    ],
    ['‣ Error: connect ECONNREFUSED 127.0.0.1:4801', 'aws-unreachable'],
    ['Need to perform AWS calls for account 1, but no credentials have been configured', 'aws-no-credentials'],
    ['Unable to resolve AWS account to use. It must be either configured', 'aws-no-credentials'],
    ['❌ ExpiredToken: The security token included in the request is expired', 'aws-expired-credentials'],
    ["'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008", 'aws-quota'],
    [
      'User: arn:aws:sts::1:assumed-role/x is not authorized to perform: iam:CreateRole on resource: role y',
      'aws-access-denied',
    ],
  ])('%s', (line, code) => {
    const error = new LocalEnvironmentError(`cdk deploy failed. The end of its output:\n\n  at frame\n${line}`);
    const explained = explainedDeployment(error, 'cdk deploy', '/x/deploy.log');
    expect(explained).toBeInstanceOf(LocalEnvironmentError);
    const { message } = explained as Error;
    expect(message).toMatch(/^cdk deploy failed: .*\]\nAll of its output is in \/x\/deploy.log$/);
    expect(message).toContain(`[${code}]`);
  });

  it('stays as it is where nothing common is found', () => {
    const error = new LocalEnvironmentError(
      'cdk deploy failed. The end of its output:\n\nError: esbuild: no such file',
    );
    expect(explainedDeployment(error, 'cdk deploy', '/x/deploy.log')).toBe(error);
  });
});

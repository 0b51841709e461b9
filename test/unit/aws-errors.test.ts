import { AthenaClient, AthenaServiceException } from '@aws-sdk/client-athena';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clientConfiguration } from '../../functions/aws-clients.ts';
import { KinesisEventStream } from '../../functions/serve/kinesis-stream.ts';
import { EventStreamUnavailableError } from '../../functions/serve/ports.ts';
import { S3Quarantine } from '../../functions/update-windows/quarantine.ts';
import { awsErrorKind } from '../../shared/aws-errors.ts';
import { transactions } from '../../shared/features/fraud.ts';
import { AthenaQueries } from '../../shared/offline/athena/athena-queries.ts';
import { AthenaQueryError, AthenaUnavailableError } from '../../shared/offline/athena/errors.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { withRetries } from '../../shared/online/retry.ts';
import { OnlineStoreRequestError, OnlineStoreUnavailableError } from '../../shared/online/store.ts';
import { answerJson, connectionTo, type Loopback, startLoopback } from '../support/loopback.ts';

describe('the kind of an error', () => {
  const refusal = (name: string, httpStatusCode: number | undefined = 400, message = name) =>
    new AthenaServiceException({
      name,
      message,
      $fault: (httpStatusCode ?? 0) >= 500 ? 'server' : 'client',
      $metadata: httpStatusCode === undefined ? {} : { httpStatusCode },
    });

  it.each([
    ['a throttle of DynamoDB', refusal('ProvisionedThroughputExceededException'), 'throttled'],
    ['a throttle of Kinesis', refusal('LimitExceededException'), 'throttled'],
    ['a throttle of Athena', refusal('TooManyRequestsException'), 'throttled'],
    ['a throttle of S3', refusal('SlowDown', 503), 'throttled'],
    ['a throttle without a name', refusal('Unknown', 429), 'throttled'],
    ['writers of two regions', refusal('ReplicatedWriteConflictException'), 'throttled'],
    ['a failure of the service', refusal('InternalServerError', 500), 'passing'],
    ['a status that no list has', refusal('Unknown', 507), 'passing'],
    ['a request that came too slowly', refusal('RequestTimeout'), 'passing'],
    [
      'a signature of before a freeze',
      refusal('InvalidSignatureException', 400, 'Signature expired: 1 < 2'),
      'passing',
    ],
    ['the same for S3', refusal('RequestTimeTooSkewed', 403), 'passing'],
    ['a clock that is ahead', refusal('InvalidSignatureException', 400, 'Signature not yet current: 2 > 1'), 'passing'],
    ['a session that ended', refusal('ExpiredTokenException'), 'passing'],
    ['the same for S3', refusal('ExpiredToken'), 'passing'],
    ['a wrong key', refusal('InvalidSignatureException', 400, 'The request signature does not match'), 'final'],
    ['a missing permission', refusal('AccessDeniedException'), 'final'],
    ['a missing table', refusal('ResourceNotFoundException'), 'final'],
    ['a malformed request', refusal('ValidationException'), 'final'],
    ['a lost connection', Object.assign(new Error('read'), { code: 'ECONNRESET' }), 'passing'],
    ['what is no error', 'text', 'passing'],
  ])('%s', (_what, error, kind) => {
    expect(awsErrorKind(error)).toBe(kind);
  });
});

/** Every adapter that tells passing errors from final ones, over its real client. */
const ADAPTERS: Readonly<
  Record<
    string,
    { call: (endpoint: string) => Promise<unknown>; passing: new (...all: never[]) => Error; final: unknown }
  >
> = {
  'the online store': {
    call: (endpoint) => onlineStore(endpoint).get(['k']),
    passing: OnlineStoreUnavailableError,
    final: OnlineStoreRequestError,
  },
  'the event stream': {
    call: (endpoint) => eventStream(endpoint).put(transactions, [{ partitionKey: 'u', text: '{}' }]),
    passing: EventStreamUnavailableError,
    final: Error,
  },
  'Athena queries': {
    call: (endpoint) =>
      new AthenaQueries({
        client: new AthenaClient(configurationOf(endpoint)),
        workgroup: 'w',
        database: 'd',
        reuseMinutes: 0,
      }).run('SELECT 1'),
    passing: AthenaUnavailableError,
    final: AthenaQueryError,
  },
};

const configurationOf = (endpoint: string) => ({
  ...clientConfiguration({ requestTimeoutMillis: 60_000 }),
  ...connectionTo(endpoint),
});
const onlineStore = (endpoint: string) =>
  new DynamoDbOnlineStore({ client: new DynamoDBClient(configurationOf(endpoint)), tableName: 't' });
const eventStream = (endpoint: string) =>
  new KinesisEventStream({
    client: new KinesisClient(configurationOf(endpoint)),
    streamNames: { [transactions.name]: 's' },
  });

const SIGNATURE_EXPIRED = answerJson(
  {
    __type: 'com.amazon.coral.service#InvalidSignatureException',
    message: 'Signature expired: 20260131T115000Z is now earlier than 20260131T115500Z (20260131T120000Z - 5 min.)',
  },
  400,
);
const ACCESS_DENIED = answerJson(
  { __type: 'com.amazon.coral.service#AccessDeniedException', message: 'User is not authorized' },
  400,
);

let server: Loopback;
beforeEach(async () => {
  server = await startLoopback(answerJson({}));
});
afterEach(() => server.stop());

describe.each(Object.entries(ADAPTERS))('%s', (_name, { call, passing, final }) => {
  it('says that a signature that was too old passes', async () => {
    server.respond = SIGNATURE_EXPIRED;
    await expect(call(server.endpoint)).rejects.toBeInstanceOf(passing);
  });

  it('says that a missing permission does not', async () => {
    server.respond = ACCESS_DENIED;
    const error = await call(server.endpoint).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(final);
    expect(error).not.toBeInstanceOf(passing);
  });
});

it('our own retry has its answer after a signature that was too old', async () => {
  server.respond = (response, request) =>
    (server.requests.length === 1 ? SIGNATURE_EXPIRED : answerJson({ Item: { h: { N: '1' } } }))(response, request);
  const store = withRetries(onlineStore(server.endpoint), { signal: new AbortController().signal });
  expect(await store.get(['k'])).toEqual([{ h: { N: '1' } }]);
  expect(server.requests).toHaveLength(2);
});

it('a clock that is wrong by an hour is corrected by the first refusal', async () => {
  const ahead = Date.now() + 3_600_000;
  server.respond = (response, { headers }) => {
    const isCorrected = String(headers['x-amz-date']) >= new Date(ahead - 60_000).toISOString().replace(/[-:]/g, '');
    const [status, body] = isCorrected
      ? [200, { Item: { h: { N: '1' } } }]
      : [400, { __type: 'InvalidSignatureException', message: 'Signature expired: it is now earlier' }];
    response.writeHead(status, {
      'content-type': 'application/x-amz-json-1.0',
      date: new Date(ahead).toUTCString(),
    });
    response.end(JSON.stringify(body));
  };
  const store = withRetries(onlineStore(server.endpoint), { signal: new AbortController().signal });
  expect(await store.get(['k'])).toEqual([{ h: { N: '1' } }]);
  expect(server.requests).toHaveLength(2);
});

describe('the quarantine', () => {
  const put = (signal: AbortSignal) =>
    new S3Quarantine({
      client: new S3Client({ ...configurationOf(server.endpoint), forcePathStyle: true }),
      bucketName: 'b',
      sourceName: 's',
      registryVersion: 'v',
      signal,
      initialDelayMillis: 1,
      maxDelayMillis: 1,
    }).put([{ sequenceNumber: '1', partitionKey: 'u', arrivedAtMillis: 0, data: Buffer.from('x'), problems: [] }]);
  const refusal = (code: string) => `<Error><Code>${code}</Code><Message>no</Message></Error>`;

  it.each([
    ['RequestTimeTooSkewed', 3],
    ['AccessDenied', 1],
  ])('after %s makes %s requests', async (code, requests) => {
    server.respond = (response) => {
      const isRefused = server.requests.length < 3;
      response.writeHead(isRefused ? 403 : 200, { 'content-type': 'application/xml', date: new Date().toUTCString() });
      response.end(isRefused ? refusal(code) : '');
    };
    await put(new AbortController().signal).catch(() => {});
    expect(server.requests).toHaveLength(requests);
  });
});

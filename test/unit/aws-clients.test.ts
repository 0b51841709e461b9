import { globSync, readFileSync } from 'node:fs';
import { AthenaClient, GetQueryExecutionCommand } from '@aws-sdk/client-athena';
import { DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { FirehoseClient, PutRecordBatchCommand } from '@aws-sdk/client-firehose';
import { GetTableCommand, GlueClient } from '@aws-sdk/client-glue';
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { clientConfiguration } from '../../functions/aws-clients.ts';
import { S3ObjectStore } from '../../functions/s3-object-store.ts';
import { awsErrorKind } from '../../shared/aws-errors.ts';
import { answerJson, connectionTo, type Loopback, type Respond, STALLS, startLoopback } from '../support/loopback.ts';

/** Longer than any machine takes for an answer that comes. */
const PATIENT_MILLIS = 60_000;

type Configuration = ReturnType<typeof configurationOf>;

const configurationOf = (endpoint: string) => ({
  ...clientConfiguration({ requestTimeoutMillis: PATIENT_MILLIS }),
  ...connectionTo(endpoint),
});

/** One call of every kind of client that the product constructs, until its answer is read. */
const CALLS: Readonly<Record<string, (configuration: Configuration) => Promise<unknown>>> = {
  'AthenaClient: query': (configuration) =>
    new AthenaClient(configuration).send(new GetQueryExecutionCommand({ QueryExecutionId: 'q' })),
  'DynamoDBClient: update': (configuration) =>
    new DynamoDBClient(configuration).send(new UpdateItemCommand({ TableName: 't', Key: { key: { S: 'k' } } })),
  'DynamoDBClient: get': (configuration) =>
    new DynamoDBClient(configuration).send(new GetItemCommand({ TableName: 't', Key: { key: { S: 'k' } } })),
  'FirehoseClient: put': (configuration) =>
    new FirehoseClient(configuration).send(new PutRecordBatchCommand({ DeliveryStreamName: 's', Records: [] })),
  'GlueClient: get': (configuration) =>
    new GlueClient(configuration).send(new GetTableCommand({ DatabaseName: 'd', Name: 't' })),
  'KinesisClient: put': (configuration) =>
    new KinesisClient(configuration).send(new PutRecordsCommand({ StreamName: 's', Records: [] })),
  'LambdaClient: invoke': (configuration) =>
    new LambdaClient(configuration).send(new InvokeCommand({ FunctionName: 'f' })),
  'S3Client: get, its body read later': async (configuration) => {
    const client = new S3Client({ ...configuration, forcePathStyle: true });
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' }));
    return Body?.transformToByteArray();
  },
};

let server: Loopback;
beforeEach(async () => {
  server = await startLoopback(answerJson({}));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await server.stop();
});

/** Answers so, and has the deadline of the first attempt pass once that has begun; those after it have all the time. */
function stallsFirst(stall: Respond): Respond {
  const deadline = new AbortController();
  const never = new AbortController();
  vi.spyOn(AbortSignal, 'timeout').mockReturnValueOnce(deadline.signal).mockReturnValue(never.signal);
  return (response, request) => {
    stall(response, request);
    setTimeout(() => deadline.abort(), 20);
  };
}

describe.each(Object.entries(CALLS))('%s', (_name, call) => {
  it.each(Object.entries(STALLS))('ends when the answer stalls %s', async (_stall, stall) => {
    server.respond = stallsFirst(stall);
    const error = await call(configurationOf(server.endpoint)).then(
      () => 'answered',
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Error);
    expect(awsErrorKind(error)).toBe('passing');
    expect(server.requests).toHaveLength(1);
  });

  it('has its answer when none stalls', async () => {
    await expect(call(configurationOf(server.endpoint))).resolves.toBeDefined();
  });
});

it('an attempt that is overdue says so by a name that the SDK repeats', async () => {
  const stall = stallsFirst(STALLS['after its headers']);
  server.respond = (response, request) => {
    const respond = server.requests.length === 1 ? stall : answerJson({ QueryExecution: { QueryExecutionId: 'q' } });
    respond(response, request);
  };
  const client = new AthenaClient({ ...configurationOf(server.endpoint), maxAttempts: 2 });
  const { QueryExecution } = await client.send(new GetQueryExecutionCommand({ QueryExecutionId: 'q' }));
  expect(QueryExecution?.QueryExecutionId).toBe('q');
  expect(server.requests).toHaveLength(2);
});

it('a caller who gives up is told so, and not that an attempt was overdue', async () => {
  server.respond = STALLS['before its headers'];
  const caller = new AbortController();
  const client = new DynamoDBClient(configurationOf(server.endpoint));
  const command = new GetItemCommand({ TableName: 't', Key: { key: { S: 'k' } } });
  const sent = client.send(command, { abortSignal: caller.signal });
  caller.abort();
  await expect(sent).rejects.toMatchObject({ name: 'AbortError' });
});

describe('an object store', () => {
  const storeWith = (maxAttempts: number) =>
    new S3ObjectStore({
      client: new S3Client({
        ...configurationOf(server.endpoint),
        maxAttempts,
        forcePathStyle: true,
      }),
      bucketName: 'b',
    });

  it('asks again for a body that broke off, as often as its client may try', async () => {
    const reset = STALLS['by a reset in its body'];
    server.respond = (response, request) => {
      if (server.requests.length < 3) reset(response, request);
      else response.end('whole');
    };
    expect(Buffer.from((await storeWith(3).get('name')) ?? []).toString()).toBe('whole');
    expect(server.requests).toHaveLength(3);
  });

  it('gives up after that', async () => {
    server.respond = STALLS['by a reset in its body'];
    await expect(storeWith(2).get('name')).rejects.toThrow(Error);
    expect(server.requests).toHaveLength(2);
  });
});

describe('the sources', () => {
  const constructed = globSync(['functions/**/*.ts', 'cli/**/*.ts', 'shared/**/*.ts']).flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    return [...text.matchAll(/new (\w+Client)\(/g)].map(([, client = '']) => ({ file, client, text }));
  });

  it('construct the clients that are tried here, and no others', () => {
    const tried = new Set(Object.keys(CALLS).map((name) => name.split(':')[0]));
    expect(new Set(constructed.map(({ client }) => client))).toEqual(tried);
  });

  it('configure every one of them here', () => {
    const others = constructed.filter(({ text }) => !text.includes('clientConfiguration('));
    expect(others.map(({ file, client }) => `${file}: ${client}`)).toEqual([]);
  });
});

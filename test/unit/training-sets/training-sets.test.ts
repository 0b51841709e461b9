/** The API of training sets and the function that makes them, over memory. */
import { describe, expect, it } from 'vitest';
import { makeTrainingSet } from '../../../functions/make-training-set/make-training-set.ts';
import { problem } from '../../../functions/serve/schemas.ts';
import { createHandler } from '../../../functions/training-sets/app.ts';
import { queuedAnswer, trainingSetAnswer } from '../../../functions/training-sets/schemas.ts';
import { fraudDetection } from '../../../shared/features/fraud.ts';
import { repository } from '../../../shared/features/index.ts';
import type { AthenaTrainingSet } from '../../../shared/offline/athena/athena-offline-store.ts';
import { columnsOf, openParquet } from '../../../shared/offline/athena/columns.ts';
import { AthenaQueryError, AthenaThrottledError } from '../../../shared/offline/athena/errors.ts';
import { type HistoricalRequest, SpineError } from '../../../shared/offline/offline-store.ts';
import { definitionFingerprints } from '../../../shared/registry/fingerprints.ts';
import { MemoryObjectStore } from '../../support/memory-object-store.ts';
import { httpRequest, NOW_MILLIS } from '../serve/harness.ts';

const ID = '0190a5f0-1111-4222-8333-444455556666';
const row = { transaction_id: 't1', user_id: 'u1', merchant_id: 'm1', timestamp: '2026-01-31T10:00:00Z' };
const MANIFEST = {
  service: 'fraud_detection@1',
  mode: 'bitemporal',
  engine: 'athena',
  sqlHash: 'a1',
  spineHash: 'b2',
  rows: 1,
  columns: ['user_id'],
  notes: [],
  bytesScanned: 4_096,
} as const satisfies AthenaTrainingSet;

function api() {
  const store = new MemoryObjectStore();
  const started: string[] = [];
  const logged: unknown[] = [];
  const clock = { nowMillis: NOW_MILLIS };
  const broken: { start?: Error } = {};
  const handler = createHandler({
    repository,
    store,
    bucketName: 'history',
    start: async (id) => {
      if (broken.start) throw broken.start;
      started.push(id);
    },
    presign: async (key) => `https://s3.example.com/${key}?signed`,
    newId: () => ID,
    clock: () => clock.nowMillis,
    logger: { error: (message, details) => logged.push([message, details]) },
  });
  const answered = async (request: ReturnType<typeof httpRequest>) => {
    const { statusCode = 0, headers, body = '' } = await handler(request);
    return { status: statusCode, type: headers?.['content-type'], body: JSON.parse(body) };
  };
  const post = (body: unknown) =>
    answered(httpRequest('POST', '/training-sets', { body: typeof body === 'string' ? body : JSON.stringify(body) }));
  const get = (id: string) => answered(httpRequest('GET', `/training-sets/${id}`));
  const make = (compute: (request: HistoricalRequest) => Promise<AthenaTrainingSet>) =>
    makeTrainingSet({ repository, store, bucketName: 'history', compute, clock: () => clock.nowMillis }, ID);
  return { store, started, logged, clock, broken, post, get, make };
}

async function keptSpine(store: MemoryObjectStore) {
  const bytes = store.objects.get(`training-sets/${ID}/spine.parquet`) ?? new Uint8Array();
  const columns = await columnsOf(await openParquet(new Uint8Array(bytes).buffer));
  return Object.fromEntries(columns.map(({ name, kind, cells }) => [name, [kind, ...cells]]));
}

describe('POST /training-sets', () => {
  it('keeps the rows as they are, whatever is in them, and has the set made', async () => {
    const { post, get, store, started } = api();
    const weird = `'; DROP TABLE x; -- "\u{1f600}\n\0%s\${a}=1`;
    const spine = [
      { ...row, user_id: weird, [weird]: weird, constructor: 1, score: 1 },
      { ...row, [weird]: null, score: 0.5, flag: true },
    ];
    const { status, body } = await post({ service: 'fraud_detection', spine });
    expect([status, body]).toEqual([202, { id: ID, state: 'queued' }]);
    expect(() => queuedAnswer.parse(body)).not.toThrow();
    expect(started).toEqual([ID]);
    expect(await keptSpine(store)).toEqual({
      transaction_id: ['text', 't1', 't1'],
      user_id: ['text', weird, 'u1'],
      merchant_id: ['text', 'm1', 'm1'],
      timestamp: ['text', row.timestamp, row.timestamp],
      [weird]: ['text', weird, null],
      constructor: ['integer', 1n, null],
      score: ['double', 1, 0.5],
      flag: ['boolean', null, true],
    });
    expect((await get(ID)).body).toEqual({ id: ID, state: 'queued', service: 'fraud_detection@1', mode: 'bitemporal' });
  });

  it('takes a file below the prefix for spines', async () => {
    const { post, make } = api();
    const location = "s3://history/spines/it's/one.parquet";
    expect(await post({ service: 'fraud_detection@1', mode: 'event-time', spine: { location } })).toMatchObject({
      status: 202,
    });
    const asked: HistoricalRequest[] = [];
    await make(async (request) => {
      asked.push(request);
      return MANIFEST;
    });
    expect(asked).toMatchObject([
      {
        mode: 'event-time',
        spine: location,
        history: { transactions: 'raw_transactions', labels: 'raw_labels' },
        output: `s3://history/training-sets/${ID}/data/training-set.parquet`,
      },
    ]);
  });

  it('takes no rows, which have the columns that a spine must have', async () => {
    const { post, store } = api();
    expect(await post({ service: 'fraud_detection', spine: [] })).toMatchObject({ status: 202 });
    expect(await keptSpine(store)).toEqual({
      transaction_id: ['text'],
      user_id: ['text'],
      merchant_id: ['text'],
      timestamp: ['integer'],
    });
  });

  it.each<[string, unknown, number, string, string]>([
    ['no service', { spine: [row] }, 400, 'validation', 'service: '],
    [
      'an unknown service',
      { service: "x'--", spine: [row] },
      404,
      'unknown-service',
      `There is no service "x'--"; there are: fraud_detection@1`,
    ],
    ['an unknown mode', { service: 'fraud_detection', mode: 'now', spine: [row] }, 400, 'validation', 'mode: '],
    [
      'no spine',
      { service: 'fraud_detection' },
      400,
      'validation',
      'spine: must be a list of rows, each an object, or {"location": "s3://…"}',
    ],
    [
      'rows that are no objects',
      { service: 'fraud_detection', spine: [1] },
      400,
      'validation',
      'spine: must be a list of rows',
    ],
    [
      'another member',
      { service: 'fraud_detection', spine: [row], limit: 1 },
      400,
      'validation',
      'limit: is not known here',
    ],
    [
      'no timestamp',
      { service: 'fraud_detection', spine: [{ user_id: 'u', merchant_id: 'm' }] },
      400,
      'validation',
      'spine: the spine has no column "timestamp"',
    ],
    [
      'no decided events',
      { service: 'fraud_detection', spine: [{ ...row, transaction_id: undefined }] },
      400,
      'validation',
      'spine: the spine has no column "transaction_id"; it names the decided event',
    ],
    [
      'no instant',
      { service: 'fraud_detection', spine: [row, { ...row, timestamp: 'now' }] },
      400,
      'validation',
      'the first of them row 2, "timestamp" must be ISO 8601 text',
    ],
    [
      'a missing instant',
      { service: 'fraud_detection', spine: [row, { user_id: 'u', merchant_id: 'm' }] },
      400,
      'validation',
      'the first of them row 2, "timestamp" is missing',
    ],
    [
      'the future',
      { service: 'fraud_detection', spine: [{ ...row, timestamp: NOW_MILLIS + 1 }] },
      400,
      'validation',
      'row 1, "timestamp" must not lie in the future',
    ],
    [
      'a missing key',
      { service: 'fraud_detection', spine: [{ ...row, user_id: null }] },
      400,
      'validation',
      'row 1, "user_id" is missing',
    ],
    [
      'the name of a feature',
      { service: 'fraud_detection', spine: [{ ...row, tx_count_1h: 1 }] },
      400,
      'validation',
      'a column "tx_count_1h", which is a feature',
    ],
    [
      'names that differ by case',
      { service: 'fraud_detection', spine: [{ ...row, a: 1, A: 1 }] },
      400,
      'validation',
      'column "A" has the name of another',
    ],
    [
      'an empty name',
      { service: 'fraud_detection', spine: [{ ...row, '': 1 }] },
      400,
      'validation',
      '"" cannot be the name of a column',
    ],
    [
      'objects in rows',
      { service: 'fraud_detection', spine: [{ ...row, a: {} }] },
      400,
      'validation',
      'in row 1 of the spine, "a" is an object',
    ],
    [
      'mixed types',
      {
        service: 'fraud_detection',
        spine: [
          { ...row, a: 1 },
          { ...row, a: 'x' },
        ],
      },
      400,
      'validation',
      'in row 2 of the spine, "a" is a string; it must be a number, a text, a truth value or null, as in row 1 it is a number',
    ],
    [
      'half characters',
      { service: 'fraud_detection', spine: [{ ...row, a: '\ud800' }] },
      400,
      'validation',
      'in row 1 of the spine, "a" must be well-formed Unicode',
    ],
    [
      'another bucket',
      { service: 'fraud_detection', spine: { location: 's3://other/spines/a' } },
      400,
      'validation',
      'spine.location: must be s3://history/spines/… of one Parquet file',
    ],
    [
      'another prefix',
      { service: 'fraud_detection', spine: { location: 's3://history/raw/a' } },
      400,
      'validation',
      'spine.location: must be',
    ],
    ['no JSON', '{', 400, 'invalid-json', 'Send one JSON value'],
    ['too much', `"${'x'.repeat(1024 * 1024)}"`, 413, 'body-too-large', 'The body has'],
  ])('refuses %s', async (_what, body, status, kind, detail) => {
    const { post, store, started } = api();
    const answer = await post(body);
    expect(answer).toMatchObject({
      status,
      type: 'application/problem+json',
      body: { type: `urn:feature-store:problem:${kind}`, detail: expect.stringContaining(detail) },
    });
    expect(() => problem.parse(answer.body)).not.toThrow();
    expect([store.objects.size, started]).toEqual([0, []]);
  });

  it('says nothing about why it failed, but to the log', async () => {
    const { post, broken, logged } = api();
    broken.start = new Error('user u1 may not');
    const { status, body } = await post({ service: 'fraud_detection', spine: [row] });
    expect([status, body.type]).toEqual([500, 'urn:feature-store:problem:internal']);
    expect(JSON.stringify([logged, body])).not.toContain('u1');
    expect(logged).toHaveLength(1);
  });
});

describe('GET /training-sets/{id}', () => {
  it.each(['0190a5f0-1111-4222-8333-444455556667', 'one', '..%2Fstate', "'--"])('knows no %s', async (id) => {
    expect(await api().get(id)).toMatchObject({
      status: 404,
      body: { type: 'urn:feature-store:problem:unknown-training-set' },
    });
  });

  it('says where a set is that was made, with its manifest', async () => {
    const { post, get, make, store } = api();
    await post({ service: 'fraud_detection', spine: [row] });
    expect(await make(async () => MANIFEST)).toEqual({ kind: 'made', bytesScanned: 4_096 });
    const { status, body } = await get(ID.toUpperCase());
    const { bytesScanned, ...manifest } = MANIFEST;
    expect([status, body]).toEqual([
      200,
      {
        id: ID,
        state: 'succeeded',
        service: 'fraud_detection@1',
        mode: 'bitemporal',
        rows: 1,
        location: `s3://history/training-sets/${ID}/data/training-set.parquet`,
        download_url: `https://s3.example.com/training-sets/${ID}/data/training-set.parquet?signed`,
        manifest: {
          ...manifest,
          registryVersion: repository.registryVersion,
          definitions: Object.fromEntries(definitionFingerprints(fraudDetection)),
        },
        bytes_scanned: bytesScanned,
      },
    ]);
    expect(() => trainingSetAnswer.parse(body)).not.toThrow();
    const kept = store.objects.get(`training-sets/${ID}/manifest.json`) ?? new Uint8Array();
    expect(JSON.parse(Buffer.from(kept).toString())).toEqual({ ...body.manifest, bytesScanned });
  });

  it('says that it runs, and that it failed when it has not ended in time', async () => {
    const { post, get, make, clock } = api();
    await post({ service: 'fraud_detection', spine: [row] });
    const states: string[] = [];
    await make(async () => {
      states.push((await get(ID)).body.state);
      clock.nowMillis += 900_001;
      states.push((await get(ID)).body.state);
      return MANIFEST;
    });
    expect(states).toEqual(['running', 'failed']);
    expect((await get(ID)).body.state).toBe('succeeded');
  });

  it('says that one that was never begun failed', async () => {
    const { post, get, clock } = api();
    await post({ service: 'fraud_detection', spine: [row] });
    clock.nowMillis += 3_600_001;
    expect((await get(ID)).body).toMatchObject({ state: 'failed', reason: expect.stringMatching(/^It ended without/) });
  });
});

describe('a training set that is made', () => {
  it.each<[string, Error, boolean, boolean, string]>([
    ['the spine', new SpineError('the spine has no column "x"'), true, false, 'the spine has no column "x"'],
    ['a throttle', new AthenaThrottledError('Athena is busy', { retryable: true }), false, true, 'Athena is busy'],
    [
      'the query',
      new AthenaQueryError('the query failed', { queryId: 'q' }),
      false,
      false,
      'the query failed (query q)',
    ],
    ['time', new DOMException('aborted', 'TimeoutError'), false, false, 'It did not end within 15 minutes'],
    ['a defect', new TypeError('u1 is not a function'), false, true, 'The service failed'],
  ])('may fail for %s, and may be made after it', async (_what, error, isFaultOfRequest, isWorthRepeating, reason) => {
    const { post, get, make } = api();
    await post({ service: 'fraud_detection', spine: [row] });
    expect(await make(() => Promise.reject(error))).toEqual({
      kind: 'failed',
      isFaultOfRequest,
      isWorthRepeating,
      error,
    });
    const { body } = await get(ID);
    expect(body).toMatchObject({ state: 'failed', reason: expect.stringContaining(reason) });
    expect(() => trainingSetAnswer.parse(body)).not.toThrow();
    await make(async () => MANIFEST);
    expect((await get(ID)).body).not.toHaveProperty('reason');
  });

  it('is not made twice', async () => {
    const { post, make } = api();
    await post({ service: 'fraud_detection', spine: [row] });
    await make(async () => MANIFEST);
    expect(await make(() => Promise.reject(new Error('never asked')))).toEqual({ kind: 'was made' });
  });
});

import type { KinesisStreamEvent } from 'aws-lambda';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  acknowledgedCountOf,
  type FailedBatch,
  type Invocation,
  type PollerSettings,
  type Shard,
  type StreamRecord,
  startPoller,
  toLambdaEvent,
} from '../../../localstack/poller.ts';

const STREAM_ARN = 'arn:aws:kinesis:eu-west-1:000000000000:stream/transactions';

const DEFAULTS: PollerSettings = {
  eventSourceArn: STREAM_ARN,
  batchSize: 10,
  reportsBatchItemFailures: true,
  bisectsBatchOnFunctionError: true,
  maximumRetryAttempts: 2,
  maximumRecordAgeSeconds: undefined,
};

interface FakeShard extends Shard {
  readonly records: readonly StreamRecord[];
}

function shardOf(shardId: string, names: readonly string[], parentShardIds: readonly string[] = []): FakeShard {
  const records = names.map((name, index) => ({
    sequenceNumber: `${shardId}-${String(index).padStart(5, '0')}`,
    partitionKey: name.slice(0, 256),
    data: Buffer.from(name),
    arrivedAtMillis: 1_000 + index,
  }));
  return { shardId, parentShardIds, records };
}

/** A function under test: sees the names of the records, and decides. */
type Handler = (names: readonly string[], event: KinesisStreamEvent) => unknown;

function nameOf(record: KinesisStreamEvent['Records'][number]): string {
  return Buffer.from(record.kinesis.data, 'base64').toString();
}

/** Runs a poller over closed shards until every record has ended, and tells what happened. */
async function pollToTheEnd(options: {
  readonly shards: readonly FakeShard[];
  readonly handler: Handler;
  readonly settings?: Partial<PollerSettings>;
  readonly onFailure?: (batch: FailedBatch) => void;
}) {
  const { shards, handler } = options;
  const invocations: string[][] = [];
  const failures: FailedBatch[] = [];
  const recordCount = shards.reduce((total, { records }) => total + records.length, 0);
  const ended = { acknowledged: [] as string[], failed: [] as string[] };
  let nowMillis = 2_000;
  const poller = startPoller(
    {
      source: {
        listShards: async () => shards,
        read: async ({ shardId, afterSequenceNumber, recordLimit }) => {
          const records = shards.find((shard) => shard.shardId === shardId)?.records ?? [];
          const start = records.findIndex(({ sequenceNumber }) => sequenceNumber === afterSequenceNumber) + 1;
          const page = records.slice(start, start + recordLimit);
          return { records: page, isEndOfShard: start + page.length === records.length };
        },
      },
      invoke: async (event) => {
        const names = event.Records.map(nameOf);
        invocations.push(names);
        const answer = handler(names, event);
        return answer instanceof Error
          ? ({ kind: 'function-error', message: answer.message } satisfies Invocation)
          : { kind: 'answered', payload: answer };
      },
      onFailure: async (batch) => {
        options.onFailure?.(batch);
        failures.push(batch);
      },
      onEnded: (records, outcome) => ended[outcome].push(...records.map(({ partitionKey }) => partitionKey)),
      nowMillis: () => nowMillis,
      sleep: async (millis) => {
        nowMillis += millis;
        await new Promise(setImmediate);
      },
    },
    { ...DEFAULTS, ...options.settings },
  );
  while (ended.acknowledged.length + ended.failed.length < recordCount) {
    await Promise.race([new Promise(setImmediate), poller.ended]);
  }
  await poller.stop();
  const counts = { acknowledged: ended.acknowledged.length, failed: ended.failed.length };
  return { invocations, failures, ended, counts, elapsedMillis: nowMillis - 2_000 };
}

function failuresAt(event: KinesisStreamEvent, isFailed: (name: string) => boolean) {
  const failed = event.Records.filter((record) => isFailed(nameOf(record)));
  return { batchItemFailures: failed.map(({ kinesis }) => ({ itemIdentifier: kinesis.sequenceNumber })) };
}

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

describe('a batch', () => {
  test('is acknowledged once when the function answers nothing', async () => {
    const { invocations, counts } = await pollToTheEnd({ shards: [shardOf('s', NAMES)], handler: () => null });
    expect(invocations).toEqual([NAMES]);
    expect(counts).toEqual({ acknowledged: 7, failed: 0 });
  });

  test('has at most as many records as the mapping says', async () => {
    const { invocations } = await pollToTheEnd({
      shards: [shardOf('s', NAMES)],
      handler: () => null,
      settings: { batchSize: 3 },
    });
    expect(invocations).toEqual([['a', 'b', 'c'], ['d', 'e', 'f'], ['g']]);
  });

  test('is delivered again from the first record that the function names', async () => {
    let isFirst = true;
    const { invocations, failures } = await pollToTheEnd({
      shards: [shardOf('s', NAMES)],
      handler: (_, event) => {
        const answer = failuresAt(event, (name) => isFirst && (name === 'f' || name === 'd'));
        isFirst = false;
        return answer;
      },
    });
    expect(invocations).toEqual([NAMES, ['d', 'e', 'f', 'g']]);
    expect(failures).toEqual([]);
  });

  test('is acknowledged as a whole, whatever it answers, when the mapping reports no item failures', async () => {
    const { invocations } = await pollToTheEnd({
      shards: [shardOf('s', NAMES)],
      handler: (_, event) => failuresAt(event, () => true),
      settings: { reportsBatchItemFailures: false },
    });
    expect(invocations).toHaveLength(1);
  });
});

describe('a poison record', () => {
  test('that makes the function throw is isolated by halving, and its neighbours proceed', async () => {
    const { failures, counts } = await pollToTheEnd({
      shards: [shardOf('s', NAMES)],
      handler: (names) => (names.includes('c') ? new Error('poison') : null),
    });
    expect(failures.map(({ records }) => records.map(({ partitionKey }) => partitionKey))).toEqual([['c']]);
    expect(failures[0]).toMatchObject({ shardId: 's', reason: 'RetryAttemptsExhausted', attemptCount: 3 });
    expect(counts).toEqual({ acknowledged: 6, failed: 1 });
  });

  test('that the function keeps naming is isolated, and its neighbours proceed', async () => {
    const { failures, counts } = await pollToTheEnd({
      shards: [shardOf('s', NAMES)],
      handler: (_, event) => failuresAt(event, (name) => name === 'c'),
    });
    expect(failures.flatMap(({ records }) => records.map(({ partitionKey }) => partitionKey))).toEqual(['c']);
    expect(counts).toEqual({ acknowledged: 6, failed: 1 });
  });

  test('takes its batch with it when the mapping does not halve', async () => {
    const { invocations, failures } = await pollToTheEnd({
      shards: [shardOf('s', NAMES)],
      handler: (names) => (names.includes('c') ? new Error('poison') : null),
      settings: { bisectsBatchOnFunctionError: false, batchSize: 4 },
    });
    const first = ['a', 'b', 'c', 'd'];
    expect(invocations).toEqual([first, first, first, ['e', 'f', 'g']]);
    expect(failures.map(({ records }) => records.map(({ partitionKey }) => partitionKey))).toEqual([first]);
  });

  test('blocks its shard, and no other, while retries are unlimited', async () => {
    let attemptCount = 0;
    const { failures, invocations } = await pollToTheEnd({
      shards: [shardOf('s', ['a', 'poison', 'b']), shardOf('t', ['x'])],
      handler: (names) => (names.includes('poison') && attemptCount++ < 20 ? new Error('not yet') : null),
      settings: { maximumRetryAttempts: undefined },
    });
    expect(failures).toEqual([]);
    const bDelivered = invocations.findIndex((names) => names[0] === 'b');
    expect(bDelivered).toBeGreaterThan(20);
    expect(invocations.findIndex((names) => names[0] === 'x')).toBeLessThan(bDelivered);
  });

  test('is given up when it is older than the mapping allows, with its neighbours of that age', async () => {
    const { failures, counts } = await pollToTheEnd({
      shards: [shardOf('s', ['a', 'poison', 'b'])],
      handler: (names) => (names.includes('poison') ? new Error('poison') : null),
      settings: { maximumRetryAttempts: undefined, maximumRecordAgeSeconds: 60 },
    });
    expect(failures.flatMap(({ records }) => records.map(({ partitionKey }) => partitionKey))).toContain('poison');
    expect(failures.every(({ reason }) => reason === 'MaximumRecordAgeExceeded')).toBe(true);
    expect(counts.acknowledged + counts.failed).toBe(3);
  });

  test('is not lost when the on-failure destination fails at first', async () => {
    let refusalCount = 0;
    const { failures } = await pollToTheEnd({
      shards: [shardOf('s', ['poison'])],
      handler: () => new Error('poison'),
      onFailure: () => {
        if (refusalCount++ < 3) throw new Error('destination unavailable');
      },
    });
    expect(failures).toHaveLength(1);
  });
});

describe('a function that cannot be reached', () => {
  test('costs neither attempts nor halves: the same batch waits with growing pauses', async () => {
    let callCount = 0;
    const { invocations, failures, elapsedMillis } = await pollToTheEnd({
      shards: [shardOf('s', NAMES)],
      handler: () => {
        if (callCount++ < 5) throw new Error('connection refused');
        return null;
      },
      settings: { maximumRetryAttempts: 0 },
    });
    expect(invocations).toEqual(Array.from({ length: 6 }, () => NAMES));
    expect(failures).toEqual([]);
    expect(elapsedMillis).toBeGreaterThanOrEqual(100 + 200 + 400 + 800 + 1_600);
  });
});

describe('resharding', () => {
  test('delivers child shards only after all of their parents', async () => {
    const shards = [
      shardOf('merged', ['m1', 'm2'], ['left', 'right']),
      shardOf('left', ['l1', 'l2', 'l3']),
      shardOf('right', ['r1'], ['trimmed long ago']),
    ];
    const { invocations } = await pollToTheEnd({ shards, handler: () => null, settings: { batchSize: 1 } });
    const delivered = invocations.flat();
    expect(delivered.slice(-2)).toEqual(['m1', 'm2']);
    expect(delivered.filter((name) => name.startsWith('l'))).toEqual(['l1', 'l2', 'l3']);
  });
});

describe('a stream that cannot be read', () => {
  test('ends the poller with the reason', async () => {
    const poller = startPoller(
      {
        source: {
          listShards: async () => [shardOf('s', [])],
          read: () => Promise.reject(new Error('no such stream')),
        },
        invoke: async () => ({ kind: 'answered', payload: null }),
        onFailure: async () => {},
        onEnded: () => {},
        nowMillis: () => 0,
        sleep: () => new Promise(setImmediate),
      },
      DEFAULTS,
    );
    await expect(poller.ended).rejects.toThrow('no such stream');
    await expect(poller.stop()).rejects.toThrow('no such stream');
  });
});

test('whatever fails, every record ends exactly once and the order of a shard is kept', async () => {
  const behaviour = fc.constantFrom(
    'good',
    'throws always',
    'named always',
    'throws once',
    'named once',
    'unreached once',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(behaviour, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 2 }),
      async (behaviours, batchSize, maximumRetryAttempts) => {
        const names = behaviours.map((_, index) => String(index));
        const seen = new Set<string>();
        const acknowledged: string[] = [];
        const isNew = (name: string) => !seen.has(name) && seen.add(name);
        const { failures, ended } = await pollToTheEnd({
          shards: [shardOf('s', names)],
          settings: { batchSize, maximumRetryAttempts: maximumRetryAttempts + 1 },
          handler: (batch, event) => {
            const named = new Set<string>();
            for (const name of batch) {
              const kind = behaviours[Number(name)];
              if (kind === 'unreached once' && isNew(name)) throw new Error('unreached');
              if (kind === 'throws always' || (kind === 'throws once' && isNew(name))) return new Error('thrown');
              if (kind === 'named always' || (kind === 'named once' && isNew(name))) named.add(name);
            }
            const firstNamed = batch.findIndex((name) => named.has(name));
            acknowledged.push(...batch.slice(0, firstNamed < 0 ? batch.length : firstNamed));
            return failuresAt(event, (name) => named.has(name));
          },
        });
        const givenUp = failures.flatMap(({ records }) => records.map(({ partitionKey }) => partitionKey));
        const poison = names.filter((name) => behaviours[Number(name)]?.endsWith('always'));
        expect(givenUp).toEqual(poison);
        expect(acknowledged).toEqual(names.filter((name) => !poison.includes(name)));
        expect(ended).toEqual({ acknowledged, failed: givenUp });
      },
    ),
    { numRuns: 200 },
  );
});

describe('a partial batch response', () => {
  const { records } = shardOf('s', ['a', 'b', 'c']);
  test.each([
    ['nothing', null, 3],
    ['an empty object', {}, 3],
    ['an empty text', '', 3],
    ['a null list', { batchItemFailures: null }, 3],
    ['an empty list', { batchItemFailures: [] }, 3],
    ['the last record', { batchItemFailures: [{ itemIdentifier: 's-00002' }] }, 2],
    ['several', { batchItemFailures: [{ itemIdentifier: 's-00002' }, { itemIdentifier: 's-00001' }] }, 1],
    ['an empty identifier', { batchItemFailures: [{ itemIdentifier: '' }] }, 0],
    ['a misspelt key', { batchItemFailures: [{ sequenceNumber: 's-00002' }] }, 0],
    ['a record of another batch', { batchItemFailures: [{ itemIdentifier: 'other' }] }, 0],
    ['no object', 'done', 0],
  ])('of %s acknowledges as AWS does', (_, payload, acknowledgedCount) => {
    expect(acknowledgedCountOf(payload, records)).toBe(acknowledgedCount);
  });
});

test('the event is the one that Lambda sends', () => {
  const { records } = shardOf('shardId-000000000001', ['user']);
  expect(toLambdaEvent(STREAM_ARN, 'shardId-000000000001', records).Records).toEqual([
    {
      kinesis: {
        kinesisSchemaVersion: '1.0',
        partitionKey: 'user',
        sequenceNumber: 'shardId-000000000001-00000',
        data: 'dXNlcg==',
        approximateArrivalTimestamp: 1,
      },
      eventSource: 'aws:kinesis',
      eventVersion: '1.0',
      eventID: 'shardId-000000000001:shardId-000000000001-00000',
      eventName: 'aws:kinesis:record',
      invokeIdentityArn: expect.stringMatching(/^arn:aws:iam::/),
      awsRegion: 'eu-west-1',
      eventSourceARN: STREAM_ARN,
    },
  ]);
});

test('a large batch is split so that an invocation stays within 6 MB', async () => {
  const payloadBytes: number[] = [];
  const { invocations } = await pollToTheEnd({
    shards: [
      shardOf(
        's',
        Array.from({ length: 12 }, () => 'x'.repeat(1024 * 1024)),
      ),
    ],
    handler: (_, event) => {
      payloadBytes.push(JSON.stringify(event).length);
      return null;
    },
    settings: { batchSize: 100 },
  });
  expect(invocations.map((names) => names.length)).toEqual([4, 4, 4]);
  expect(Math.max(...payloadBytes)).toBeLessThanOrEqual(6 * 1024 * 1024);
});

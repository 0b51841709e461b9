import { BatchGetItemCommand, type BatchGetItemCommandInput, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { withRetries } from '../../shared/online/retry.ts';
import {
  type OnlineStore,
  OnlineStoreNotAskedError,
  OnlineStoreThrottledError,
  OnlineStoreUnavailableError,
} from '../../shared/online/store.ts';

describe('a read that is answered in part', () => {
  const TABLE_NAME = 'online';
  const dynamoDb = mockClient(DynamoDBClient);
  const keys = Array.from({ length: 250 }, (_, index) => `view@1|${index}`);
  const store = new DynamoDbOnlineStore({ client: new DynamoDBClient(), tableName: TABLE_NAME });
  /** Keys of each request. */
  const asked: string[][] = [];

  beforeEach(() => {
    dynamoDb.reset();
    asked.length = 0;
    vi.useFakeTimers();
    // Jitter may be so small that there is no pause at all.
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  /** A table that processes so many keys of a request. Odd ones have an item. */
  function processing(keysOf: (call: number) => number) {
    dynamoDb.on(BatchGetItemCommand).callsFake(({ RequestItems }: BatchGetItemCommandInput) => {
      const wanted = RequestItems?.[TABLE_NAME]?.Keys ?? [];
      asked.push(wanted.map(({ key }) => key?.S ?? ''));
      const processed = wanted.slice(0, keysOf(asked.length));
      const left = wanted.slice(processed.length);
      return {
        Responses: {
          [TABLE_NAME]: processed.filter(({ key }) => isOdd(key?.S)).map((key) => ({ ...key, n: key.key })),
        },
        ...(left.length > 0 && { UnprocessedKeys: { [TABLE_NAME]: { Keys: left } } }),
      };
    });
  }
  const isOdd = (key = '') => Number(key.split('|')[1]) % 2 === 1;

  it('is repeated for the other keys alone, each after a pause', async () => {
    processing(() => 30);
    const read = withRetries(store, { signal: new AbortController().signal }).get(keys);
    await vi.advanceTimersByTimeAsync(0);
    // One request per hundred keys, and none before the pause.
    expect(asked.map(({ length }) => length)).toEqual([100, 100, 50]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await read).toEqual(keys.map((key) => (isOdd(key) ? { n: { S: key } } : undefined)));
    expect(asked.slice(3).map(({ length }) => length)).toEqual([100, 60, 100, 70, 40, 10]);
    const repeated = new Set(asked.slice(3, 5).flat());
    for (const key of [...keys.slice(0, 30), ...keys.slice(100, 130)]) expect(repeated).not.toContain(key);
  });

  it('keeps what it has when a later request fails, or is not processed at all', async () => {
    processing((call) => (call === 2 ? 0 : 40));
    const read = withRetries(store, { signal: new AbortController().signal }).get(keys.slice(0, 100));
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await read).filter((item) => item !== undefined)).toHaveLength(50);
    expect(asked.map(({ length }) => length)).toEqual([100, 60, 60, 20]);
  });

  it('is not repeated when its time is over', async () => {
    processing(() => 1);
    const deadline = new AbortController();
    const read = withRetries(store, { signal: deadline.signal }).get(keys.slice(0, 100));
    const refused = expect(read).rejects.toBeInstanceOf(OnlineStoreThrottledError);
    await vi.advanceTimersByTimeAsync(0);
    deadline.abort();
    await vi.advanceTimersByTimeAsync(60_000);
    await refused;
    expect(asked.length).toBeLessThanOrEqual(2);
  });
});

describe('an update that is refused', () => {
  const once = {
    add: { ids: { SS: ['event'] } },
    set: {},
    remove: [],
    conditions: [{ kind: 'lacksMember', name: 'ids', member: 'event' }],
  } as const;

  /** Makes the update, or not, and then fails so. */
  async function afterFailing(error: Error, { isMade }: { readonly isMade: boolean }) {
    const memory = new MemoryOnlineStore();
    if (!isMade) await memory.update('k', once);
    let calls = 0;
    const store: OnlineStore = {
      get: (keys) => memory.get(keys),
      update: async (key, update) => {
        calls++;
        if (calls > 1) return memory.update(key, update);
        if (isMade) await memory.update(key, update);
        throw error;
      },
    };
    return withRetries(store, { signal: new AbortController().signal, initialDelayMillis: 1 }).update('k', once);
  }
  const item = { ids: { SS: ['event'] } };

  it('may be refused by itself after an answer was lost', async () => {
    const lost = new OnlineStoreUnavailableError('lost');
    expect(await afterFailing(lost, { isMade: true })).toEqual({ applied: false, item, mayBeOwn: true });
    expect(await afterFailing(lost, { isMade: false })).toEqual({ applied: false, item, mayBeOwn: true });
  });

  it.each([
    ['a throttle', new OnlineStoreThrottledError('slow down')],
    ['a store that was not asked', new OnlineStoreNotAskedError('left alone')],
  ])('was refused by somebody else after %s', async (_what, error) => {
    expect(await afterFailing(error, { isMade: false })).toEqual({ applied: false, item });
  });
});

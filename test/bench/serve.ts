/**
 * What serving costs, against bare DynamoDB calls on an item of the same size, on DynamoDB Local.
 *
 *     npm run bench:serve [-- --rounds N]
 *
 * Four calls take turns: a bare `GetItem`, `POST /features`, a bare `UpdateItem` that adds to one counter and returns the
 * item, `POST /predict_fraud`. The last two change an item of one of many users, prepared alike.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import {
  BatchWriteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { program } from 'commander';
import { createHandler, type ServeHandler } from '../../functions/serve/app.ts';
import { CachedViews } from '../../functions/serve/cached-views.ts';
import { HEDGE_AFTER_MILLIS } from '../../functions/serve/constants.ts';
import { DefaultPolicies } from '../../functions/serve/decision-policies.ts';
import { GuardedStore } from '../../functions/serve/guarded-store.ts';
import { EmfServingMetrics } from '../../functions/serve/metrics.ts';
import type { FeatureService } from '../../shared/definitions/index.ts';
import { repository } from '../../shared/features/index.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { itemKeyOf } from '../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { TABLE } from '../../shared/online/table.ts';
import { featureRepository } from '../../shared/registry/manifest.ts';
import { HEADER, startOfAttribute } from '../../shared/windows/bucket.ts';
import type { Item } from '../../shared/windows/item.ts';
import { itemBytes } from '../../shared/windows/item-size.ts';
import { unpack } from '../../shared/windows/packed.ts';
import { readWindows } from '../../shared/windows/read.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import { transactionsService } from '../support/transactions-service.ts';
import { httpRequest } from '../unit/serve/harness.ts';
import { microsecondsPerCall, round, timeInTurn } from './measure.ts';
import { applyOneByOne, transactionsOf, view } from './workload.ts';

/** So many that each user's item stays nearly as large as it was while it is measured. */
const USERS = 500;
const endMillis = Date.now() - 60_000;
const TARGETS = { readMicrosecondsOfCpu: 100, featuresToBareGet: 1.5, predictToBareUpdate: 1.5 };

interface User {
  readonly name: string;
  readonly item: Item;
}

/** The item that a user's transactions of the last eight days leave behind. */
async function userWith(name: string, perDay: number): Promise<User> {
  const store = new MemoryOnlineStore({ answers: 'live' });
  await applyOneByOne(store, transactionsOf(name, { perDay, days: 8, endMillis, seed: perDay }));
  const [item = {}] = await store.get([itemKeyOf(view, name, 0)]);
  return { name, item };
}

/** The first user, by transactions a day, who has so many live buckets. */
async function userWithBuckets(buckets: number): Promise<User> {
  for (let perDay = 4; perDay <= 1_000; perDay += 2) {
    const user = await userWith('busy', perDay);
    if (bucketCount(user.item) >= buckets) return user;
  }
  throw new Error(`no user has ${buckets} live buckets`);
}

/** Buckets with attributes of their own, and packed ones. */
function bucketCount(item: Item): number {
  const loose = Object.keys(item)
    .map(startOfAttribute)
    .filter((start) => start >= 0);
  const packed = [...unpack(view.layout, item[HEADER.packed]).known.values()].flat().map(({ start }) => start);
  return new Set([...loose, ...packed]).size;
}

/** What the handler prints, its metrics, is part of its work; it goes where nobody reads it. */
async function withoutOutput<Result>(work: () => Promise<Result>): Promise<Result> {
  const nowhere = openSync('/dev/null', 'w');
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = ((text: string) => writeSync(nowhere, text) > 0) as typeof write;
  try {
    return await work();
  } finally {
    process.stdout.write = write;
    closeSync(nowhere);
  }
}

/** Times the four calls on copies of one user's item. */
async function measureServing(client: DynamoDBClient, handler: ServeHandler, { name, item }: User, rounds: number) {
  const keyOf = (user: number, kind: string) => itemKeyOf(view, `${name}-${kind}-${user % USERS}`, 0);
  for (const kind of ['bare', 'ours']) {
    for (let first = 0; first < USERS; first += 25) {
      const puts = Array.from({ length: 25 }, (_, offset) => ({
        PutRequest: { Item: { ...item, [TABLE.partitionKey]: { S: keyOf(first + offset, kind) } } as never },
      }));
      await client.send(new BatchWriteItemCommand({ RequestItems: { [TEST_TABLE]: puts } }));
    }
  }
  const answer = async (path: string, body: unknown) => {
    const { statusCode, body: text } = await handler(httpRequest('POST', path, { body: JSON.stringify(body) }));
    if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${text}`);
  };
  const key = (user: number) => ({ [TABLE.partitionKey]: { S: keyOf(user, 'bare') } });
  const user = (index: number) => `${name}-ours-${index % USERS}`;
  let sequence = 0;
  return timeInTurn(
    {
      bareGet: (index) =>
        client.send(new GetItemCommand({ TableName: TEST_TABLE, Key: key(index), ConsistentRead: true })),
      features: (index) => answer('/features', { service: ONE_ITEM.name, entities: [{ user_id: user(index) }] }),
      bareUpdate: (index) =>
        client.send(
          new UpdateItemCommand({
            TableName: TEST_TABLE,
            Key: key(index),
            UpdateExpression: 'ADD #counter :one',
            ExpressionAttributeNames: { '#counter': 'counter' },
            ExpressionAttributeValues: { ':one': { N: '1' } },
            ReturnValues: 'ALL_NEW',
          }),
        ),
      predict: (index) =>
        answer('/predict_fraud', {
          transaction_id: `bench-${name}-${sequence++}`,
          user_id: user(index),
          merchant_id: `merchant-${index % 50}`,
          amount: 25,
          timestamp: Date.now(),
        }),
    },
    { rounds, warmUp: Math.ceil(rounds / 4) },
  );
}

/** What ships, and the features of users alone: they are in one item, as what a bare call reads is. */
const ONE_ITEM: FeatureService = {
  ...transactionsService,
  name: 'user_features',
  key: 'user_features@1',
  decides: undefined,
};
const measured = featureRepository({ views: repository.views, services: [...repository.services, ONE_ITEM] });

async function main(rounds: number): Promise<number> {
  const { client, stop } = await startTestTable();
  try {
    const handler = createHandler({
      store: new GuardedStore(new DynamoDbOnlineStore({ client, tableName: TEST_TABLE }), {
        hedgeAfterMillis: HEDGE_AFTER_MILLIS,
      }),
      cachedViews: new CachedViews({ clock: Date.now }),
      policies: new DefaultPolicies(),
      repository: measured,
      stream: { put: () => Promise.reject(new Error('nothing is published in this benchmark')) },
      clock: () => Date.now(),
      logger: { error: console.error, warn: console.error },
      metrics: new EmfServingMetrics(() => Date.now()),
      // Sent beside later requests; making the rows is part of an answer.
      rows: { sink: { add: (_, row) => void JSON.stringify(row), send: async () => {} }, waits: false },
      probes: [],
    });
    const results = [];
    for (const user of [await userWith('quiet', 2), await userWithBuckets(150)]) {
      const readMicros = microsecondsPerCall(() => readWindows(view.layout, [user.item], endMillis));
      const timings = await withoutOutput(() => measureServing(client, handler, user, rounds));
      const figures = Object.entries(timings).map(([name, { p50Millis, p99Millis }]) => {
        return [name, { 'p50 ms': round(p50Millis), 'p99 ms': round(p99Millis) }] as const;
      });
      console.log(`${user.name} user: ${itemBytes(user.item)} bytes, ${bucketCount(user.item)} live buckets`);
      console.table(Object.fromEntries(figures));
      results.push({
        user: user.name,
        itemBytes: itemBytes(user.item),
        liveBuckets: bucketCount(user.item),
        readMicrosecondsOfCpu: round(readMicros, 1),
        featuresToBareGet: round(timings.features.p50Millis / timings.bareGet.p50Millis, 2),
        predictToBareUpdate: round(timings.predict.p50Millis / timings.bareUpdate.p50Millis, 2),
      });
    }
    console.log(JSON.stringify({ features: view.features.length, targets: TARGETS, users: results }));
    const names = Object.keys(TARGETS) as (keyof typeof TARGETS)[];
    return results.every((result) => names.every((name) => result[name] <= TARGETS[name])) ? 0 : 1;
  } finally {
    await stop();
  }
}

program
  .name('bench:serve')
  .description('Serving against bare DynamoDB calls, in turn.')
  .option('--rounds <count>', 'how often each call is timed', '2000')
  .parse();
process.exitCode = await main(Number(program.opts<{ rounds: string }>().rounds));

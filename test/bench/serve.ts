/**
 * What serving costs, against bare DynamoDB calls on an item of the same size, on DynamoDB Local.
 *
 *     npm run bench:serve [-- --rounds N]
 *
 * Four calls take turns: a bare `GetItem`, `POST /features`, a bare `UpdateItem` that adds to one counter and returns the
 * item, `POST /services/{name}/decide`. The last two change an item of one of many users, prepared alike.
 */
import { type DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
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
import { TABLE } from '../../shared/online/table.ts';
import { featureRepository } from '../../shared/registry/manifest.ts';
import { itemBytes } from '../../shared/windows/item-size.ts';
import { readWindows } from '../../shared/windows/read.ts';
import { API } from '../support/api-description.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import { transactionsService } from '../support/transactions-service.ts';
import { httpRequest } from '../unit/serve/harness.ts';
import { microsecondsPerCall, round, timeInTurn } from './measure.ts';
import { bucketCount, endMillis, putCopies, type User, userWith, userWithBuckets, withoutOutput } from './serving.ts';
import { view } from './workload.ts';

const TARGETS = { readMicrosecondsOfCpu: 100, featuresToBareGet: 1.5, predictToBareUpdate: 1.5 };

/** Times the four calls on copies of one user's item. */
async function measureServing(client: DynamoDBClient, handler: ServeHandler, { name, item }: User, rounds: number) {
  const keys = await putCopies(client, { name, item });
  const answer = async (path: string, body: unknown) => {
    const { statusCode, body: text } = await handler(httpRequest('POST', path, { body: JSON.stringify(body) }));
    if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${text}`);
  };
  const key = (user: number) => ({ [TABLE.partitionKey]: { S: keys.of('bare', user) } });
  const user = (index: number) => keys.user('ours', index);
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
        answer('/services/fraud_detection/decide', {
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
      api: API,
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

/**
 * What a decision with a model costs, on DynamoDB Local.
 *
 *     npm run bench:score [-- --rounds N]
 *
 * 1. In turn: a bare `UpdateItem` that returns the item; `POST /services/{name}/decide` by rules alone; with a model of 500 trees
 *    of depth 6; and with its explanation, too.
 * 2. Sixteen callers at once, with the model.
 */
import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { program } from 'commander';
import pMap from 'p-map';
import { createHandler } from '../../functions/serve/app.ts';
import { CachedViews } from '../../functions/serve/cached-views.ts';
import { HEDGE_AFTER_MILLIS } from '../../functions/serve/constants.ts';
import { type DecisionPolicies, DefaultPolicies } from '../../functions/serve/decision-policies.ts';
import { GuardedStore } from '../../functions/serve/guarded-store.ts';
import { EmfServingMetrics } from '../../functions/serve/metrics.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { TABLE } from '../../shared/online/table.ts';
import { DEFAULT_CONFIGURATION } from '../../shared/scoring/configuration.ts';
import { decisionPolicy } from '../../shared/scoring/decide.ts';
import {
  definitionsOfInputs,
  type ModelInput,
  readModelPackage,
  writeModelPackage,
} from '../../shared/scoring/package.ts';
import { scorerOf } from '../../shared/scoring/scorer.ts';
import { Random } from '../simulation/random.ts';
import { API } from '../support/api-description.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import {
  transactionsRepository as repository,
  transactionsService as service,
} from '../support/transactions-service.ts';
import { httpRequest } from '../unit/serve/harness.ts';
import { forestText, grow } from './forest.ts';
import { rank, round, timeInTurn } from './measure.ts';
import { putCopies, userWithBuckets, withoutOutput } from './serving.ts';

const TREES = 500;
const DEPTH = 6;
const CALLERS = 16;
const EXPLAINED = 5;
const TARGETS = { scoredToBareUpdate: 1.6, explainingMillis: 5, p99Millis: 50, errors: 0 };

/** A model over all numbers that the service knows of an event. */
function scoringPolicies(): DecisionPolicies {
  const random = new Random(1);
  const features = [...service.features, ...service.derived].filter(({ type }) => type === 'number');
  const inputNames = ['amount', ...features.map(({ name }) => name)];
  const inputs = inputNames.map((feature): ModelInput => ({ feature, type: 'number', imputation: null }));
  const shape = { depth: DEPTH, inputs: inputNames.length };
  const trees = Array.from({ length: TREES }, () => grow(random, shape));
  const statistics = { mean: null, stddev: null, minimum: null, maximum: null, nulls: 0, quantiles: [] };
  const bytes = writeModelPackage(
    {
      packageVersion: 2,
      name: 'benchmark',
      version: 1,
      service: service.key,
      registryVersion: repository.registryVersion,
      definitions: definitionsOfInputs(service, inputs),
      inputs,
      format: 'sklearn-trees',
      thresholds: {},
      trainingSet: { absentBecause: 'its trees are random' },
      reference: { rows: 0, features: Object.fromEntries(inputNames.map((name) => [name, statistics])) },
      createdAt: '2026-01-01T00:00:00Z',
    },
    forestText(trees, { depth: DEPTH, inputNames, inputCount: inputNames.length }),
  );
  const champion = scorerOf(readModelPackage(bytes, repository));
  const active = {
    policy: decisionPolicy(service, DEFAULT_CONFIGURATION, { champion }),
    configurationVersion: 1,
    ageSeconds: null,
  };
  return { policyOf: async () => active };
}

async function main(rounds: number): Promise<number> {
  const { client, stop } = await startTestTable();
  try {
    const handlerOf = (policies: DecisionPolicies) =>
      createHandler({
        store: new GuardedStore(new DynamoDbOnlineStore({ client, tableName: TEST_TABLE }), {
          hedgeAfterMillis: HEDGE_AFTER_MILLIS,
        }),
        cachedViews: new CachedViews({ clock: Date.now }),
        policies,
        repository,
        api: API,
        stream: { put: () => Promise.reject(new Error('nothing is published in this benchmark')) },
        clock: Date.now,
        logger: { error: console.error, warn: console.error },
        metrics: new EmfServingMetrics(Date.now),
        rows: { sink: { add: (_, row) => void JSON.stringify(row), send: async () => {} }, waits: false },
        probes: [],
      });
    const [byRules, scored] = [handlerOf(new DefaultPolicies()), handlerOf(scoringPolicies())];
    const user = await userWithBuckets(150);
    const keys = await putCopies(client, user);
    let sequence = 0;
    const decide = async (handler: typeof scored, index: number, options: object = {}) => {
      const transaction = {
        transaction_id: `bench-${sequence++}`,
        user_id: keys.user('ours', index),
        merchant_id: `merchant-${index % 50}`,
        amount: 25,
        timestamp: Date.now(),
      };
      const request = httpRequest('POST', `/services/${service.name}/decide`, {
        body: JSON.stringify({ ...transaction, ...options }),
      });
      const { statusCode, body = '' } = await handler(request);
      return statusCode === 200 && body.includes('"degraded":[]');
    };
    const timings = await withoutOutput(() =>
      timeInTurn(
        {
          bareUpdate: (index) =>
            client.send(
              new UpdateItemCommand({
                TableName: TEST_TABLE,
                Key: { [TABLE.partitionKey]: { S: keys.of('bare', index) } },
                UpdateExpression: 'ADD #counter :one',
                ExpressionAttributeNames: { '#counter': 'counter' },
                ExpressionAttributeValues: { ':one': { N: '1' } },
                ReturnValues: 'ALL_NEW',
              }),
            ),
          byRules: (index) => decide(byRules, index),
          scored: (index) => decide(scored, index),
          explained: (index) => decide(scored, index, { explain: EXPLAINED }),
        },
        { rounds, warmUp: Math.ceil(rounds / 4) },
      ),
    );
    const crowd = await withoutOutput(() => inCrowd((index) => decide(scored, index), rounds));
    const ratio = (millis: number) => round(millis / timings.bareUpdate.p50Millis, 2);
    const result = {
      byRulesToBareUpdate: ratio(timings.byRules.p50Millis),
      scoredToBareUpdate: ratio(timings.scored.p50Millis),
      explainingMillis: round(timings.explained.p50Millis - timings.scored.p50Millis, 2),
      callers: CALLERS,
      ...crowd,
    };
    console.table(timings);
    console.log(JSON.stringify({ trees: TREES, depth: DEPTH, targets: TARGETS, ...result }));
    const names = Object.keys(TARGETS) as (keyof typeof TARGETS)[];
    return names.every((name) => result[name] <= TARGETS[name]) ? 0 : 1;
  } finally {
    await stop();
  }
}

async function inCrowd(decide: (index: number) => Promise<boolean>, rounds: number) {
  const millis: number[] = [];
  let errors = 0;
  const startedAt = performance.now();
  await pMap(
    Array.from({ length: rounds }, (_, index) => index),
    async (index) => {
      const begunAt = performance.now();
      if (!(await decide(index))) errors++;
      millis.push(performance.now() - begunAt);
    },
    { concurrency: CALLERS },
  );
  return {
    p50Millis: round(rank(millis, 0.5), 1),
    p99Millis: round(rank(millis, 0.99), 1),
    perSecond: Math.round((rounds / (performance.now() - startedAt)) * 1_000),
    errors,
  };
}

program
  .name('bench:score')
  .description('Decisions with a model against a bare update, in turn, and sixteen at once.')
  .option('--rounds <count>', 'how often each call is timed', '2000')
  .parse();
process.exitCode = await main(Number(program.opts<{ rounds: string }>().rounds));

/**
 * A day of a local run, and everything that is made of its history.
 *
 * 1. Transactions and labels go through the streams of an emulator, and some transactions are decided by the API.
 * 2. All of it lands; what landed is counted against what was sent.
 * 3. `training-set`, `POST /training-sets`, `audit`, `evaluate` and `backfill` work on what landed, and naive computations
 *    say whether they are right.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import pMap from 'p-map';
import * as z from 'zod';
import type { Evaluation } from '../../cli/evaluation/evaluate.ts';
import { activateModel, SHIPPED_MODEL, untilModelDecides } from '../../localstack/activate-model.ts';
import { decide, makeTrainingSet } from '../../localstack/api-client.ts';
import { type Environment, freePort, PROJECT_ROOT, run } from '../../localstack/child-process.ts';
import { type Deployment, deployLocally } from '../../localstack/deploy.ts';
import { clientConfigurationOf, environmentOf } from '../../localstack/endpoint.ts';
import { openLocalHistory } from '../../localstack/history/local-history.ts';
import { labelOf } from '../../localstack/labels.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { countedInHistory, oracleFeatures } from '../../localstack/oracle.ts';
import { playOf, type Scene } from '../../localstack/start/scene.ts';
import { type Streams, startStreams } from '../../localstack/streams.ts';
import type { Transaction } from '../../localstack/traffic.ts';
import { labels, transactions } from '../../shared/features/fraud.ts';
import { repository } from '../../shared/features/index.ts';
import type { SkewReport } from '../../shared/offline/audit/report.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { itemKeysOf } from '../../shared/online/item-key.ts';
import { readWindows } from '../../shared/windows/read.ts';
import { Random } from '../simulation/random.ts';
import {
  evaluationDifferences,
  LandedDay,
  middleScore,
  naiveAuc,
  spineBody,
  writeSpine,
} from '../support/landed-day.ts';
import { readParquet } from '../support/parquet.ts';
import { backfilledView } from './local-day/backfilled-view.ts';
import type { Trial } from './trial.ts';

const TRANSACTIONS = 10_000;
const USERS = 60;
/** One decision to so many transactions. */
const TRANSACTIONS_PER_DECISION = 25;
const DECISIONS_AT_ONCE = 4;
const SPINE_ROWS = 300;
const SHOWN = 5;
/** As the function is deployed. */
const NIGHTLY_ROWS_MAX = 1_000;

const AuditSummary = z.object({ rows: z.number(), unexplained: z.number() });

/** What was compared, and what was found otherwise than a naive computation has it. */
interface Finding {
  readonly compared: number;
  readonly differences: readonly string[];
}

/** A local run that has ended its day. */
interface Day {
  readonly deployment: Deployment;
  readonly landed: LandedDay;
  readonly directory: string;
  readonly model: string;
}

function progress(text: string): void {
  process.stderr.write(`local-day: ${text}\n`);
}

/** Purchases of the day's users, at merchants of which it is known what became of some transactions. */
function purchasesOf({ transactions: before, labels: known }: Scene, count: number, seed: number): Transaction[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, index) => ({
    transaction_id: `decided-${index}`,
    user_id: random.pick(before).user_id,
    merchant_id: (index % 2 === 0 ? random.pick(known) : random.pick(before)).merchant_id,
    amount: random.integer(100, 300_000) / 100,
    timestamp: Date.now(),
  }));
}

/** One after the other for each user: which of two at once came first is what an audit can only guess. */
async function decideAll(deployment: Deployment, purchases: readonly Transaction[]): Promise<Transaction[]> {
  const decided = await pMap(
    Map.groupBy(purchases, ({ user_id }) => user_id).values(),
    async (ofUser) => {
      const transactions: Transaction[] = [];
      for (const purchase of ofUser) {
        const transaction = { ...purchase, timestamp: Date.now() };
        const { event_status } = await decide(deployment.apiUrl, transaction);
        if (event_status !== 'applied') throw new Error(`${transaction.transaction_id} was ${event_status}`);
        transactions.push(transaction);
      }
      return transactions;
    },
    { concurrency: DECISIONS_AT_ONCE },
  );
  return decided.flat();
}

function sendLabels(streams: Streams, sent: Scene['labels']): Promise<void> {
  return streams.send(
    labels,
    sent.map((event) => ({ event, partitionKey: event.merchant_id })),
  );
}

/** Sends everything, in the order of a day. @returns the decided transactions. */
async function live(deployment: Deployment, streams: Streams, scene: Scene, seed: number): Promise<Transaction[]> {
  progress(`sending ${scene.deliveries.length} transactions and ${scene.labels.length} labels`);
  const keyed = scene.deliveries.map(({ transaction }) => ({ event: transaction, partitionKey: transaction.user_id }));
  await streams.send(transactions, keyed);
  await sendLabels(streams, scene.labels);
  const count = Math.ceil(scene.transactions.length / TRANSACTIONS_PER_DECISION);
  progress(`deciding ${count} transactions`);
  const decided = await decideAll(deployment, purchasesOf(scene, count, seed));
  // Large amounts are often frauds here, so that scores have something to find.
  const random = new Random(seed + 1);
  const told = decided.map((transaction) =>
    labelOf(transaction, {
      isFraud: random.chance(transaction.amount > 1_500 ? 0.4 : 0.05),
      knownAtMillis: Date.now(),
    }),
  );
  await sendLabels(streams, told);
  return decided;
}

async function cli(environment: Environment, ...commandLine: string[]): Promise<string> {
  return run(process.execPath, [join(PROJECT_ROOT, 'cli/feature-store.cjs'), ...commandLine], { environment });
}

async function trainingSets({ deployment, landed, directory }: Day): Promise<Record<'command' | 'api', Finding>> {
  const rows = landed.spine(SPINE_ROWS, Date.now());
  const [spine, made, answered] = ['spine', 'made', 'answered'].map((name) => join(directory, `${name}.parquet`)) as [
    string,
    string,
    string,
  ];
  await writeSpine(spine, rows);
  const flags = ['--service', 'fraud_detection', '--spine', spine, '--output', made, ...landed.historyFlags];
  await cli({}, 'training-set', ...flags);
  await writeFile(answered, await makeTrainingSet(deployment.apiUrl, 'fraud_detection', spineBody(rows)));
  return {
    command: landed.compare(rows, await readParquet(made)),
    api: landed.compare(rows, await readParquet(answered)),
  };
}

async function audit({ landed, directory }: Day): Promise<Finding> {
  const json = join(directory, 'audit.json');
  const instants = ['--from', '2020-01-01', '--to', new Date(Date.now() + 1_000).toISOString()];
  const report = ['--report', join(directory, 'audit.html'), '--json', json, '--sample', String(landed.answers.length)];
  await cli({}, 'audit', '--served', landed.served, ...landed.historyFlags, ...instants, ...report);
  const found: SkewReport = JSON.parse(await readFile(json, 'utf8'));
  const differences = found.features
    .filter(({ rows, equal }) => rows !== equal)
    .map(({ feature, rows, equal }) => `audit: ${feature} is equal in ${equal} of ${rows} rows`);
  if (found.rows !== landed.answers.length) differences.push(`audit: ${found.rows} rows of ${landed.answers.length}`);
  return { compared: found.features.reduce((sum, { rows }) => sum + rows, 0), differences };
}

/** The function that runs every night, asked for the day of the first answer. */
async function nightly({ deployment, landed }: Day): Promise<Finding> {
  const dateOf = (millis: number) => new Date(millis).toISOString().slice(0, 10);
  const date = dateOf(landed.answers[0]?.servedAtMillis ?? 0);
  const ofDay = landed.answers.filter(({ servedAtMillis }) => dateOf(servedAtMillis) === date).length;
  const url = `${deployment.endpoint}/2015-03-31/functions/${deployment.auditFunctionName}/invocations`;
  const answer = await (await fetch(url, { method: 'POST', body: JSON.stringify({ date }) })).text();
  const summary = AuditSummary.safeParse(JSON.parse(answer));
  if (!summary.success) throw new Error(`the nightly audit answered ${answer}`);
  const { rows, unexplained } = summary.data;
  const wanted = Math.min(ofDay, NIGHTLY_ROWS_MAX);
  const isRight = rows === wanted && unexplained === 0;
  return {
    compared: rows,
    differences: isRight ? [] : [`nightly audit: ${rows} rows of ${wanted}, ${unexplained} unexplained`],
  };
}

async function evaluation({ landed, directory, model }: Day): Promise<Finding & { readonly auc: number }> {
  const json = join(directory, 'evaluation.json');
  const asOf = Date.now() + 1_000;
  const scored = landed.scoredBy(model, asOf);
  const threshold = middleScore(scored);
  const truth = ['--labels', landed.labelsFolder, '--as-of', new Date(asOf).toISOString(), '--maturity', '1ms'];
  const models = ['--champion', model, '--threshold', `${model}=${threshold}`];
  const report = ['--report', join(directory, 'evaluation.html'), '--json', json];
  await cli({}, 'evaluate', '--served', landed.served, ...truth, ...models, ...report);
  const made: Evaluation = JSON.parse(await readFile(json, 'utf8'));
  const differences = evaluationDifferences(made, scored, threshold).map((text) => `evaluate: ${text}`);
  return { compared: scored.length, differences, auc: naiveAuc(scored) };
}

/** A view that begins now, told of everything before by the history; then each of its items is read. */
async function backfill({ deployment, landed, directory }: Day): Promise<Finding> {
  const liveFrom = Date.now();
  const view = backfilledView(new Date(liveFrom).toISOString());
  const features = join(directory, 'features.ts');
  const imported = (path: string) => JSON.stringify(join(PROJECT_ROOT, path));
  await writeFile(
    features,
    `import { featureRepository } from ${imported('shared/registry/manifest.ts')};
     import { backfilledView } from ${imported('test/trials/local-day/backfilled-view.ts')};
     const view = backfilledView(${JSON.stringify(new Date(liveFrom).toISOString())});
     export const repository = featureRepository({ views: [view], services: [] });`,
  );
  const { endpoint, tableName } = deployment;
  const where = ['--table', tableName, '--endpoint', endpoint, '--landing-delay', '1ms', '--features', features];
  await cli(environmentOf(endpoint), 'backfill', '--view', view.name, ...landed.transactionsFlags, ...where);
  const client = new DynamoDBClient(clientConfigurationOf(endpoint));
  const store = new DynamoDbOnlineStore({ client, tableName });
  const differences: string[] = [];
  let compared = 0;
  for (const [user, events] of Map.groupBy(landed.transactions, ({ values }) => String(values.user_id))) {
    const items = (await store.get(itemKeysOf(view, user))).filter((item) => item !== undefined);
    const { values, asOfMillis } = readWindows(view.layout, items, liveFrom);
    const expected = oracleFeatures(view, countedInHistory(view, events, liveFrom), asOfMillis);
    for (const [index, { name }] of view.features.entries()) {
      compared++;
      if (values[index] !== expected[index])
        differences.push(`backfill: ${user} ${name} is ${values[index]}, and should be ${expected[index]}`);
    }
  }
  client.destroy();
  return { compared, differences };
}

function landing(
  { landed }: Day,
  sent: { readonly events: number; readonly labels: number; readonly answers: number },
) {
  const counts: [string, number, number][] = [
    ['transactions', landed.transactions.length, sent.events],
    ['labels', landed.labels.length, sent.labels],
    ['answers', landed.answers.length, sent.answers],
  ];
  const differences = counts.flatMap(([what, found, expected]) =>
    found === expected ? [] : [`${found} of ${expected} ${what} landed`],
  );
  return { compared: sent.events + sent.labels + sent.answers, differences };
}

async function findingsOf(directory: string, count: number, seed: number) {
  const server = await startMiniStack({ port: await freePort(), directory });
  const history = await openLocalHistory({ directory, repository, onError: (error) => progress(String(error)) });
  try {
    progress('deploying');
    const options = { endpoint: server.endpoint, directory, landerUrl: history.url, onProgress: () => {} };
    const deployment = await deployLocally(options);
    history.publishTo(deployment);
    const { key: model } = await activateModel({ deployment, repository, file: SHIPPED_MODEL });
    const untilDecided = await untilModelDecides(deployment.apiUrl, model);
    const streams = await startStreams({
      deployment,
      repository,
      logFile: server.logFile,
      onRead: (source, records) => history.landStreamed(source, records),
    });
    const scene = playOf({ events: count, users: USERS, seed, prefix: '', nowMillis: Date.now() });
    const decided = await live(deployment, streams, scene, seed);
    await streams.stop();
    await history.flush();
    const day: Day = { deployment, landed: await LandedDay.read(history.folder), directory, model };
    progress('comparing');
    const { auc, ...evaluated } = await evaluation(day);
    const { command, api } = await trainingSets(day);
    const sent = {
      events: scene.deliveries.length + decided.length,
      labels: scene.labels.length + decided.length,
      answers: decided.length + untilDecided,
    };
    const findings: Record<string, Finding> = {
      landed: landing(day, sent),
      trainingSetCommand: command,
      trainingSetApi: api,
      audit: await audit(day),
      nightlyAudit: await nightly(day),
      evaluate: evaluated,
      backfill: await backfill(day),
    };
    return { sent, auc, findings };
  } finally {
    await history.close();
    await server.stop();
  }
}

export const localDay: Trial = {
  name: 'local-day',
  proves:
    'A day of local traffic lands as history, of which training sets, audits, evaluations and backfills are what naive computations say.',
  async run({ trials = TRANSACTIONS, seed = 1 }) {
    const directory = await mkdtemp(join(tmpdir(), 'local-day-'));
    try {
      const { sent, auc, findings } = await findingsOf(directory, trials, seed);
      const all = Object.values(findings);
      for (const { differences } of all) for (const text of differences.slice(0, SHOWN)) progress(text);
      const differences = all.reduce((sum, finding) => sum + finding.differences.length, 0);
      const compared = Object.fromEntries(Object.entries(findings).map(([name, finding]) => [name, finding.compared]));
      return {
        ok: differences === 0 && all.every((finding) => finding.compared > 0),
        json: { ...sent, compared, auc, differences },
      };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};

/**
 * `npm start`: the product on this machine, from nothing to proven decisions.
 *
 * 1. Start an AWS endpoint and deploy both stacks to it with `cdk`.
 * 2. Stream simulated card traffic through Kinesis and the deployed consumer, by a poller with Lambda's failure rules.
 * 3. Read the features of every user back and compare each with an oracle; then decide live transactions.
 * 4. Everything that was sent and answered lands as history; a training set of it must equal the oracle, too.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { toldOf } from '../cli/errors.ts';
import { fraudDetection, labels, transactions, userTransactions } from '../shared/features/fraud.ts';
import { repository } from '../shared/features/index.ts';
import { ModelPackageError } from '../shared/scoring/package.ts';
import { activateModel, SHIPPED_MODEL, untilModelDecides } from './activate-model.ts';
import type { FeaturesResult } from './api-client.ts';
import { beforeEnd, LocalEnvironmentError, type LocalServer, messageOf } from './child-process.ts';
import { type Deployment, deployLocally } from './deploy.ts';
import { sourceLine, writeEnvFile } from './env-file.ts';
import { type LocalHistory, openLocalHistory } from './history/local-history.ts';
import { labelOf } from './labels.ts';
import { measureCalls } from './latency.ts';
import { isMiniStackInstalled, startMiniStack } from './ministack.ts';
import { count, curlLine, decisionsTable, featuresTable, latencySentence, progressBar, step } from './report.ts';
import { holdDirectory } from './run-directory.ts';
import { type Decided, decideLive, MERCHANT_ID, normalTransaction } from './start/decide.ts';
import { proveLanded, proveTrainingSet } from './start/history.ts';
import { type Options, parseOptions } from './start/options.ts';
import { ProofFailedError } from './start/proof.ts';
import { playOf, type Scene } from './start/scene.ts';
import { verify } from './start/verify.ts';
import { type Streams, startStreams } from './streams.ts';

const USER_COUNT = 40;
/** So long a run that a signal ends waits for batches in flight, of the time that it has. */
const LAST_READ_MILLIS = 2_000;

async function main(options: Options): Promise<void> {
  const { directory } = options;
  // Before anything is written: the endpoint's log would be the first.
  const release = await holdDirectory(directory);
  const server = options.endpoint === undefined ? await startEndpoint(options) : undefined;
  // Functions of an endpoint that somebody else started may run where this process cannot be reached.
  const history = server && (await openLocalHistory({ directory, repository, onError: warnOfLanding }));
  const reading: { streams?: Streams } = {};
  const forget = beforeEnd({
    work: async () => {
      // What is read from now on would be counted and land nowhere. Batches in flight may take longer than a signal waits.
      await Promise.race([reading.streams?.stop().catch(() => {}), delay(LAST_READ_MILLIS)]);
      await history?.close();
    },
    unfinished: () =>
      `${history?.unlanded() ?? 'The history may lack its last rows'}: the run ended before they landed`,
  });
  try {
    await run(options, { endpoint: options.endpoint ?? server?.endpoint ?? '', history, reading });
  } finally {
    // It must not hide why the run failed, if it did.
    await history?.close().catch(tellLoss);
    forget();
    await server?.stop();
    release();
  }
}

function tellLoss(error: unknown): void {
  console.error(`\n${messageOf(error)}`);
  process.exitCode = 1;
}

function warnOfLanding(error: unknown): void {
  console.error(`Rows of the history could not be landed, and wait: ${String(error)}`);
}

async function run(
  options: Options,
  {
    endpoint,
    history,
    reading,
  }: { readonly endpoint: string; readonly history: LocalHistory | undefined; readonly reading: { streams?: Streams } },
): Promise<void> {
  const { directory } = options;
  const deployment = await step({
    label: 'Deploy',
    work: async (onProgress) => {
      const landing = history && { landerUrl: history.url };
      const deployed = await deployLocally({ endpoint, directory, onProgress, ...landing });
      history?.publishTo(deployed);
      return deployed;
    },
    summary: ({ registryVersion }) => `both stacks, registry version ${registryVersion}`,
  });
  const envFile = await writeEnvFile(deployment, { directory, historyFolder: history?.folder });
  const modelAnswers = await letModelDecide(deployment);
  // An endpoint that was there before may know the users of earlier runs.
  const prefix = options.endpoint === undefined ? '' : `${Date.now().toString(36)}-`;
  const streams = await startStreams({
    deployment,
    repository,
    logFile: `${directory}/ministack.log`,
    onRead: (source, records) => history?.landStreamed(source, records),
  });
  reading.streams = streams;
  const scene = await stream(options, streams, prefix);
  const results = await verify(deployment, scene);
  const decided = await decideLive(deployment, options.seed, prefix);
  const later = await labelDecided(streams, decided);
  if (history !== undefined) {
    const answers = modelAnswers + results.length + decided.transactions.length;
    const sent = { transactions: scene.deliveries.length, labels: scene.labels.length + later };
    await proveLanded(history, { ...sent, decided: decided.transactions.length, answers });
    await proveTrainingSet(deployment, scene);
  }
  const shownUser = show(results, decided);
  if (options.once) {
    await streams.stop();
    return;
  }
  // The run is a success from here on; Ctrl-C ends it.
  process.exitCode = 0;
  await invite(deployment, shownUser, envFile);
  await streams.untilAnyEnds();
}

/**
 * The model that ships, unless a feature has changed since it was trained: then rules alone decide, and it is said.
 * @returns how many answers it was asked for.
 */
async function letModelDecide(deployment: Deployment): Promise<number> {
  const { answers } = await step({
    label: 'Model',
    work: async () => {
      try {
        const model = await activateModel({ deployment, repository, file: SHIPPED_MODEL });
        const answers = await untilModelDecides(deployment.apiUrl, model.key);
        const text = `${model.key} decides, trained on ${count(model.document.reference.rows)} transactions`;
        return { answers, text };
      } catch (error) {
        if (!(error instanceof ModelPackageError)) throw error;
        const text = `none, rules alone decide: ${error.message}. To train one: npm run train -- --ship`;
        return { answers: 0, text };
      }
    },
    summary: ({ text }) => text,
  });
  return answers;
}

async function startEndpoint({ port, directory }: Options): Promise<LocalServer> {
  return step({
    label: 'Endpoint',
    work: async (update) => {
      update(isMiniStackInstalled() ? 'starting MiniStack' : 'installing MiniStack into .local (once, about 20 s)');
      return startMiniStack({ port, directory });
    },
    summary: ({ endpoint }) => `MiniStack on ${endpoint}`,
  });
}

/** Sends the traffic, and waits until every delivery has been through the consumer; then what became of some of it. */
async function stream({ events, seed }: Options, streams: Streams, prefix: string): Promise<Scene> {
  const scene = playOf({ events, users: USER_COUNT, seed, prefix, nowMillis: Date.now() });
  const { deliveries } = scene;
  await step({
    label: 'Traffic',
    work: async () => {
      const bar = progressBar({ label: 'Traffic', total: deliveries.length });
      const keyed = deliveries.map(({ transaction }) => ({ event: transaction, partitionKey: transaction.user_id }));
      await streams.send(transactions, keyed, (applied) => bar.update(applied)).finally(() => bar.stop());
    },
    summary: () => {
      const duplicates = deliveries.length - scene.transactions.length;
      return `${count(scene.transactions.length)} transactions of ${USER_COUNT} users and ${duplicates} duplicates, through Kinesis`;
    },
  });
  await step({
    label: 'Labels',
    work: () => sendLabels(streams, scene.labels),
    summary: () => {
      const frauds = scene.labels.filter(({ is_fraud }) => is_fraud === 1).length;
      return `what became of ${count(scene.labels.length)} transactions, ${count(frauds)} of them frauds`;
    },
  });
  return scene;
}

function sendLabels(streams: Streams, sent: Scene['labels']): Promise<void> {
  return streams.send(
    labels,
    sent.map((event) => ({ event, partitionKey: event.merchant_id })),
  );
}

/** Somebody looks into the live decisions: what a rule blocks or an amount gives away is fraud, the others are honest. */
async function labelDecided(streams: Streams, { live }: Decided): Promise<number> {
  const honest: readonly string[] = ['normal', 'large first transaction'];
  const sent = live.map(({ title, transaction }) =>
    labelOf(transaction, { isFraud: !honest.includes(title), knownAtMillis: Date.now() }),
  );
  await sendLabels(streams, sent);
  return sent.length;
}

/** @returns the user whose features are shown. */
function show(results: readonly FeaturesResult[], { live }: Decided): string {
  console.log(`\nLive decisions: POST /predict_fraud\n${decisionsTable(live)}`);
  // The first user lived through a burst a moment ago, so that every window has something to show.
  const [example] = results.toSorted((left, right) => (left.entity.user_id < right.entity.user_id ? -1 : 1));
  if (example === undefined) throw new ProofFailedError('No user has features');
  const layout = {
    features: [...new Set(userTransactions.features.map(({ name, window }) => name.slice(0, -window.length - 1)))],
    windows: userTransactions.layout.windows.map(({ name }) => name),
  };
  const { user_id } = example.entity;
  console.log(`\nFeatures of ${user_id}, who just had a burst: POST /features\n${featuresTable(example, layout)}`);
  return user_id;
}

/** Says how to call what stays. */
async function invite({ apiUrl }: Deployment, userId: string, envFile: string): Promise<void> {
  const latency = await measureCalls(apiUrl, normalTransaction(userId));
  const request = { service: fraudDetection.name, entities: [{ user_id: userId, merchant_id: MERCHANT_ID }] };
  const purchase = { ...normalTransaction(userId), transaction_id: 'tx-from-curl', amount: 1_999 };
  console.log(`\n${latencySentence(latency)}.`);
  console.log(
    `\nAPI  ${apiUrl}\n\nTry, in another terminal\n${sourceLine(envFile, process.env.INIT_CWD ?? process.cwd())}`,
  );
  console.log(curlLine('/features', request));
  console.log(curlLine('/predict_fraud', { ...purchase, timestamp: new Date(purchase.timestamp).toISOString() }));
  console.log(`\nRunning until you press Ctrl-C.`);
}

try {
  await main(parseOptions());
  process.exit();
} catch (error) {
  const isExplained = error instanceof LocalEnvironmentError || error instanceof ProofFailedError;
  const told = isExplained ? error.message : toldOf(error);
  console.error(told === undefined ? error : `\n${told}`);
  process.exit(1);
}

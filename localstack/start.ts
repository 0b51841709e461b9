/**
 * `npm start`: the product on this machine, from nothing to proven decisions.
 *
 * 1. Start an AWS endpoint and deploy both stacks to it with `cdk`.
 * 2. Stream simulated card traffic through Kinesis and the deployed consumer, by a poller with Lambda's failure rules.
 * 3. Read the features of every user back and compare each with an oracle; then decide live transactions.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { fraudDetection, transactions, userTransactions } from '../shared/features/fraud.ts';
import { repository } from '../shared/features/index.ts';
import { ModelPackageError } from '../shared/scoring/package.ts';
import { activateModel, SHIPPED_MODEL, untilModelDecides } from './activate-model.ts';
import { decide, type FeaturesResult, readFeatures } from './api-client.ts';
import { LocalEnvironmentError, type LocalServer } from './child-process.ts';
import { type Deployment, deployLocally } from './deploy.ts';
import { sourceLine, writeEnvFile } from './env-file.ts';
import { startEventSourceMapping } from './event-source-mapping.ts';
import { measureCalls } from './latency.ts';
import { DEFAULT_PORT, isMiniStackInstalled, startMiniStack } from './ministack.ts';
import { type Difference, differences, oracleFeatures } from './oracle.ts';
import type { Poller } from './poller.ts';
import {
  count,
  curlLine,
  decisionsTable,
  featuresTable,
  type LiveDecision,
  latencySentence,
  progressBar,
  step,
} from './report.ts';
import { sendTraffic } from './send-traffic.ts';
import {
  type Delivery,
  generateScenario,
  generateTraffic,
  RULE_OF_SCENARIO,
  SCENARIOS,
  type Transaction,
  trafficDurationMillis,
} from './traffic.ts';

const USER_COUNT = 40;
/** One of those at which the simulated users pay. */
const MERCHANT_ID = 'merchant-001';
/** So that the windows of a day and of a week differ. */
const TRAFFIC_SPAN_MILLIS = 26 * 3_600_000;
const EVENTS_MIN = 100;
/** Longer without a single record applied means that the consumer is stuck. */
const STALLED_MILLIS = 60_000;
const DIFFERENCES_SHOWN_MAX = 5;
const SEVERITY = { approve: 0, review: 1, block: 2 } as const;

interface Options {
  readonly once: boolean;
  readonly port: number;
  readonly endpoint?: string;
  readonly events: number;
  readonly seed: number;
}

/** The run came to its end and proved that something is wrong. */
class ProofFailedError extends Error {
  override readonly name = 'ProofFailedError';
}

function wholeNumber(minimum: number, maximum: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Give a whole number from ${minimum} to ${maximum}.`);
  };
}

function localUrl(text: string): string {
  if (URL.canParse(text)) return new URL(text).origin;
  throw new InvalidArgumentError('Give a URL such as http://localhost:4566.');
}

function parseOptions(): Options {
  return new Command('npm start --')
    .description('Runs the feature store on this machine, streams card traffic through it and checks every feature.')
    .version(packageJson.version, '--version', 'print the version')
    .option('--once', 'end after the proof: exit code 0 when everything agrees, 1 otherwise', false)
    .option('--port <port>', 'port of the endpoint to start', wholeNumber(1, 65_535), DEFAULT_PORT)
    .option('--endpoint <url>', 'use this running endpoint (such as LocalStack) instead of starting one', localUrl)
    .option('--events <number>', 'transactions to simulate', wholeNumber(EVENTS_MIN, 100_000), 3_000)
    .option('--seed <number>', 'seed of the simulation', wholeNumber(0, 2 ** 31 - 1), 1)
    .parse()
    .opts<Options>();
}

async function main(options: Options): Promise<void> {
  const server = options.endpoint === undefined ? await startEndpoint(options.port) : undefined;
  const endpoint = options.endpoint ?? server?.endpoint ?? '';
  const deployment = await step({
    label: 'Deploy',
    work: (update) => deployLocally({ endpoint, onProgress: update }),
    summary: ({ registryVersion }) => `both stacks, registry version ${registryVersion}`,
  });
  await letModelDecide(deployment);
  // An endpoint that was there before may know the users of earlier runs.
  const userIdPrefix = options.endpoint === undefined ? '' : `${Date.now().toString(36)}-`;
  const ended = new Set<string>();
  const pollers = await Promise.all(
    Object.values(deployment.consumerFunctionNames).map((functionName) =>
      startEventSourceMapping({
        endpoint,
        functionName,
        onEnded: (records, outcome) => {
          if (outcome === 'failed')
            console.error(`${records.length} records were given up; see the quarantine bucket.`);
          for (const { sequenceNumber } of records) ended.add(sequenceNumber);
        },
      }),
    ),
  );
  const deliveries = await stream({ options, deployment, pollers, userIdPrefix, ended });
  const results = await verify(deployment, deliveries);
  const decisions = await decideLive(deployment, options.seed, userIdPrefix);
  await show(deployment, results, decisions);
  if (options.once) {
    await Promise.all(pollers.map((poller) => poller.stop()));
    await server?.stop();
    return;
  }
  // The run is a success from here on; Ctrl-C ends it.
  process.exitCode = 0;
  console.log(`\nRunning until you press Ctrl-C.`);
  await endOfAny(pollers, endpoint);
}

/** The model that ships, unless a feature has changed since it was trained: then rules alone decide, and it is said. */
async function letModelDecide(deployment: Deployment): Promise<void> {
  await step({
    label: 'Model',
    work: async () => {
      try {
        const model = await activateModel({ deployment, repository, file: SHIPPED_MODEL });
        await untilModelDecides(deployment.apiUrl, model.key);
        return `${model.key} decides, trained on ${count(model.document.reference.rows)} transactions`;
      } catch (error) {
        if (!(error instanceof ModelPackageError)) throw error;
        return `none, rules alone decide: ${error.message}. To train one: npm run train -- --ship`;
      }
    },
    summary: (text) => text,
  });
}

/** Waits for a poller to end. @throws LocalEnvironmentError when it can no longer read, mostly because the endpoint is gone. */
async function endOfAny(pollers: readonly Poller[], endpoint: string): Promise<void> {
  try {
    await Promise.race(pollers.map(({ ended }) => ended));
  } catch (cause) {
    const message = `The stream can no longer be read from ${endpoint} (${String(cause)}): is it still running? See .local/ministack.log`;
    throw new LocalEnvironmentError(message, { cause });
  }
}

async function startEndpoint(port: number): Promise<LocalServer> {
  return step({
    label: 'Endpoint',
    work: async (update) => {
      update(isMiniStackInstalled() ? 'starting MiniStack' : 'installing MiniStack into .local (once, about 20 s)');
      return startMiniStack({ port });
    },
    summary: ({ endpoint }) => `MiniStack on ${endpoint}`,
  });
}

function named(nameBySource: Readonly<Record<string, string>>, what: string): string {
  const name = nameBySource[transactions.name];
  if (name === undefined) throw new LocalEnvironmentError(`The deployment has no ${what} for ${transactions.name}`);
  return name;
}

/** Sends the traffic, and waits until every delivery has been through the consumer. */
async function stream(run: {
  readonly options: Options;
  readonly deployment: Deployment;
  readonly pollers: readonly Poller[];
  readonly userIdPrefix: string;
  readonly ended: ReadonlySet<string>;
}): Promise<Delivery[]> {
  const { deployment, pollers, ended } = run;
  const deliveries = simulate(run.options, run.userIdPrefix);
  await step({
    label: 'Traffic',
    work: async () => {
      const sent: string[] = [];
      const sending = sendTraffic({
        endpoint: deployment.endpoint,
        streamName: named(deployment.streamNames, 'stream'),
        deliveries,
        onSent: (sequenceNumbers) => sent.push(...sequenceNumbers),
      });
      const bar = progressBar({ label: 'Traffic', total: deliveries.length });
      const appliedCount = () => sent.filter((sequenceNumber) => ended.has(sequenceNumber)).length;
      try {
        await Promise.race([
          Promise.all([sending, untilAll(appliedCount, deliveries.length, (applied) => bar.update(applied))]),
          endOfAny(pollers, deployment.endpoint),
        ]);
      } finally {
        bar.stop();
      }
    },
    summary: () => {
      const duplicates = deliveries.filter(({ isDuplicate }) => isDuplicate).length;
      const transactionCount = deliveries.length - duplicates;
      return `${count(transactionCount)} transactions of ${USER_COUNT} users and ${duplicates} duplicates, through Kinesis`;
    },
  });
  return deliveries;
}

/** Traffic of the last day that ends now. */
function simulate({ events, seed }: Options, userIdPrefix: string): Delivery[] {
  const size = { transactionCount: events, userCount: USER_COUNT };
  const speedUp = trafficDurationMillis({ ...size, speedUp: 1 }) / TRAFFIC_SPAN_MILLIS;
  const startMillis = Date.now() - trafficDurationMillis({ ...size, speedUp });
  return generateTraffic({ ...size, seed, userIdPrefix, startMillis, speedUp });
}

async function untilAll(
  appliedCount: () => number,
  total: number,
  onProgress: (applied: number) => void,
): Promise<void> {
  let applied = 0;
  let progressedAtMillis = Date.now();
  while (applied < total) {
    await delay(100);
    const now = appliedCount();
    if (now > applied) progressedAtMillis = Date.now();
    applied = now;
    onProgress(applied);
    if (Date.now() - progressedAtMillis > STALLED_MILLIS) {
      throw new ProofFailedError(
        `Only ${applied} of ${total} deliveries were applied, and none in the last ${STALLED_MILLIS / 1_000} s; read .local/ministack.log for what the consumer says`,
      );
    }
  }
}

/** Compares every feature of every simulated user with the oracle's. @throws ProofFailedError with examples. */
async function verify({ apiUrl }: Deployment, deliveries: readonly Delivery[]): Promise<FeaturesResult[]> {
  const { results } = await step({
    label: 'Verify',
    work: async () => {
      const distinct = deliveries.filter(({ isDuplicate }) => !isDuplicate).map(({ transaction }) => transaction);
      const byUser = Map.groupBy(distinct, ({ user_id }) => user_id);
      const results = await readFeatures(apiUrl, [...byUser.keys()], MERCHANT_ID);
      let comparedCount = 0;
      const found: Difference[] = [];
      for (const { entity, features, views } of results) {
        const asOfMillis = views[userTransactions.key]?.as_of ?? Number.NaN;
        const expected = oracleFeatures(byUser.get(entity.user_id) ?? [], asOfMillis);
        comparedCount += Object.keys(expected).length;
        found.push(...differences(entity.user_id, expected, features));
      }
      if (results.length !== byUser.size || found.length > 0)
        throw new ProofFailedError(describe(found, comparedCount));
      return { results, comparedCount };
    },
    summary: ({ results, comparedCount }) =>
      `${count(comparedCount)} features of ${results.length} users equal the oracle's`,
  });
  return results;
}

function describe(found: readonly Difference[], comparedCount: number): string {
  const examples = found
    .slice(0, DIFFERENCES_SHOWN_MAX)
    .map(({ userId, feature, expected, actual }) => `  ${userId} ${feature} is ${actual}, and should be ${expected}`);
  return [`${found.length} of ${comparedCount} features differ from the oracle's:`, ...examples].join('\n');
}

/** One decision per scenario, each after the transactions that lead to it. @throws ProofFailedError when one is wrong. */
async function decideLive({ apiUrl }: Deployment, seed: number, userIdPrefix: string): Promise<LiveDecision[]> {
  return step({
    label: 'Decide',
    work: async () => {
      const normal = normalTransaction(`${userIdPrefix}live-normal`);
      const decisions = [await decideSequence(apiUrl, 'normal', [normal], undefined)];
      for (const scenario of SCENARIOS) {
        const userId = `${userIdPrefix}live-${scenario.replaceAll(' ', '-')}`;
        const sequence = generateScenario({ seed, scenario, userId, endMillis: Date.now() });
        decisions.push(await decideSequence(apiUrl, scenario, sequence, RULE_OF_SCENARIO[scenario]));
      }
      return decisions;
    },
    summary: (decisions) => `${decisions.length} scenarios decided as their rules and the model say`,
  });
}

function normalTransaction(userId: string): Transaction {
  return {
    transaction_id: `tx-${userId}-${Date.now()}`,
    user_id: userId,
    merchant_id: MERCHANT_ID,
    amount: 24.9,
    timestamp: Date.now(),
  };
}

async function decideSequence(
  apiUrl: string,
  title: string,
  sequence: readonly Transaction[],
  expectedRule: string | undefined,
): Promise<LiveDecision> {
  let live: LiveDecision | undefined;
  for (const [earlierCount, planned] of sequence.entries()) {
    // Those before are told as what happened earlier, which is reviewed; the last one happens now, however long they took.
    const transaction = earlierCount === sequence.length - 1 ? { ...planned, timestamp: Date.now() } : planned;
    live = { title, transaction, earlierCount, answer: await decide(apiUrl, transaction) };
  }
  if (live === undefined) throw new ProofFailedError(`The scenario "${title}" has no transactions`);
  const { answer } = live;
  const expected = fraudDetection.rules.find(({ name }) => name === expectedRule)?.outcome ?? 'approve';
  const fired = answer.rules.map(({ name }) => name);
  const isAsExpected = expectedRule === undefined ? fired.length === 0 : fired.includes(expectedRule);
  // A high score may be severer than the rule; nothing may be milder.
  const isDecided = title === 'normal' ? answer.decision === expected : SEVERITY[answer.decision] >= SEVERITY[expected];
  if (!isAsExpected || !isDecided || answer.event_status !== 'applied') {
    throw new ProofFailedError(
      `The scenario "${title}" was answered ${answer.decision} by [${fired.join(', ')}], ${answer.event_status}; it should be ${expected} by ${expectedRule ?? 'no rule'} at least, applied`,
    );
  }
  return live;
}

async function show(
  deployment: Deployment,
  results: readonly FeaturesResult[],
  decisions: readonly LiveDecision[],
): Promise<void> {
  const { apiUrl } = deployment;
  console.log(`\nLive decisions: POST /predict_fraud\n${decisionsTable(decisions)}`);
  // The first user lived through a burst a moment ago, so that every window has something to show.
  const [example] = results.toSorted((left, right) => (left.entity.user_id < right.entity.user_id ? -1 : 1));
  if (example === undefined) return;
  const layout = {
    features: [...new Set(userTransactions.features.map(({ name, window }) => name.slice(0, -window.length - 1)))],
    windows: userTransactions.layout.windows.map(({ name }) => name),
  };
  const user_id = example.entity.user_id;
  console.log(`\nFeatures of ${user_id}, who just had a burst: POST /features\n${featuresTable(example, layout)}`);
  const latency = await measureCalls(apiUrl, normalTransaction(user_id));
  const request = { service: fraudDetection.name, entities: [{ user_id, merchant_id: MERCHANT_ID }] };
  const purchase = { ...normalTransaction(user_id), transaction_id: 'tx-from-curl', amount: 1_999 };
  const envFile = await writeEnvFile(deployment);
  console.log(`\n${latencySentence(latency)}.`);
  console.log(
    `\nAPI  ${apiUrl}\n\nTry, in another terminal\n${sourceLine(envFile, process.env.INIT_CWD ?? process.cwd())}`,
  );
  console.log(curlLine('/features', request));
  console.log(curlLine('/predict_fraud', { ...purchase, timestamp: new Date(purchase.timestamp).toISOString() }));
}

try {
  await main(parseOptions());
  process.exit();
} catch (error) {
  const isExplained = error instanceof LocalEnvironmentError || error instanceof ProofFailedError;
  console.error(isExplained ? `\n${error.message}` : error);
  process.exit(1);
}

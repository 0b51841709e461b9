/**
 * The loop of training in one command: see README.md beside this file.
 *
 *     npm run train [-- --seed 1 --transactions 300000 --output .local/train/run --skip-deploy --ship]
 *
 * Exit codes: 0 everything holds, 1 something does not, 2 it cannot be run (one sentence says what to do).
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import Table from 'cli-table3';
import { Command } from 'commander';
import { wholeNumber } from '../../cli/options.ts';
import { SHIPPED_MODEL } from '../../localstack/activate-model.ts';
import { freePort, LOCAL_DIRECTORY, LocalEnvironmentError } from '../../localstack/child-process.ts';
import { type Deployment, deployLocally } from '../../localstack/deploy.ts';
import { openLocalHistory } from '../../localstack/history/local-history.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { count, step } from '../../localstack/report.ts';
import { repository } from '../../shared/features/index.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import { firstLineOf, runCommand } from '../command-line.ts';
import { PythonUnavailableError } from '../python-environment.ts';
import { compareServed, type DeployedScore, type DeployedScores, scoreDeployed } from './deployed.ts';
import { CHAMPION, COSTS, SERVICE } from './models.ts';
import {
  championOf,
  command,
  compareScores,
  type Folder,
  folderAt,
  makeHistory,
  makeTrainingSet,
  type PackagedModel,
  packageModels,
  TrainingError,
  trainModels,
} from './pipeline.ts';
import { DAY_MILLIS, isFraud, type Simulation } from './simulate.ts';
import { MATURITY_DAYS } from './splits.ts';

/** XGBoost computes in 32 bits. */
const TOLERANCE = 1e-6;
const DEPLOYED_TRANSACTIONS = 50;
const SHOWN = 12;

interface Options {
  readonly seed: number;
  readonly transactions: number;
  readonly output: string;
  readonly skipDeploy: boolean;
  readonly ship: boolean;
}

function parseOptions(): Options {
  return new Command('npm run train --')
    .description('Simulates months of transactions with fraud, trains models on them, compares and deploys them.')
    .option('--seed <number>', 'seed of the simulation and of the training', wholeNumber(0, 2 ** 31 - 1), 1)
    .option('--transactions <number>', 'about so many', wholeNumber(50_000, 2_000_000), 300_000)
    .option('--output <folder>', 'folder of everything that is made; emptied first', join(LOCAL_DIRECTORY, 'train/run'))
    .option('--skip-deploy', 'end with the packages and their evaluation', false)
    .option('--ship', `put the champion into ${basename(dirname(SHIPPED_MODEL))}, where npm start takes it from`, false)
    .parse()
    .opts<Options>();
}

async function main({ seed, transactions, output, skipDeploy, ship }: Options): Promise<boolean> {
  const folder = folderAt(output);
  const simulation = await step({
    label: 'History',
    work: () => makeHistory(folder, { seed, transactions }),
    summary: (made) => {
      const frauds = made.transactions.filter(({ pattern }) => isFraud(pattern)).length;
      return `${count(made.transactions.length)} transactions, ${count(frauds)} of them frauds, ${count(made.labels.length)} labels imported`;
    },
  });
  await step({
    label: 'Features',
    work: () => makeTrainingSet(folder),
    summary: (sizes) => sizes.map(({ split, rows, frauds }) => `${split} ${count(rows)} (${frauds} frauds)`).join(', '),
  });
  const trained = await step({
    label: 'Train',
    work: (update) => {
      update('in Python; the first time its packages are installed into .local/train');
      return trainModels(folder, seed);
    },
    summary: ({ models }) =>
      Object.entries(models)
        .map(([name, { size }]) => `${name} ${size}`)
        .join(', '),
  });
  const packages = await step({
    label: 'Package',
    work: () => packageModels(folder, trained, seed),
    summary: (made) => made.map(({ planned, bytes }) => `${planned.key} ${kilobytes(bytes)}`).join(', '),
  });
  const agreements = await step({
    label: 'Score',
    work: () => compareScores(folder, packages),
    summary: (made) => {
      const greatest = Math.max(...made.map(({ greatestDifference }) => greatestDifference));
      return `${count(made[0]?.rows ?? 0)} test rows by ${made.length} models as in Python, within ${greatest.toExponential(1)}`;
    },
  });
  console.log(`\n${await evaluateAll(folder, packages)}\n`);
  if (ship) await shipModel(championOf(packages));
  const areEqual = agreements.every(({ greatestDifference }) => greatestDifference <= TOLERANCE);
  return (skipDeploy || (await deployAndCompare(folder, simulation, packages))) && areEqual;
}

function kilobytes(bytes: Uint8Array): string {
  return `${Math.ceil(bytes.length / 1024)} KB`;
}

/** Reviewing is what a score leads to first, so its threshold and cost are what is compared. */
async function evaluateAll(folder: Folder, packages: readonly PackagedModel[]): Promise<string> {
  const thresholds = packages.flatMap(({ planned, loaded }) => {
    const { review } = loaded.document.thresholds;
    return review === undefined ? [] : ['--threshold', `${planned.key}=${review}`];
  });
  const report = join(folder.path, 'evaluation.html');
  const json = join(folder.path, 'evaluation.json');
  const costs = ['--card', 'user_id', '--false-alarm-cost', String(COSTS.review)];
  const flags = ['--scores', folder.scores, '--champion', CHAMPION, ...costs];
  return command('evaluate', ...flags, ...thresholds, '--report', report, '--json', json);
}

async function shipModel({ file, bytes }: PackagedModel): Promise<void> {
  await step({
    label: 'Ship',
    work: async () => {
      await mkdir(dirname(SHIPPED_MODEL), { recursive: true });
      await copyFile(file, SHIPPED_MODEL);
    },
    summary: () => `${SHIPPED_MODEL}, ${kilobytes(bytes)}`,
  });
}

/** All packages into the deployment, the champion to decide and the others to score beside it. */
async function letDecide(
  { endpoint, decisionsBucketName }: Deployment,
  folder: Folder,
  packages: readonly PackagedModel[],
): Promise<string> {
  const where = ['--bucket', decisionsBucketName, '--endpoint', endpoint];
  for (const { file } of packages) await runCommand(endpoint, 'model', 'push', '--file', file, ...where);
  const challengers = packages.flatMap(({ planned }) => (planned.key === CHAMPION ? [] : [planned.key]));
  const configuration = join(folder.path, 'configuration.json');
  await writeFile(configuration, JSON.stringify({ model: CHAMPION, challengers, note: 'trained by npm run train' }));
  return runCommand(endpoint, 'config', 'set', '--service', SERVICE.name, '--file', configuration, ...where);
}

async function deployAndCompare(
  folder: Folder,
  simulation: Simulation,
  packages: readonly PackagedModel[],
): Promise<boolean> {
  const directory = join(folder.path, 'deployment');
  const server = await step({
    label: 'Endpoint',
    work: async () => startMiniStack({ port: await freePort(), directory }),
    summary: ({ endpoint }) => `MiniStack on ${endpoint}`,
  });
  const history = await openLocalHistory({ directory, repository, onError: console.error });
  try {
    const deployment = await step({
      label: 'Deploy',
      work: (onProgress) => deployLocally({ endpoint: server.endpoint, directory, landerUrl: history.url, onProgress }),
      summary: ({ registryVersion }) => `both stacks, registry version ${registryVersion}`,
    });
    await step({
      label: 'Activate',
      work: () => letDecide(deployment, folder, packages),
      summary: firstLineOf,
    });
    const made = await step({
      label: 'Decide',
      work: () => scoreDeployed({ deployment, simulation, folder, model: CHAMPION, count: DEPLOYED_TRANSACTIONS }),
      summary: ({ scores, decided }) =>
        `${scores.length} test transactions by POST /predict_fraud, after ${decided - scores.length} before them`,
    });
    await history.flush();
    const servedAreEqual = await compareChallengers(
      join(history.folder, ROW_LOGS.served.prefix),
      folder,
      packages,
      made,
    );
    const { scores } = made;
    const equal = scores.filter(isEqual).length;
    console.log(`\n${scoreTable(scores)}\n${equal} of ${scores.length} scores as Python's, within ${TOLERANCE}`);
    return scores.length === DEPLOYED_TRANSACTIONS && equal === scores.length && servedAreEqual;
  } finally {
    await history.close();
    await server.stop();
  }
}

/** What the challengers said beside it, by the rows that landed; then all of them by `evaluate`, from those rows. */
async function compareChallengers(
  served: string,
  folder: Folder,
  packages: readonly PackagedModel[],
  made: DeployedScores,
): Promise<boolean> {
  const inputs = championOf(packages).planned.inputs;
  // Labels are not in this deployment, so that a model of theirs sees other values here than in training.
  const models = packages.flatMap(({ planned }) =>
    planned.inputs === inputs && planned.key !== CHAMPION ? [planned.key] : [],
  );
  const compared = await step({
    label: 'Served',
    work: () => compareServed({ folder, served, models, made }),
    summary: (all) =>
      all
        .map((one) => `${one.model} ${one.compared} scores within ${one.greatestDifference.toExponential(1)}`)
        .join(', '),
  });
  const asOf = new Date(Date.now() + (MATURITY_DAYS + 1) * DAY_MILLIS).toISOString();
  const labels = ['--served', served, '--labels', folder.history.labels, '--as-of', asOf];
  const report = join(folder.path, 'evaluation-of-served.html');
  const flags = ['--champion', CHAMPION, '--false-alarm-cost', String(COSTS.review), '--report', report];
  await step({
    label: 'Evaluate',
    work: () => command('evaluate', ...labels, ...flags),
    summary: (text) => `what was served: ${firstLineOf(text)}`,
  });
  return compared.every(
    ({ compared: rows, greatestDifference }) => rows === made.scores.length && greatestDifference <= TOLERANCE,
  );
}

function isEqual({ python, deployed }: DeployedScore): boolean {
  return deployed !== null && Math.abs(python - deployed) <= TOLERANCE;
}

/** Some of each pattern; all that differ. */
function scoreTable(scores: readonly DeployedScore[]): string {
  const table = new Table({
    head: ['what it is', 'amount', 'Python', 'deployed', 'decision', ''],
    colAligns: ['left', 'right', 'right', 'right', 'left', 'left'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const step = Math.max(1, Math.floor(scores.length / SHOWN));
  const shown = scores.filter((score, index) => index % step === 0 || !isEqual(score));
  for (const score of shown) {
    const { transaction, python, deployed, decision } = score;
    const texts = [python.toFixed(7), deployed?.toFixed(7) ?? 'none', decision, isEqual(score) ? '' : 'DIFFERS'];
    table.push([transaction.pattern, transaction.amount.toFixed(2), ...texts]);
  }
  return table.toString();
}

try {
  process.exitCode = (await main(parseOptions())) ? 0 : 1;
} catch (error) {
  const cannotRun = error instanceof PythonUnavailableError || error instanceof LocalEnvironmentError;
  if (!cannotRun && !(error instanceof TrainingError)) throw error;
  console.error(`train: ${error.message}`);
  process.exitCode = cannotRun ? 2 : 1;
}

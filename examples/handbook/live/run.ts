/**
 * From history to live and back, on real data: see `examples/handbook/README.md`.
 *
 * 1. The handbook's transactions before the training week are imported as history, and merged into the items of a
 *    deployment by `backfill`.
 * 2. The first ones of that week are decided by its API. What it answers is compared with what the handbook publishes.
 * 3. What it landed, rows of events and of answers, is audited with the imported history beside it: all must be the same;
 *    then with late transactions and a changed definition, where every difference must have its cause; and then with
 *    planted lies, which must be found.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SingleBar } from 'cli-progress';
import { LOCAL_DIRECTORY, PROJECT_ROOT } from '../../../localstack/child-process.ts';
import { type Deployment, deployLocally } from '../../../localstack/deploy.ts';
import { environmentOf } from '../../../localstack/endpoint.ts';
import { startMiniStack } from '../../../localstack/ministack.ts';
import { count, step } from '../../../localstack/report.ts';
import type { SkewReport } from '../../../shared/offline/audit/report.ts';
import { historyPrefixOf } from '../../../shared/offline/history-schema.ts';
import { ROW_LOGS } from '../../../shared/offline/row-logs.ts';
import { handbookTransactions, PUBLISHED_COLUMNS } from '../declarations.ts';
import { compareWithPublished, type Difference, type Handbook, loadHandbook, type Transaction } from '../published.ts';
import { type Answer, decideAll, warmUp } from './decide.ts';
import { repository } from './features.ts';
import { writePast } from './history.ts';
import { LandedFiles } from './landed.ts';
import { plantLies } from './lies.ts';
import { liveTransactions, withLateOnes } from './transactions.ts';

const CLI = join(PROJECT_ROOT, 'cli/feature-store.cjs');
const FEATURES = join(import.meta.dirname, 'features.ts');
const CHANGED_FEATURES = join(import.meta.dirname, 'changed-features.ts');
const LATE_SHARE = 0.01;

export interface LiveOptions {
  /** Folder of the handbook's files. */
  readonly data: string;
  /** Decided in order, and compared with what is published. */
  readonly transactions: number;
  /** Decided after those: some late, and the second half by a changed definition. */
  readonly laterTransactions: number;
  /** Only those of so many customers, the busiest of the day, with the history that they need. Default: all. */
  readonly customers?: number | undefined;
  readonly port: number;
  /** What is made on the way stays there. Default `.local/handbook-live`. */
  readonly folder?: string;
}

/** One thing that a run shows. */
export interface Check {
  readonly name: string;
  readonly found: string;
  readonly holds: boolean;
}

export interface LiveResult {
  readonly checks: readonly Check[];
  /** From what is published; those that are no ties are mismatches. */
  readonly differences: readonly Difference[];
}

/** Thrown when a step could not be done at all, with what was said about it. */
export class LiveRunError extends Error {
  override readonly name = 'LiveRunError';
}

/** Runs everything, each step with a line of its own. @throws LiveRunError, LocalEnvironmentError */
export async function runLive(options: LiveOptions): Promise<LiveResult> {
  const { folder = join(LOCAL_DIRECTORY, 'handbook-live'), transactions, laterTransactions, customers } = options;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const handbook = await loadHandbook(options.data);
  const chosen = liveTransactions(handbook, { count: transactions + laterTransactions, customers });
  if (chosen.length < transactions + laterTransactions) {
    throw new LiveRunError(`that day has only ${chosen.length} such transactions; ask for fewer, or of more customers`);
  }
  const past = await importPast(options.data, folder, customers === undefined ? undefined : chosen);
  const server = await step({
    label: 'Endpoint',
    work: () => startMiniStack({ port: options.port, directory: folder }),
    summary: ({ endpoint }) => `MiniStack on ${endpoint}`,
  });
  try {
    const run = new LiveRun(handbook, folder, past.events, await deploy(server.endpoint, folder, FEATURES));
    await run.backfill();
    const differences = await run.asPublished(chosen.slice(0, transactions));
    await run.lateAndChanged(chosen.slice(transactions));
    await run.lies();
    return { checks: [past.check, ...run.checks], differences };
  } finally {
    await server.stop();
  }
}

async function importPast(data: string, folder: string, of: readonly Transaction[] | undefined) {
  const file = join(folder, 'past.parquet');
  const { transactions } = await writePast(data, file, of);
  const flags = [
    '--source',
    handbookTransactions.name,
    '--from',
    file,
    '--to',
    historyIn(folder),
    '--features',
    FEATURES,
  ];
  const { code, output } = await step({
    label: 'Import',
    work: () => cli(undefined, 'import', ...flags, '--arrival', 'event-time'),
    summary: ({ output }) => firstLineOf(output),
  });
  const holds = code === 0 && output.startsWith(`${transactions.toLocaleString('en-US')} events imported`);
  return {
    events: transactions,
    check: { name: 'transactions before the training week imported as history', found: firstLineOf(output), holds },
  };
}

async function deploy(endpoint: string, folder: string, features: string): Promise<Deployment> {
  return step({
    label: 'Deploy',
    work: async (onProgress) => {
      const deployment = await deployLocally({ endpoint, directory: folder, landsHistory: true, features, onProgress });
      await warmUp(deployment.apiUrl);
      return deployment;
    },
    summary: ({ registryVersion }) => `both stacks, registry version ${registryVersion}`,
  });
}

const historyIn = (folder: string) => join(folder, 'history');
const servedIn = (folder: string) => join(folder, 'served');

/** A run over one deployment, from its backfill on. */
class LiveRun {
  readonly checks: Check[] = [];
  readonly #handbook: Handbook;
  readonly #folder: string;
  readonly #pastEvents: number;
  readonly #deployment: Deployment;
  readonly #landed: LandedFiles;
  #decidedCount = 0;

  constructor(handbook: Handbook, folder: string, pastEvents: number, deployment: Deployment) {
    this.#handbook = handbook;
    this.#folder = folder;
    this.#pastEvents = pastEvents;
    this.#deployment = deployment;
    this.#landed = new LandedFiles(deployment);
  }

  /** History into the items of every view, by the command. */
  async backfill(): Promise<void> {
    const { tableName, endpoint } = this.#deployment;
    for (const { name } of repository.views) {
      const flags = ['--view', name, '--history', this.#history(), '--table', tableName, '--endpoint', endpoint];
      const { code, output } = await step({
        label: 'Backfill',
        work: () => cli(endpoint, 'backfill', ...flags, '--features', FEATURES),
        summary: ({ output }) => `${name}: ${firstLineOf(output)}`,
      });
      this.#check(`backfill of ${name}`, firstLineOf(output), code === 0);
    }
  }

  /** Decides transactions in order, compares the answers with what is published, and audits what landed. */
  async asPublished(transactions: readonly Transaction[]): Promise<readonly Difference[]> {
    const answers = await this.#decide(transactions);
    const byTransaction = new Map([...answers].map(([id, { features }]) => [id, features]));
    const differences = compareWithPublished(this.#handbook, byTransaction, transactions);
    const mismatches = differences.filter(({ isTie }) => !isTie).length;
    const compared = transactions.length * Object.keys(PUBLISHED_COLUMNS).length;
    this.#check(
      'features of live decisions against the published ones',
      `${count(compared)} compared, ${mismatches} mismatches, ${differences.length - mismatches} ties`,
      mismatches === 0,
    );
    const { code, totals } = await this.#audit('as-published', { features: FEATURES, fromMillis: 0 });
    const isEqual = totals.rows === transactions.length && totals.equal === totals.values && totals.values > 0;
    this.#check('audit of what was served', describe(totals), code === 0 && isEqual);
    return differences;
  }

  /** Some transactions come late, and after half of them a definition changes without a new version. */
  async lateAndChanged(transactions: readonly Transaction[]): Promise<void> {
    const fromMillis = Date.now();
    const inOrder = withLateOnes(transactions, LATE_SHARE).map(({ transaction }) => transaction);
    const half = Math.floor(inOrder.length / 2);
    const before = await this.#decide(inOrder.slice(0, half));
    await deploy(this.#deployment.endpoint, this.#folder, CHANGED_FEATURES);
    const after = await this.#decide(inOrder.slice(half));
    const late = [...before.values(), ...after.values()].filter(({ status }) => status === 'late').length;
    this.#check('transactions that came too late to be counted', `${late} of ${inOrder.length}`, late > 0);
    const { code, totals } = await this.#audit('late-and-changed', { features: CHANGED_FEATURES, fromMillis });
    const isAttributed = totals.rows === inOrder.length && totals.unexplained === 0 && totals.otherDefinition > 0;
    this.#check('audit after late ones and a changed definition', describe(totals), code === 0 && isAttributed);
  }

  /** Served rows that say what was not served, audited with the definitions by which they were. */
  async lies(): Promise<void> {
    const planted = await plantLies(join(servedIn(this.#folder), '*.parquet'), join(this.#folder, 'lies'));
    const { code, totals } = await this.#audit('lies', { served: 'lies', features: FEATURES, fromMillis: 0 });
    const isFound = code === 1 && totals.unexplained === planted;
    this.#check(`audit with ${planted} planted values, exit code ${code}`, describe(totals), isFound);
  }

  #check(name: string, found: string, holds: boolean): void {
    this.checks.push({ name, found, holds });
  }

  #history(): string {
    return `${handbookTransactions.name}=${join(historyIn(this.#folder), '*.parquet')}`;
  }

  async #decide(transactions: readonly Transaction[]): Promise<ReadonlyMap<number, Answer>> {
    const answers = await step({
      label: 'Decide',
      work: () =>
        withBar('transactions decided', transactions.length, (bar) =>
          decideAll(this.#deployment.apiUrl, transactions, () => bar.increment()),
        ),
      summary: () => `${count(transactions.length)} transactions by POST /services/handbook_features/decide`,
    });
    this.#decidedCount += transactions.length;
    await step({
      label: 'Landed',
      work: () => this.#download(),
      summary: () => `${count(this.#decidedCount)} rows of answers, and as many of events`,
    });
    return answers;
  }

  async #download(): Promise<void> {
    const rows = this.#decidedCount;
    const logs = [
      { prefix: ROW_LOGS.served.prefix, folder: servedIn(this.#folder), rows },
      {
        prefix: historyPrefixOf(handbookTransactions),
        folder: historyIn(this.#folder),
        rows: this.#pastEvents + rows,
      },
    ];
    for (const log of logs) await this.#landed.download(log);
  }

  /** What was served from an instant on, by the command. Its reports stay in the folder. */
  async #audit(
    name: string,
    options: { readonly features: string; readonly fromMillis: number; readonly served?: string },
  ): Promise<{ readonly code: number; readonly totals: Totals }> {
    const { features, fromMillis, served = 'served' } = options;
    const json = join(this.#folder, `audit-${name}.json`);
    const flags = {
      served: join(this.#folder, served, '*.parquet'),
      history: this.#history(),
      from: new Date(fromMillis).toISOString(),
      to: new Date(Date.now() + 1_000).toISOString(),
      sample: String(this.#decidedCount),
      features,
      report: join(this.#folder, `audit-${name}.html`),
      json,
    };
    const commandLine = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
    const { code, totals } = await step({
      label: 'Audit',
      work: async () => {
        const { code } = await cli(undefined, 'audit', ...commandLine);
        const report: SkewReport = JSON.parse(await readFile(json, 'utf8'));
        return { code, totals: totalsOf(report) };
      },
      summary: ({ totals }) => describe(totals),
    });
    return { code, totals };
  }
}

/** What an audit found, of all features together. */
interface Totals {
  readonly rows: number;
  readonly unreadable: number;
  readonly values: number;
  readonly equal: number;
  readonly lateArrival: number;
  readonly inFlight: number;
  readonly otherDefinition: number;
  readonly unexplained: number;
}

function totalsOf({ rows, unreadable, features }: SkewReport): Totals {
  const sumOf = (of: (skew: SkewReport['features'][number]) => number) =>
    features.reduce((sum, skew) => sum + of(skew), 0);
  return {
    rows,
    unreadable,
    values: sumOf((skew) => skew.rows),
    equal: sumOf(({ equal }) => equal),
    lateArrival: sumOf(({ lateArrival }) => lateArrival),
    inFlight: sumOf(({ inFlight }) => inFlight),
    otherDefinition: sumOf(({ otherDefinition }) => otherDefinition),
    unexplained: sumOf(({ unexplained }) => unexplained),
  };
}

function describe({ rows, unreadable, values, equal, ...causes }: Totals): string {
  const named = { 'late arrival': causes.lateArrival, 'in flight': causes.inFlight, unreadable };
  const others = Object.entries(named).flatMap(([cause, found]) => (found > 0 ? [`${count(found)} ${cause}`] : []));
  if (causes.otherDefinition > 0) others.push(`${count(causes.otherDefinition)} of another definition`);
  return [
    `${count(rows)} rows, ${count(values)} values: ${count(equal)} equal`,
    ...others,
    `${causes.unexplained} unexplained`,
  ].join(', ');
}

interface Output {
  readonly code: number;
  readonly output: string;
}

/** The command line, as `npm run cli --` has it. @throws LiveRunError when what was asked for cannot be done. */
async function cli(endpoint: string | undefined, ...commandLine: string[]): Promise<Output> {
  // The bar that it draws on standard error, where that is a terminal, is for whoever waits.
  const child = spawn(process.execPath, [CLI, ...commandLine], {
    cwd: PROJECT_ROOT,
    env: { ...process.env, ...(endpoint === undefined ? {} : environmentOf(endpoint)) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  const mayEndSo = code === 0 || (code === EXIT_FOUND && commandLine[0] === 'audit');
  if (!mayEndSo) throw new LiveRunError(`${commandLine[0]} ended with code ${code}`);
  return { code, output };
}

/** Of `audit`: there is something that nothing explains. */
const EXIT_FOUND = 1;

function firstLineOf(output: string): string {
  return output.split('\n')[0] ?? '';
}

async function withBar<T>(unit: string, total: number, work: (bar: SingleBar) => Promise<T>): Promise<T> {
  const bar = new SingleBar({ format: `  {bar} {value}/{total} ${unit}, {eta_formatted} left`, clearOnComplete: true });
  bar.start(total, 0);
  try {
    return await work(bar);
  } finally {
    bar.stop();
  }
}

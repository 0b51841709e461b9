/**
 * What a cold start costs: bytes of each function as it is deployed, and the time until its handler can take an event,
 * against a handler that only creates a DynamoDB client.
 *
 *     npm run bench:cold-start [-- --runs N]
 *
 * 1. Bundle the functions with the construct that the stacks use. The first start of each also handles an event.
 * 2. Start a fresh process for each in turn, again and again. The process times itself, from its own start.
 * 3. Compare medians. No network is touched: the clients are created, and have nobody to talk to.
 *
 * Left out, because it is the same for every function: what Lambda itself does before Node starts.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program } from 'commander';
import { ENV } from '../../functions/constants.ts';
import { SERVE_ENV } from '../../functions/serve/constants.ts';
import { UPDATE_WINDOWS_ENV } from '../../functions/update-windows/constants.ts';
import { repository } from '../../shared/features/index.ts';
import { API } from '../support/api-description.ts';
import { httpRequest } from '../unit/serve/harness.ts';
import { type Bundle, bundleAll } from './cold-start/bundles.ts';
import { rank, round } from './measure.ts';

const SERVE_BYTES_MAX = 1_000_000;
const WARM_UP = 2;
const PROBE = join(import.meta.dirname, 'cold-start/probe.mjs');
const TABLE = { [ENV.tableName]: 'online' };
const SOURCE_NAMES = repository.sources.map(({ name }) => name);

const FUNCTIONS = {
  baseline: { folder: 'test/bench/cold-start', environment: {} },
  serve: {
    folder: 'functions/serve',
    environment: {
      ...TABLE,
      [SERVE_ENV.api]: JSON.stringify(API),
      [SERVE_ENV.streamNames]: JSON.stringify(Object.fromEntries(SOURCE_NAMES.map((name) => [name, name]))),
    },
  },
  'update-windows': {
    folder: 'functions/update-windows',
    environment: {
      ...TABLE,
      [UPDATE_WINDOWS_ENV.sourceName]: SOURCE_NAMES[0] ?? '',
      [UPDATE_WINDOWS_ENV.quarantineBucket]: 'quarantine',
    },
  },
};
type Name = keyof typeof FUNCTIONS;
const NAMES = Object.keys(FUNCTIONS) as Name[];

/** What `cold-start/probe.mjs` prints. Times are counted from the start of its process. */
interface Probe {
  /** Until the bundle is asked for: Node itself. */
  readonly nodeMillis: number;
  /** Until the handler could take an event. */
  readonly initMillis: number;
  /** User time of all threads until then. */
  readonly initCpuMillis: number;
  /** To the event, when there was one. */
  readonly answer?: unknown;
}

/** An event that a function handles without AWS, and the members its answer must have. */
const TRIALS: Readonly<Partial<Record<Name, { readonly event: unknown; readonly answer: RegExp }>>> = {
  serve: { event: httpRequest('GET', '/openapi.json'), answer: /"statusCode":200.*\\"openapi\\":\\"3\.1\.0\\"/ },
  'update-windows': { event: { Records: [] }, answer: /^\{"batchItemFailures":\[\]\}$/ },
};

/** Only what is said here and what is deployed, so that nothing of this shell makes a difference. */
function startProcess({ file, environment }: Bundle, event?: unknown): Probe {
  const credentials = { AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none' };
  const output = execFileSync(process.execPath, [PROBE, file, ...(event ? [JSON.stringify(event)] : [])], {
    env: { ...credentials, ...environment },
    encoding: 'utf8',
  });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}

/** @throws Error when a function does not do its work out of its bundle. */
function tryOut(name: Name, file: Bundle): void {
  const trial = TRIALS[name];
  const answer = JSON.stringify(startProcess(file, trial?.event).answer);
  if (trial && !trial.answer.test(answer)) throw new Error(`the bundle of ${name} answers ${answer}`);
}

function startInTurn(bundles: Readonly<Record<Name, Bundle>>, runs: number): Record<Name, Probe[]> {
  const probes: Record<Name, Probe[]> = { baseline: [], serve: [], 'update-windows': [] };
  for (let run = -WARM_UP; run < runs; run++) {
    for (const name of NAMES) {
      const probe = startProcess(bundles[name]);
      if (run >= 0) probes[name].push(probe);
    }
  }
  return probes;
}

function main(runs: number, folder: string): number {
  const bundles = bundleAll(FUNCTIONS, folder);
  for (const name of NAMES) tryOut(name, bundles[name]);
  const probes = startInTurn(bundles, runs);
  const millis = (name: Name, key: 'nodeMillis' | 'initMillis' | 'initCpuMillis', quantile = 0.5) =>
    rank(
      probes[name].map((probe) => probe[key]),
      quantile,
    );
  const figuresOf = (name: Name) => {
    const initMillis = millis(name, 'initMillis');
    return {
      bytes: bundles[name].bytes,
      initMillis: round(initMillis, 1),
      ratio: round(initMillis / millis('baseline', 'initMillis'), 2),
    };
  };

  console.log(`\n${runs} starts of each in turn; medians, milliseconds`);
  console.table(
    Object.fromEntries(
      NAMES.map((name) => [
        name,
        {
          bytes: bundles[name].bytes,
          'map bytes': bundles[name].sourceMapBytes,
          init: round(millis(name, 'initMillis'), 1),
          'q1 … q3': [0.25, 0.75].map((quantile) => millis(name, 'initMillis', quantile).toFixed(1)).join(' … '),
          'user CPU': round(millis(name, 'initCpuMillis'), 1),
          ratio: figuresOf(name).ratio,
          'CPU ratio': round(millis(name, 'initCpuMillis') / millis('baseline', 'initCpuMillis'), 2),
        },
      ]),
    ),
  );
  const nodeMillis = millis('baseline', 'nodeMillis');
  const baselineMillis = millis('baseline', 'initMillis');
  for (const name of ['serve', 'update-windows'] as const) {
    const parts = [nodeMillis, baselineMillis - nodeMillis, millis(name, 'initMillis') - baselineMillis];
    const [node, client, ours] = parts.map((part) => part.toFixed(1));
    console.log(`${name}: Node itself ${node} + a DynamoDB client ${client} + the rest ${ours} ms`);
  }
  const { bytes } = bundles.serve;
  const tooLarge = bytes > SERVE_BYTES_MAX;
  if (tooLarge) console.error(`The bundle of serve has ${bytes} bytes; at most ${SERVE_BYTES_MAX} are allowed.`);
  const { ratio: _one, ...baseline } = figuresOf('baseline');
  const functions = { serve: figuresOf('serve'), 'update-windows': figuresOf('update-windows') };
  console.log(JSON.stringify({ functions, baseline, runs }));
  return tooLarge ? 1 : 0;
}

program
  .name('bench:cold-start')
  .description('Size and start of the bundled functions against a bare DynamoDB client.')
  .option('--runs <count>', 'how many starts of each are timed', '21')
  .parse();
const folder = mkdtempSync(join(tmpdir(), 'cold-start-'));
try {
  process.exitCode = main(Number(program.opts<{ runs: string }>().runs), folder);
} finally {
  rmSync(folder, { recursive: true });
}

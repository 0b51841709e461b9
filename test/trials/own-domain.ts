/**
 * The walk of a new user: an empty folder outside of this repository, a domain of its own (login takeover), and everything by
 * the commands that a user types.
 *
 * 1. `npm start` deploys the declarations; events and decisions by the calls that it prints; each value is the naive oracle's.
 * 2. What landed becomes a training set, a model that Python trains, decisions that Python scores alike, and an evaluation.
 * 3. A month of history is filled into a running view; edits go live; a killed run leaves nothing behind.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { preparePython } from '../../examples/python-environment.ts';
import { freePort, LOCAL_DIRECTORY } from '../../localstack/child-process.ts';
import { Random } from '../simulation/random.ts';
import { backfillMonth, importMonth } from './own-domain/backfill.ts';
import { Checks } from './own-domain/checks.ts';
import { Client } from './own-domain/client.ts';
import { decideLogins, sendEvents, tryPrintedCalls } from './own-domain/decisions.ts';
import { endBySignal, killAndStartAgain } from './own-domain/killed.ts';
import { editWhileRunning } from './own-domain/live-edits.ts';
import { decideByModel, trainModel } from './own-domain/model.ts';
import { auditServed, evaluateServed, makeTrainingSets } from './own-domain/offline.ts';
import { createTest, failTest } from './own-domain/served-test.ts';
import { startInEmptyFolder } from './own-domain/start.ts';
import { User } from './own-domain/user.ts';
import type { World } from './own-domain/world.ts';
import type { Trial } from './trial.ts';

const DECISIONS = 160;
const PYTHON_FOLDER = join(LOCAL_DIRECTORY, 'own-domain-python');
const REQUIREMENTS = join(import.meta.dirname, 'own-domain', 'requirements.txt');

/** In order: what fails ends the walk, for the next steps stand on it. */
const STEPS: readonly (readonly [string, (world: World) => Promise<void>])[] = [
  ['writes declarations and starts', startInEmptyFolder],
  ['tries the printed calls', tryPrintedCalls],
  ['sends events', sendEvents],
  ['decides logins and closes cases', decideLogins],
  ['makes training sets', makeTrainingSets],
  ['audits what was served', auditServed],
  ['imports a month, and declares a view of it', importMonth],
  ['trains a model', trainModel],
  ['decides by the model', decideByModel],
  ['evaluates it', evaluateServed],
  ['makes a test of a decision', createTest],
  ['fills the month in', backfillMonth],
  ['edits the running module', editWhileRunning],
  ['runs the test again', failTest],
  ['audits again', auditServed],
  ['kills the run, and starts again', killAndStartAgain],
  ['ends the run by Ctrl-C', endBySignal],
];

async function walk(world: World): Promise<void> {
  const { checks } = world;
  for (const [title, step] of STEPS) {
    const startedAt = performance.now();
    try {
      await step(world);
    } catch (error) {
      checks.fail(`${title}: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    world.seconds[title] = Math.round(seconds * 10) / 10;
    process.stderr.write(`own-domain: ${title}: ${seconds.toFixed(1)} s, ${checks.assertions} assertions\n`);
  }
}

export const ownDomain: Trial = {
  name: 'own-domain',
  proves:
    'Somebody with an empty folder and a domain of their own gets from declarations to decisions, history, a model, a backfill, edits and tests by the commands alone.',
  async run({ trials = DECISIONS, seed = 1 }) {
    const python = await preparePython(PYTHON_FOLDER, REQUIREMENTS);
    const parent = await mkdtemp(join(tmpdir(), 'own-domain-'));
    const folder = join(parent, 'store');
    const checks = new Checks();
    const world: World = {
      user: new User(folder, join(parent, 'bin')),
      client: new Client(folder),
      checks,
      port: await freePort(),
      python,
      random: new Random(seed),
      decisionCount: trials,
      decided: [],
      scored: [],
      month: [],
      seconds: {},
      saveToLiveSeconds: {},
    };
    try {
      await walk(world);
    } finally {
      await world.start?.end('SIGTERM');
      await rm(parent, { recursive: true, force: true });
    }
    const { seconds, saveToLiveSeconds } = world;
    const { assertions, failures } = checks;
    const json = { decisions: trials, assertions, failures: failures.length, saveToLiveSeconds, seconds };
    return { ok: failures.length === 0 && assertions > 0, json };
  },
};

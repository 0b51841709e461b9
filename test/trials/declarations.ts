/**
 * Random modules of declarations in folders of their own, each run by `npm start -- --features <module> --once`: what a
 * deployment answers, and what is made of its history, must be what the naive oracle says.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, PROJECT_ROOT } from '../../localstack/child-process.ts';
import { Random } from '../simulation/random.ts';
import { randomModule } from './declarations/module.ts';
import type { Trial } from './trial.ts';

const TRIALS = 20;
const EVENTS = 400;
/** What is told of a run that failed. */
const SHOWN_CHARACTERS = 1_500;
/** Every step that compares says how many features it found equal. */
const COMPARED = /([\d,]+) features(?: by | of | equal)/g;
const DECIDED = /(\d+) events of \S+ by /g;

interface Run {
  readonly exitCode: number | null;
  readonly output: string;
}

function progress(message: string): void {
  process.stderr.write(`declarations: ${message}\n`);
}

/** Runs a module as somebody in its folder would. */
async function start(features: string, directory: string, seed: number): Promise<Run> {
  const port = String(await freePort());
  const options = ['--features', features, '--once', '--port', port, '--directory', directory];
  const traffic = ['--events', String(EVENTS), '--seed', String(seed)];
  const child = spawn(process.execPath, [join(PROJECT_ROOT, 'localstack/start.ts'), ...options, ...traffic], {
    cwd: directory,
    env: { ...process.env, INIT_CWD: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  return { exitCode, output };
}

function sumOf(pattern: RegExp, output: string): number {
  return [...output.matchAll(pattern)].reduce((sum, [, number]) => sum + Number(number?.replaceAll(',', '')), 0);
}

export const declarations: Trial = {
  name: 'declarations',
  proves: "Whatever is declared in an own folder, npm start deploys it, and every feature equals the oracle's.",
  async run({ trials = TRIALS, seed = 1 }) {
    let [compared, decided, failures] = [0, 0, 0];
    for (let trial = 0; trial < trials; trial++) {
      const directory = await mkdtemp(join(tmpdir(), 'declarations-'));
      const features = join(directory, 'features.ts');
      await writeFile(features, randomModule(new Random(seed + trial)));
      const { exitCode, output } = await start(features, directory, seed + trial);
      const found = sumOf(COMPARED, output);
      const isGood = exitCode === 0 && found > 0;
      progress(
        `seed ${seed + trial}: ${isGood ? `${found} features equal` : `exit code ${exitCode}, see ${directory}`}`,
      );
      if (isGood) await rm(directory, { recursive: true });
      else process.stderr.write(`${output.slice(-SHOWN_CHARACTERS)}\n`);
      compared += found;
      decided += sumOf(DECIDED, output);
      if (!isGood) failures++;
    }
    return { json: { trials, features: compared, decisions: decided, failures }, ok: failures === 0 };
  },
};

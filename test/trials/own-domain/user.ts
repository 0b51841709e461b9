/** Somebody at a shell in a folder of their own: commands, and a running `npm start`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PROJECT_ROOT } from '../../../localstack/child-process.ts';

const CLI = join(PROJECT_ROOT, 'cli', 'feature-store.cjs');
/** Of anything that is waited for, and between two things that a run says; the machine may be slow. */
const PATIENCE_MILLIS = 300_000;
const POLL_MILLIS = 100;
const TAIL_CHARACTERS = 2_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class User {
  readonly folder: string;
  readonly #environment: NodeJS.ProcessEnv;

  /** @param tools folder for the program `feature-store`, as `npm link` would put it on PATH. */
  constructor(folder: string, tools: string) {
    this.folder = folder;
    mkdirSync(tools, { recursive: true });
    symlinkSync(CLI, join(tools, 'feature-store'));
    // What npm says to its scripts is not what a shell of theirs says.
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(npm_|INIT_CWD$|AWS_|NODE_OPTIONS$)/i.test(name),
    );
    const path = [tools, join(PROJECT_ROOT, 'node_modules', '.bin'), process.env.PATH ?? ''].join(delimiter);
    this.#environment = { ...Object.fromEntries(inherited), PATH: path };
  }

  /** Runs lines in `sh`. */
  async shell(script: string): Promise<Ended> {
    const child = spawn('/bin/sh', ['-c', script], {
      cwd: this.folder,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (data: Buffer) => {
      said.stdout += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      said.stderr += data.toString();
    });
    const [code]: (number | null)[] = await once(child, 'close');
    return { code: code ?? null, ...said };
  }

  /** Runs lines that must succeed, told of the running deployment. @returns what they print. @throws Error with what they said. */
  async run(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.shell(`. .local/env\n${script}`);
    if (code !== 0) throw new Error(`${script}\nended with ${code}: ${stderr.trim()} ${stdout.trim()}`);
    return stdout;
  }

  /** `npm start` from this folder: npm runs it in that of the package, and says where it was called. */
  start(port: number): Start {
    return new Start(port, { ...this.#environment, INIT_CWD: this.folder });
  }
}

/** A running `npm start`. */
export class Start {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #hasEnded = false;
  #output = '';
  #seen = 0;
  #saidAtMillis = Date.now();

  constructor(port: number, environment: NodeJS.ProcessEnv) {
    this.port = port;
    const flags = ['--require', './cli/check-node.cjs', 'localstack/start.ts', '--port', String(port)];
    this.#child = spawn(process.execPath, flags, {
      cwd: PROJECT_ROOT,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const hear = (data: Buffer) => {
      this.#output += data.toString();
      this.#saidAtMillis = Date.now();
    };
    this.#child.stdout?.on('data', hear);
    this.#child.stderr?.on('data', hear);
    this.#ended = once(this.#child, 'close').then(() => {
      this.#hasEnded = true;
    });
    const kill = () => this.#child.kill('SIGKILL');
    process.once('exit', kill);
    void this.#ended.then(() => process.off('exit', kill));
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What it has printed since `mark` was called. */
  get recent(): string {
    return this.#output.slice(this.#seen);
  }

  mark(): void {
    this.#seen = this.#output.length;
  }

  /** Waits for something to be printed since the last mark. @throws Error with the end of the output. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (const sinceMillis = Date.now(); ; await delay(POLL_MILLIS)) {
      const found = pattern.exec(this.recent);
      if (found !== null) return found;
      if (this.#hasEnded || Date.now() > Math.max(sinceMillis, this.#saidAtMillis) + PATIENCE_MILLIS) {
        const why = this.#hasEnded ? 'npm start ended' : 'npm start was silent for too long';
        throw new Error(`${why} before it said ${pattern}; it said …${this.#output.slice(-TAIL_CHARACTERS)}`);
      }
    }
  }

  /** @returns its exit code; null where the signal ended it at once. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (!this.#hasEnded) this.#child.kill(signal);
    await this.#ended;
    return this.#child.exitCode;
  }
}

/** Polls until something holds. @returns whether it did in time. */
export async function untilHolds(holds: () => Promise<boolean>, withinMillis = PATIENCE_MILLIS): Promise<boolean> {
  for (const deadline = Date.now() + withinMillis; Date.now() < deadline; await delay(POLL_MILLIS)) {
    if (await holds()) return true;
  }
  return holds();
}

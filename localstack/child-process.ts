/**
 * Children of a local run: servers that must never outlive it, and tools that run to their end.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, createWriteStream, mkdirSync, openSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

export const PROJECT_ROOT = join(import.meta.dirname, '..');
/** Everything that a local run downloads or writes; ignored by git. */
export const LOCAL_DIRECTORY = join(PROJECT_ROOT, '.local');

const STOP_GRACE_MILLIS = 5_000;
/** So long work that is to be done before this process ends may keep it, when a signal ends it. */
const LAST_WORK_MILLIS = 5_000;
const TAIL_LINE_COUNT = 25;

/** A local server or tool could not be installed, started or used. The message says what to do next. */
export class LocalEnvironmentError extends Error {
  override readonly name = 'LocalEnvironmentError';
}

/** A program that runs until it is stopped. */
export interface LocalServer {
  /** Where it listens, without a slash at the end: `http://localhost:4566`. */
  readonly endpoint: string;
  readonly logFile: string;
  stop(): Promise<void>;
}

/** Variables to set, or with `undefined` to remove, on top of this process's own. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The project's own Node first on PATH: emulators run whatever `node` they find there. */
function localEnvironment(additions: Environment = {}): NodeJS.ProcessEnv {
  const path = [join(PROJECT_ROOT, 'node_modules', '.bin'), process.env.PATH ?? ''].join(delimiter);
  return { ...process.env, PATH: path, ...additions };
}

const running = new Set<ChildProcess>();
const lastWork = new Set<LastWork>();
let stopsWithParent = false;
let isEnding = false;

/**
 * Runs a program, and ends it with all that it has started when the pipe on descriptor 3 closes: when this process is gone,
 * though it was killed and could do nothing.
 */
const UNTIL_PARENT_ENDS = '"$0" "$@" 3<&- & program=$!; { cat <&3 >/dev/null; kill -TERM 0; } & wait "$program"';

/** Each server leads a process group of its own, so that what it has started ends with it. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

function stopChildrenWithParent(): void {
  if (stopsWithParent) return;
  stopsWithParent = true;
  process.on('exit', () => {
    for (const child of running) signalGroup(child, 'SIGKILL');
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => void endBy(signal));
  }
}

/** A second signal does not wait. */
async function endBy(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): Promise<void> {
  const exitCode = 128 + constants.signals[signal];
  if (isEnding) process.exit(exitCode);
  isEnding = true;
  const undone = await doLastWork([...lastWork], delay(LAST_WORK_MILLIS));
  for (const text of undone) console.error(`\n${text}`);
  process.exit(undone.length > 0 ? 1 : (process.exitCode ?? exitCode));
}

/** What is to be done before this process ends. */
export interface LastWork {
  readonly work: () => Promise<void>;
  /** What is lost when the work is not done in time. */
  readonly unfinished: () => string;
}

/** @returns what went wrong, one text for each work that failed or was not done when `deadline` resolves. */
export async function doLastWork(works: readonly LastWork[], deadline: Promise<unknown>): Promise<string[]> {
  const outcomes = works.map(async ({ work, unfinished }) => {
    const done = work().then(() => undefined, messageOf);
    return Promise.race([done, deadline.then(unfinished)]);
  });
  return (await Promise.all(outcomes)).filter((text) => text !== undefined);
}

/** Of what was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof LocalEnvironmentError ? error.message : String(error);
}

/**
 * Has work done before a signal ends this process, while its servers still run. When it fails or takes too long, it is said, and
 * the exit code is 1.
 * @returns what takes that back.
 */
export function beforeEnd(last: LastWork): () => void {
  stopChildrenWithParent();
  lastWork.add(last);
  return () => lastWork.delete(last);
}

/**
 * Starts a server and waits until it is ready. It ends with this process, however that ends.
 * @throws LocalEnvironmentError naming the log file when the server ends, or is not ready in time.
 */
export async function startServer(options: {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
  readonly workingDirectory?: string;
  readonly environment?: Environment;
  readonly logFile: string;
  readonly endpoint: string;
  readonly isReady: () => Promise<boolean>;
  readonly readyWithinMillis: number;
}): Promise<LocalServer> {
  const { name, logFile, endpoint } = options;
  stopChildrenWithParent();
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'w');
  const child = spawn('/bin/sh', ['-c', UNTIL_PARENT_ENDS, options.command, ...options.arguments], {
    cwd: options.workingDirectory ?? PROJECT_ROOT,
    env: localEnvironment(options.environment),
    stdio: ['ignore', log, log, 'pipe'],
    detached: true,
  });
  closeSync(log);
  child.once('exit', () => child.stdio[3]?.destroy());
  running.add(child);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
    running.delete(child);
  });
  async function stop(): Promise<void> {
    signalGroup(child, 'SIGTERM');
    await Promise.race([ended, delay(STOP_GRACE_MILLIS, undefined, { ref: false })]);
    signalGroup(child, 'SIGKILL');
    await ended;
  }
  const deadline = Date.now() + options.readyWithinMillis;
  while (!(await options.isReady())) {
    if (hasEnded) throw new LocalEnvironmentError(`${name} ended while it started; read ${logFile}`);
    if (Date.now() > deadline) {
      await stop();
      const seconds = options.readyWithinMillis / 1_000;
      throw new LocalEnvironmentError(`${name} was not ready after ${seconds} s; read ${logFile}`);
    }
    await delay(100);
  }
  return { endpoint, logFile, stop };
}

/** Runs a tool to its end and returns its output. @throws the error of `execFile`, which carries the output. */
export async function run(
  command: string,
  argumentList: readonly string[],
  options: { readonly workingDirectory?: string; readonly environment?: Environment } = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(command, argumentList, {
    cwd: options.workingDirectory ?? PROJECT_ROOT,
    env: localEnvironment(options.environment),
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/**
 * Runs a tool whose whole output goes to a log file, and whose lines are shown to `onLine` as they come.
 * @throws LocalEnvironmentError with the end of the output and the path of the log when it fails.
 */
export async function runLogged(options: {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment?: Environment;
  readonly logFile: string;
  readonly onLine: (line: string) => void;
}): Promise<void> {
  stopChildrenWithParent();
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = createWriteStream(options.logFile, { flags: 'a' });
  const child = spawn(options.command, options.arguments, {
    cwd: PROJECT_ROOT,
    env: localEnvironment(options.environment),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  const tail: string[] = [];
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => {
      log.write(`${line}\n`);
      tail.push(line);
      if (tail.length > TAIL_LINE_COUNT) tail.shift();
      options.onLine(line);
    });
  }
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => {
    running.delete(child);
    log.end();
  });
  if (exitCode !== 0) {
    throw new LocalEnvironmentError(
      `${options.name} failed. The end of its output, all of which is in ${options.logFile}:\n\n${tail.join('\n')}`,
    );
  }
}

/** Whether a program can be run at all. */
export async function canRun(command: string, argumentList: readonly string[]): Promise<boolean> {
  return run(command, argumentList).then(
    () => true,
    () => false,
  );
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string')
    throw new LocalEnvironmentError('This machine has no free port.');
  return address.port;
}

/** Whether somebody listens on a port of this machine. */
export async function isPortInUse(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: 'localhost' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Whether an HTTP server answers at all, or well when `expectsSuccess`. */
export async function answersHttp(url: string, options: { readonly expectsSuccess: boolean }): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => {
      await response.arrayBuffer();
      return options.expectsSuccess ? response.ok : true;
    },
    () => false,
  );
}

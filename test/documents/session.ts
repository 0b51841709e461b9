/** One shell that runs the commands of a document one after the other, so that a variable set by one is there in the next. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { shellQuoted } from '../../localstack/env-file.ts';

export interface CommandResult {
  /** What it printed to either stream. */
  readonly output: string;
  readonly exitCode: number;
}

/** Printed after each command, with its exit code. */
const MARK = '-- the command ended with';
const MARKED = new RegExp(`\\n?${MARK} (\\d+)\\n`);
const POLL_MILLIS = 20;

/** What a shell of a person has: nothing of the npm, the test runner or the AWS account around us. */
function plainEnvironment(additions: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|INIT_CWD$|NODE_OPTIONS$|NODE_ENV$|VITEST|TEST$|FORCE_COLOR$|AWS_)/i.test(name),
  );
  return { ...Object.fromEntries(kept), NO_COLOR: '1', npm_config_update_notifier: 'false', ...additions };
}

export class Session {
  readonly #shell: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<void>;
  readonly #logs = mkdtempSync(join(tmpdir(), 'session-'));
  #output = '';
  #hasEnded = false;

  /** @param options.prelude is run first. */
  constructor(options: {
    readonly directory: string;
    readonly prelude?: string;
    readonly environment?: Readonly<Record<string, string>>;
  }) {
    this.#shell = spawn('bash', ['--noprofile', '--norc'], {
      cwd: options.directory,
      env: plainEnvironment(options.environment ?? {}),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own, so that what it runs ends with it.
      detached: true,
    });
    for (const stream of [this.#shell.stdout, this.#shell.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
    this.#ended = new Promise((resolve) => {
      this.#shell.once('close', () => {
        this.#hasEnded = true;
        resolve();
      });
    });
    // Should this process be killed, its input ends, and the shell takes along what it has started.
    this.#shell.stdin.write(`trap 'trap "" TERM; kill 0; wait' EXIT\n${options.prelude ?? ''}\n`);
  }

  /** By `eval`, so that what the shell cannot read is an error of the command alone. */
  async run(command: string): Promise<CommandResult> {
    this.#output = '';
    this.#shell.stdin.write(`eval ${shellQuoted(command)} </dev/null 2>&1\nprintf '\\n${MARK} %d\\n' $?\n`);
    for (;;) {
      const result = resultIn(this.#output);
      if (result !== undefined) return result;
      if (this.#hasEnded) return { output: this.#output, exitCode: this.#shell.exitCode ?? 1 };
      await delay(POLL_MILLIS);
    }
  }

  /** Leaves a command running once it has printed some text. @returns also when it ends before that. */
  async start(command: string, until: string): Promise<CommandResult> {
    const log = join(this.#logs, 'started.log');
    writeFileSync(log, '');
    this.#shell.stdin.write(
      `( eval ${shellQuoted(command)}; printf '\\n${MARK} %d\\n' $? ) </dev/null >'${log}' 2>&1 &\n`,
    );
    for (;;) {
      const output = readFileSync(log, 'utf8');
      const result = resultIn(output);
      if (result !== undefined) return { ...result, exitCode: result.exitCode || 1 };
      if (output.includes(until)) return { output, exitCode: 0 };
      if (this.#hasEnded) return { output: this.#output, exitCode: this.#shell.exitCode ?? 1 };
      await delay(POLL_MILLIS);
    }
  }

  /** Ends it with all that it has started. */
  async end(): Promise<void> {
    this.#shell.stdin.end();
    await this.#ended;
    rmSync(this.#logs, { recursive: true });
  }
}

function resultIn(output: string): CommandResult | undefined {
  const found = MARKED.exec(output);
  return found === null ? undefined : { output: output.slice(0, found.index), exitCode: Number(found[1]) };
}

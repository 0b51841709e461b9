/** One at a time: what several processes of this machine must not do at once, such as installing into one folder. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const RETRY_MILLIS = 200;
const TURN_MILLIS = 5;
const ABANDONED_TURN_MILLIS = 10_000;

/** Tells this process from an earlier one of the same number, as in a container that starts anew. */
const THIS_PROCESS = randomUUID();

/** Does some work while nobody else who asks for the same file does theirs. Waits for its turn. */
export async function withLock<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  while ((await takeLock(file)) !== undefined) await delay(RETRY_MILLIS);
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

/**
 * Takes a file, which is free again once it is removed or its process is gone.
 * @returns the number of the process that has it, and nothing when this one has it from now on.
 */
export async function takeLock(file: string): Promise<number | undefined> {
  await mkdir(dirname(file), { recursive: true });
  // Written aside and linked, so that nobody ever reads half of it.
  const own = `${file}.${randomUUID()}`;
  await writeFile(own, `${process.pid} ${THIS_PROCESS}`);
  try {
    for (;;) {
      if (await succeeds(link(own, file), 'EEXIST')) return undefined;
      const held = await readIfThere(file);
      if (held === undefined) continue;
      const [processId = '', processName] = held.split(' ');
      if (isRunning(Number(processId), processName)) return Number(processId);
      await removeAbandoned(file, held);
    }
  } finally {
    await rm(own, { force: true });
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A process that was killed leaves its file behind; then nobody of the number in it runs. */
function isRunning(processId: number, processName: string | undefined): boolean {
  if (!Number.isInteger(processId) || processId <= 0) return false;
  if (processId === process.pid) return processName === THIS_PROCESS;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    // A process of another user may not be signalled, and runs.
    return hasCode(error, 'EPERM');
  }
}

/** One process at a time looks again and removes: what was abandoned may be somebody's meanwhile, and stays theirs. */
async function removeAbandoned(file: string, content: string): Promise<void> {
  const turn = `${file}.removing`;
  if (!(await succeeds(mkdir(turn), 'EEXIST'))) {
    await delay(TURN_MILLIS);
    const began = await stat(turn).catch(() => undefined);
    // Whoever had the turn was killed.
    if (began !== undefined && Date.now() - began.mtimeMs > ABANDONED_TURN_MILLIS)
      await rm(turn, { recursive: true, force: true });
    return;
  }
  try {
    if ((await readIfThere(file)) === content) await rm(file, { force: true });
  } finally {
    await rm(turn, { recursive: true, force: true });
  }
}

/** @returns false when work fails with a code that is expected. @throws its other errors. */
async function succeeds(work: Promise<unknown>, expectedCode: string): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (hasCode(error, expectedCode)) return false;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

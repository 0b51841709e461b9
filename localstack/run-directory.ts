/** The directory of a run, which no other run writes into while it lasts. */
import { rmSync } from 'node:fs';
import { access, constants, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalEnvironmentError } from './child-process.ts';
import { takeLock } from './lock.ts';

const LOCK = 'run.lock';

/** How often this process holds each lock: a run and its history hold the same directory. */
const holds = new Map<string, number>();

/**
 * Makes a directory where there is none, and holds it until this process ends, at the latest.
 * @returns what gives it back.
 * @throws LocalEnvironmentError when another process holds it, or it cannot be written into.
 */
export async function holdDirectory(directory: string): Promise<() => void> {
  const file = join(directory, LOCK);
  const held = holds.get(file) ?? 0;
  const holder = held > 0 ? undefined : await take(directory, file);
  if (holder !== undefined) {
    throw new LocalEnvironmentError(
      `${directory} is in use by a run of process ${holder}: end that one, or choose another folder with --directory`,
    );
  }
  holds.set(file, held + 1);
  let isReleased = false;
  return () => {
    if (isReleased) return;
    isReleased = true;
    giveBack(file);
  };
}

async function take(directory: string, file: string): Promise<number | undefined> {
  try {
    await mkdir(directory, { recursive: true });
    await access(directory, constants.W_OK);
    const holder = await takeLock(file);
    if (holder === undefined) process.off('exit', giveAllBack).once('exit', giveAllBack);
    return holder;
  } catch (error) {
    throw new LocalEnvironmentError(
      `${directory} is no folder that can be written into (${String(error)}): choose another with --directory`,
      { cause: error },
    );
  }
}

function giveBack(file: string): void {
  const held = holds.get(file) ?? 0;
  if (held > 1) {
    holds.set(file, held - 1);
  } else if (holds.delete(file)) {
    rmSync(file, { force: true });
  }
}

function giveAllBack(): void {
  for (const file of holds.keys()) rmSync(file, { force: true });
}

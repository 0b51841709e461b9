/** One at a time: what several processes of this machine must not do at once, such as installing into one folder. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const RETRY_MILLIS = 200;

/** Does some work while nobody else who asks for the same file does theirs. Waits for its turn. */
export async function withLock<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  await mkdir(dirname(file), { recursive: true });
  while (!(await take(file))) {
    if (await isAbandoned(file)) await rm(file, { force: true });
    else await delay(RETRY_MILLIS);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function take(file: string): Promise<boolean> {
  return writeFile(file, String(process.pid), { flag: 'wx' }).then(
    () => true,
    () => false,
  );
}

/** A process that was killed leaves its file behind; then nobody of the number in it runs. */
async function isAbandoned(file: string): Promise<boolean> {
  // Empty between its creation and its writing, and gone when its holder is done: neither is abandoned.
  const processId = Number(await readFile(file, 'utf8').catch(() => ''));
  if (processId === 0) return false;
  try {
    process.kill(processId, 0);
    return false;
  } catch {
    return true;
  }
}

import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withLock } from '../../../localstack/lock.ts';

let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lock-'));
  file = join(directory, 'folder', 'work.lock');
});
afterEach(() => rm(directory, { recursive: true }));

it('lets one at a time work, and everyone in the end', async () => {
  let working = 0;
  const results = await Promise.all(
    [1, 2, 3].map((number) =>
      withLock(file, async () => {
        expect(++working).toBe(1);
        await delay(5);
        working--;
        return number;
      }),
    ),
  );
  expect(results).toEqual([1, 2, 3]);
  expect(existsSync(file)).toBe(false);
});

it('is released when the work fails', async () => {
  await expect(withLock(file, () => Promise.reject(new Error('no disk')))).rejects.toThrow('no disk');
  expect(await withLock(file, async () => 'next')).toBe('next');
});

it('is taken over from a process that was killed', async () => {
  await withLock(file, async () => {});
  // No process has a number above the greatest that Linux and macOS give.
  await writeFile(file, String(2 ** 22 + 1));
  expect(await withLock(file, async () => 'next')).toBe('next');
});

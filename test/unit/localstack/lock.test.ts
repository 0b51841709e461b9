import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { takeLock, withLock } from '../../../localstack/lock.ts';

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

it.each([
  // No process has a number above the greatest that Linux and macOS give.
  ['a process that was killed', `${2 ** 22 + 1}`],
  ['an earlier process of the same number', `${process.pid} another`],
  ['a process that was killed while it wrote', ''],
])('is taken over from %s', async (_, content) => {
  await withLock(file, async () => {});
  await writeFile(file, content);
  expect(await withLock(file, async () => 'next')).toBe('next');
});

it('is taken over by one of many', async () => {
  await withLock(file, async () => {});
  await writeFile(file, `${2 ** 22 + 1}`);
  const holders = await Promise.all(Array.from({ length: 20 }, () => takeLock(file)));
  expect(holders.filter((holder) => holder === undefined)).toHaveLength(1);
  expect(new Set(holders)).toEqual(new Set([undefined, process.pid]));
  expect(await readdir(dirname(file))).toEqual([basename(file)]);
});

it('names the process that has it', async () => {
  await mkdir(dirname(file));
  // The first process of the machine runs, and is another user's unless these tests are root's.
  await writeFile(file, '1 first');
  expect(await takeLock(file)).toBe(1);
});

it('says why it cannot be taken', async () => {
  await writeFile(join(directory, 'folder'), '');
  await expect(withLock(file, async () => 'never')).rejects.toThrow('EEXIST');
});

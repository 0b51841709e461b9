import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LocalEnvironmentError } from '../../../localstack/child-process.ts';
import { openLocalHistory } from '../../../localstack/history/local-history.ts';
import { holdDirectory } from '../../../localstack/run-directory.ts';

let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'run-directory-'));
  directory = join(parent, 'of', 'run');
});
afterEach(() => rm(parent, { recursive: true }));

const open = () => openLocalHistory({ directory, repository: { sources: [], services: [] }, onError: () => {} });

it('is refused while another process holds it, with its number, and its history stays; once that is gone, it is free', async () => {
  const script = join(import.meta.dirname, 'holds-directory.ts');
  const other = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(other, 'exit');
  try {
    await once(other.stdout, 'data');
    const landed = join(directory, 'history', 'landed.parquet');
    await mkdir(join(directory, 'history'));
    await writeFile(landed, 'theirs');
    for (const start of [() => holdDirectory(directory), open]) {
      const starting = start();
      await expect(starting).rejects.toThrow(LocalEnvironmentError);
      await expect(starting).rejects.toThrow(
        `${directory} is in use by a run of process ${other.pid}: end that one, or choose another folder with --directory`,
      );
    }
    expect(await readFile(landed, 'utf8')).toBe('theirs');
  } finally {
    other.kill('SIGKILL');
    await ended;
  }
  const release = await holdDirectory(directory);
  release();
  expect(await readdir(directory)).toEqual(['history']);
});

it('is held once for a run and its history, until the last of them gives it back', async () => {
  const release = await holdDirectory(directory);
  const history = await open();
  await history.close();
  expect(await readdir(directory)).toContain('run.lock');
  release();
  release();
  expect(await readdir(directory)).toEqual(['history']);
});

it('is given back by a history that cannot be opened', async () => {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'history'), '');
  await expect(open()).rejects.toThrow('history cannot be read as a folder');
  expect(await readdir(directory)).toEqual(['history']);
});

it.each(['of', 'of/run', 'of/run/run.lock/folder'])('that has a wrong %s is refused in one sentence', async (file) => {
  await mkdir(join(parent, file, '..'), { recursive: true });
  await writeFile(join(parent, file), '');
  const holding = holdDirectory(directory);
  await expect(holding).rejects.toThrow(LocalEnvironmentError);
  await expect(holding).rejects.toThrow(
    /^\S+ is no folder that can be written into \(.*\): choose another with --directory$/,
  );
});

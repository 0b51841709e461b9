import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LocalEnvironmentError } from '../../../../localstack/child-process.ts';
import { DiskLander } from '../../../../localstack/history/lander.ts';
import { MARK } from '../../../../localstack/history/own-folder.ts';

let directory: string;
let folder: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'own-folder-'));
  folder = join(directory, 'history');
});
afterEach(() => rm(directory, { recursive: true }));

async function put(...files: string[]): Promise<void> {
  for (const file of files) {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'kept');
  }
}

async function openAndClose(): Promise<void> {
  const lander = await DiskLander.open({ folder, onError: () => {} });
  await lander.close();
}

it.each(['history', 'history.staging'])('%s of somebody else is refused, and nothing is deleted', async (name) => {
  const theirs = join(directory, name, 'thesis', 'chapter-1.txt');
  await openAndClose();
  const ours = join(folder, 'raw', 'old.parquet');
  await put(ours);
  if (name === 'history') await rm(join(folder, MARK));
  await put(theirs);
  const opening = DiskLander.open({ folder, onError: () => {} });
  await expect(opening).rejects.toThrow(LocalEnvironmentError);
  await expect(opening).rejects.toThrow(`${join(directory, name)} has files`);
  await expect(opening).rejects.toThrow('--directory');
  expect(await Promise.all([theirs, ours].map((file) => readFile(file, 'utf8')))).toEqual(['kept', 'kept']);
});

it.each(['history', 'history.staging'])('%s that is a file is refused in one sentence', async (name) => {
  await put(join(directory, name));
  const opening = DiskLander.open({ folder, onError: () => {} });
  await expect(opening).rejects.toThrow(LocalEnvironmentError);
  await expect(opening).rejects.toThrow(/^\S+ cannot be read as a folder \(ENOTDIR\): .* --directory$/);
  expect(await readFile(join(directory, name), 'utf8')).toBe('kept');
});

it('a folder of an earlier run is emptied, and stays marked', async () => {
  await openAndClose();
  await put(join(folder, 'raw', 'old.parquet'), join(folder, '.hidden'));
  await openAndClose();
  expect(await readdir(folder)).toEqual([MARK]);
  expect(await readdir(directory)).toEqual(['history']);
});

it('an empty folder of somebody else is taken', async () => {
  await mkdir(folder);
  await openAndClose();
  expect(await readdir(folder)).toEqual([MARK]);
});

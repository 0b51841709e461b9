import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadedFiles } from '../../shared/registry/own-modules.ts';

const SOURCE = /\.(?:[cm]?[jt]s|json)$/;
const POLL_MILLIS = 250;

/**
 * Tells of edits of a module and of those that it imported, and of sources that come or go beside them. Polls: notifications of a
 * file that an editor replaces get lost.
 * @returns instants at which files were saved, milliseconds since 1970.
 */
export async function* watchModule(module: string): AsyncGenerator<number> {
  for (let known = await savedFiles(module); ; await delay(POLL_MILLIS)) {
    const now = await savedFiles(module);
    const saved = [...now].filter(([file, at]) => known.get(file) !== at).map(([, at]) => at);
    const isGone = [...known.keys()].some((file) => !now.has(file));
    known = now;
    if (saved.length > 0 || isGone) yield Math.max(...saved, isGone ? Date.now() : 0);
  }
}

/** Everything that declarations were loaded from, as it is now. */
export async function textOfDeclarations(): Promise<string> {
  const texts = [...loadedFiles].sort().map((file) => readFile(file, 'utf8').catch(() => ''));
  return (await Promise.all(texts)).join('\0');
}

/** When each file was saved last, milliseconds since 1970. */
async function savedFiles(module: string): Promise<Map<string, number>> {
  const folders = new Set([module, ...loadedFiles].map(dirname));
  const beside = await Promise.all([...folders].map(sourcesIn));
  const saved = new Map<string, number>();
  for (const file of new Set([module, ...loadedFiles, ...beside.flat()])) {
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined) saved.set(file, found.mtimeMs);
  }
  return saved;
}

async function sourcesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => SOURCE.test(name)).map((name) => join(folder, name));
}

import { glob, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const SOURCES = '**/*.{ts,mts,js,mjs,json}';
const POLL_MILLIS = 250;

/**
 * Tells of edits below the folder of a module, those of packages and of hidden folders aside. Polls: notifications of a file
 * that an editor replaces get lost.
 * @returns instants at which files were saved, milliseconds since 1970.
 */
export async function* watchModule(module: string): AsyncGenerator<number> {
  const folder = dirname(module);
  for (let known = await savedIn(folder); ; await delay(POLL_MILLIS)) {
    const now = await savedIn(folder);
    const saved = [...now].filter(([file, at]) => known.get(file) !== at).map(([, at]) => at);
    const isGone = [...known.keys()].some((file) => !now.has(file));
    known = now;
    if (saved.length > 0 || isGone) yield Math.max(...saved, isGone ? Date.now() : 0);
  }
}

/** When each file was saved last, milliseconds since 1970. */
async function savedIn(folder: string): Promise<Map<string, number>> {
  const saved = new Map<string, number>();
  const exclude = (name: string) => name.startsWith('.') || name === 'node_modules';
  for await (const file of glob(SOURCES, { cwd: folder, exclude })) {
    const found = await stat(join(folder, file)).catch(() => undefined);
    if (found !== undefined) saved.set(file, found.mtimeMs);
  }
  return saved;
}

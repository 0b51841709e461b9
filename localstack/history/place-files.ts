/** Files to their places, all of them or none. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

/**
 * Renames each file below a folder to the same key below another one.
 * @returns the keys.
 * @throws what kept one from its place; those that were there already are removed again.
 */
export async function placeFiles(from: string, to: string): Promise<string[]> {
  const entries = await readdir(from, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const keys = files.map((file) => relative(from, file)).sort();
  const placed: string[] = [];
  try {
    for (const key of keys) {
      const place = join(to, key);
      await mkdir(dirname(place), { recursive: true });
      await rename(join(from, key), place);
      placed.push(place);
    }
  } catch (error) {
    await Promise.allSettled(placed.map((place) => rm(place)));
    throw error;
  }
  return keys.map((key) => key.split(sep).join('/'));
}

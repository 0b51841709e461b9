/** Folders that a run may empty: those that a run made, which it knows by a file inside. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LocalEnvironmentError } from '../child-process.ts';

/** Begins with a dot, which globs leave out, and ends with nothing that a reader of the history asks for. */
export const MARK = '.made-by-npm-start';

const MARK_TEXT = 'This folder was made by a local run of the feature store, and the next run empties it.\n';

/**
 * Makes folders, empty and marked. When one of them may not be emptied, none is touched.
 * @throws LocalEnvironmentError for a folder that has files and no mark, and for a path that is no folder.
 */
export async function emptyOwnFolders(folders: readonly string[]): Promise<void> {
  const contents = await Promise.all(folders.map(async (folder) => [folder, await entriesToRemove(folder)] as const));
  for (const [folder, entries] of contents) {
    await mkdir(folder, { recursive: true });
    // The mark first, and to the end: a run that is killed in between leaves a folder that the next one may empty.
    await writeFile(join(folder, MARK), MARK_TEXT);
    for (const entry of entries) await rm(join(folder, entry), { recursive: true, force: true });
  }
}

async function entriesToRemove(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch((error: unknown): string[] => {
    if (codeOf(error) === 'ENOENT') return [];
    throw new LocalEnvironmentError(
      `${folder} cannot be read as a folder (${codeOf(error)}): move it away, or choose another folder with --directory`,
      { cause: error },
    );
  });
  if (entries.length > 0 && !entries.includes(MARK)) {
    throw new LocalEnvironmentError(
      `${folder} has files that no run is known to have made (${MARK} is not among them), and a run would delete them: move it away, or choose another folder than ${dirname(folder)} with --directory`,
    );
  }
  return entries.filter((entry) => entry !== MARK);
}

/** Of an error of the file system: `ENOENT`. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

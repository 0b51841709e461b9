import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from './user-error.ts';

/** Writes a file that was asked for, and the folders above it. @throws UserError when it cannot be written. */
export async function writeOutput(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : error;
    throw new UserError(`${path} cannot be written (${String(reason)}); name a file in a folder that can be`, {
      cause: error,
    });
  }
}

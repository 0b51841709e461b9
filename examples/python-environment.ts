import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../localstack/lock.ts';

/** Thrown when there is no Python, or its packages cannot be fetched. */
export class PythonUnavailableError extends Error {
  override readonly name = 'PythonUnavailableError';
}

/**
 * A Python of its own in `folder` with exactly the packages of a requirements file, made again when that file changes.
 * @returns its interpreter.
 * @throws PythonUnavailableError
 */
export async function preparePython(folder: string, requirements: string): Promise<string> {
  // Several test files may come here at once.
  return withLock(`${folder}.lock`, () => prepare(folder, requirements));
}

async function prepare(folder: string, requirements: string): Promise<string> {
  const python = join(folder, 'bin/python');
  /** Copy of the requirements that the environment was made from. */
  const installed = join(folder, 'requirements.txt');
  if ((await textOf(installed)) === (await textOf(requirements))) return python;
  try {
    execFileSync('python3', ['-m', 'venv', '--clear', folder], { stdio: 'inherit' });
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
    execFileSync(python, install, { stdio: 'inherit' });
  } catch (cause) {
    throw new PythonUnavailableError(
      'needs Python 3.11 or later as python3, with venv, and a package index that pip can reach.',
      { cause },
    );
  }
  await copyFile(requirements, installed);
  return python;
}

async function textOf(file: string): Promise<string | undefined> {
  return existsSync(file) ? readFile(file, 'utf8') : undefined;
}

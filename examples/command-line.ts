import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LocalEnvironmentError, PROJECT_ROOT } from '../localstack/child-process.ts';
import { environmentOf } from '../localstack/endpoint.ts';

const CLI = join(PROJECT_ROOT, 'cli', 'feature-store.cjs');

/**
 * Runs a command of ours as `npm run cli --` does, against a local endpoint.
 * @returns what it printed.
 * @throws LocalEnvironmentError with what it said, when it ended with another code than 0.
 */
export async function runCommand(endpoint: string, ...commandLine: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...commandLine], {
      cwd: PROJECT_ROOT,
      env: { ...process.env, ...environmentOf(endpoint) },
    });
    return stdout.trimEnd();
  } catch (cause) {
    throw new LocalEnvironmentError(`${commandLine[0]} failed: ${String(cause)}`, { cause });
  }
}

/** The first line of what a command printed. */
export function firstLineOf(text: string): string {
  return text.split('\n')[0] ?? '';
}

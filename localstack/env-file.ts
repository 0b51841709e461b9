/** `.local/env`: what a shell needs to know of the running deployment, as the one line `. .local/env` tells it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Deployment } from './deploy.ts';
import { environmentOf } from './endpoint.ts';

/** Where it is written, in the directory of a run. */
export function envFileIn(directory: string): string {
  return join(directory, 'env');
}

/** Text as one word that sh, bash, zsh and fish take verbatim. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Lines that sh, bash, zsh and fish read alike. */
export function exportLines(values: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(values)
    .map(([name, value = '']) => `export ${name}=${shellQuoted(value)}\n`)
    .join('');
}

/**
 * @param options.historyFolder none where nothing lands.
 */
export async function writeEnvFile(
  deployment: Deployment,
  options: { readonly directory: string; readonly historyFolder?: string | undefined },
): Promise<void> {
  const { directory, historyFolder } = options;
  const { AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = environmentOf(deployment.endpoint);
  const values = {
    API: deployment.apiUrl,
    TABLE: deployment.tableName,
    ...(historyFolder !== undefined && { HISTORY: historyFolder }),
    DECISIONS: deployment.decisionsBucketName,
    AWS_ENDPOINT_URL,
    AWS_REGION,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
  };
  await mkdir(directory, { recursive: true });
  await writeFile(envFileIn(directory), exportLines(values));
}

/** The line that tells a shell in some folder all of it: `. .local/env`. */
export function sourceLine(envFile: string, workingDirectory: string): string {
  const path = relative(workingDirectory, envFile);
  // Shells look on PATH for a name without a slash.
  const withSlash = path.includes('/') ? path : `./${path}`;
  return `. ${/^[\w./@+-]+$/.test(withSlash) ? withSlash : shellQuoted(withSlash)}`;
}

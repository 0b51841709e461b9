/** The one line that tells a shell where everything is: `. .local/env`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Deployment } from '../deploy.ts';
import { environmentOf } from '../endpoint.ts';
import { shellQuoted } from '../report.ts';

/** @returns the file. */
export async function writeEnvironmentFile(
  directory: string,
  deployment: Deployment,
  /** None where nothing lands. */
  historyFolder: string | undefined,
): Promise<string> {
  const variables = {
    API: deployment.apiUrl,
    TABLE: deployment.tableName,
    DECISIONS: deployment.decisionsBucketName,
    HISTORY: historyFolder,
    ...environmentOf(deployment.endpoint),
  };
  const lines = Object.entries(variables).flatMap(([name, value]) =>
    value === undefined ? [] : `export ${name}=${shellQuoted(value)}\n`,
  );
  const file = join(directory, 'env');
  await mkdir(directory, { recursive: true });
  await writeFile(file, lines.join(''));
  return file;
}

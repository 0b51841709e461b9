import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Deployment } from '../../../localstack/deploy.ts';
import { envFileIn, sourceLine, writeEnvFile } from '../../../localstack/env-file.ts';

const deployment: Deployment = {
  endpoint: 'http://localhost:4566',
  apiUrl: 'http://localhost:4566/_aws/execute-api/abc123/$default',
  tableName: 'table',
  quarantineBucketName: 'quarantine',
  historyBucketName: 'history',
  decisionsBucketName: 'decisions',
  streamNames: {},
  consumerFunctionNames: {},
  landingFunctionNames: {},
  registryVersion: 'v',
  callerPolicyArns: {},
};

// A name that shells would take apart.
const directory = mkdtempSync(join(tmpdir(), "it's $HOME "));
const file = envFileIn(directory);
await writeEnvFile(deployment, { directory, historyFolder: join(directory, 'history') });
afterAll(() => rmSync(directory, { recursive: true }));

const shells = ['sh', 'bash', 'dash', 'zsh', 'fish'].filter((shell) => spawnSync(shell, ['-c', 'true']).status === 0);

describe('the file of the environment', () => {
  it.each(shells)('sets its variables in %s, for programs too', (shell) => {
    const names = ['API', 'TABLE', 'HISTORY', 'DECISIONS', 'AWS_ENDPOINT_URL', 'AWS_ACCESS_KEY_ID'];
    const program = `${sourceLine(file, '/')}; printenv ${names.join(' ')}`;
    const output = execFileSync(shell, ['-c', program], { encoding: 'utf8', cwd: '/' });
    expect(output.trimEnd().split('\n')).toEqual([
      deployment.apiUrl,
      'table',
      join(directory, 'history'),
      'decisions',
      deployment.endpoint,
      'test',
    ]);
  });

  it('has one export a line', () => {
    expect(readFileSync(file, 'utf8')).toMatch(/^(export [A-Z_]+='.*'\n)+$/);
  });

  it.each([
    ['/repo/.local/env', '/repo', '. .local/env'],
    ['/repo/.local/env', '/repo/docs', '. ../.local/env'],
    ['/repo/env', '/repo', '. ./env'],
    ['/repo/a b/env', '/repo', ". 'a b/env'"],
  ])('is read from %s in %s by %s', (path, workingDirectory, line) => {
    expect(sourceLine(path, workingDirectory)).toBe(line);
  });
});

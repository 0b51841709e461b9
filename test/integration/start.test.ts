import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { freePort } from '../../localstack/child-process.ts';

it('npm start deploys to a local endpoint, streams traffic and finds every feature equal to the oracle’s', {
  timeout: 600_000,
}, async () => {
  const port = String(await freePort());
  const arguments_ = ['localstack/start.ts', '--once', '--port', port, '--events', '1500'];
  const { stdout } = await promisify(execFile)(process.execPath, arguments_, { timeout: 590_000 });
  expect(stdout).toMatch(/features of \d+ users equal the oracle's/);
  expect(stdout).toContain('curl');
});

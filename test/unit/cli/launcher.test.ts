import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformSync } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { PROJECT_ROOT } from '../../../localstack/child-process.ts';
import packageJson from '../../../package.json' with { type: 'json' };

const LAUNCHERS = ['cli/check-node.cjs', 'cli/feature-store.cjs'];

/** A clone in which nothing was installed. */
const clone = realpathSync(mkdtempSync(join(tmpdir(), 'clone-')));
mkdirSync(join(clone, 'cli'));
for (const file of [...LAUNCHERS, 'package.json']) copyFileSync(join(PROJECT_ROOT, file), join(clone, file));
afterAll(() => rmSync(clone, { recursive: true }));

function run(directory: string, ...argumentList: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, argumentList, { cwd: directory, encoding: 'utf8' });
  return { status, stdout, stderr };
}
/** This Node, made like one that is too old. */
const OLD = '--no-strip-types';

describe('the launcher', () => {
  it('runs the program, and says its version', () => {
    expect(run(PROJECT_ROOT, 'cli/feature-store.cjs', '--version')).toMatchObject({
      status: 0,
      stdout: `${packageJson.version}\n`,
    });
    expect(run(PROJECT_ROOT, 'cli/feature-store.cjs', 'import').status).toBe(2);
  });

  it.each([
    ['the program', ['cli/feature-store.cjs', '--help']],
    ['npm start', ['--require', './cli/check-node.cjs', 'localstack/start.ts', '--help']],
  ])('tells an unfit Node in one sentence what to do instead: %s', (_, argumentList) => {
    const { status, stdout, stderr } = run(PROJECT_ROOT, OLD, ...argumentList);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^feature-store: .*"npm run cli -- …" and "npm start" .*\n$/);
    expect(stderr).toContain(`this is Node ${process.versions.node}`);
    expect(stderr).toContain(packageJson.engines.node);
    expect(stderr).not.toContain('npm run setup');
  });

  it('names what installs the packages where they are missing', () => {
    expect(run(clone, 'cli/feature-store.cjs').stderr).toBe(
      `feature-store: the packages are missing in ${clone}: run "npm run setup" there, which installs them\n`,
    );
    expect(run(clone, OLD, 'cli/feature-store.cjs').stderr).toContain('once "npm run setup" has run');
  });

  it.each(LAUNCHERS)('%s has nothing that Node 12 cannot parse', (file) => {
    const code = readFileSync(join(PROJECT_ROOT, file), 'utf8');
    // Node 12 parses a dynamic import, and never gets to it.
    const lowered = (source: string, target: string) =>
      transformSync(source, { target, supported: { 'dynamic-import': true } }).code;
    expect(lowered(code, 'node12')).toBe(lowered(code, 'esnext'));
    expect(lowered('a ??= b', 'node12')).not.toBe(lowered('a ??= b', 'esnext'));
  });

  it('is what the scripts of npm run', () => {
    const { start, cli } = packageJson.scripts;
    expect(start).toContain('--require ./cli/check-node.cjs');
    expect(cli).toBe(`node ${packageJson.bin['feature-store']}`);
  });
});

/** `test run` in a folder as `npm init` makes it, in which this package is not installed. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PROGRAM = join(import.meta.dirname, '../../../cli/feature-store.cjs');

const FEATURES = `
import { z } from 'fraud-feature-store';
export const schema: z.ZodString = z.string();
`;
const testOf = (text: string) => `
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testStore } from 'fraud-feature-store/testing';
import { schema } from './features.ts';

test('parses', () => {
  assert.equal(typeof testStore, 'function');
  assert.equal(schema.parse('a'), '${text}');
});
`;

describe('test run', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'test run '));
    const files = {
      'package.json': '{ "type": "commonjs" }',
      'features.ts': FEATURES,
      'right.test.ts': testOf('a'),
      'wrong.test.ts': testOf('b'),
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  });

  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    [0, 'which passes', ['right.test.ts']],
    [1, 'of which one fails', ['right.test.ts', 'wrong.test.ts']],
  ])('ends with %i after a file %s', (exitCode, _, files) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, 'test', 'run', ...files], {
      cwd: folder,
      encoding: 'utf8',
      // A test may itself be run by a test of Node.
      env: { ...process.env, NODE_TEST_CONTEXT: 'child-v8' },
    });
    expect({ status, stderr }).toEqual({ status: exitCode, stderr: '' });
    expect(stdout).toContain('pass 1');
  });
});

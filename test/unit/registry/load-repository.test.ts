import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const SHARED = pathToFileURL(join(import.meta.dirname, '../../../shared')).href;

describe('a module that cannot be loaded', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'features-'));
  });

  afterAll(() => rm(directory, { recursive: true }));

  /** What loading the module says, by Node itself: the runner of tests compiles modules in its own way. */
  async function refusalOf(code: string | undefined): Promise<string> {
    const file = join(directory, 'features.ts');
    if (code !== undefined) await writeFile(file, code);
    const script = `
      const { loadRepository } = await import('${SHARED}/registry/load-repository.ts');
      await loadRepository(process.argv[1]).catch((error) => console.log(error.name + ': ' + error.message));`;
    const path = code === undefined ? join(directory, 'nowhere.ts') : file;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, path]);
    return stdout.trim().replaceAll(directory, '');
  }

  it('says that it is not there', async () => {
    expect(await refusalOf(undefined)).toBe(
      'FeaturesModuleError: there is no file /nowhere.ts; name the module of your declarations, such as examples/handbook/features.ts',
    );
  });

  it('hands a mistake in a declaration on as it is', async () => {
    const code = `import { entity } from '${SHARED}/definitions/index.ts';\nentity({ name: 'user', joinKeys: ['user_id'] });`;

    expect(await refusalOf(code)).toBe(
      'DefinitionError: entity user: description is missing; write a text that is not empty',
    );
  });

  it('says where its syntax is wrong', async () => {
    expect(await refusalOf('export const repository = {\n  views: [;\n};')).toMatch(
      /^FeaturesModuleError: the module \/features\.ts cannot be loaded: \/features\.ts, line 2: \S.*$/,
    );
  });

  it('says where it imports what is not there', async () => {
    const code = `\nimport { median } from '${SHARED}/definitions/index.ts';\nexport const repository = median;`;

    expect(await refusalOf(code)).toMatch(/\/features\.ts, line 2: The requested module .* export named 'median'$/);
  });

  it('says which import cannot be found', async () => {
    expect(await refusalOf("import './nowhere.ts';")).toMatch(
      /cannot be loaded: Cannot find module '\/nowhere\.ts' imported from \/features\.ts$/,
    );
  });

  it('says what is missing when it exports no repository', async () => {
    expect(await refusalOf('export const views = [];')).toMatch(/exports no repository; add: export const repository/);
  });
});

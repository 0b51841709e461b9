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
      'FeaturesModuleError: there is no file /nowhere.ts; name the module of your declarations, such as features.ts',
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
      /cannot be loaded: Cannot find module '\/nowhere\.ts' imported from \/features\.ts; write the path of the file/,
    );
  });

  it.each([
    ["import * as z from 'zod';", "; write: import { z } from 'fraud-feature-store'"],
    ["import 'left-pad';", '; install it in the folder of your declarations: npm install left-pad'],
  ])('says what to do about a package that its folder does not have: %s', async (code, fix) => {
    expect(await refusalOf(code)).toContain(fix);
  });

  it('says what is missing when it exports no repository', async () => {
    expect(await refusalOf('export const views = [];')).toMatch(/exports no repository; add: export const repository/);
  });
});

describe('a module outside this repository', () => {
  it('needs nothing installed, and is loaded as it and what it imports are now', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'features-'));
    await writeFile(join(directory, 'windows.ts'), "export const LENGTH = '1h';");
    await writeFile(
      join(directory, 'features.ts'),
      `import { count, entity, eventSource, eventTime, featureRepository, identifier, windowedView, z } from 'fraud-feature-store';
      import { LENGTH } from './windows.ts';
      const prose = { description: 'Logins.', owner: 'identity' };
      const source = eventSource({ name: 'logins', ...prose, eventId: 'id', eventTime: 'at', partitionKey: 'id',
        allowedLateness: '5s', schema: z.strictObject({ id: identifier(), at: eventTime() }) });
      const login = entity({ name: 'login', description: 'A login.', joinKeys: ['id'] });
      const view = windowedView({ name: 'logins', version: 1, ...prose, entity: login, source, ttl: '7d',
        windows: { w: LENGTH as '1h' }, features: { times: count() } });
      export const repository = featureRepository({ views: [view], services: [] });`,
    );
    const script = `
      import { writeFileSync } from 'node:fs';
      const { loadRepository } = await import('${SHARED}/registry/load-repository.ts');
      const [folder] = process.argv.slice(1);
      const lengthNow = async () =>
        (await loadRepository(folder + '/features.ts')).views[0].layout.windows[0].lengthMillis;
      const before = await lengthNow();
      writeFileSync(folder + '/windows.ts', "export const LENGTH = '2h';");
      console.log(before, await lengthNow());`;

    const run = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, directory]);
    await rm(directory, { recursive: true });

    expect(run).toEqual({ stdout: '3600000 7200000\n', stderr: '' });
  });
});

import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { servingRoutes, TRAINING_SET_ROUTES } from '../../functions/routes.ts';
import { PROJECT_ROOT } from '../../localstack/child-process.ts';
import { repository } from '../../shared/features/index.ts';
import { resourcesOf, synthesize } from '../infra/synthesize.ts';
import { type Block, documentPaths, readDocument } from './blocks.ts';
import { NOT_RUN } from './not-run.ts';
import { allBlocks, copyProject, entryOf, removeCopy, runDocuments } from './run-documents.ts';

const blocks = allBlocks();
const copy = await copyProject();
afterAll(() => removeCopy(copy));

/** Type-checks blocks as files beside their documents. @returns what the compiler says. */
async function typeErrors(sources: readonly Pick<Block, 'document' | 'text'>[]): Promise<string> {
  const files = sources.map(({ document }, index) => join(dirname(document), `block-${index}.ts`));
  for (const [index, { text }] of sources.entries()) {
    const file = join(copy, files[index] ?? '');
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  const project = join(copy, 'tsconfig.blocks.json');
  await writeFile(project, JSON.stringify({ extends: './tsconfig.json', include: files }));
  return promisify(execFile)(join(PROJECT_ROOT, 'node_modules/.bin/tsc'), ['-p', project]).then(
    () => '',
    ({ stdout, message }: Error & { readonly stdout?: string }) => stdout ?? message,
  );
}

describe('every block of the documents', () => {
  it('is run, checked, or in the table of those that are not', () => {
    const checked = ['console', 'ts', 'sh'];
    const others = blocks.filter((block) => !checked.includes(block.language) && entryOf(block) === undefined);
    expect(others.map(({ document, line }) => `${document}:${line}`)).toEqual([]);
  });

  it('that the table names is there', () => {
    expect(NOT_RUN.filter((entry) => !blocks.some((block) => entryOf(block, [entry])))).toEqual([]);
  });

  it('of commands does and prints what it says', { timeout: 600_000 }, async () => {
    const { problems, ran } = await runDocuments({ copy, tries: false });
    expect(problems.join('\n\n')).toBe('');
    expect(ran.length).toBeGreaterThan(3);
  });

  it('of TypeScript has the types that it needs, with its imports', async () => {
    const sources = blocks.filter(({ language }) => language === 'ts');
    expect(sources.length).toBeGreaterThan(0);
    expect(await typeErrors(sources)).toBe('');
    expect(
      await typeErrors([{ document: 'README.md', text: "export const wrong: string = count('amount');" }]),
    ).toContain("Cannot find name 'count'");
  });
});

describe('the README', () => {
  const text = readDocument('README.md');

  it('shows the answers of the version that is declared', () => {
    const versions = [...text.matchAll(/registry[ _]version\W+([0-9a-f]{16})/g)].map(([, version]) => version);
    expect(versions.length).toBeGreaterThan(1);
    expect([...new Set(versions)]).toEqual([repository.registryVersion]);
  });

  it('names the routes that there are', () => {
    const { services, sources } = repository;
    const template = (path: string) =>
      path
        .replace(new RegExp(`^/services/(${services.map(({ name }) => name).join('|')})/`), '/services/{name}/')
        .replace(new RegExp(`^/events/(${sources.map(({ name }) => name).join('|')})$`), '/events/{source}');
    const routes = [...servingRoutes(repository), ...TRAINING_SET_ROUTES].map(
      ({ method, path }) => `${method} ${path}`,
    );
    const known = new Set([...routes, ...routes.map((route) => route.replace(/\/.*/, template))]);
    const named = [...text.matchAll(/`((?:GET|POST) \/[^`?\s]*)/g)].map(([, route = '']) => route);
    expect(named.length).toBeGreaterThan(6);
    expect(named.filter((route) => !known.has(route))).toEqual([]);
  });

  it('counts the alarms that there are', () => {
    const alarms = resourcesOf(synthesize('prod').stateless.template, 'AWS::CloudWatch::Alarm').length;
    expect([...text.matchAll(/(\d+) alarms/g)].map(([, count]) => Number(count))).toEqual([alarms]);
  });

  it.each(documentPaths())('%s leads to files that there are', (path) => {
    const targets = [...readDocument(path).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)].map(
      ([, target = '']) => target,
    );
    expect(targets.filter((target) => !existsSync(join(PROJECT_ROOT, dirname(path), target)))).toEqual([]);
  });

  it('lays out the folders that there are', () => {
    const layout = blocks.find(({ document, text }) => document === 'README.md' && text.startsWith('shared/'));
    const shown = layout?.text.split('\n').map((line) => line.split('/')[0]);
    // People may have folders of their own beside them.
    const tracked = execFileSync('git', ['ls-tree', '-d', '--name-only', 'HEAD'], { cwd: PROJECT_ROOT });
    const folders = tracked.toString().trim().split('\n');
    expect(shown?.toSorted()).toEqual(folders.filter((name) => !name.startsWith('.')).toSorted());
  });
});

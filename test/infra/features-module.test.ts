/** Declarations of a folder of one's own, deployed by its own configuration. */
import { execFile } from 'node:child_process';
import { glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NodeFunction } from '../../infra/constructs/node-function.ts';
import { configOf } from './synthesize.ts';

const PROJECT_ROOT = join(import.meta.dirname, '../..');
const HANDBOOK = 'examples/handbook/features.ts';

describe('a module of declarations', () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'features-'));
  });

  afterAll(() => rm(directory, { recursive: true }));

  /** Names of the module's views, or of an aggregation that ships, in the code of a function bundled with a module. */
  async function namesBundled(folder: string, featuresModule: string): Promise<string[]> {
    const app = new App({ outdir: join(directory, folder), analyticsReporting: false });
    const stack = new Stack(app, 'Bundled');
    new NodeFunction(stack, 'Function', {
      folder,
      description: folder,
      memoryMegabytes: 512,
      timeout: Duration.seconds(10),
      environment: {},
      config: configOf('prod', { featuresModule: resolve(PROJECT_ROOT, featuresModule) }),
    });
    const [file = ''] = await Array.fromAsync(glob('asset.*/index.js', { cwd: app.synth().directory }));
    const code = await readFile(join(app.outdir, file), 'utf8');
    return ['customer_spending', 'terminal_risk', 'distinct_merchants'].filter((name) => code.includes(name));
  }

  it.each(['serve', 'update-windows', 'land-events'])(
    'is what %s is bundled with, instead of what ships',
    async (folder) => {
      expect(await namesBundled(folder, HANDBOOK)).toEqual(['customer_spending', 'terminal_risk']);
    },
  );

  it('is what Node loads of it, whatever its tsconfig.json says for an editor', async () => {
    const own = await mkdtemp(join(directory, 'paths-'));
    const files = {
      'features.ts': "export { repository } from 'views';",
      'other.ts': `export { repository } from '${join(PROJECT_ROOT, 'shared/features/index.ts')}';`,
      'tsconfig.json': '{ "compilerOptions": { "paths": { "views": ["./other.ts"] } } }',
      'node_modules/views/package.json': '{ "name": "views", "type": "module", "exports": "./index.js" }',
      'node_modules/views/index.js': `export { repository } from '${join(PROJECT_ROOT, HANDBOOK)}';`,
    };
    await mkdir(join(own, 'node_modules/views'), { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(own, name), text);

    expect(await namesBundled('land-events', join(own, 'features.ts'))).toEqual(['customer_spending', 'terminal_risk']);
  });

  /** The app as `cdk` runs it, without bundling. @returns the names of the stacks and the templates. */
  async function runApp(given: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, string>>> {
    const { context } = JSON.parse(await readFile(join(PROJECT_ROOT, 'cdk.json'), 'utf8'));
    const output = await mkdtemp(join(directory, 'app-'));
    const env = {
      ...process.env,
      CDK_OUTDIR: output,
      // They are validated by the tests of templates.
      CDK_VALIDATION: 'false',
      CDK_CONTEXT_JSON: JSON.stringify({ ...context, ...given, 'aws:cdk:bundling-stacks': [] }),
    };
    await promisify(execFile)(process.execPath, ['infra/app.ts'], { cwd: PROJECT_ROOT, env });
    const files = await Array.fromAsync(glob('*.template.json', { cwd: output }));
    const templates = files.map(async (file) => [
      file.replace('.template.json', ''),
      await readFile(join(output, file), 'utf8'),
    ]);
    return Object.fromEntries(await Promise.all(templates));
  }

  /** A folder outside this repository, with features and what it says of its store. */
  async function ownFolder(config: string | undefined): Promise<string> {
    const folder = await mkdtemp(join(directory, 'own-'));
    await writeFile(join(folder, 'features.ts'), OWN_FEATURES);
    if (config !== undefined) await writeFile(join(folder, 'feature-store.config.ts'), `export default ${config};`);
    return folder;
  }

  it('outside this repository is what the stacks of its stages are derived from, named by store and stage', async () => {
    const config = await ownFolder(`{ name: 'login-risk', features: './features.ts', stages: {
      staging: { region: 'eu-central-1', account: '123456789012', limits: { streamShards: 3 } }, live: { production: true } } }`);

    const [staging, live] = await Promise.all([
      runApp({ config, stage: 'staging' }),
      runApp({ config, stage: 'live' }),
    ]);

    expect(Object.keys(staging).sort()).toEqual(['LoginRisk-staging-Stateful', 'LoginRisk-staging-Stateless']);
    expect(staging['LoginRisk-staging-Stateful']).toContain('raw_logins');
    expect(staging['LoginRisk-staging-Stateful']).toContain('"ShardCount": 3');
    expect(staging['LoginRisk-staging-Stateless']).toContain(':eu-central-1:123456789012:');
    expect(Object.keys(live).sort()).toEqual(['LoginRisk-live-Stateful', 'LoginRisk-live-Stateless']);
    expect(live['LoginRisk-live-Stateful']).toContain('"DeletionPolicy": "Retain"');
    // Neither metrics nor names are shared with another stage or store.
    expect(JSON.stringify(live)).not.toMatch(/feature-store-|"FeatureStore"|staging/);
  });

  it.each([
    ['without a stage', {}, 'say which stage is meant'],
    [
      'of a stage that is not declared',
      { stage: 'production' },
      /there is no stage "production" in .*; declare it there, or name one of local, dev/,
    ],
    [
      'with an address of alarms that is not in its configuration',
      { stage: 'dev', alarmEmail: 'a@example.com' },
      'write alarmEmail of stage dev into',
    ],
    ['with a flag that only an emulator has', { stage: 'dev', features: 'f.ts' }, '-c features is for -c stage=local'],
  ])('is not deployed %s', async (_, context, message) => {
    const config = await ownFolder("{ name: 'login-risk', features: './features.ts', stages: { dev: {} } }");
    await expect(runApp({ config, ...context })).rejects.toThrow(message);
  });

  it.each([
    ['no configuration', undefined, /there is no feature-store\.config\.ts in .*; write one there/],
    ['no name', "{ features: './features.ts' }", /feature-store\.config\.ts: name: /],
    [
      'a misspelt setting',
      "{ name: 'a', features: './features.ts', stages: { dev: { regoin: 'x' } } }",
      /stages\.dev: .*regoin/,
    ],
    // Its stacks would be those of a store named risk2.
    ['a name like another', "{ name: 'risk-2', features: './features.ts' }", /name: must be words of .* login-risk/],
    // Its prefix would be that of the stage dev of a store named a-b.
    [
      'a stage like a part of a name',
      "{ name: 'a', features: './features.ts', stages: { 'b-dev': {} } }",
      /stages\.b-dev: must be lower-case letters and digits/,
    ],
    ['a stage named local', "{ name: 'a', features: './features.ts', stages: { local: {} } }", /must not be local/],
    [
      'another path',
      "{ name: 'a', features: './feature.ts', stages: { dev: {} } }",
      /cannot be found|there is no file/,
    ],
  ])('is not deployed by %s', async (_, config, message) => {
    await expect(runApp({ config: await ownFolder(config), stage: 'dev' })).rejects.toThrow(message);
  });

  it('is named as seen from the folder of the call, and is not taken from above it', async () => {
    const own = await ownFolder("{ name: 'login-risk', features: './features.ts', stages: { dev: {} } }");
    await mkdir(join(own, 'other'));
    const cdk = (config: string, output: string) =>
      promisify(execFile)(
        process.execPath,
        [
          join(PROJECT_ROOT, 'infra/cdk.ts'),
          'ls',
          '-c',
          'stage=dev',
          '-c',
          `config=${config}`,
          '--output',
          join(directory, output),
        ],
        // As of a script of npm that was called elsewhere.
        { cwd: join(own, 'other'), env: { ...process.env, INIT_CWD: PROJECT_ROOT } },
      );

    const listed = await cdk('..', 'listed');
    const misspelt = cdk('../oter', 'misspelt');

    expect(listed.stdout).toMatch(/^LoginRisk-dev-Stateful$/m);
    await expect(misspelt).rejects.toThrow(/-c config=\.\.\/oter: there is no feature-store\.config\.ts in .*\/oter;/);
  }, 240_000);

  it('is not deployed with a fault of types', async () => {
    const config = await ownFolder("{ name: 'a', features: './features.ts', stages: { dev: {} } }");
    await writeFile(join(config, 'features.ts'), `${OWN_FEATURES}\nexport const rate: number = 'high';`);
    await expect(runApp({ config, stage: 'dev' })).rejects.toThrow(
      /features\.ts:\d+:\d+ Type 'string' is not assignable/,
    );
  });

  it('is refused in the words of the declaration, where that cannot be built either', async () => {
    const config = await ownFolder("{ name: 'a', features: './features.ts', stages: { dev: {} } }");
    await writeFile(join(config, 'features.ts'), OWN_FEATURES.replace("count('country')", "count('contry')"));
    await expect(runApp({ config, stage: 'dev' })).rejects.toThrow(/count\(contry\): .* did you mean "country"\?/);
  });

  it('that exports no repository is refused with the fix', async () => {
    const context = { stage: 'local', features: join(PROJECT_ROOT, 'shared/features/fraud.ts') };
    await expect(runApp(context)).rejects.toThrow('add: export const repository = featureRepository(');
  });
});

const OWN_FEATURES = `
import { count, entity, eventSource, eventTime, featureRepository, featureService, identifier, windowedView, z } from 'fraud-feature-store';
const prose = { description: 'Logins.', owner: 'identity' };
const logins = eventSource({
  name: 'logins', ...prose, eventId: 'login_id', eventTime: 'at', partitionKey: 'account_id', allowedLateness: '5s',
  schema: z.strictObject({ login_id: identifier(), account_id: identifier(), country: z.string(), at: eventTime() }),
});
const account = entity({ name: 'account', description: 'Who logs in.', joinKeys: ['account_id'] });
const view = windowedView({
  name: 'account_logins', version: 1, ...prose, entity: account, source: logins, windows: { '1h': '1h' },
  features: { logins: count('country') }, ttl: '7d',
});
const takeover = featureService({ name: 'takeover', version: 1, ...prose, views: [view], decides: logins });
export const repository = featureRepository({ views: [view], services: [takeover] });
`;

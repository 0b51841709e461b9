/** Declarations of a module of one's own, deployed without touching those that ship. */
import { execFile } from 'node:child_process';
import { glob, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configOf } from '../../infra/config.ts';
import { NodeFunction } from '../../infra/constructs/node-function.ts';

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
      config: configOf('prod', { featuresModule }),
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

  /** The app as `cdk` runs it, without bundling. */
  async function runApp(features: string): Promise<string> {
    const { context } = JSON.parse(await readFile(join(PROJECT_ROOT, 'cdk.json'), 'utf8'));
    await promisify(execFile)(process.execPath, ['infra/app.ts'], {
      cwd: PROJECT_ROOT,
      env: {
        ...process.env,
        CDK_OUTDIR: join(directory, 'app'),
        CDK_CONTEXT_JSON: JSON.stringify({ ...context, features, 'aws:cdk:bundling-stacks': [] }),
      },
    });
    return readFile(join(directory, 'app/FeatureStore-dev-Stateful.template.json'), 'utf8');
  }

  it('is what the stacks are derived from', async () => {
    const template = await runApp(HANDBOOK);
    expect(template).toContain('raw_handbook_transactions');
    expect(template).not.toContain('raw_transactions');
  });

  it.each([
    ['is not there', 'nowhere/features.ts', 'there is no file nowhere/features.ts'],
    ['exports no repository', 'shared/features/fraud.ts', 'add: export const repository = featureRepository('],
  ])('that %s is refused with the fix', async (_, features, message) => {
    await expect(runApp(features)).rejects.toThrow(message);
  });
});

import { dirname, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { httpUrl, wholeNumber } from '../../cli/options.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { moduleFile } from '../../shared/registry/load-repository.ts';
import { CONFIG_FILE, findConfigFile, loadStoreConfig } from '../../shared/registry/store-config.ts';
import { WORKING_DIRECTORY } from '../../shared/registry/working-directory.ts';
import { LOCAL_DIRECTORY, PROJECT_ROOT } from '../child-process.ts';
import { EXAMPLE } from '../deploy.ts';
import { DEFAULT_PORT } from '../ministack.ts';

const EVENTS_MIN = 100;

export interface Options {
  readonly once: boolean;
  readonly port: number;
  readonly endpoint?: string;
  readonly events: number;
  readonly seed: number;
  /** Module of the declarations, absolute. */
  readonly features: string;
  /** Of everything that the run writes, absolute. */
  readonly directory: string;
}

/** @throws FeaturesModuleError or StoreConfigError when there are no such declarations. */
export async function parseOptions(): Promise<Options> {
  const given = program().parse().opts<Omit<Options, 'features' | 'directory'> & Partial<Options>>();
  const features = await featuresOf(given.features);
  return { ...given, features, directory: given.directory ?? directoryOf(features) };
}

/** Those that are named, or those of the nearest configuration, or the example of this repository. */
async function featuresOf(named: string | undefined): Promise<string> {
  if (named !== undefined) return moduleFile(resolve(WORKING_DIRECTORY, named));
  if (findConfigFile(WORKING_DIRECTORY) === undefined) {
    console.log(`There is no ${CONFIG_FILE} in ${WORKING_DIRECTORY} or above it: this is the example of card fraud.`);
    return EXAMPLE;
  }
  return moduleFile((await loadStoreConfig(WORKING_DIRECTORY)).features);
}

/** Each folder of declarations has its own, so that two of them can run at once, on two ports. */
function directoryOf(features: string): string {
  const isOurs = !relative(PROJECT_ROOT, features).startsWith('..');
  return isOurs ? LOCAL_DIRECTORY : join(dirname(findConfigFile(dirname(features)) ?? features), '.local');
}

function program(): Command {
  const fromHere = (path: string) => resolve(WORKING_DIRECTORY, path);
  return new Command('npm start --')
    .description(
      'Runs a feature store on this machine, streams traffic through it and compares every feature with an oracle. An edit of its declarations is deployed at once.',
    )
    .version(packageJson.version, '--version', 'print the version')
    .option(
      '--features <module>',
      'module that exports "repository"; by default what feature-store.config.ts names, here or above, or else the example',
    )
    .option('--once', 'end after the proof: exit code 0 when everything agrees, 1 otherwise', false)
    .option('--port <port>', 'port of the endpoint to start', wholeNumber(1, 65_535), DEFAULT_PORT)
    .option('--endpoint <url>', 'use this running endpoint (such as LocalStack) instead; lands no history', httpUrl)
    .option('--events <number>', 'events to generate', wholeNumber(EVENTS_MIN, 100_000), 3_000)
    .option('--seed <number>', 'seed of the traffic', wholeNumber(0, 2 ** 31 - 1), 1)
    .option(
      '--directory <folder>',
      'folder of everything that a run writes (default: .local beside the declarations)',
      fromHere,
    )
    .addHelpText(
      'after',
      '\nExample:\n  npm start -- --features my/features.ts --port 4600\n\n' +
        'Exit codes: 0 done, 1 something does not agree or cannot be run; codes in brackets are in docs/errors.md',
    );
}

/** Entry of `cdk`: the only place that reads context and environment. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { App } from 'aws-cdk-lib';
import { checkTypes } from '../shared/registry/check-types.ts';
import { loadRepository } from '../shared/registry/load-repository.ts';
import {
  CONFIG_FILE,
  LOCAL_STAGE,
  type LoadedStoreConfig,
  loadStoreConfig,
  stageNamed,
} from '../shared/registry/store-config.ts';
import { WORKING_DIRECTORY } from '../shared/registry/working-directory.ts';
import { deployedConfig, localConfig, type StageConfig } from './config.ts';
import { checkAwsSolutions, defineFeatureStore } from './feature-store.ts';

const app = new App();
const ONLY_LOCAL = ['features', 'landsHistory', 'landerUrl', 'authorization'];

try {
  const config = await configOf(app.node.tryGetContext('stage'));
  // Whoever deploys to an emulator again and again has checked them.
  if (flagOf('checksTypes') !== false) await checkTypes([config.featuresModule]);
  if (config.stage !== LOCAL_STAGE) checkAwsSolutions(app);
  defineFeatureStore(app, { config, repository: await loadRepository(config.featuresModule) });
} catch (error) {
  if (!(error instanceof Error)) throw error;
  // One sentence that says what to do; a stack above it would only hide it.
  const isForUser = ['StoreConfigError', 'FeaturesModuleError', 'DefinitionError', 'ContextError'].includes(error.name);
  console.error(isForUser ? `${error.message}` : error);
  process.exit(1);
}

async function configOf(stage: string | undefined): Promise<StageConfig> {
  if (stage === LOCAL_STAGE) return localStage();
  const store = await configuredStore();
  if (stage === undefined) {
    const names = [LOCAL_STAGE, ...Object.keys(store.stages)].join('|');
    throw contextError(`say which stage is meant, of those in ${store.file}: -c stage=${names}`);
  }
  const flags = ONLY_LOCAL.filter((flag) => app.node.tryGetContext(flag) !== undefined);
  if (flags.length > 0)
    throw contextError(
      `-c ${flags[0]} is for -c stage=local; stage ${stage} has its settings in feature-store.config.ts`,
    );
  if (app.node.tryGetContext('alarmEmail') !== undefined)
    throw contextError(`-c alarmEmail is no flag any more: write alarmEmail of stage ${stage} into ${store.file}`);
  const named = { store: store.name, stage, featuresModule: store.features };
  return deployedConfig(named, stageNamed(store, stage));
}

/** The features of an emulator's store may be named: nothing that lasts is replaced there. */
async function localStage(): Promise<StageConfig> {
  const features: string | undefined = app.node.tryGetContext('features');
  const named =
    features === undefined
      ? await configuredStore().then(({ name, features }) => ({ store: name, featuresModule: features }))
      : { store: 'feature-store', featuresModule: resolve(WORKING_DIRECTORY, features) };
  return localConfig(named, {
    // The endpoint that `cdk` deploys to is the one that functions of a local deployment call back.
    endpointUrl: process.env.AWS_ENDPOINT_URL ?? 'http://localhost:4566',
    landsHistory: flagOf('landsHistory'),
    landerUrl: app.node.tryGetContext('landerUrl'),
    authorization: authorizationOf(app.node.tryGetContext('authorization')),
  });
}

/** The nearest one; where a folder is named, its own: any other would deploy another store. */
async function configuredStore(): Promise<LoadedStoreConfig> {
  const named: string | undefined = app.node.tryGetContext('config');
  if (named === undefined) return loadStoreConfig(WORKING_DIRECTORY);
  const folder = resolve(WORKING_DIRECTORY, named);
  if (!existsSync(join(folder, CONFIG_FILE)))
    throw contextError(
      `-c config=${named}: there is no ${CONFIG_FILE} in ${folder}; write one there, or name the folder that has it`,
    );
  return loadStoreConfig(folder);
}

/** A flag of the context: from the command line it is text. Not given, it is `undefined`. */
function flagOf(name: string): boolean | undefined {
  const value: unknown = app.node.tryGetContext(name);
  if (value === undefined) return undefined;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw contextError(`the context "${name}" is a flag: say -c ${name}=true or -c ${name}=false`);
}

function authorizationOf(value: unknown): 'iam' | undefined {
  if (value === undefined || value === 'iam') return value;
  throw contextError('the context "authorization" has one value: say -c authorization=iam');
}

function contextError(message: string): Error {
  return Object.assign(new Error(message), { name: 'ContextError' });
}

/** Entry of `cdk`: the only place that reads context and environment. */
import { App } from 'aws-cdk-lib';
import { loadRepository } from '../shared/registry/load-repository.ts';
import { configOf } from './config.ts';
import { defineFeatureStore } from './feature-store.ts';

const app = new App();
const stage: string = app.node.tryGetContext('stage') ?? 'dev';
/** A module that exports `repository`, in place of the declarations that ship: `-c features=examples/handbook/features.ts`. */
const featuresModule: string | undefined = app.node.tryGetContext('features');
const config = configOf(stage, {
  // The endpoint that `cdk` deploys to is the one that functions of a local deployment call back.
  endpointUrl: stage === 'local' ? (process.env.AWS_ENDPOINT_URL ?? 'http://localhost:4566') : undefined,
  alarmEmail: app.node.tryGetContext('alarmEmail'),
  landsHistory: flagOf('landsHistory'),
  landerUrl: app.node.tryGetContext('landerUrl'),
  featuresModule,
  authorization: authorizationOf(app.node.tryGetContext('authorization')),
});
defineFeatureStore(app, { config, repository: await loadRepository(featuresModule) });

/** A flag of the context: from the command line it is text. Not given, it is `undefined`. */
function flagOf(name: string): boolean | undefined {
  const value: unknown = app.node.tryGetContext(name);
  if (value === undefined) return undefined;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw new Error(`The context "${name}" is a flag: say -c ${name}=true or -c ${name}=false`);
}

function authorizationOf(value: unknown): 'iam' | undefined {
  if (value === undefined || value === 'iam') return value;
  throw new Error('The context "authorization" has one value: say -c authorization=iam');
}

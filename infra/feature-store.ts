import { type App, CliCredentialsStackSynthesizer, type IStackSynthesizer, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import type { StageConfig } from './config.ts';
import { StatefulStack } from './stateful-stack.ts';
import { StatelessStack } from './stateless-stack.ts';

/** The templates are checked against the AwsSolutions rules when they are synthesized. */
export function checkAwsSolutions(app: App): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
}

/** Both stacks of a feature store, derived from its declarations. */
export function defineFeatureStore(
  app: App,
  { config, repository }: { readonly config: StageConfig; readonly repository: FeatureRepository },
): { readonly stateful: StatefulStack; readonly stateless: StatelessStack } {
  const { store, stage, account, region, endpointUrl } = config;
  const tags = { application: 'feature-store', store, stage };
  const env = { ...(account !== undefined && { account }), ...(region !== undefined && { region }) };
  const stackProps = () => ({ tags, env, ...(endpointUrl !== undefined && { synthesizer: withOwnCredentials() }) });
  const stateful = new StatefulStack(app, stackNameOf(config, 'Stateful'), {
    description: 'Feature store: online table, event streams, quarantine, history and decisions.',
    ...stackProps(),
    terminationProtection: config.retainData,
    config,
    repository,
  });
  const stateless = new StatelessStack(app, stackNameOf(config, 'Stateless'), {
    description: 'Feature store: stream consumers, landing, serving API and monitoring.',
    ...stackProps(),
    config,
    repository,
    onlineTable: stateful.onlineTable,
    streams: stateful.streams,
    quarantineBucket: stateful.quarantineBucket,
    history: stateful.history,
    decisionsBucket: stateful.decisionsBucket,
  });
  return { stateful, stateless };
}

/** `feature-store` in `dev` → `FeatureStore-dev-Stateful`. */
function stackNameOf({ store, stage }: StageConfig, kind: string): string {
  const words = store.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join('')}-${stage}-${kind}`;
}

/** An emulator that checks permissions does not let `cdk` take the roles of its bootstrap. */
function withOwnCredentials(): IStackSynthesizer {
  // It implements the interface but for a property that may be undefined, which our compiler options tell apart.
  return new CliCredentialsStackSynthesizer() as IStackSynthesizer;
}

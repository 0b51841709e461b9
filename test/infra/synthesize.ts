import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { deployedConfig, localConfig, type StageConfig } from '../../infra/config.ts';
import { checkAwsSolutions, defineFeatureStore } from '../../infra/feature-store.ts';
import { repository as shippedRepository } from '../../shared/features/index.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';

const PROJECT_ROOT = join(import.meta.dirname, '../..');
const FEATURE_FLAGS: Record<string, unknown> = JSON.parse(readFileSync(join(PROJECT_ROOT, 'cdk.json'), 'utf8')).context;

export const STAGES = ['local', 'dev', 'prod'] as const;
export type Stage = (typeof STAGES)[number];

/** A store of each kind of stage. */
export function configOf(
  stage: Stage,
  options: Parameters<typeof localConfig>[1] & { readonly featuresModule?: string } = {},
): StageConfig {
  const { featuresModule = join(PROJECT_ROOT, 'shared/features/index.ts') } = options;
  const named = { store: 'feature-store', featuresModule };
  if (stage === 'local') return localConfig(named, options);
  const declared = { production: stage === 'prod', landsHistory: options.landsHistory ?? true, limits: {} };
  return deployedConfig({ ...named, stage }, declared);
}

export type Properties = Record<string, unknown>;

/** A resource of a template: its properties are what CloudFormation will read. */
export interface Resource {
  readonly Type: string;
  readonly Properties: Properties;
  readonly DeletionPolicy?: string;
}

interface Options {
  readonly repository?: FeatureRepository;
  readonly config?: Partial<StageConfig>;
}

/** The app of a stage, with the feature flags of `cdk.json` and without bundling the functions. */
export function define(stage: Stage, options: Options = {}) {
  const app = new App({ context: { ...FEATURE_FLAGS, 'aws:cdk:bundling-stacks': [] }, analyticsReporting: false });
  checkAwsSolutions(app);
  const stacks = defineFeatureStore(app, {
    config: { ...configOf(stage), ...options.config },
    repository: options.repository ?? shippedRepository,
  });
  return { app, ...stacks };
}

/** Both stacks of a stage and what they become. */
export function synthesize(stage: Stage, options: Options = {}) {
  const { stateful, stateless } = define(stage, options);
  return {
    stateful: { stack: stateful, template: Template.fromStack(stateful) },
    stateless: { stack: stateless, template: Template.fromStack(stateless) },
  };
}

/** Resources of one type, by logical id. */
export function resourcesOf(template: Template, type: string): readonly Resource[] {
  return Object.values(template.findResources(type)) as Resource[];
}

/** The resource of a type of which there is one. */
export function onlyResourceOf(template: Template, type: string): Resource {
  const [resource, ...others] = resourcesOf(template, type);
  if (!resource || others.length > 0)
    throw new Error(`Expected one ${type}, found ${others.length + (resource ? 1 : 0)}`);
  return resource;
}

/** Statements of all IAM policies whose id contains `part`, with actions and resources as lists. */
export function statementsOf(template: Template, part: string) {
  interface Statement {
    readonly Effect: string;
    readonly Action: string | readonly string[];
    readonly Resource: unknown;
  }
  return Object.entries(template.findResources('AWS::IAM::Policy'))
    .filter(([logicalId]) => logicalId.includes(part))
    .flatMap(
      ([, policy]) =>
        (policy as { Properties: { PolicyDocument: { Statement: Statement[] } } }).Properties.PolicyDocument.Statement,
    )
    .map(({ Effect, Action, Resource }) => ({
      effect: Effect,
      actions: [Action].flat(),
      resources: [Resource].flat().map((resource) => JSON.stringify(resource)),
    }));
}

/** The template without what changes with every release of code or declarations. */
export function withoutReleases(template: Template): unknown {
  const text = JSON.stringify(template.toJSON())
    .replaceAll(/[0-9a-f]{64}\.zip/g, '<asset>.zip')
    .replaceAll(shippedRepository.registryVersion, '<registry version>');
  return JSON.parse(text);
}

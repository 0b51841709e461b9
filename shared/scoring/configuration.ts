/**
 * What of a decision can change without a deployment: thresholds, rules, the model that decides, lists of entities.
 *
 * A configuration is a whole: a new one replaces the old one, and never only a part of it. What it does not say is as
 * the service declares it.
 */
import * as z from 'zod';
import { entityKeyOf } from '../definitions/entity.ts';
import type { FieldValue } from '../definitions/fields.ts';
import type { FeatureService, RuleState } from '../definitions/service.ts';
import { LIMITS } from '../limits.ts';

const probability = z.number().min(0).max(1);
const modelKey = z.string().regex(/^[a-z][a-z0-9_]*@\d+$/, 'must be name@version, such as gradient_boosting@3');
const entityKeys = z.array(z.string().min(1).max(LIMITS.entityKeyBytes)).max(LIMITS.listedEntities);
const lists = z
  .record(z.string(), entityKeys)
  .default({})
  .describe('By name of the entity: join keys as text; of several, joined by a vertical bar');

export const decisionConfiguration = z.strictObject({
  thresholds: z
    .strictObject({
      block: probability.optional().describe('A higher score blocks, and is called fraud'),
      review: probability.optional().describe('A higher score is reviewed; without it, none is for its score'),
    })
    .default({})
    .describe("Instead of those of the model's package, which stand instead of 0.85 and none"),
  rules: z
    .record(z.string(), z.enum(['on', 'off', 'shadow']))
    .default({})
    .describe('Instead of what the rule declares'),
  model: modelKey.nullable().default(null).describe('The model that decides; null: rules alone do'),
  challengers: z.array(modelKey).max(LIMITS.challengers).default([]).describe('Models that score in the shadow'),
  allow: lists,
  deny: lists,
  degraded: z
    .enum(['approve', 'review', 'block'])
    .default('review')
    .describe('The mildest decision while something is missing: features, the model, the configuration itself'),
  note: z.string().max(1_000).default('').describe('Why it was changed'),
});
export type DecisionConfiguration = z.infer<typeof decisionConfiguration>;

/** What applies where nobody has configured anything. */
export const DEFAULT_CONFIGURATION: DecisionConfiguration = decisionConfiguration.parse({});

/** A configuration with its place in the sequence of those of its service; 0 is `DEFAULT_CONFIGURATION`. */
export interface VersionedConfiguration {
  readonly version: number;
  readonly configuration: DecisionConfiguration;
}

/** Thrown when a configuration cannot be used. Every line names the member and the fix. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

/** A configuration of a service from JSON. @throws ConfigurationError */
export function parseConfiguration(value: unknown, service: FeatureService): DecisionConfiguration {
  const parsed = decisionConfiguration.safeParse(value);
  if (!parsed.success) throw new ConfigurationError(`service ${service.key}: ${z.prettifyError(parsed.error)}`);
  const problems = problemsOf(parsed.data, service);
  if (problems.length > 0) throw new ConfigurationError(`service ${service.key}: ${problems.join('; ')}`);
  return parsed.data;
}

function problemsOf(configuration: DecisionConfiguration, service: FeatureService): string[] {
  const { thresholds, rules, model, challengers, allow, deny } = configuration;
  const known = service.rules.map(({ name }) => name);
  const entities = [...new Set(service.views.map(({ entity }) => entity.name))];
  const problems = Object.keys(rules)
    .filter((name) => !known.includes(name))
    .map((name) => `rules: there is no rule "${name}"; there are ${known.join(', ') || 'none'}`);
  for (const [list, byEntity] of Object.entries({ allow, deny })) {
    for (const name of Object.keys(byEntity)) {
      if (!entities.includes(name))
        problems.push(`${list}: there is no entity "${name}"; there are ${entities.join(', ')}`);
    }
  }
  for (const [name, keys] of Object.entries(deny)) {
    const both = keys.find((key) => allow[name]?.includes(key));
    // The key itself is not quoted: messages reach logs.
    if (both !== undefined) problems.push(`deny: entry ${keys.indexOf(both)} of ${name} is allowed too; remove one`);
  }
  if (thresholds.review !== undefined && thresholds.block !== undefined && thresholds.review > thresholds.block) {
    problems.push('thresholds: review lies above block, so nothing would be reviewed for its score');
  }
  if (model !== null && challengers.includes(model)) problems.push(`challengers: ${model} is the model that decides`);
  return problems;
}

/** What a rule does now. */
export function ruleState(configuration: DecisionConfiguration, rule: { name: string; state: RuleState }): RuleState {
  return configuration.rules[rule.name] ?? rule.state;
}

/** The list that names an entity of a decided event, and which entity; a denied one outweighs an allowed one. */
export interface ListMatch {
  readonly list: 'allow' | 'deny';
  readonly entity: string;
}

/** Sets of the listed keys, made once per configuration. */
export type EntityLists = Readonly<Record<ListMatch['list'], ReadonlyMap<string, ReadonlySet<string>>>>;

export function entityListsOf({ allow, deny }: DecisionConfiguration): EntityLists {
  const sets = (byEntity: Readonly<Record<string, readonly string[]>>) =>
    new Map(Object.entries(byEntity).map(([name, keys]) => [name, new Set(keys)]));
  return { allow: sets(allow), deny: sets(deny) };
}

export function listMatchOf(
  lists: EntityLists,
  service: FeatureService,
  values: Readonly<Record<string, FieldValue>>,
): ListMatch | undefined {
  for (const list of ['deny', 'allow'] as const) {
    for (const { entity } of service.views) {
      const listed = lists[list].get(entity.name);
      if (listed === undefined || !entity.joinKeys.every((joinKey) => (values[joinKey] ?? '') !== '')) continue;
      if (listed.has(entityKeyOf(entity, values))) return { list, entity: entity.name };
    }
  }
  return undefined;
}

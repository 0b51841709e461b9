/**
 * What of a decision can change without a deployment: thresholds, rules, the model that decides, lists of entities.
 *
 * A configuration is a whole: a new one replaces the old one, and never only a part of it. What it does not say is as
 * the service declares it.
 */
import * as z from 'zod';
import { type Entity, EntityKeyError, entityKeyOf } from '../definitions/entity.ts';
import type { FieldValue } from '../definitions/fields.ts';
import type { FeatureService, RuleState } from '../definitions/service.ts';
import { LIMITS } from '../limits.ts';

const probability = z.number().min(0).max(1);
const modelKey = z.string().regex(/^[a-z][a-z0-9_]*@\d+$/, 'must be name@version, such as gradient_boosting@3');
const joinKeyValue = z.union([z.string().min(1).max(LIMITS.entityKeyBytes), z.int()]);
const listEntry = z.union([joinKeyValue, z.array(joinKeyValue)], {
  error: `must be the value of the join key, a text of 1 to ${LIMITS.entityKeyBytes} characters or a whole number, or a list of the values of all join keys`,
});
const lists = z
  .record(z.string(), z.array(listEntry).max(LIMITS.listedEntities))
  .default({})
  .describe(
    'By name of the entity: the value of its join key, as events have it. Of several join keys: their values joined by a vertical bar, or as a list, which also takes values that have a bar themselves',
  );
type ListEntry = z.infer<typeof listEntry>;

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
  const problems = Object.keys(rules)
    .filter((name) => !known.includes(name))
    .map((name) => `rules: there is no rule "${name}"; there are ${known.join(', ') || 'none'}`);
  const allowed = listed(service, 'allow', allow);
  const denied = listed(service, 'deny', deny);
  problems.push(...allowed.problems, ...denied.problems);
  for (const [name, keys] of denied.keys) {
    const others = new Set(allowed.keys.get(name));
    const both = keys.findIndex((key) => key !== undefined && others.has(key));
    // The key itself is not quoted: messages reach logs.
    if (both !== -1) problems.push(`deny: entry ${both} of ${name} is allowed too; remove one`);
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

/** Sets of the listed entities' keys, made once per configuration. */
export type EntityLists = Readonly<Record<ListMatch['list'], ReadonlyMap<string, ReadonlySet<string>>>>;

/** @throws ConfigurationError when an entry is none that an event could have. */
export function entityListsOf(service: FeatureService, { allow, deny }: DecisionConfiguration): EntityLists {
  const sets = (list: ListMatch['list'], byEntity: DecisionConfiguration['deny']) => {
    const { keys, problems } = listed(service, list, byEntity);
    if (problems.length > 0) throw new ConfigurationError(`service ${service.key}: ${problems.join('; ')}`);
    return new Map([...keys].map(([name, ofEntity]) => [name, new Set(ofEntity.filter((key) => key !== undefined))]));
  };
  return { allow: sets('allow', allow), deny: sets('deny', deny) };
}

/** The key that each entry of a list names, `undefined` for one that no event could have; and what is wrong. */
function listed(service: FeatureService, list: ListMatch['list'], byEntity: DecisionConfiguration['deny']) {
  const entities = new Map(service.views.map(({ entity }) => [entity.name, entity]));
  const keys = new Map<string, (string | undefined)[]>();
  const problems: string[] = [];
  for (const [name, entries] of Object.entries(byEntity)) {
    const entity = entities.get(name);
    if (entity === undefined) {
      problems.push(`${list}: there is no entity "${name}"; there are ${[...entities.keys()].join(', ')}`);
      continue;
    }
    const found = entries.map((entry) => listedKeyOf(service, entity, entry));
    keys.set(
      name,
      found.map((one) => one.key),
    );
    const wrong = found.filter((one) => one.problem !== undefined);
    const [first] = wrong;
    if (first === undefined) continue;
    const others = wrong.length > 1 ? ` (and ${wrong.length - 1} more of its entries)` : '';
    problems.push(`${list}: entry ${found.indexOf(first)} of ${name}${others} ${first.problem}`);
  }
  return { keys, problems };
}

type ListedKey =
  | { readonly key: string; readonly problem?: never }
  | { readonly key?: never; readonly problem: string };

/** The key of the events that have an entry's values; or what keeps every event from having them, without the values. */
function listedKeyOf(service: FeatureService, entity: Entity, entry: ListEntry): ListedKey {
  const { joinKeys } = entity;
  const parts = joinKeys.length > 1 && typeof entry === 'string' ? entry.split('|') : [entry].flat();
  if (parts.length !== joinKeys.length) {
    const of = joinKeys.join(' and ');
    return {
      problem: `has ${parts.length} and needs ${joinKeys.length} values, of ${of}; write a value with a "|" in a list`,
    };
  }
  const row: Record<string, FieldValue> = {};
  for (const [index, joinKey] of joinKeys.entries()) {
    const { value, problem } = eventValueOf(service, joinKey, parts[index]);
    if (problem !== undefined) return { problem };
    row[joinKey] = value;
  }
  try {
    return { key: entityKeyOf(entity, row) };
  } catch (error) {
    if (error instanceof EntityKeyError) return { problem: `can be the key of no event: ${error.message}` };
    throw error;
  }
}

const WHOLE_NUMBER = /^(0|-?[1-9]\d*)$/;
const fieldValue = z.union([z.string(), z.number(), z.boolean()]).nullish();

/** What decided events with this value of a join key have. */
function eventValueOf(
  { decides }: FeatureService,
  joinKey: string,
  listedValue: unknown,
): { readonly value?: FieldValue; readonly problem?: string } {
  const schema = decides?.schema.shape[joinKey];
  if (decides === undefined || schema === undefined) {
    return { problem: `would match no decision: no decided event has the field ${joinKey}; remove it` };
  }
  const isNumber = decides.fields[joinKey]?.type.kind === 'integer';
  if (isNumber && !WHOLE_NUMBER.test(String(listedValue))) {
    return { problem: `must have a whole number as ${joinKey}, in digits alone and without zeros before it` };
  }
  const parsed = z.safeParse(schema, isNumber ? Number(listedValue) : listedValue);
  // What the schema says of it is left out, because it may repeat the value.
  if (!parsed.success)
    return { problem: `has a value of ${joinKey} that ${decides.name} refuses; write it as its events do` };
  return { value: fieldValue.parse(parsed.data) };
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

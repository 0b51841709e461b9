/** What requests and answers look like. Every type is inferred from its schema, and the OpenAPI document is made of them. */
import * as z from 'zod';
import { Refusal } from '../../shared/definitions/decoded.ts';
import { DefinitionError } from '../../shared/definitions/error.ts';
import type { FieldType } from '../../shared/definitions/fields.ts';
import { decodeJson, jsonSchemaOf } from '../../shared/definitions/forms.ts';
import type { DecisionOption, FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { FORCED_OUTCOMES } from '../../shared/reserved-ids.ts';
import { describeDerived, describeFeature } from './describe-values.ts';

const instant = () => z.iso.datetime().describe('ISO 8601, UTC, milliseconds');
const INSTANT: FieldType = { kind: 'timestamp' };

/** An instant of a request, in every form that an event's time may have; decoded, milliseconds since 1970 UTC. */
const requestInstant = (description: string) =>
  z
    .unknown()
    .meta({
      ...jsonSchemaOf(INSTANT, {
        type: 'integer',
        minimum: LIMITS.earliestInstantMillis,
        maximum: LIMITS.latestInstantMillis,
      }),
      description,
    })
    .transform((value, context) => {
      const millis = decodeJson(INSTANT, value);
      if (millis instanceof Refusal) context.addIssue(millis.problem);
      return typeof millis === 'number' ? millis : undefined;
    })
    .optional();

const registryVersion = z.string().describe('Content hash of the declarations that made this answer');
const featureValue = z.union([z.number(), z.string(), z.boolean(), z.null()]);
const reference = () => z.string().min(1).max(LIMITS.identifierCharacters);

export const fieldProblem = z.strictObject({
  field: z.string().describe('Path of the field, such as entities[3].user_id; empty for the whole body'),
  problem: z.string().describe('What it must be'),
});
export type FieldProblem = z.infer<typeof fieldProblem>;

/** RFC 9457. */
export const problem = z.object({
  type: z.string().describe('urn:feature-store:problem:<kind>; stable, for programs'),
  title: z.string().describe('What kind of problem it is, for people'),
  status: z.int().describe('Of HTTP, as in the answer itself'),
  detail: z.string().describe('What is wrong and what to do, for people'),
  instance: z.string().optional().describe('urn:feature-store:request:<request id>, as it is logged'),
  errors: z.array(fieldProblem).optional().describe('The fields at fault, at most 100 of them'),
  accepted: z.int().optional().describe('events-not-accepted: how many events are in the stream'),
  not_accepted: z.int().optional().describe('events-not-accepted: how many are not known to be; send all again'),
});
export type Problem = z.infer<typeof problem>;

export const viewFreshness = z.strictObject({
  status: z.enum(['found', 'unknown']).describe('unknown: the view does not know the entity, so its values are empty'),
  as_of: instant().describe('The instant for which the features hold'),
  last_event_at: instant().nullable().describe('Time of the newest event counted'),
  updated_at: instant().nullable().describe('When the last counted events arrived'),
  age_seconds: z.number().nullable().describe('From updated_at to as_of'),
});
export type ViewFreshness = z.infer<typeof viewFreshness>;

const freshnessByView = z.record(z.string(), viewFreshness).describe('By view@version');

export const featuresRequest = z
  .strictObject({
    service: reference().optional().describe('name or name@version; instead of features'),
    features: z
      .array(reference())
      .min(1)
      .max(LIMITS.featuresPerRequest)
      .optional()
      .describe('view:feature, of the newest version of the view, or view@version:feature; instead of service'),
    entities: z
      .array(z.record(z.string(), z.unknown()))
      .min(1)
      .max(LIMITS.entityRowsPerRequest)
      .describe('Join keys of the entities, one object each; null or left out where events may lack them'),
    at: requestInstant(
      'For which instant; now, by default. Windows cannot be moved back: before the newest event they are as of that event, and as_of says so',
    ),
  })
  .refine((request) => (request.service === undefined) !== (request.features === undefined), {
    path: ['service'],
    error: 'give either service or features',
  });

const entityFeatures = z.strictObject({
  entity: z.record(z.string(), featureValue).describe('The join keys asked for'),
  status: z.enum(['found', 'unknown']).describe('unknown: no view knows the entity, so all values are empty'),
  features: z.record(z.string(), featureValue),
  views: freshnessByView,
});
export type EntityFeatures = z.infer<typeof entityFeatures>;

export const featuresAnswer = z.strictObject({
  registry_version: registryVersion,
  service: z.string().optional().describe('name@version of the service asked for'),
  features: z.array(z.string()).describe('Names in order'),
  results: z.array(entityFeatures).describe('In the order of the entities asked for'),
});
export type FeaturesAnswer = z.infer<typeof featuresAnswer>;

/** What a decision's body holds beside the fields of the event. */
export const predictOptions = z.object({
  mode: z
    .enum(['apply', 'read-only'])
    .default('apply')
    .describe('apply counts the event, once however often it comes; read-only counts it for this answer alone'),
  explain: z.int().min(0).max(20).default(0).describe('How many inputs to name that moved the score most'),
} satisfies Record<DecisionOption, z.ZodType>);

export const eventStatus = z
  .enum(['applied', 'duplicate', 'late', 'skewed', 'read-only', 'unrelated', 'unknown'])
  .describe(
    'applied: counted by this call. duplicate: counted before, perhaps by an earlier try of this very call. late: too old to be counted, inside its own windows ' +
      'here only. skewed: its time is too far from its arrival to be believed; the views that count such events count it, now or before. read-only: nothing was written. unrelated: no view of the service counts such events. unknown: the ' +
      'online store did not answer, so it may be counted or not; sent again, or by the stream, it counts once. Of several ' +
      'that are true, the first of these: unknown, late, skewed, unrelated, duplicate, applied.',
  );

export const firedRule = z.strictObject({
  name: z.string().describe('As it is declared, in capitals'),
  reason: z.string().describe('What it says, for people'),
  outcome: z.enum(['review', 'block']).describe('What it makes of the decision, unless another one is severer'),
  severity: z.enum(['low', 'medium', 'high']).describe('How grave it is, for the people who look at it'),
});

export const contribution = z.strictObject({
  feature: z.string().describe('Name of the input'),
  value: featureValue.describe('What it was'),
  contribution: z.number().describe("On the model's own scale, log-odds for most; negative speaks against fraud"),
});

export const degradation = z.strictObject({
  what: z.enum(['view', 'feature', 'model', 'configuration']).describe('What was missing'),
  name: z.string().describe('name@version, or the name of a feature that cannot be told for a repeated event'),
  remembered_of: instant()
    .optional()
    .describe('The view was answered from memory, as of then; without it, it is missing'),
});
export type Degradation = z.infer<typeof degradation>;

export const predictAnswer = z.strictObject({
  service: z.string().describe('name@version'),
  decision: z.enum(['approve', 'review', 'block']).describe('What to do with the event'),
  forced: z.enum(FORCED_OUTCOMES).optional().describe('What the id of the event forced, for tests'),
  is_fraud: z.boolean().describe('The score is above the threshold that blocks; without a score, what is blocked'),
  score: z.number().min(0).max(1).nullable().describe('Probability of fraud; null without a model or its features'),
  model: z.string().nullable().describe('name@version of the model that decides'),
  configuration_version: z.int().describe('Number of the configuration in force; 0 is the default one'),
  rules: z.array(firedRule).describe('Those that fired'),
  shadow_rules: z.array(firedRule).describe('Those that fired and only report'),
  listed: z
    .strictObject({
      list: z.enum(['allow', 'deny']).describe('Which one'),
      entity: z.string().describe('Name of the entity that is on it'),
    })
    .nullable()
    .describe('The list that decided, whatever rules and score say'),
  contributions: z.array(contribution).optional().describe('With explain: the inputs that moved the score most'),
  features: z.record(z.string(), featureValue).describe('What the rules saw, this event included'),
  degraded: z.array(degradation).describe('What the decision had to do without; empty when all is well'),
  event_status: eventStatus,
  as_of: instant(),
  views: freshnessByView,
  registry_version: registryVersion,
  latency_ms: z.number().describe('Spent in the service, milliseconds; the way to it comes on top'),
});
/** The answer also has the event's id, under the name of its field. */
export type PredictAnswer = z.infer<typeof predictAnswer> & { readonly [eventId: string]: unknown };

export const eventsAnswer = z.strictObject({
  accepted: z.int().describe('Events now in the stream'),
  registry_version: registryVersion,
});
export type EventsAnswer = z.infer<typeof eventsAnswer>;

const health = z.enum(['ok', 'failed']);

export const healthAnswer = z.strictObject({
  status: health.describe('failed where one of the checks is'),
  registry_version: registryVersion,
  checks: z
    .record(
      z.string(),
      z.strictObject({
        status: health.describe('Whether the dependency answered'),
        latency_ms: z.number().describe('How long it took, milliseconds'),
      }),
    )
    .describe('By dependency: the online table and each stream'),
});
export type HealthAnswer = z.infer<typeof healthAnswer>;

const VALUE_SCHEMAS = { number: z.number(), text: z.string(), boolean: z.boolean() } as const;
const EXAMPLES = { number: 12.5, text: 'DE', boolean: true } as const;

/** Aggregates that count. */
const COUNTING: readonly string[] = ['count', 'distinct'];

/**
 * The features of a service as an object with each of them.
 * @param options.mayBeMissing whether any of them can be null: a decision is made without what it could not be told.
 */
export function serviceFeatures(
  { features, derived }: FeatureService,
  { mayBeMissing }: { readonly mayBeMissing: boolean },
) {
  return z.strictObject(
    Object.fromEntries([
      ...features.map((feature) => {
        const isCount = COUNTING.includes(feature.aggregate);
        const value = isCount ? z.int().min(0) : VALUE_SCHEMAS[feature.type];
        const described = (mayBeMissing || feature.emptyValue === null ? value.nullable() : value).meta({
          description: describeFeature(feature),
          examples: [isCount ? 3 : EXAMPLES[feature.type]],
        });
        return [feature.name, described];
      }),
      ...derived.map((feature) => [
        feature.name,
        VALUE_SCHEMAS[feature.type]
          .nullable()
          .meta({ description: describeDerived(feature), examples: [EXAMPLES[feature.type]] }),
      ]),
    ]),
  );
}

/** A request to decide over one event of a source. */
export function predictRequest(source: EventSource) {
  return source.schema.extend(predictOptions.shape);
}

/** The answer of one service, with the names of its features. */
export function servicePredictAnswer(source: EventSource, features: ReturnType<typeof serviceFeatures>) {
  return predictAnswer.extend({
    [source.eventId]: z.union([z.string(), z.int()]).describe('Of the decided event'),
    features: features.describe(
      'What the rules saw, this event included. Any of them is null where it could not be told: degraded names what was missing',
    ),
  });
}

/** Several events of a source. */
export function eventList(event: EventSource['schema']) {
  return z.strictObject({
    events: z.array(event).min(1).max(LIMITS.eventsPerRequest).describe('All of them are valid, or none is taken'),
  });
}

/** What /features answers of one entity: the features of a service where one is asked for. */
export function entityFeaturesOf(services: readonly ReturnType<typeof serviceFeatures>[]) {
  const features = z
    .union([...services, entityFeatures.shape.features])
    .describe('By name, or by view@version:feature where two views have one of this name');
  return entityFeatures.extend({ features });
}

export function featuresAnswerOf(entity: ReturnType<typeof entityFeaturesOf>) {
  return featuresAnswer.extend({ results: z.array(entity).describe('In the order of the entities asked for') });
}

/**
 * A request mixes the fields of an event with names of ours, and an answer has the event's id beside its own members.
 * @throws DefinitionError
 */
export function requireUsableNames({ sources }: FeatureRepository): void {
  for (const source of sources) {
    const clash =
      ['events', ...Object.keys(predictOptions.shape)].find((name) =>
        source.fieldList.some(({ wireName }) => wireName === name),
      ) ?? Object.keys(predictAnswer.shape).find((name) => name === source.eventId);
    if (clash !== undefined) {
      throw new DefinitionError(
        `source ${source.name}`,
        `the API has another meaning for "${clash}"; rename the field`,
      );
    }
  }
}

import * as z from 'zod';
import { jsonSchemaOf } from '../../shared/definitions/forms.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { RESERVED_ID_PREFIX } from '../../shared/reserved-ids.ts';
import {
  type DecideRoute,
  type DecidingService,
  decidingServices,
  type EventsRoute,
  type Route,
  servingRoutes,
  TRAINING_SET_ROUTES,
} from '../routes.ts';
import { queuedAnswer, trainingSetAnswer, trainingSetRequest } from '../training-sets/schemas.ts';
import { SLOW_ANSWER_MILLIS } from './constants.ts';
import { describeField } from './describe-values.ts';
import { exampleEntity, exampleEvent } from './examples.ts';
import type { ApiDescription } from './ports.ts';
import { PROBLEMS, type ProblemKind } from './problems.ts';
import * as schemas from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

const COMPONENTS = '#/components/schemas/';
const refTo = (name: string): Json => ({ $ref: COMPONENTS + name });

/**
 * The OpenAPI 3.1 document of a deployment: of the very schemas that requests are parsed with, naming every feature of
 * every service, and every route that is deployed.
 * @param options.production leaves out ids that force an outcome, which are refused there. Default true.
 */
export function openApiDocument(
  repository: FeatureRepository,
  api: ApiDescription,
  { production = true }: { readonly production?: boolean } = {},
): Json {
  const routes: readonly Route[] = [
    ...servingRoutes(repository),
    ...(api.offersTrainingSets ? TRAINING_SET_ROUTES : []),
  ];
  const paths = routes.map((route) => {
    const operation = withGatewayAnswers(operationOf(route, repository, production), api);
    return [route.path, { [route.method.toLowerCase()]: operation }] as const;
  });
  const isSigned = api.authorization === 'iam';
  return {
    openapi: '3.1.0',
    info: {
      title: 'Feature store',
      version: repository.registryVersion,
      description: 'Online features of entities, and decisions over events. The version is the registry version.',
      license: { name: 'Apache 2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: api.url }],
    // Without signatures the list is empty, which says that nothing is asked for.
    security: isSigned ? [{ [SIGNATURE]: [] }] : [],
    // No path has two methods.
    paths: Object.fromEntries(paths),
    components: {
      schemas: { ...componentsOf(repository, api, production), ...(isSigned && { GatewayAnswer: GATEWAY_ANSWER }) },
      ...(isSigned && { securitySchemes: { [SIGNATURE]: SIGNATURE_SCHEME } }),
    },
  };
}

const SIGNATURE = 'awsSignature';

/** OpenAPI has no word for signatures of AWS; tools know this extension. */
const SIGNATURE_SCHEME: Json = {
  type: 'apiKey',
  in: 'header',
  name: 'Authorization',
  description:
    'AWS Signature Version 4 for the service execute-api. The principal needs execute-api:Invoke on the path: see the output CallerPolicyArns.',
  'x-amazon-apigateway-authtype': 'awsSigv4',
};

/** What the gateway answers of itself, before anything of ours is asked. */
const GATEWAY_ANSWER: Json = {
  type: 'object',
  properties: { message: { type: 'string', description: 'What the gateway says' } },
};

function withGatewayAnswers(operation: Operation, { authorization }: ApiDescription): Operation {
  if (authorization === 'none') return operation;
  const answer = (description: string) => answerOf(description, refTo('GatewayAnswer'));
  const { 500: failed, 503: unavailable } = operation.responses;
  return {
    ...operation,
    responses: {
      ...operation.responses,
      500: alsoOfGateway(failed, 'The function could not be called.'),
      503: alsoOfGateway(unavailable, 'The function did not answer in time.'),
      403: answer('The request is not signed, or its principal may not call this path.'),
      429: answer('More requests than the route takes: send it again, with backoff.'),
    },
  };
}

/** What we answer with a status that the gateway has a use for, too. */
function alsoOfGateway(ours: ResponseObject | undefined, description: string): ResponseObject {
  const json = ours?.content['application/json'];
  const schema = json ? { anyOf: [json.schema, refTo('GatewayAnswer')] } : refTo('GatewayAnswer');
  return {
    description: ours ? `${ours.description} Or: ${description}` : description,
    content: { ...ours?.content, 'application/json': { schema } },
  };
}

/** `fraud_detection` → `FraudDetection`. No two names become one: a digit keeps the underscore before it. */
function pascalCase(name: string): string {
  return name.replace(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}

/** `fraud_detection@1` → `FraudDetectionV1`. */
function versionedName({ name, version }: { readonly name: string; readonly version: number }): string {
  return `${pascalCase(name)}V${version}`;
}

const componentNames = {
  features: (service: FeatureService) => `${versionedName(service)}Features`,
  decisionRequest: ({ service }: DecidingService) => `${versionedName(service)}DecisionRequest`,
  decidedFeatures: ({ service }: DecidingService) => `${versionedName(service)}DecidedFeatures`,
  decision: ({ service }: DecidingService) => `${versionedName(service)}Decision`,
  event: ({ name }: EventSource) => `${pascalCase(name)}Event`,
  eventList: ({ name }: EventSource) => `${pascalCase(name)}EventList`,
  eventsRequest: ({ name }: EventSource) => `${pascalCase(name)}EventsRequest`,
};

function componentsOf(
  repository: FeatureRepository,
  { offersTrainingSets }: ApiDescription,
  production: boolean,
): Json {
  const deciding = decidingServices(repository.services);
  const requests = new Map<string, z.ZodType>([['FeaturesRequest', schemas.featuresRequest]]);
  const answers = new Map<string, z.ZodType>([
    ['Problem', schemas.problem],
    ['FieldProblem', schemas.fieldProblem],
    ['ViewFreshness', schemas.viewFreshness],
    ['FiredRule', schemas.firedRule],
    ['Contribution', schemas.contribution],
    ['Degradation', schemas.degradation],
    ['EventsAnswer', schemas.eventsAnswer],
    ['HealthAnswer', schemas.healthAnswer],
  ]);
  if (offersTrainingSets) {
    requests.set('TrainingSetRequest', trainingSetRequest);
    answers.set('TrainingSetQueued', queuedAnswer).set('TrainingSet', trainingSetAnswer);
  }
  const features = repository.services.map((service) => {
    const schema = schemas.serviceFeatures(service, { mayBeMissing: false });
    answers.set(componentNames.features(service), schema);
    return schema;
  });
  const entity = schemas.entityFeaturesOf(features);
  answers.set('EntityFeatures', entity).set('FeaturesAnswer', schemas.featuresAnswerOf(entity));
  for (const version of deciding) {
    const decided = schemas.serviceFeatures(version.service, { mayBeMissing: true });
    requests.set(componentNames.decisionRequest(version), schemas.predictRequest(version.source));
    answers.set(componentNames.decidedFeatures(version), decided);
    const answer = schemas.servicePredictAnswer(version.source, decided);
    answers.set(componentNames.decision(version), production ? answer.omit({ forced: true }) : answer);
  }
  for (const source of repository.sources) {
    // A copy, because two sources may share a schema, and a schema has one name.
    const event = source.schema.clone();
    requests.set(componentNames.event(source), event);
    const list = schemas.eventList(event);
    requests.set(componentNames.eventList(source), list);
    requests.set(componentNames.eventsRequest(source), z.union([event, list]));
  }
  const described = { ...jsonSchemasOf(requests, 'input'), ...jsonSchemasOf(answers, 'output') };
  for (const source of repository.sources) {
    describeFields(described[componentNames.event(source)], source, repository);
  }
  for (const version of deciding) {
    describeFields(described[componentNames.decisionRequest(version)], version.source, repository);
  }
  const [service] = repository.services;
  const [view] = repository.views;
  const [feature] = view?.features ?? [];
  giveExample(described.FeaturesRequest, 'service', service?.name);
  giveExample(described.FeaturesRequest, 'features', view && `${view.name}:${feature?.name}`);
  giveExample(described.TrainingSetRequest, 'service', service?.name);
  return described;
}

/** Of a property, or of the items of one that is a list. */
function giveExample(
  schema: z.core.JSONSchema.BaseSchema | undefined,
  name: string,
  example: string | undefined,
): void {
  const property = schema?.properties?.[name];
  if (typeof property !== 'object' || example === undefined) return;
  const { items } = property;
  const described = typeof items === 'object' && !Array.isArray(items) ? items : property;
  described.examples = [example];
}

/** JSON schemas that refer to each other by their names. */
function jsonSchemasOf(components: ReadonlyMap<string, z.ZodType>, io: 'input' | 'output'): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of components) registry.add(schema, { id });
  const { __shared: shared, ...own } = z.toJSONSchema(registry, { io, uri: (id) => COMPONENTS + id }).schemas;
  // Schemas that a declaration gave an id of its own come together, and are components beside ours.
  const text = JSON.stringify({ ...shared?.$defs, ...own }).replaceAll(`${COMPONENTS}__shared#/$defs/`, COMPONENTS);
  const made: Readonly<Record<string, z.core.JSONSchema.JSONSchema>> = JSON.parse(text);
  return Object.fromEntries(
    Object.entries(made).map(([name, schema]) => {
      // OpenAPI 3.1 states the dialect once, for the whole document.
      const { $schema: _dialect, $id: _id, id: _ownId, ...jsonSchema } = schema;
      return [name, jsonSchema];
    }),
  );
}

type JsonSchema = Omit<z.core.JSONSchema.JSONSchema, '$schema' | '$id'>;

/** Properties that are fields of an event, as producers name them and in every form that they may be sent in. */
function describeFields(
  schema: z.core.JSONSchema.BaseSchema | undefined,
  source: EventSource,
  repository: FeatureRepository,
): void {
  if (schema?.properties === undefined) return;
  const fieldNamed = (name: string) => source.fieldList.find((field) => field.name === name);
  schema.properties = Object.fromEntries(
    Object.entries(schema.properties).map(([name, property]) => {
      const field = fieldNamed(name);
      if (field === undefined || typeof property === 'boolean') return [name, property];
      const described = jsonSchemaOf(field.type, property, field.whenMissing !== 'refused');
      return [field.wireName, { description: describeField(name, source, repository), ...described }];
    }),
  );
  schema.required = (schema.required ?? [])
    .filter((name) => (fieldNamed(name)?.whenMissing ?? 'refused') === 'refused')
    .map((name) => fieldNamed(name)?.wireName ?? name);
  if (source.unknownFields === 'ignore') schema.additionalProperties = true;
}

interface ResponseObject {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: Json }>>;
}

/** By status. */
type Responses = Readonly<Record<number, ResponseObject>>;

interface Operation extends Json {
  readonly operationId: string;
  readonly summary: string;
  readonly responses: Responses;
}

function operationOf(route: Route, repository: FeatureRepository, production: boolean): Operation {
  const [service] = repository.services;
  const entity = service && exampleEntity(service);
  switch (route.kind) {
    case 'features':
      return {
        operationId: 'readFeatures',
        summary: 'The features of entities at one instant.',
        requestBody: jsonBody(
          refTo('FeaturesRequest'),
          service && entity && { service: service.name, entities: [entity] },
        ),
        responses: {
          200: answerOf('The features, in the order of the entities.', refTo('FeaturesAnswer')),
          ...problemAnswers('unknown-service', 'unknown-feature', 'throttled', 'unavailable'),
        },
      };
    case 'decide':
      return decideOperation(route, production);
    case 'events':
      return eventsOperation(route, production);
    case 'health':
      return {
        operationId: 'checkHealth',
        summary: 'Whether everything that the service depends on works.',
        responses: {
          200: answerOf('Everything works.', refTo('HealthAnswer')),
          500: problemAnswer('internal'),
          503: answerOf('Something does not.', refTo('HealthAnswer')),
        },
      };
    case 'openapi':
      return {
        operationId: 'readOpenApiDocument',
        summary: 'This document.',
        responses: { 200: answerOf('The document.', { type: 'object' }), 500: problemAnswer('internal') },
      };
    case 'createTrainingSet':
      return {
        operationId: 'createTrainingSet',
        summary: 'Has a training set made: the features of a service at the rows of a spine, as they were known then.',
        requestBody: jsonBody(
          refTo('TrainingSetRequest'),
          service &&
            entity && {
              service: service.name,
              spine: [
                {
                  ...entity,
                  ...decidedExample(service),
                  timestamp: '2026-01-31T12:00:00.000Z',
                  known_at: '2026-01-31T12:00:00.250Z',
                  is_fraud: 0,
                },
              ],
            },
        ),
        responses: {
          202: answerOf('It is queued; ask for it by its id.', refTo('TrainingSetQueued')),
          ...problemAnswers('unknown-service'),
        },
      };
    case 'readTrainingSet':
      return {
        operationId: 'readTrainingSet',
        summary: 'How far a training set is, and where it lies.',
        parameters: [
          {
            name: 'id',
            in: 'path',
            required: true,
            description: 'As POST /training-sets answered it',
            schema: { type: 'string', format: 'uuid' },
          },
        ],
        responses: {
          200: answerOf('How far it is.', refTo('TrainingSet')),
          404: problemAnswer('unknown-training-set'),
          500: problemAnswer('internal'),
        },
      };
  }
}

/** A row of a spine names the event that it decides, and has the fields that derived features use. */
function decidedExample({ decides }: FeatureService): Json {
  if (decides === undefined) return {};
  const { [decides.eventTime]: _time, ...fields } = exampleEvent(decides) ?? {};
  return fields;
}

/** What stages say that are not production. */
const RESERVED_IDS =
  `For tests, the id of an event may be ${RESERVED_ID_PREFIX}WHAT or ${RESERVED_ID_PREFIX}WHAT:ANYTHING, and forces a decision: approve, review and ` +
  'block are made whatever else is known; degraded is made as if the online store had not answered, model-missing as if ' +
  `the model could not be loaded; slow takes ${SLOW_ANSWER_MILLIS / 1_000} s. The answer says so in "forced". In production such ids are refused.`;

function decideOperation({ versions, alias, path }: DecideRoute, production: boolean): Operation {
  const [{ service, source }] = versions;
  const numbers = versions.map((version) => version.service.version);
  return {
    // Of other names than all operations that are not an alias, whatever the alias is.
    operationId: alias === undefined ? `decide${pascalCase(service.name)}` : `post${pascalCase(alias)}`,
    summary: service.description,
    description:
      `Decides over one event of ${source.name}, with everything known up to and including it. At most ${LIMITS.eventBytes} bytes. ` +
      'Sending an event again counts it once.' +
      (production ? '' : ` ${RESERVED_IDS}`) +
      (alias === undefined ? '' : ` ${path} stands for /services/${service.name}/decide.`),
    ...(alias === undefined && {
      parameters: [
        {
          name: 'version',
          in: 'query',
          description: 'Of the service; the newest one, by default',
          schema: { type: 'integer', enum: numbers },
        },
      ],
    }),
    requestBody: jsonBody(
      oneOf(versions.map((version) => refTo(componentNames.decisionRequest(version)))),
      exampleEvent(source),
    ),
    responses: {
      200: answerOf('The decision.', oneOf(versions.map((version) => refTo(componentNames.decision(version))))),
      ...problemAnswers(...(alias === undefined ? (['unknown-service'] as const) : []), 'item-too-large'),
    },
  };
}

function eventsOperation({ source }: EventsRoute, production: boolean): Operation {
  const example = exampleEvent(source);
  return {
    operationId: `publish${pascalCase(source.name)}`,
    summary: source.description,
    description: `Puts one event, or up to ${LIMITS.eventsPerRequest}, on the stream of ${source.name}: all of them, or none when one is not valid.${production ? '' : ` ${RESERVED_IDS}`}`,
    requestBody: jsonBody(refTo(componentNames.eventsRequest(source)), example && { events: [example] }),
    responses: {
      202: answerOf('The events are in the stream.', refTo('EventsAnswer')),
      ...problemAnswers('events-not-accepted'),
    },
  };
}

function jsonBody(schema: Json, example: Json | undefined): Json {
  return { required: true, content: { 'application/json': { schema, ...(example && { example }) } } };
}

function answerOf(description: string, schema: Json): ResponseObject {
  return { description, content: { 'application/json': { schema } } };
}

/** Alternatives, or the schema itself when there is only one. */
function oneOf(alternatives: readonly Json[]): Json {
  const [only] = alternatives;
  return only && alternatives.length === 1 ? only : { anyOf: alternatives };
}

/** What any request with a body may be answered. */
const PROBLEMS_OF_BODIES = ['invalid-json', 'validation', 'body-too-large', 'internal'] as const;

/** One answer per status; where several kinds share a status, the `type` tells them apart. */
function problemAnswers(...kinds: readonly ProblemKind[]): Responses {
  const byStatus = Map.groupBy([...PROBLEMS_OF_BODIES, ...kinds], (kind) => PROBLEMS[kind].status);
  return Object.fromEntries([...byStatus].map(([status, sharing]) => [status, problemAnswer(...sharing)]));
}

function problemAnswer(...kinds: readonly ProblemKind[]): ResponseObject {
  return {
    description: kinds.map((kind) => `${kind}: ${PROBLEMS[kind].title}`).join(' '),
    content: { 'application/problem+json': { schema: refTo('Problem') } },
  };
}

import * as z from 'zod';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { TRAINING_SET_ROUTES } from '../training-sets/constants.ts';
import { queuedAnswer, trainingSetAnswer, trainingSetRequest } from '../training-sets/schemas.ts';
import { LABELS_SOURCE, ROUTES } from './constants.ts';
import { exampleEntity, exampleEvent } from './examples.ts';
import { PROBLEMS, type ProblemKind } from './problems.ts';
import * as schemas from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

const COMPONENTS = '#/components/schemas/';
const refTo = (name: string): Json => ({ $ref: COMPONENTS + name });

/**
 * The OpenAPI 3.1 document of a repository: made of the very schemas that requests are parsed with, and naming every
 * feature of every service.
 */
export function openApiDocument(repository: FeatureRepository): Json {
  const deciding = repository.services.flatMap((service) =>
    service.decides === undefined ? [] : [{ service, source: service.decides }],
  );
  return {
    openapi: '3.1.0',
    info: {
      title: 'Feature store',
      version: repository.registryVersion,
      description: 'Online features of entities, and decisions over events. The version is the registry version.',
    },
    servers: [{ url: '/' }],
    paths: pathsOf(repository, deciding),
    components: { schemas: componentsOf(repository, deciding) },
  };
}

interface Deciding {
  readonly service: FeatureService;
  readonly source: EventSource;
}

/** `fraud_detection@1` → `FraudDetection1`. */
function pascalCase(key: string): string {
  return key.replace(/(?:^|[_@])([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}

const componentNames = {
  features: (service: FeatureService) => `${pascalCase(service.key)}Features`,
  predictRequest: (service: FeatureService) => `${pascalCase(service.key)}PredictRequest`,
  predictAnswer: (service: FeatureService) => `${pascalCase(service.key)}PredictAnswer`,
  eventsRequest: (source: EventSource) => `${pascalCase(source.name)}EventsRequest`,
};

function componentsOf(repository: FeatureRepository, deciding: readonly Deciding[]): Json {
  const requests: Record<string, z.ZodType> = {
    FeaturesRequest: schemas.featuresRequest,
    TrainingSetRequest: trainingSetRequest,
  };
  for (const { service, source } of deciding) {
    requests[componentNames.predictRequest(service)] = schemas.predictRequest(source);
  }
  for (const source of repository.sources) {
    requests[componentNames.eventsRequest(source)] = schemas.eventsRequest(source);
    if (source.name === LABELS_SOURCE) requests.LabelsRequest = schemas.labelsRequest(source);
  }
  const answers: Record<string, z.ZodType> = {
    Problem: schemas.problem,
    FeaturesAnswer: schemas.featuresAnswer,
    EventsAnswer: schemas.eventsAnswer,
    HealthAnswer: schemas.healthAnswer,
    TrainingSetQueued: queuedAnswer,
    TrainingSet: trainingSetAnswer,
  };
  for (const service of repository.services) {
    answers[componentNames.features(service)] = schemas.serviceFeatures(service);
  }
  for (const { service, source } of deciding) {
    answers[componentNames.predictAnswer(service)] = schemas.servicePredictAnswer(service, source);
  }
  const jsonSchemas = { ...jsonSchemasOf(requests, 'input'), ...jsonSchemasOf(answers, 'output') };
  return withServiceFeatures(jsonSchemas, repository.services);
}

function jsonSchemasOf(components: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(components).map(([name, schema]) => {
      // OpenAPI 3.1 states the dialect once, for the whole document.
      const { $schema: _dialect, ...jsonSchema } = z.toJSONSchema(schema, { io });
      return [name, jsonSchema];
    }),
  );
}

/** Lets the answer of /features point at the features of each service, instead of saying only that there are some. */
function withServiceFeatures(components: Readonly<Record<string, Json>>, services: readonly FeatureService[]): Json {
  const answer = structuredClone(components.FeaturesAnswer) as unknown as FeaturesAnswerSchema;
  const { properties } = answer.properties.results.items;
  const named = services.map((service) => refTo(componentNames.features(service)));
  properties.features = { anyOf: [...named, properties.features] };
  return { ...components, FeaturesAnswer: answer };
}

/** The part of the generated schema that is completed; a test holds it to this shape. */
interface FeaturesAnswerSchema {
  readonly properties: { readonly results: { readonly items: { readonly properties: { features: Json } } } };
}

function pathsOf(repository: FeatureRepository, deciding: readonly Deciding[]): Json {
  const [service] = repository.services;
  const [firstDeciding] = deciding;
  return {
    [ROUTES.features.path]: {
      post: {
        operationId: 'readFeatures',
        summary: 'The features of entities at one instant.',
        requestBody: jsonBody(
          refTo('FeaturesRequest'),
          service && {
            service: service.name,
            entities: [exampleEntity(service)],
          },
        ),
        responses: {
          200: answerOf('The features, in the order of the entities.', refTo('FeaturesAnswer')),
          ...problemAnswers('invalid-json', 'unknown-service', 'body-too-large', 'throttled', 'internal'),
        },
      },
    },
    [ROUTES.predictFraud.path]: {
      post: {
        operationId: 'predictFraud',
        summary: 'Decides over one event, with everything known up to and including it.',
        description: `At most ${LIMITS.eventBytes} bytes. Sending an event again counts it once.`,
        requestBody: jsonBody(
          oneOf(deciding.map((each) => refTo(componentNames.predictRequest(each.service)))),
          firstDeciding && exampleEvent(firstDeciding.source),
        ),
        responses: {
          200: answerOf(
            'The decision.',
            oneOf(deciding.map((each) => refTo(componentNames.predictAnswer(each.service)))),
          ),
          ...problemAnswers(
            'invalid-json',
            'unknown-service',
            'body-too-large',
            'throttled',
            'internal',
            'item-too-large',
          ),
        },
      },
    },
    [ROUTES.events.path]: {
      post: {
        operationId: 'publishEvents',
        summary: 'Puts events on the stream of their source: all of them, or none when one is not valid.',
        parameters: [
          {
            name: 'source',
            in: 'query',
            required: repository.sources.length > 1,
            schema: { enum: repository.sources.map(({ name }) => name) },
          },
        ],
        requestBody: jsonBody(
          oneOf(repository.sources.map((source) => refTo(componentNames.eventsRequest(source)))),
          repository.sources[0] && { events: [exampleEvent(repository.sources[0])] },
        ),
        responses: {
          202: answerOf('The events are in the stream.', refTo('EventsAnswer')),
          ...problemAnswers('invalid-json', 'unknown-source', 'body-too-large', 'events-not-accepted', 'internal'),
        },
      },
    },
    ...labelsPath(repository),
    ...trainingSetPaths(repository),
    [ROUTES.health.path]: {
      get: {
        operationId: 'checkHealth',
        summary: 'Whether everything that the service depends on works.',
        responses: {
          200: answerOf('Everything works.', refTo('HealthAnswer')),
          503: answerOf('Something does not.', refTo('HealthAnswer')),
        },
      },
    },
    [ROUTES.openapi.path]: {
      get: {
        operationId: 'readOpenApiDocument',
        summary: 'This document.',
        responses: { 200: answerOf('The document.', { type: 'object' }) },
      },
    },
  };
}

/** Answered by a function of its own, where history is landed. */
function trainingSetPaths({ services }: FeatureRepository): Json {
  const { createTrainingSet, readTrainingSet } = TRAINING_SET_ROUTES;
  const [service] = services;
  return {
    [createTrainingSet.path]: {
      post: {
        operationId: 'createTrainingSet',
        summary: 'Has a training set made: the features of a service at the rows of a spine, as they were known then.',
        requestBody: jsonBody(
          refTo('TrainingSetRequest'),
          service && {
            service: service.name,
            spine: [{ ...exampleEntity(service), timestamp: '2026-01-31T12:00:00.000Z', is_fraud: false }],
          },
        ),
        responses: {
          202: answerOf('It is queued; ask for it by its id.', refTo('TrainingSetQueued')),
          ...problemAnswers('validation', 'unknown-service', 'body-too-large', 'internal'),
        },
      },
    },
    [readTrainingSet.path]: {
      get: {
        operationId: 'readTrainingSet',
        summary: 'How far a training set is, and where it lies.',
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } }],
        responses: {
          200: answerOf('How far it is.', refTo('TrainingSet')),
          ...problemAnswers('unknown-training-set', 'internal'),
        },
      },
    },
  };
}

/** Where no labels are declared, the route only says so. */
function labelsPath({ sources }: FeatureRepository): Json {
  const source = sources.find(({ name }) => name === LABELS_SOURCE);
  if (source === undefined) return {};
  return {
    [ROUTES.labels.path]: {
      post: {
        operationId: 'publishLabels',
        summary: 'Puts labels, which say what became of earlier events, on their stream: all of them, or none.',
        requestBody: jsonBody(refTo('LabelsRequest'), { labels: [exampleEvent(source)] }),
        responses: {
          202: answerOf('The labels are in the stream.', refTo('EventsAnswer')),
          ...problemAnswers('invalid-json', 'body-too-large', 'events-not-accepted', 'internal'),
        },
      },
    },
  };
}

function jsonBody(schema: Json, example: Json | undefined): Json {
  return { required: true, content: { 'application/json': { schema, ...(example && { example }) } } };
}

function answerOf(description: string, schema: Json): Json {
  return { description, content: { 'application/json': { schema } } };
}

/** Alternatives, or the schema itself when there is only one. */
function oneOf(alternatives: readonly Json[]): Json {
  const [only] = alternatives;
  return only && alternatives.length === 1 ? only : { anyOf: alternatives };
}

/** One answer per status; where several kinds share a status, the `type` tells them apart. */
function problemAnswers(...kinds: readonly ProblemKind[]): Json {
  return Object.fromEntries(
    kinds.map((kind) => {
      const { status } = PROBLEMS[kind];
      const sharing = Object.entries(PROBLEMS).filter(([, other]) => other.status === status);
      return [
        status,
        {
          description: sharing.map(([name, { title }]) => `${name}: ${title}`).join(' '),
          content: { 'application/problem+json': { schema: refTo('Problem') } },
        },
      ];
    }),
  );
}

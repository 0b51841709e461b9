import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { servingRoutes, TRAINING_SET_ROUTES } from '../../../functions/routes.ts';
import { exampleEntity, exampleEvent } from '../../../functions/serve/examples.ts';
import { openApiDocument } from '../../../functions/serve/openapi.ts';
import {
  eventsAnswer,
  featuresAnswer,
  featuresRequest,
  healthAnswer,
  problem,
  serviceFeatures,
  servicePredictAnswer,
} from '../../../functions/serve/schemas.ts';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { fraudDetection, transactions } from '../../../shared/features/fraud.ts';
import { repository } from '../../../shared/features/index.ts';
import { type OnlineStore, OnlineStoreUnavailableError } from '../../../shared/online/store.ts';
import { featureRepository } from '../../../shared/registry/manifest.ts';
import { API } from '../../support/api-description.ts';
import { serve, transaction } from './harness.ts';

// biome-ignore lint/suspicious/noExplicitAny: a JSON document that this test takes apart.
type Json = any;

const document = (api = API): Json => JSON.parse(JSON.stringify(openApiDocument(repository, api)));

/** Every object in a document, with the path to it. */
function* objectsIn(value: Json, path = '#'): Generator<[path: string, object: Json]> {
  if (typeof value !== 'object' || value === null) return;
  yield [path, value];
  for (const [name, member] of Object.entries(value)) yield* objectsIn(member, `${path}/${name}`);
}

describe('GET /openapi.json', () => {
  it('answers the document', async () => {
    const { status, body } = await serve().get('/openapi.json');
    expect(status).toBe(200);
    expect(body).toEqual(document());
    expect(body.openapi).toBe('3.1.0');
    expect(body.info.version).toBe(repository.registryVersion);
  });

  it.each([true, false])('has every deployed route, and no other, with training sets: %s', (offersTrainingSets) => {
    const routes = Object.entries<Json>(document({ ...API, offersTrainingSets }).paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.sort()).toEqual(
      [...servingRoutes(repository), ...(offersTrainingSets ? TRAINING_SET_ROUTES : [])]
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    );
  });

  it('says where the API is, and how requests are signed', () => {
    const signed = document();
    expect(signed.servers).toEqual([{ url: API.url }]);
    expect(signed.security).toEqual([{ awsSignature: [] }]);
    expect(signed.components.securitySchemes.awsSignature['x-amazon-apigateway-authtype']).toBe('awsSigv4');
    const { responses } = signed.paths['/features'].post;
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(['403', '429']));
    // The gateway answers these two itself, too, when the function cannot be called or is out of time.
    for (const status of ['500', '503']) {
      expect(Object.keys(responses[status].content)).toEqual(['application/problem+json', 'application/json']);
    }
    expect(signed.paths['/health'].get.responses['503'].content['application/json'].schema.anyOf).toHaveLength(2);
    const open = document({ ...API, authorization: 'none' });
    expect(open.security).toEqual([]);
    expect(open.components).not.toHaveProperty('securitySchemes');
    expect(Object.keys(open.paths['/features'].post.responses)).not.toContain('403');
  });

  it('describes every value', () => {
    for (const [path, { properties }] of objectsIn(document())) {
      for (const [name, property] of Object.entries<Json>(properties ?? {})) {
        if (property.$ref === undefined) expect(property.description, `${path}.${name}`).toMatch(/\w/);
      }
    }
  });

  it('says of each answer only what its route can answer', () => {
    const { paths } = document();
    expect(paths['/features'].post.responses[404].description).toBe(
      'unknown-service: There is no such feature service. unknown-feature: There is no such feature.',
    );
    expect(paths['/events/transactions'].post.responses).not.toHaveProperty('404');
    expect(paths['/predict_fraud'].post.responses).not.toHaveProperty('404');
  });

  it('has no reference into nothing, and uses every component', () => {
    const references = new Set<string>();
    for (const [path, { $ref, $id, $schema }] of objectsIn(document())) {
      expect([$id, $schema], path).toEqual([undefined, undefined]);
      if ($ref !== undefined) references.add($ref);
    }
    const components = Object.keys(document().components.schemas).map((name) => `#/components/schemas/${name}`);
    expect([...references].sort()).toEqual(components.sort());
  });

  it('describes every answer, with a schema', () => {
    for (const [path, item] of Object.entries<Json>(document().paths)) {
      for (const operation of Object.values<Json>(item)) {
        expect(operation.operationId, path).toMatch(/^[a-z]+[A-Za-z]+$/);
        for (const [status, answer] of Object.entries<Json>(operation.responses)) {
          expect(Number(status)).toBeGreaterThanOrEqual(200);
          expect(answer.description, `${path} ${status}`).not.toBe('');
          const [content] = Object.values<Json>(answer.content);
          expect(content.schema, `${path} ${status}`).toBeTypeOf('object');
        }
      }
    }
  });

  it('names every feature of the service, and what may be null', () => {
    const { properties, required } = document().components.schemas.FraudDetectionV1Features;
    expect(Object.keys(properties)).toEqual([
      ...fraudDetection.features.map(({ name }) => name),
      'amount_to_avg_ratio',
      'is_burst',
    ]);
    expect(required).toEqual(Object.keys(properties));
    expect(properties.tx_count_1h).toMatchObject({ type: 'integer', minimum: 0, examples: [3] });
    expect(properties.tx_count_1h.description).toBe(
      'count over 1h of transactions (user_transactions@1); 0 without any',
    );
    expect(properties.avg_amount_before_1h).toMatchObject({
      type: ['number', 'null'],
      description:
        'mean of amount over 1h of transactions, without the decided one (user_transactions@1); null without any',
    });
    expect(properties.fraud_share_7d.description).toBe(
      'mean of is_fraud over 7d of labels, as of 1d before (merchant_risk@1); null without any',
    );
    expect(properties.amount_to_avg_ratio.description).toBe('amount / avg_amount_1h; null where an input is missing');
  });

  it('points from the answer of /features at the features of the service', () => {
    const { schemas } = document().components;
    expect(schemas.FeaturesAnswer.properties.results.items).toEqual({ $ref: '#/components/schemas/EntityFeatures' });
    expect(schemas.EntityFeatures.properties.features.anyOf[0]).toEqual({
      $ref: '#/components/schemas/FraudDetectionV1Features',
    });
  });

  it('shows examples that the service accepts', async () => {
    const { paths } = document();
    const example = (path: string): Json => paths[path].post.requestBody.content['application/json'].example;
    const { post } = serve();
    expect((await post('/features', example('/features'))).status).toBe(200);
    const decisions = ['/predict_fraud', '/services/fraud_detection/decide'];
    for (const path of decisions) expect((await post(path, example(path))).status).toBe(200);
    for (const path of ['/events/transactions', '/events/labels']) {
      expect((await post(path, example(path))).status).toBe(202);
    }
    expect(exampleEntity(fraudDetection)).toEqual({ user_id: 'user-1', merchant_id: 'merchant-1' });
  });
});

const unanswered = () => Promise.reject(new OnlineStoreUnavailableError('gone'));

describe('the published schemas', () => {
  const answers = servicePredictAnswer(transactions, serviceFeatures(fraudDetection, { mayBeMissing: true }));

  it('accept what requests may hold', () => {
    expect(featuresRequest.parse({ service: 'x', entities: [{ user_id: 'u' }] })).toBeDefined();
  });

  it('parse every answer', async () => {
    const { predict, features, events, get } = serve();
    const spike = [transaction({ amount: 0 }), transaction({ amount: 5000 })];
    for (const event of [transaction(), ...spike]) {
      answers.parse((await predict(event)).body);
      answers.parse((await predict({ ...event, mode: 'read-only' })).body);
    }
    const broken = { get: unanswered, update: unanswered, put: unanswered } as unknown as OnlineStore;
    const degraded = await serve({ store: broken }).predict(transaction());
    expect(degraded.body.features.tx_count_1h).toBeNull();
    answers.parse(degraded.body);
    const read = await features({
      service: 'fraud_detection',
      entities: [
        { user_id: 'user-1', merchant_id: 'merchant-1' },
        { user_id: 'x', merchant_id: 'y' },
      ],
    });
    featuresAnswer.parse(read.body);
    for (const result of read.body.results)
      serviceFeatures(fraudDetection, { mayBeMissing: false }).parse(result.features);
    eventsAnswer.parse((await events(transaction())).body);
    healthAnswer.parse((await get('/health')).body);
    problem.strict().parse((await predict({})).body);
    problem.strict().parse((await get('/nothing')).body);
  });
});

describe('examples of events', () => {
  const sourceOf = (fields: Readonly<Record<string, z.ZodType>>) =>
    eventSource({
      name: 'calls',
      description: 'Calls.',
      owner: 'a',
      schema: z.strictObject({ call_id: identifier(), caller_id: identifier(), at: eventTime(), ...fields }),
      eventId: 'call_id',
      eventTime: 'at',
      partitionKey: 'caller_id',
      allowedLateness: '10s',
    });

  it.each<[string, z.ZodType]>([
    ['one of several', z.enum(['web', 'app', 'ivr'])],
    [
      'a country',
      z
        .string()
        .length(2)
        .regex(/^[A-Z]{2}$/),
    ],
    ['a currency', z.string().regex(/^[A-Z]{3}$/)],
    ['digits', z.string().regex(/^\d{16}$/)],
    ['long text', z.string().min(40)],
    ['short text', z.string().max(3)],
    ['a share', z.number().min(0).max(1)],
    ['a year', z.int().min(1990).max(2100)],
    ['a multiple', z.int().multipleOf(7).min(10)],
    ['a small amount', decimal({ scale: 2, maximum: 5 })],
    ['less than nothing', z.int().negative()],
    ['a flag that is set', z.boolean().refine((flag) => !flag)],
    ['an optional value', z.enum(['a', 'b']).optional()],
    [
      'what only its declaration knows',
      z
        .string()
        .regex(/^x-[a-f]{7}-y$/)
        .meta({ examples: ['x-abcdefa-y'] }),
    ],
  ])('have %s', (_what, schema) => {
    const source = sourceOf({ value: schema });
    expect(decodeEvent(source, exampleEvent(source), Date.parse('2026-02-01')).ok).toBe(true);
    expect(exampleEvent(source)).toHaveProperty('value');
    expect(Math.abs(Number(exampleEvent(source)?.value ?? 0)) || 0).toBeLessThan(1e18);
  });

  it('are left out where nothing fits, rather than wrong', () => {
    const source = sourceOf({ value: z.string().regex(/^x-[a-f]{7}-y$/) });
    expect(exampleEvent(source)).toBeUndefined();
    const view = windowedView({
      name: 'callers',
      version: 1,
      description: 'Who calls.',
      owner: 'a',
      entity: entity({ name: 'caller', description: 'Who calls.', joinKeys: ['caller_id'] }),
      source,
      windows: { '1h': '1h' },
      features: { call_count: count() },
      ttl: '7d',
    });
    const { paths } = openApiDocument(featureRepository({ views: [view], services: [] }), API) as Json;
    expect(paths['/events/calls'].post.requestBody.content['application/json']).not.toHaveProperty('example');
  });

  it('of a field whose schema has an id of its own is found under that id', () => {
    const country = z.enum(['DE', 'FR']).meta({ id: 'Country', description: 'Where from' });
    const source = sourceOf({ from: country, to: country });
    const made = openApiDocument({ ...repository, sources: [source], services: [], aliases: {} }, API) as Json;
    const { CallsEvent, Country } = made.components.schemas;
    expect(CallsEvent.properties.from).toMatchObject({ $ref: '#/components/schemas/Country' });
    expect(Country.enum).toEqual(['DE', 'FR']);
    expect(JSON.stringify(made)).not.toContain('__shared');
  });

  it('of sources that share a schema are each their own', () => {
    const [calls, texts] = [sourceOf({}), { ...sourceOf({}), name: 'texts' }];
    const shared = { ...texts, schema: calls.schema };
    const { schemas } = (
      openApiDocument({ ...repository, sources: [calls, shared], services: [], aliases: {} }, API) as Json
    ).components;
    expect(schemas.CallsEvent).toEqual(schemas.TextsEvent);
    expect(schemas.TextsEventsRequest.anyOf[0]).toEqual({ $ref: '#/components/schemas/TextsEvent' });
  });
});

describe('names in the document of any repository', () => {
  /** Names that differ in what a generator of clients drops, or that are like ours. */
  const names = [
    'a1',
    'a_1',
    'a__1',
    'ab',
    'a_b',
    'a',
    'a_',
    'problem',
    'read_features',
    'post_a',
    'decide',
    'events_request',
  ];

  it('are each of one thing', () => {
    const sources = names.map((name) =>
      eventSource({
        name,
        description: 'Events.',
        owner: 'a',
        schema: z.strictObject({ id: identifier(), key: identifier(), at: eventTime() }),
        eventId: 'id',
        eventTime: 'at',
        partitionKey: 'key',
        allowedLateness: '10s',
      }),
    );
    const views = sources.map((source) =>
      windowedView({
        name: source.name,
        version: 1,
        description: 'Events.',
        owner: 'a',
        entity: entity({ name: source.name, description: 'A key.', joinKeys: ['key'] }),
        source,
        windows: { '1h': '1h' },
        features: { [`count_${source.name}`]: count() },
        ttl: '7d',
      }),
    );
    const services = sources.flatMap((source, index) =>
      [1, 11].map((version) =>
        featureService({
          name: source.name,
          version,
          description: 'Decides.',
          owner: 'a',
          views: views.slice(index, index + 1),
          decides: source,
        }),
      ),
    );
    const aliases = Object.fromEntries(
      services.flatMap((service) =>
        service.version === 1 && service.name !== 'events' ? [[service.name, service]] : [],
      ),
    );
    const made = openApiDocument(featureRepository({ views, services, aliases }), API) as Json;
    const operations = Object.values<Json>(made.paths).flatMap((item) => Object.values<Json>(item));
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Object.keys(made.paths)).toHaveLength(5 + 3 * names.length);
    const components = new Set(Object.keys(made.components.schemas).map((name) => `#/components/schemas/${name}`));
    for (const name of names) {
      const event = made.paths[`/events/${name}`].post.requestBody.content['application/json'].schema;
      expect(components).toContain(event.$ref);
      const requests = made.paths[`/services/${name}/decide`].post.requestBody.content['application/json'].schema.anyOf;
      expect(new Set(requests.map(({ $ref }: Json) => $ref)).size).toBe(2);
    }
    // Events, lists and requests of each source; features, what is decided over, requests and decisions of each version.
    const own = [...components].filter(
      (name) =>
        !/(Answer|Problem|Freshness|Rule|Contribution|Degradation|Set|Queued)$|Entity|TrainingSet|FeaturesRequest$/.test(
          name,
        ),
    );
    expect(own).toHaveLength(names.length * (3 + 2 * 4));
  });
});

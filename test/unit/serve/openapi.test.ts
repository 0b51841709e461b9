import { describe, expect, it } from 'vitest';
import { ROUTES } from '../../../functions/serve/constants.ts';
import { exampleEntity, exampleEvent } from '../../../functions/serve/examples.ts';
import { openApiDocument } from '../../../functions/serve/openapi.ts';
import {
  eventsAnswer,
  eventsRequest,
  featuresAnswer,
  featuresRequest,
  healthAnswer,
  predictRequest,
  problem,
  serviceFeatures,
  servicePredictAnswer,
} from '../../../functions/serve/schemas.ts';
import { TRAINING_SET_ROUTES } from '../../../functions/training-sets/constants.ts';
import { fraudDetection, transactions } from '../../../shared/features/fraud.ts';
import { repository } from '../../../shared/features/index.ts';
import { serve, transaction } from './harness.ts';

// biome-ignore lint/suspicious/noExplicitAny: a JSON document that this test takes apart.
type Json = any;

const document = (): Json => JSON.parse(JSON.stringify(openApiDocument(repository)));

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

  it('has every route, and no other', () => {
    const routes = Object.entries<Json>(document().paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.sort()).toEqual(
      [...Object.values(ROUTES), ...Object.values(TRAINING_SET_ROUTES)]
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    );
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
    const { properties, required } = document().components.schemas.FraudDetection1Features;
    expect(Object.keys(properties)).toEqual([
      ...fraudDetection.features.map(({ name }) => name),
      'amount_to_avg_ratio',
      'is_burst',
    ]);
    expect(required).toEqual(Object.keys(properties));
    expect(properties.tx_count_1h).toEqual({ type: 'number' });
    expect(properties.avg_amount_1h).toEqual({ type: ['number', 'null'] });
  });

  it('points from the answer of /features at the features of the service', () => {
    const row = document().components.schemas.FeaturesAnswer.properties.results.items;
    expect(row.properties.features.anyOf[0]).toEqual({ $ref: '#/components/schemas/FraudDetection1Features' });
  });

  it('shows examples that the service accepts', async () => {
    const { paths } = document();
    const example = (path: string): Json => paths[path].post.requestBody.content['application/json'].example;
    const { post } = serve();
    expect((await post('/features', example('/features'))).status).toBe(200);
    expect((await post('/predict_fraud', example('/predict_fraud'))).status).toBe(200);
    expect((await post('/events', example('/events'), { source: 'transactions' })).status).toBe(202);
    expect((await post('/labels', example('/labels'))).status).toBe(202);
    expect(exampleEntity(fraudDetection)).toEqual({ user_id: 'user-1', merchant_id: 'merchant-1' });
  });
});

describe('the published schemas', () => {
  const answers = servicePredictAnswer(fraudDetection, transactions);

  it('accept what requests may hold', () => {
    expect(featuresRequest.parse({ service: 'x', entities: [{ user_id: 'u' }] })).toBeDefined();
    const event = exampleEvent(transactions);
    expect(predictRequest(transactions).parse({ ...event, mode: 'read-only' })).toBeDefined();
    expect(eventsRequest(transactions).parse({ events: [event] })).toBeDefined();
  });

  it('parse every answer', async () => {
    const { predict, features, events, get } = serve();
    const spike = [transaction({ amount: 0 }), transaction({ amount: 5000 })];
    for (const event of [transaction(), ...spike]) {
      answers.parse((await predict(event)).body);
      answers.parse((await predict({ ...event, mode: 'read-only' })).body);
    }
    const read = await features({
      service: 'fraud_detection',
      entities: [
        { user_id: 'user-1', merchant_id: 'merchant-1' },
        { user_id: 'x', merchant_id: 'y' },
      ],
    });
    featuresAnswer.parse(read.body);
    for (const result of read.body.results) serviceFeatures(fraudDetection).parse(result.features);
    eventsAnswer.parse((await events(transaction())).body);
    healthAnswer.parse((await get('/health')).body);
    problem.strict().parse((await predict({})).body);
    problem.strict().parse((await get('/nothing')).body);
  });
});

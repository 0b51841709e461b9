import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type Route, servingRoutes } from '../../../functions/routes.ts';
import {
  count,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { fraudDetection, merchantRisk, transactions, user, userTransactions } from '../../../shared/features/fraud.ts';
import { repository as shipped } from '../../../shared/features/index.ts';
import { featureRepository } from '../../../shared/registry/manifest.ts';
import { transactionsRepository } from '../../support/transactions-service.ts';
import { httpRequest, label, NOW_MILLIS, serve, transaction } from './harness.ts';

const logins = eventSource({
  name: 'logins',
  description: 'Attempts to sign in.',
  owner: 'identity',
  // A field of this name is one like any other: the service is said by the path.
  schema: z.strictObject({ login_id: identifier(), account_id: identifier(), service: z.string(), at: eventTime() }),
  eventId: 'login_id',
  eventTime: 'at',
  partitionKey: 'account_id',
  allowedLateness: '10s',
});

const accountLogins = windowedView({
  name: 'account_logins',
  version: 1,
  description: 'How often an account signs in.',
  owner: 'identity',
  entity: entity({ name: 'account', description: 'An account.', joinKeys: ['account_id'] }),
  source: logins,
  windows: { '1h': '1h' },
  features: { login_count: count() },
  ttl: '7d',
});

const loginService = (version: number, limit: number) =>
  featureService({
    name: 'takeover',
    version,
    description: 'Decides whether a login is let through.',
    owner: 'identity',
    views: [accountLogins],
    decides: logins,
    rules: {
      MANY: {
        when: ({ login_count_1h }) => login_count_1h.isGreaterThan(limit),
        reason: 'Many logins.',
        outcome: 'review',
      },
    },
  });

const [strict, lenient] = [loginService(1, 0), loginService(2, 1)] as const;

/** The shipped repository, and beside it a service of which two versions decide. */
const several = featureRepository({
  views: [userTransactions, merchantRisk, accountLogins],
  services: [fraudDetection, strict, lenient],
  aliases: { predict_fraud: fraudDetection, first_takeover: strict },
});

let loginCount = 0;

function login() {
  loginCount++;
  return { login_id: `login-${loginCount}`, account_id: 'a', service: 'mail', at: NOW_MILLIS };
}

const keysOf = (routes: readonly Route[]) => routes.map(({ method, path }) => `${method} ${path}`);

describe('the routes of a repository', () => {
  it('are a path for each source and for each service that decides, and the aliases', () => {
    expect(keysOf(servingRoutes(several))).toEqual([
      'POST /features',
      'POST /services/fraud_detection/decide',
      'POST /services/takeover/decide',
      'POST /predict_fraud',
      'POST /first_takeover',
      'POST /events/transactions',
      'POST /events/labels',
      'POST /events/logins',
      'GET /health',
      'GET /openapi.json',
    ]);
  });

  it('have no alias that is not declared', async () => {
    const { views, services } = shipped;
    const { post } = serve({ repository: featureRepository({ views, services }) });
    expect((await post('/predict_fraud', transaction())).status).toBe(404);
    expect((await post('/services/fraud_detection/decide', transaction())).status).toBe(200);
  });

  it.each(['events', 'labels', 'services', 'features', 'health'])('are not hidden by an alias %s', (alias) => {
    const { views, services } = shipped;
    expect(() => featureRepository({ views, services, aliases: { [alias]: fraudDetection } })).toThrow(
      `alias ${alias}: the API has another meaning for /${alias}; rename it`,
    );
  });

  it('stand for services of the repository, which decide', () => {
    const reader = featureService({
      name: 'reader',
      version: 1,
      description: 'Reads.',
      owner: 'a',
      views: [userTransactions],
    });
    const declared = { views: [userTransactions], services: [reader] };
    expect(() => featureRepository({ ...declared, aliases: { look: reader } })).toThrow(
      'alias look: its service reader@1 does not decide; declare what it decides',
    );
    expect(() => featureRepository({ ...declared, aliases: { look: fraudDetection } })).toThrow(
      'alias look: is not for a service of the repository; list the service in services',
    );
    expect(() => featureRepository({ ...declared, aliases: { 'look-up': reader } })).toThrow(/a name is snake_case/);
  });
});

describe('deciding services', () => {
  it('answer at their paths and aliases, and a second one changes nothing for the first', async () => {
    for (const repository of [shipped, several]) {
      const { post } = serve({ repository });
      for (const path of ['/predict_fraud', '/services/fraud_detection/decide']) {
        const { status, body } = await post(path, transaction({ user_id: path }));
        expect(status).toBe(200);
        expect(body).toMatchObject({ service: 'fraud_detection@1', event_status: 'applied' });
      }
    }
  });

  it('answer by their newest version, by the one asked for, and by that of the alias', async () => {
    const { post } = serve({ repository: several });
    const path = '/services/takeover/decide';
    const decide = (at: string, query?: Record<string, string>) => post(at, login(), query);
    expect((await decide(path)).body).toMatchObject({ service: 'takeover@2', decision: 'approve' });
    expect((await decide(path, { version: '1' })).body).toMatchObject({ service: 'takeover@1', decision: 'review' });
    expect((await decide(path, { version: '2' })).body).toMatchObject({ service: 'takeover@2' });
    expect((await decide('/first_takeover')).body).toMatchObject({ service: 'takeover@1' });
  });

  it.each([
    ['3', 404, 'takeover decides here in the versions 2, 1.'],
    ['0', 400, '?version: must be a version of the service, such as 2'],
    ['1.0', 400, '?version: must be a version of the service, such as 2'],
    ['', 400, '?version: must be a version of the service, such as 2'],
  ])('refuse version "%s", and count nothing', async (version, status, detail) => {
    const { post, features } = serve({ repository: several });
    const answer = await post('/services/takeover/decide', login(), { version });
    expect(answer.status).toBe(status);
    expect(answer.body.detail).toBe(detail);
    const read = await features({ features: ['account_logins:login_count_1h'], entities: [{ account_id: 'a' }] });
    expect(read.body.results[0].features).toEqual({ login_count_1h: 0 });
  });

  it.each([
    ['/services/takeover/decide', { verson: '1' }, '?verson: is not a parameter here: there is ?version. Remove it'],
    [
      '/first_takeover',
      { version: '2' },
      '?version: is not a parameter here: /first_takeover is takeover@1 and takes none. Remove it',
    ],
  ])('refuse at %s what is no parameter', async (path, query, detail) => {
    const answer = await serve({ repository: several }).post(path, login(), query);
    expect(answer.status).toBe(400);
    expect(answer.body.detail).toBe(detail);
  });

  it('share their metrics with their aliases', async () => {
    const { post, metrics } = serve();
    await post('/predict_fraud', transaction());
    await post('/services/fraud_detection/decide/', transaction());
    expect(metrics.requests.map(({ route }) => route)).toEqual(['decide-fraud_detection', 'decide-fraud_detection']);
  });
});

describe('paths that there were', () => {
  it.each([
    ['POST', '/events', { source: 'labels' }, 'POST /events/transactions, POST /events/labels.'],
    ['POST', '/events', undefined, 'POST /events/transactions, POST /events/labels.'],
    ['POST', '/events/', undefined, 'POST /events/transactions, POST /events/labels.'],
    ['POST', '/labels', undefined, 'POST /events/labels.'],
    ['GET', '/labels', undefined, 'POST /events/labels.'],
  ])('%s %s answers 410 and names the new ones', async (method, path, query, paths) => {
    const { call, stream } = serve();
    const { status, body, headers } = await call(
      httpRequest(method, path, { body: JSON.stringify(label()), ...(query && { query }) }),
    );
    expect(status).toBe(410);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(body.type).toBe('urn:feature-store:problem:gone');
    expect(body.detail).toBe(`Every source has a path of its own: ${paths}`);
    expect(stream.calls).toBe(0);
  });

  it('are unknown where there was never anything to put there', async () => {
    expect((await serve({ repository: transactionsRepository }).post('/labels', label())).status).toBe(404);
  });
});

describe('what is no route', () => {
  it.each([
    ['/predict', 'unknown-route', /POST \/features, POST \/services\/fraud_detection\/decide, POST \/predict_fraud, /],
    ['/', 'unknown-route', /GET \/openapi\.json, POST \/training-sets, GET \/training-sets\/\{id\}\.$/],
    ['/events/orders', 'unknown-source', /^There are: POST \/events\/transactions, POST \/events\/labels\.$/],
    [
      '/services/credit/decide',
      'unknown-service',
      /^There are: POST \/services\/fraud_detection\/decide, POST \/predict_fraud\.$/,
    ],
    ['/services/fraud_detection@1/decide', 'unknown-service', /^There are: POST /],
    // The function of training sets answers without the slash.
    ['/training-sets/', 'unknown-route', /POST \/training-sets/],
  ])('%s is answered 404 as %s, listing what there is', async (path, kind, detail) => {
    const { post, metrics } = serve();
    const { status, body, headers } = await post(path, transaction());
    expect(status).toBe(404);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(body.type).toBe(`urn:feature-store:problem:${kind}`);
    expect(body.detail).toMatch(detail);
    expect(metrics.requests).toMatchObject([{ route: 'unknown', status: 404 }]);
  });

  it.each([
    ['GET', '/predict_fraud', 'POST'],
    ['DELETE', '/events/transactions', 'POST'],
    ['POST', '/health', 'GET'],
    ['PUT', '/training-sets/0b0a6b1e-7c3f-4d2a-9a68-2f1f0c3d4e5f', 'GET'],
  ])('%s %s is answered 405 with the method that is allowed', async (method, path, allow) => {
    const answer = await serve().call(httpRequest(method, path));
    expect(answer.status).toBe(405);
    expect(answer.headers).toMatchObject({ allow, 'content-type': 'application/problem+json' });
  });
});

describe('features of two views that have one name', () => {
  const second = windowedView({
    name: 'user_transactions',
    version: 2,
    description: 'How often a user pays.',
    owner: 'fraud-platform',
    entity: user,
    source: transactions,
    windows: { '1h': '1h' },
    features: { tx_count: count() },
    ttl: '7d',
  });
  const repository = featureRepository({ views: [userTransactions, merchantRisk, second], services: [fraudDetection] });
  const entities = [{ user_id: 'user-1' }];

  it('are answered under view@version:feature, and the others as ever', async () => {
    const { predict, features } = serve({ repository });
    await predict(transaction());
    const asked = [
      'user_transactions@1:tx_count_1h',
      'user_transactions@2:tx_count_1h',
      'user_transactions@1:max_amount_1h',
    ];
    const { status, body } = await features({ features: asked, entities });
    expect(status).toBe(200);
    const [first, newer] = asked;
    expect(body.features).toEqual([first, newer, 'max_amount_1h']);
    expect(body.results[0].features).toEqual({ [first ?? '']: 1, [newer ?? '']: 0, max_amount_1h: 10 });
    const alone = await features({ features: [first], entities });
    expect(alone.body.results[0].features).toEqual({ tx_count_1h: 1 });
  });

  it('are refused when they are one and the same', async () => {
    const { features } = serve({ repository });
    const { status, body } = await features({
      features: ['user_transactions:tx_count_1h', 'user_transactions@2:tx_count_1h'],
      entities,
    });
    expect(status).toBe(400);
    expect(body.errors).toEqual([
      { field: 'features[1]', problem: 'user_transactions@2:tx_count_1h is asked for twice; remove one' },
    ]);
  });
});

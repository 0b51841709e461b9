import { Logger } from '@aws-lambda-powertools/logger';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createHandler } from '../../../functions/serve/app.ts';
import { CachedViews } from '../../../functions/serve/cached-views.ts';
import { type DecisionPolicies, DefaultPolicies, StoredPolicies } from '../../../functions/serve/decision-policies.ts';
import { GuardedStore } from '../../../functions/serve/guarded-store.ts';
import { EmfServingMetrics } from '../../../functions/serve/metrics.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import type { OnlineStore } from '../../../shared/online/store.ts';
import { OnlineStoreRequestError } from '../../../shared/online/store.ts';
import { API } from '../../support/api-description.ts';
import { MemoryObjectStore } from '../../support/memory-object-store.ts';
import { transactionsRepository, transactionsService } from '../../support/transactions-service.ts';
import { httpRequest, MemoryStream, NOW_MILLIS, transaction } from './harness.ts';

// biome-ignore lint/suspicious/noExplicitAny: lines of the embedded metric format, which this test takes apart.
type Line = any;

/** Everything that is written while a test runs. */
function capture(): string[] {
  const written: string[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      written.push(String(chunk));
      return true;
    });
  }
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
    vi.spyOn(console, method).mockImplementation((...parts) => void written.push(parts.map(String).join(' ')));
  }
  return written;
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** The handler with the logger and the metrics that it has when deployed. */
function deployed(store: OnlineStore = new MemoryOnlineStore(), policies: DecisionPolicies = new DefaultPolicies()) {
  const clock = { nowMillis: NOW_MILLIS };
  const handler = createHandler({
    store: new GuardedStore(store, { hedgeAfterMillis: 10_000 }),
    cachedViews: new CachedViews({ clock: () => clock.nowMillis }),
    policies,
    repository: transactionsRepository,
    api: API,
    stream: new MemoryStream(),
    clock: () => clock.nowMillis,
    logger: new Logger({ serviceName: 'serve' }),
    metrics: new EmfServingMetrics(() => clock.nowMillis),
    probes: [{ name: 'online_store', check: () => Promise.reject(new Error('secret-probe')) }],
  });
  const post = (path: string, body: unknown) => handler(httpRequest('POST', path, { body: JSON.stringify(body) }));
  return { handler, post, clock };
}

const linesOf = (written: readonly string[]): Line[] =>
  written
    .flatMap((text) => text.split('\n'))
    .filter(Boolean)
    .map((line) => JSON.parse(line));

const metricsOf = (lines: readonly Line[], name: string): Line[] => lines.filter((line) => name in line);

describe('metrics', () => {
  it('of a request that comes alone are one line', async () => {
    const written = capture();
    const { post, clock } = deployed();
    // The first one has no average before it, which is a line for each window.
    await post('/services/fraud_detection/decide', transaction());
    clock.nowMillis += 20_000;
    written.length = 0;
    await post('/services/fraud_detection/decide', transaction({ timestamp: clock.nowMillis }));
    const lines = linesOf(written);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      service: 'serve',
      route: 'decide-fraud_detection',
      ServingLatency: expect.any(Number),
      Availability: 1,
      _aws: { CloudWatchMetrics: [{ Namespace: 'FeatureStore', Dimensions: [['service', 'route']] }] },
    });
    const definitions = lines[0]._aws.CloudWatchMetrics[0].Metrics;
    expect(definitions.map(({ Name, Unit }: Line) => [Name, Unit])).toEqual([
      ['ServingLatency', 'Milliseconds'],
      ['Availability', 'Count'],
    ]);
  });

  it('gather nulls and ages over ten seconds', async () => {
    const written = capture();
    const { post, clock } = deployed();
    const read = () => post('/features', { service: 'fraud_detection', entities: [{ user_id: 'user-1' }] });
    await post('/services/fraud_detection/decide', transaction());
    clock.nowMillis += 60_000;
    await read();
    const emptyFeatures = transactionsService.features.filter(
      ({ window, emptyValue }) => window === '1min' && emptyValue === null,
    );
    const nulls = metricsOf(linesOf(written), 'NullFeatures').map((line) => [line.feature, line.NullFeatures]);
    const firstTime = nulls.splice(0, 5);
    expect(firstTime.every(([feature]) => String(feature).startsWith('avg_amount_before_'))).toBe(true);
    expect(nulls).toEqual(emptyFeatures.map(({ name }) => [name, 1]));
    expect(metricsOf(linesOf(written), 'FeatureAge')).toMatchObject([{ view: 'user_transactions@1', FeatureAge: 60 }]);
    written.length = 0;
    for (let time = 0; time < 9; time++) await read();
    expect(linesOf(written)).toHaveLength(0);
    clock.nowMillis += 10_000;
    written.length = 0;
    await read();
    const [request, ...gathered] = linesOf(written);
    const [age] = gathered.splice(-1);
    expect(request).toMatchObject({ route: 'features' });
    expect(request.ServingLatency).toHaveLength(10);
    expect(request.Availability).toEqual(Array(10).fill(1));
    expect(gathered.map(({ NullFeatures }) => NullFeatures)).toEqual(emptyFeatures.map(() => 10));
    expect(gathered[0]._aws.CloudWatchMetrics[0].Dimensions).toEqual([['service', 'feature']]);
    expect(age.FeatureAge).toEqual([...Array(9).fill(60), 70]);
    expect(age._aws.CloudWatchMetrics[0].Dimensions).toEqual([['service', 'view']]);
  });

  it('say how old the configuration of decisions is, per service', async () => {
    const written = capture();
    let nowMillis = NOW_MILLIS;
    const policies = new StoredPolicies({
      store: new MemoryObjectStore(),
      repository: transactionsRepository,
      clock: () => nowMillis,
      logger: new Logger({ serviceName: 'serve' }),
    });
    const { post, clock } = deployed(new MemoryOnlineStore(), policies);
    await post('/services/fraud_detection/decide', transaction());
    nowMillis += 4_500;
    await post('/services/fraud_detection/decide', transaction());
    clock.nowMillis += 10_000;
    await post('/services/fraud_detection/decide', transaction());
    const ages = metricsOf(linesOf(written), 'ConfigurationAge');
    expect(ages).toMatchObject([
      { service: 'serve', feature_service: 'fraud_detection@1', ConfigurationAge: 0 },
      { ConfigurationAge: [4.5, 4.5] },
    ]);
    expect(ages[0]._aws.CloudWatchMetrics[0]).toMatchObject({
      Dimensions: [['service', 'feature_service']],
      Metrics: [{ Name: 'ConfigurationAge', Unit: 'Seconds' }],
    });
  });

  it('never put more ages into a line than CloudWatch takes', async () => {
    const written = capture();
    const { post, clock } = deployed();
    await post('/services/fraud_detection/decide', transaction());
    written.length = 0;
    const entities = Array(100).fill({ user_id: 'user-1' });
    for (let time = 0; time < 3; time++) await post('/features', { service: 'fraud_detection', entities });
    clock.nowMillis += 10_000;
    await post('/services/fraud_detection/decide', transaction());
    const ages = metricsOf(linesOf(written), 'FeatureAge').flatMap(({ FeatureAge }) => [FeatureAge].flat().length);
    expect(Math.max(...ages)).toBeLessThanOrEqual(100);
    expect(ages.reduce((sum, size) => sum + size, 0)).toBe(300);
  });

  it('count a failure as unavailable, a refusal not', async () => {
    const written = capture();
    const { post, clock } = deployed({
      get: () => Promise.reject(new TypeError('broken')),
      update: () => Promise.reject(new TypeError('broken')),
    });
    await post('/services/fraud_detection/decide', transaction());
    clock.nowMillis += 1_000;
    await post('/services/fraud_detection/decide', {});
    expect(metricsOf(linesOf(written), 'Availability').map(({ Availability }) => Availability)).toEqual([0, 1]);
  });

  it('emit a failure at once, also within the second', async () => {
    const written = capture();
    const store = new MemoryOnlineStore();
    const { post } = deployed({
      get: (keys) => store.get(keys),
      update: () => Promise.reject(new TypeError('broken')),
    });
    const read = () => post('/features', { service: 'fraud_detection', entities: [{ user_id: 'user-1' }] });
    await read();
    await read();
    written.length = 0;
    await post('/services/fraud_detection/decide', transaction());
    const availabilities = metricsOf(linesOf(written), 'Availability').map(({ route, Availability }) => [
      route,
      Availability,
    ]);
    expect(availabilities).toEqual([
      ['features', 1],
      ['decide-fraud_detection', 0],
    ]);
  });

  it('never put more latencies into a line than CloudWatch takes', async () => {
    const written = capture();
    const { post, clock } = deployed();
    const read = () => post('/features', { service: 'fraud_detection', entities: [{ user_id: 'user-1' }] });
    for (let time = 0; time < 250; time++) await read();
    clock.nowMillis += 1_000;
    await read();
    const sizes = metricsOf(linesOf(written), 'ServingLatency').map(
      ({ ServingLatency }) => [ServingLatency].flat().length,
    );
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(251);
  });
});

describe('logs', () => {
  const secret = {
    transaction_id: 'secret-id-4711',
    user_id: 'secret-user-4712',
    merchant_id: 'secret-merchant-4713',
    // Long enough not to be part of a measured latency by chance.
    amount: 9_876_543.21,
  };

  it('say nothing of what was asked, answered or refused', async () => {
    const written = capture();
    const { handler, clock } = deployed();
    // Each request comes alone, so that each writes its line.
    const send = (request: ReturnType<typeof httpRequest>) => {
      clock.nowMillis += 1_000;
      return handler(request);
    };
    const post = (path: string, body: unknown) => send(httpRequest('POST', path, { body: JSON.stringify(body) }));
    await post('/services/fraud_detection/decide', transaction(secret));
    await post('/services/fraud_detection/decide', { ...transaction(secret), mode: 'read-only' });
    await post('/services/fraud_detection/decide', { ...transaction(secret), amount: -9_876_543.21 });
    await post('/services/fraud_detection/decide', { ...transaction(secret), 'secret-field': 'secret-value' });
    await post('/features', {
      service: 'fraud_detection',
      entities: [{ user_id: secret.user_id }],
    });
    await post('/features', {
      service: 'secret-service',
      entities: [{ user_id: secret.user_id }],
    });
    await post('/events/transactions', { events: [transaction(secret)] });
    await post('/events/transactions', { events: [{ ...transaction(secret), user_id: 9_876_543 }] });
    await send(httpRequest('POST', '/services/fraud_detection/decide', { body: '{"user_id":"secret-user-4712' }));
    await send(httpRequest('GET', '/secret-path'));
    await send(httpRequest('GET', '/health'));
    expect(written.length).toBeGreaterThan(10);
    expect(written.join('\n')).not.toMatch(/secret|9876543/);
  });

  it('say of a failure where and what, not with which values', async () => {
    for (const error of [
      new TypeError('Cannot convert 9876543.21 of secret-user-4712 to a BigInt', { cause: new Error('secret-cause') }),
      Object.assign(new Error('secret-user-4712'), { input: secret }),
      'secret-text',
    ]) {
      const written = capture();
      const { post } = deployed({ get: () => Promise.reject(error), update: () => Promise.reject(error) });
      const answer = await post('/services/fraud_detection/decide', transaction(secret));
      expect(answer.statusCode).toBe(500);
      const everything = written.join('\n') + answer.body;
      expect(everything).not.toMatch(/secret|9876543/);
      const [logged] = linesOf(written).filter(({ level }) => level === 'ERROR');
      expect(logged).toMatchObject({ request_id: 'request-1', route: 'decide-fraud_detection', problem: 'internal' });
      vi.restoreAllMocks();
    }
  });

  it('repeat the messages of our own errors, which name declarations and limits', async () => {
    const written = capture();
    const error = new OnlineStoreRequestError('DynamoDB refused the request: AccessDeniedException');
    await deployed({ get: () => Promise.reject(error), update: () => Promise.reject(error) }).post(
      '/services/fraud_detection/decide',
      transaction(secret),
    );
    const [logged] = linesOf(written).filter(({ level, view }) => level === 'ERROR' && view === 'user_transactions@1');
    expect(logged.error).toMatchObject({ name: 'OnlineStoreRequestError', message: error.message });
    expect(logged.error.frames.length).toBeGreaterThan(0);
  });
});

import { setImmediate as eventLoop } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { StoredPolicies } from '../../../functions/serve/decision-policies.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { DEFAULT_CONFIGURATION, parseConfiguration } from '../../../shared/scoring/configuration.ts';
import { activate, modelObjectName, rollBack } from '../../../shared/scoring/decision-store.ts';
import { MemoryObjectStore } from '../../support/memory-object-store.ts';
import { smallModelPackage } from '../../support/small-model.ts';
import {
  transactionsRepository as repository,
  transactionsService as service,
} from '../../support/transactions-service.ts';
import { serve, transaction } from './harness.ts';

const MINUTE = 60_000;

describe('policies from a store', () => {
  let store: MemoryObjectStore;
  let nowMillis: number;
  let logged: { message: string; details: Readonly<Record<string, unknown>> }[];
  let policies: StoredPolicies;

  beforeEach(() => {
    store = new MemoryObjectStore();
    nowMillis = 0;
    logged = [];
    const log = (message: string, details: Readonly<Record<string, unknown>>) => logged.push({ message, details });
    policies = new StoredPolicies({ store, repository, clock: () => nowMillis, logger: { error: log, warn: log } });
  });

  const push = (key: string, content: Uint8Array) => store.put(modelObjectName(service, key), content);
  const configure = (configuration: object) => activate(store, service, parseConfiguration(configuration, service));
  /** The policy as it is once a renewal that is due has been made. */
  async function renewed() {
    nowMillis += MINUTE;
    await policies.policyOf(service);
    // The store is in memory, so a renewal is done when the event loop comes round.
    await eventLoop();
    return policies.policyOf(service);
  }

  it('are the default one where nothing is configured', async () => {
    const { policy, configurationVersion } = await policies.policyOf(service);
    const { configuration, problems } = policy;
    expect({ configuration, configurationVersion, problems }).toEqual({
      configuration: DEFAULT_CONFIGURATION,
      configurationVersion: 0,
      problems: [],
    });
    expect(logged).toEqual([]);
  });

  it('have the configured model from the first request on', async () => {
    await push('small@1', smallModelPackage(repository));
    await push('rival@2', smallModelPackage(repository, { name: 'rival', version: 2 }));
    await configure({ model: 'small@1', challengers: ['rival@2'] });
    const { policy } = await policies.policyOf(service);
    expect(policy.champion?.key).toBe('small@1');
    expect(policy.challengers.map(({ key }) => key)).toEqual(['rival@2']);
    expect(policy.problems).toEqual([]);
  });

  it('are renewed after half a minute, beside the request that notices', async () => {
    await configure({ thresholds: { review: 0.1 } });
    await policies.policyOf(service);
    await configure({ thresholds: { review: 0.2 } });
    nowMillis += 29_000;
    expect((await policies.policyOf(service)).configurationVersion).toBe(1);
    expect((await renewed()).configurationVersion).toBe(2);
    await rollBack(store, service);
    expect((await renewed()).configurationVersion).toBe(1);
  });

  it('do not load a package twice', async () => {
    await push('small@1', smallModelPackage(repository));
    await configure({ model: 'small@1' });
    const { policy } = await policies.policyOf(service);
    store.objects.delete(modelObjectName(service, 'small@1'));
    await configure({ model: 'small@1', thresholds: { review: 0.2 } });
    expect((await renewed()).policy.champion).toBe(policy.champion);
  });

  const bomb = gzipSync(Buffer.alloc(LIMITS.inflatedPackageBytes + 1));
  const flipped = smallModelPackage(repository);
  flipped[Math.floor(flipped.length / 2)] = (flipped[Math.floor(flipped.length / 2)] ?? 0) ^ 0xff;
  it.each([
    ['is not there', undefined, /no object/],
    ['has 200 MB', Buffer.alloc(200 * 1024 * 1024), /too large/],
    ['is a bomb', bomb, /not gzip, or has more than/],
    ['was damaged', flipped, /./],
    [
      'lacks a feature',
      other({ inputs: ['amount', 'gone'], model: { inputNames: ['amount', 'gone'] } }),
      /input gone is no field/,
    ],
    ['has another order', other({ model: { inputNames: ['tx_count_1min', 'amount'] } }), /its file says tx_count_1min/],
    [
      'has another definition',
      other({ definitions: { amount: '0' } }),
      /input amount is computed by definition \w{16} today and was by 0 in training/,
    ],
    ['is for another version', other({ service: 'fraud_detection@2' }), /for service fraud_detection@2/],
    ['has weights that are not finite', other({ model: { intercept: '__infinite__' } }), /intercept/],
  ])('keep the model that decides when the next one %s', async (_, content, message) => {
    await push('small@1', smallModelPackage(repository));
    await configure({ model: 'small@1' });
    await policies.policyOf(service);
    if (content) await push('next@2', content);
    await configure({ model: 'next@2' });
    const { policy, configurationVersion } = await renewed();
    expect({ champion: policy.champion?.key, configurationVersion, problems: policy.problems }).toEqual({
      champion: 'small@1',
      configurationVersion: 1,
      problems: [],
    });
    expect(logged[0]).toMatchObject({ message: 'a model cannot be used', details: { model: 'next@2' } });
    expect(JSON.stringify(logged[0]?.details)).toMatch(message);
    // It is asked for again, and decides as soon as it is right.
    await push('next@2', smallModelPackage(repository, { name: 'next', version: 2 }));
    expect((await renewed()).policy.champion?.key).toBe('next@2');
  });

  function other(options: { inputs?: string[]; model?: object; definitions?: object; service?: string }): Uint8Array {
    const { inputs, model = {}, definitions, service: key } = options;
    const bytes = smallModelPackage(repository, {
      name: 'next',
      version: 2,
      model: 'intercept' in model ? {} : model,
      document: {
        ...(inputs && {
          inputs: inputs.map((feature) => ({ feature, type: 'number' as const, imputation: 0 })),
          reference: {
            rows: 0,
            features: Object.fromEntries(
              inputs.map((feature) => [
                feature,
                { mean: null, stddev: null, minimum: null, maximum: null, nulls: 0, quantiles: [] },
              ]),
            ),
          },
        }),
        ...(definitions && { definitions: definitions as Record<string, string> }),
        ...(key !== undefined && { service: key }),
      },
      ...('intercept' in model && { intercept: Number.POSITIVE_INFINITY }),
    });
    return bytes;
  }

  it.each([
    ['is no JSON', '{'],
    ['names a rule that is gone', '{"rules":{"GONE":"off"}}'],
  ])('keep the configuration before one that %s', async (_, text) => {
    await configure({ thresholds: { review: 0.1 } });
    await policies.policyOf(service);
    await configure({});
    await store.put('configurations/fraud_detection@1/000002.json', Buffer.from(text));
    expect(await renewed()).toMatchObject({ configurationVersion: 1, policy: { problems: [] } });
    expect(logged[0]).toMatchObject({ details: { service: service.key, error: { name: 'ConfigurationError' } } });
  });

  it('say what they lack when nothing can be had at the start, and have it later', async () => {
    await push('small@1', smallModelPackage(repository));
    await configure({ model: 'small@1', thresholds: { review: 0.1 } });
    const get = store.get.bind(store);
    store.get = () => Promise.reject(new Error('S3 is down'));
    const { predict } = serve({ repository, policies });
    expect((await predict(transaction())).body).toMatchObject({
      decision: 'review',
      score: null,
      degraded: [{ what: 'configuration', name: 'fraud_detection@1' }],
    });
    store.get = get;
    await renewed();
    expect((await predict(transaction())).body).toMatchObject({
      model: 'small@1',
      configuration_version: 1,
      degraded: [],
    });
  });

  it('decide with the configuration, and say so, when its model cannot be had at the start', async () => {
    await configure({ model: 'small@1', rules: { LARGE_FIRST_TX: 'off' } });
    const { predict } = serve({ repository, policies });
    expect((await predict(transaction({ amount: 2_000 }))).body).toMatchObject({
      decision: 'review',
      score: null,
      configuration_version: 1,
      degraded: [{ what: 'model', name: 'small@1' }],
    });
  });

  it('do not keep a request waiting for a store that hangs', async () => {
    store.get = () => new Promise(() => {});
    const { policy } = await policies.policyOf(service);
    expect(policy.problems).toEqual(['configuration']);
  });

  it('score decisions, and explain them when asked', async () => {
    await push('small@1', smallModelPackage(repository));
    await configure({ model: 'small@1', thresholds: { block: 0.5, review: 0.011 } });
    const { predict } = serve({ repository, policies });
    const quiet = await predict(transaction({ amount: 100, explain: 1 }));
    const margin = -5 + 0.1 + 0.5;
    expect(quiet.body.score).toBeCloseTo(1 / (1 + Math.exp(-margin)), 12);
    expect(quiet.body).toMatchObject({
      decision: 'review',
      is_fraud: false,
      contributions: [{ feature: 'tx_count_1min', value: 1, contribution: 0.5 }],
    });
    const large = await predict(transaction({ user_id: 'user-2', amount: 9_000 }));
    expect(large.body).toMatchObject({ decision: 'block', is_fraud: true });
    expect(large.body).not.toHaveProperty('contributions');
  });
});

import { setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { CONFIGURATION_AGE, CONFIGURATION_RENEWAL, SERVE_DEADLINES } from '../../../functions/serve/constants.ts';
import { type ActivePolicy, StoredPolicies } from '../../../functions/serve/decision-policies.ts';
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

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

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
    policies = new StoredPolicies({
      store,
      repository,
      clock: () => nowMillis,
      logger: { error: log, warn: log },
      // Everything that is in memory has answered within a turn of the event loop.
      wait: turn,
    });
  });

  const push = (key: string, content: Uint8Array) => store.put(modelObjectName(service, key), content);
  /** An operator has a way to S3 of his own. */
  const configure = (configuration: object) =>
    activate(new MemoryObjectStore(store.objects), service, parseConfiguration(configuration, service));
  /** The policy after a sleep of the environment. */
  const slept = (millis = MINUTE) => {
    nowMillis += millis;
    return policies.policyOf(service);
  };
  /** What a decision goes by. */
  const inForce = async (at: Promise<ActivePolicy> = policies.policyOf(service)) => {
    const { policy, configurationVersion } = await at;
    return { version: configurationVersion, problems: policy.problems, champion: policy.champion?.key };
  };
  /** Names of the objects that are read from now on. */
  function recordReads(): string[] {
    const names: string[] = [];
    const get = store.get.bind(store);
    store.get = (name, options) => {
      names.push(name);
      return get(name, options);
    };
    return names;
  }
  /** From now on reads of some objects fail, or have their answer only when it is let go; until `mend`. */
  function trouble(kind: 'fails' | 'hangs', isConcerned: (name: string) => boolean = () => true) {
    const get = store.get.bind(store);
    const held: (() => void)[] = [];
    store.get = async (name, options) => {
      if (!isConcerned(name)) return get(name, options);
      if (kind === 'fails') throw new Error('S3 is down');
      const content = await get(name, options);
      await new Promise<void>((resolve) => held.push(resolve));
      return content;
    };
    return {
      mend: () => {
        store.get = get;
      },
      letGo: async () => {
        for (const go of held.splice(0)) go();
        await turn();
      },
    };
  }
  const isModel = (name: string) => name.startsWith('models/');

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

  it('are used without a look at the store while they are young', async () => {
    await configure({});
    await policies.policyOf(service);
    const reads = recordReads();
    nowMillis += CONFIGURATION_AGE.renewed - 1;
    await policies.policyOf(service);
    await turn();
    expect(reads).toEqual([]);
  });

  it('are renewed beside requests then, by one small read where nothing has changed', async () => {
    await push('small@1', smallModelPackage(repository));
    await configure({ model: 'small@1' });
    await policies.policyOf(service);
    const reads = recordReads();
    nowMillis += CONFIGURATION_AGE.renewed;
    expect((await policies.policyOf(service)).ageSeconds).toBe(10);
    await turn();
    expect(reads).toEqual(['configurations/fraud_detection@1/active.json']);
    expect((await policies.policyOf(service)).ageSeconds).toBe(0);
    await configure({ model: 'small@1', thresholds: { review: 0.2 } });
    nowMillis += CONFIGURATION_AGE.renewed;
    expect((await inForce()).version).toBe(1);
    await turn();
    expect((await inForce()).version).toBe(2);
    await rollBack(store, service);
    expect((await inForce(slept())).version).toBe(1);
  });

  it('ask first when nobody has asked for long, so that no replaced one decides after a sleep', async () => {
    await configure({});
    await policies.policyOf(service);
    for (const sleptMillis of [CONFIGURATION_AGE.askedFirst, MINUTE, 24 * 60 * MINUTE]) {
      const version = await configure({});
      expect(await inForce(slept(sleptMillis))).toMatchObject({ version, problems: [] });
    }
    expect(CONFIGURATION_AGE.askedFirst).toBeLessThan(30 * SECOND - 10 * SERVE_DEADLINES.decision);
    expect(2 * CONFIGURATION_RENEWAL.waited).toBeLessThan(SERVE_DEADLINES.decision);
  });

  it.each(['fails', 'hangs'] as const)('ask a second time when a connection from before a sleep %s', async (kind) => {
    await configure({});
    await policies.policyOf(service);
    await configure({});
    const get = store.get.bind(store);
    store.get = async () => {
      store.get = get;
      if (kind === 'fails') throw new Error('ECONNRESET');
      return new Promise(() => {});
    };
    expect(await inForce(slept())).toMatchObject({ version: 2, problems: [] });
  });

  it('do not wait for a renewal from before a sleep, and what it brings then changes nothing', async () => {
    await configure({});
    await policies.policyOf(service);
    const before = trouble('hangs');
    nowMillis += CONFIGURATION_AGE.renewed;
    await policies.policyOf(service);
    await turn();
    before.mend();
    await configure({ deny: { user: ['thief'] } });
    expect(await inForce(slept())).toMatchObject({ version: 2, problems: [] });
    // It had read that the first one is active.
    await before.letGo();
    await turn();
    expect(await policies.policyOf(service)).toMatchObject({ configurationVersion: 2, ageSeconds: 0 });
  });

  it('are as old as the beginning of the renewal that brought them, however late it ends', async () => {
    await configure({});
    await policies.policyOf(service);
    const before = trouble('hangs', (name) => name.endsWith('active.json'));
    nowMillis += CONFIGURATION_AGE.renewed;
    await policies.policyOf(service);
    await turn();
    before.mend();
    await configure({ deny: { user: ['thief'] } });
    nowMillis += MINUTE;
    // The environment wakes up, and the first thing that happens is an answer from before its sleep.
    await before.letGo();
    expect(await inForce()).toMatchObject({ version: 2, problems: [] });
  });

  it('leave a renewal behind that hangs, also while the environment is awake', async () => {
    await configure({});
    await policies.policyOf(service);
    const hanging = trouble('hangs');
    nowMillis += CONFIGURATION_AGE.renewed;
    await policies.policyOf(service);
    await turn();
    hanging.mend();
    await configure({});
    nowMillis += CONFIGURATION_RENEWAL.abandonedAfter - 1;
    await policies.policyOf(service);
    await turn();
    expect((await inForce()).version).toBe(1);
    nowMillis += 1;
    await policies.policyOf(service);
    await turn();
    expect((await inForce()).version).toBe(2);
  });

  it('are renewed after a clock was set back', async () => {
    nowMillis = 60 * MINUTE;
    await configure({});
    await policies.policyOf(service);
    await configure({});
    expect((await inForce(slept(-30 * MINUTE))).version).toBe(2);
  });

  it.each(['fails', 'hangs'] as const)(
    'stay while the store %s, and are not known after a quarter of an hour',
    async (kind) => {
      await configure({ allow: { user: ['user-1'] }, degraded: 'block' });
      await policies.policyOf(service);
      const { mend } = trouble(kind);
      await configure({});
      const { predict, metrics } = serve({ repository, policies });
      for (const [age, decision] of [
        [10 * SECOND, 'approve'],
        [MINUTE, 'approve'],
        [15 * MINUTE - 1, 'approve'],
        [15 * MINUTE, 'block'],
        [60 * MINUTE, 'block'],
      ] as const) {
        nowMillis = age;
        const { body } = await predict(transaction());
        const degraded = decision === 'block' ? [{ what: 'configuration', name: service.key }] : [];
        expect(body).toMatchObject({ configuration_version: 1, decision, degraded });
        expect(metrics.configurationAges.at(-1)).toEqual([service.key, age / SECOND]);
      }
      mend();
      expect(await inForce(slept())).toMatchObject({ version: 2, problems: [] });
    },
  );

  it('do not ask a store that fails again with every request', async () => {
    await policies.policyOf(service);
    trouble('fails');
    const reads = recordReads();
    await slept();
    for (let request = 0; request < 10; request++) await policies.policyOf(service);
    expect(reads).toHaveLength(2);
    await slept(CONFIGURATION_RENEWAL.repeatedAfter);
    expect(reads).toHaveLength(4);
  });

  it('are in doubt once another one is known to be active and cannot be read', async () => {
    await configure({ note: 'first' });
    expect(await inForce()).toMatchObject({ version: 1, problems: [] });
    await configure({ note: 'second' });
    trouble('fails', (name) => name.endsWith('000002.json'));
    expect(await inForce(slept(20_000))).toMatchObject({ version: 1, problems: [] });
    expect(await inForce(slept(30_000))).toMatchObject({ version: 1, problems: ['configuration'] });
  });

  it('do not load a package twice', async () => {
    await push('small@1', smallModelPackage(repository));
    await configure({ model: 'small@1' });
    const { policy } = await policies.policyOf(service);
    store.objects.delete(modelObjectName(service, 'small@1'));
    await configure({ model: 'small@1', thresholds: { review: 0.2 } });
    expect((await slept()).policy.champion).toBe(policy.champion);
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
  ])('are the newest without a model when it %s', async (_, content, message) => {
    await push('small@1', smallModelPackage(repository));
    await configure({ model: 'small@1' });
    await policies.policyOf(service);
    if (content) await push('next@2', content);
    await configure({ model: 'next@2', deny: { user: ['user-1'] } });
    expect(await inForce(slept())).toEqual({ version: 2, problems: ['model'], champion: undefined });
    const { predict } = serve({ repository, policies });
    expect((await predict(transaction())).body).toMatchObject({ decision: 'block', listed: { list: 'deny' } });
    expect((await predict(transaction({ user_id: 'user-2' }))).body).toMatchObject({
      decision: 'review',
      degraded: [{ what: 'model', name: 'next@2' }],
    });
    expect(logged[0]).toMatchObject({ message: 'a model cannot be used', details: { model: 'next@2' } });
    expect(JSON.stringify(logged[0]?.details)).toMatch(message);
    // It is asked for again, and decides as soon as it is right.
    await push('next@2', smallModelPackage(repository, { name: 'next', version: 2 }));
    expect(await inForce(slept())).toEqual({ version: 2, problems: [], champion: 'next@2' });
  });

  it('stay as they are while the model of the newest one cannot be read', async () => {
    await push('small@1', smallModelPackage(repository));
    await push('next@2', smallModelPackage(repository, { name: 'next', version: 2 }));
    await configure({ model: 'small@1' });
    await policies.policyOf(service);
    await configure({ model: 'next@2' });
    const { mend } = trouble('fails', isModel);
    expect(await inForce(slept())).toEqual({ version: 1, problems: [], champion: 'small@1' });
    expect((await policies.policyOf(service)).ageSeconds).toBe(60);
    expect((await inForce(slept(15 * MINUTE))).problems).toEqual(['configuration']);
    mend();
    expect(await inForce(slept())).toEqual({ version: 2, problems: [], champion: 'next@2' });
  });

  it('have the lists of the newest one after a sleep, though its model is still on its way', async () => {
    await push('next@2', smallModelPackage(repository, { name: 'next', version: 2 }));
    await configure({});
    await policies.policyOf(service);
    await configure({ model: 'next@2', deny: { user: ['user-1'] } });
    const slow = trouble('hangs', isModel);
    expect(await inForce(slept())).toEqual({ version: 2, problems: ['model'], champion: undefined });
    await slow.letGo();
    expect(await inForce()).toEqual({ version: 2, problems: [], champion: 'next@2' });
  });

  it.each(['is missing', 'is damaged', 'fails', 'hangs'] as const)(
    'decide as ever when a challenger %s, and have it later',
    async (kind) => {
      await push('small@1', smallModelPackage(repository));
      if (kind !== 'is missing') await push('rival@2', Buffer.from('damaged'));
      await configure({ model: 'small@1', challengers: ['rival@2'] });
      const { mend } =
        kind === 'fails' || kind === 'hangs' ? trouble(kind, (name) => name.endsWith('rival@2')) : { mend: () => {} };
      expect(await inForce()).toEqual({ version: 1, problems: [], champion: 'small@1' });
      if (kind !== 'hangs')
        expect(logged).toMatchObject([{ details: { model: 'rival@2', featureService: service.key } }]);
      mend();
      await push('rival@2', smallModelPackage(repository, { name: 'rival', version: 2 }));
      expect((await slept()).policy.challengers.map(({ key }) => key)).toEqual(['rival@2']);
      expect((await policies.policyOf(service)).policy.champion?.key).toBe('small@1');
    },
  );

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
    ['denies what no event can be', '{"deny":{"user":["a","4711\\u0000"]}}'],
    ['is gone', undefined],
  ])('stay when the newest one %s, and say at once that it is not the active one', async (_, text) => {
    await configure({ thresholds: { review: 0.1 }, allow: { user: ['user-1'] } });
    await policies.policyOf(service);
    await configure({});
    const name = 'configurations/fraud_detection@1/000002.json';
    if (text === undefined) store.objects.delete(name);
    else await store.put(name, Buffer.from(text));
    expect(await inForce(slept())).toMatchObject({ version: 1, problems: ['configuration'] });
    expect(logged[0]).toMatchObject({
      details: { featureService: service.key, error: { name: 'ConfigurationError' } },
    });
    expect(JSON.stringify(logged)).not.toContain('4711');
    const { predict } = serve({ repository, policies });
    expect((await predict(transaction())).body).toMatchObject({ decision: 'review', listed: null });
    await rollBack(store, service, 1);
    expect(await inForce(slept())).toMatchObject({ version: 1, problems: [] });
  });

  it('stay when active.json cannot be understood, and say so', async () => {
    await configure({});
    await policies.policyOf(service);
    await store.put('configurations/fraud_detection@1/active.json', Buffer.from('{"version":'));
    expect(await inForce(slept())).toMatchObject({ version: 1, problems: ['configuration'] });
  });

  it('say what they lack when nothing can be had at the start, and have it later', async () => {
    await push('small@1', smallModelPackage(repository));
    await configure({ model: 'small@1', thresholds: { review: 0.1 } });
    const { mend } = trouble('fails');
    const { predict } = serve({ repository, policies });
    expect((await predict(transaction())).body).toMatchObject({
      decision: 'review',
      score: null,
      degraded: [{ what: 'configuration', name: 'fraud_detection@1' }],
    });
    mend();
    await slept();
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
    trouble('hangs');
    expect(await inForce()).toMatchObject({ version: 0, problems: ['configuration'] });
  });

  it('log nothing under a name that the logger keeps for itself', async () => {
    await configure({ model: 'small@1' });
    await policies.policyOf(service);
    await store.put('configurations/fraud_detection@1/active.json', Buffer.from('{'));
    await slept();
    trouble('fails');
    await slept();
    expect(logged).toHaveLength(4);
    for (const { details } of logged) {
      expect(details).toHaveProperty('featureService', service.key);
      expect(details).not.toHaveProperty('service');
    }
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

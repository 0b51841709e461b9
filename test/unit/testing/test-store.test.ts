import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { RefusedError, type TestStoreOptions, testStore } from 'fraud-feature-store/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { repository as newCountry } from '../../../examples/new-country/features.ts';
import { repository as shipped } from '../../../shared/features/index.ts';
import {
  count,
  entity,
  eventSource,
  eventTime,
  featureRepository,
  featureService,
  identifier,
  last,
  windowedView,
  z,
} from '../../../shared/index.ts';
import { smallModelPackage } from '../../support/small-model.ts';
import { repository as several } from '../../trials/test-store/features.ts';

const CLOCK = '2026-01-05T12:00:00Z';
const MINUTE = 60_000;

const login = (id: string, at: unknown, more: object = {}) => ({
  login_id: id,
  account_id: 'a1',
  country: 'DE',
  at,
  ...more,
});
const payment = (id: string, at: number) => ({
  transaction_id: id,
  user_id: 'u1',
  merchant_id: 'm1',
  amount: 100,
  timestamp: at,
});

/** What a refused call was told. */
async function refusal(call: Promise<unknown>): Promise<RefusedError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof RefusedError) return error;
  throw new Error(`it was not refused, but ${String(error)}`);
}

describe('a test store', () => {
  it('tells what came before, and decides as declared', async () => {
    const store = testStore(newCountry, { clock: CLOCK });
    await store.send('logins', login('l1', store.now()));
    store.advance('24h');
    const { features, status } = await store.features('login_check', { account_id: 'a1' });
    expect({ features, status }).toEqual({
      status: 'found',
      features: { country_before_30d: 'DE', is_new_country: null },
    });
    const decision = await store.decide('login_check', login('l2', store.now(), { country: 'FR' }));
    expect(decision).toMatchObject({
      login_id: 'l2',
      decision: 'review',
      rules: [{ name: 'NEW_COUNTRY' }],
      as_of: '2026-01-06T12:00:00.000Z',
      registry_version: newCountry.registryVersion,
    });
  });

  it('knows nothing of another one, nor of the time outside', async () => {
    vi.useFakeTimers({ now: 0 });
    const [one, other] = [testStore(newCountry, { clock: CLOCK }), testStore(newCountry, { clock: CLOCK })];
    await one.send('logins', login('l1', CLOCK));
    expect((await other.features('login_check', { account_id: 'a1' })).status).toBe('unknown');
    expect((await one.features('login_check', { account_id: 'a1' })).status).toBe('found');
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('says what became of events: repeated, late, and all of a long list', async () => {
    const store = testStore(newCountry, { clock: CLOCK });
    const now = store.now();
    const events = Array.from({ length: 1_203 }, (_, index) => login(`l${index}`, now + index));
    expect(await store.send('logins', events)).toEqual({ applied: 1_203, duplicate: 0, late: 0, excluded: 0 });
    const again = [login('l1202', now + 1_202), login('old', now - 10_000)];
    expect(await store.send('logins', again)).toEqual({ applied: 0, duplicate: 1, late: 1, excluded: 0 });
    expect(await store.send('logins', [])).toEqual({ applied: 0, duplicate: 0, late: 0, excluded: 0 });
  });

  it.each([
    [CLOCK, CLOCK],
    [Date.parse(CLOCK), CLOCK],
    [new Date(CLOCK), CLOCK],
    ['2026-01-05T13:00:00+01:00', CLOCK],
  ])('begins at %s', (clock, expected) => {
    expect(testStore(newCountry, { clock }).now()).toBe(Date.parse(expected));
  });

  it('has a clock that goes on, and only when it is told to', () => {
    const store = testStore(newCountry, { clock: CLOCK });
    store.advance('90s');
    store.advance(500);
    expect(store.now()).toBe(Date.parse(CLOCK) + 90_500);
    store.advanceTo('2026-01-06T00:00:00Z');
    expect(store.now()).toBe(Date.parse('2026-01-06T00:00:00Z'));
    expect(() => store.advanceTo(CLOCK)).toThrow('the clock cannot go back from 2026-01-06T00:00:00.000Z');
    expect(() => store.advance(-1)).toThrow('the clock cannot go back');
    expect(() => store.advance('1 day' as '1d')).toThrow('write a whole number and a unit');
  });

  it('reads at an instant that is asked for', async () => {
    const store = testStore(shipped, { clock: CLOCK });
    await store.send('transactions', payment('t1', store.now()));
    const read = async (at: string) =>
      (await store.features('fraud_detection', { user_id: 'u1', merchant_id: 'm1' }, { at })).features.tx_count_1min;
    expect(await read(CLOCK)).toBe(1);
    store.advance('1h');
    expect(await read('2026-01-05T12:02:00Z')).toBe(0);
  });

  it('asks services by version, without counting, and for contributions', async () => {
    const store = testStore(shipped, { clock: CLOCK, model: smallModelPackage(shipped) });
    const event = payment('t1', store.now());
    const decision = await store.decide('fraud_detection@1', event, { mode: 'read-only', explain: 1 });
    expect(decision).toMatchObject({ event_status: 'read-only', contributions: [{ feature: 'tx_count_1min' }] });
    expect((await store.decide('fraud_detection', event)).event_status).toBe('applied');
    expect((await store.decide('fraud_detection', event)).event_status).toBe('duplicate');
  });
});

describe('what is refused', () => {
  const store = testStore(newCountry, { clock: CLOCK });

  it.each([
    [
      'a field',
      () => store.send('logins', login('l', CLOCK, { country: 'Germany' })),
      400,
      'country: must have at most 2 characters',
    ],
    [
      'a field of a list',
      () => store.send('logins', [login('l', CLOCK), { login_id: 'x' }]),
      400,
      'events[1].account_id: is missing; it is required',
    ],
    ['a time that is far ahead', () => store.send('logins', login('l', store.now() + 6 * MINUTE)), 400, 'at: '],
    ['a source', () => store.send('login', login('l', CLOCK)), 404, 'logins'],
    [
      'a field of a decision',
      () => store.decide('login_check', { login_id: 'l' }),
      400,
      'account_id: is missing; it is required',
    ],
    ['a service', () => store.decide('check', login('l', CLOCK)), 404, 'login_check'],
    [
      'a service that is read',
      () => store.features('check', {}),
      404,
      'There is no service "check"; there are: login_check@1.',
    ],
    ['a version', () => store.decide('login_check@2', login('l', CLOCK)), 404, 'login_check'],
    [
      'an entity',
      () => store.features('login_check', { account: 'a' }),
      400,
      'entities[0].account: is no join key; give account_id',
    ],
  ])('%s is thrown in the words of the API', async (_what, call, status, message) => {
    const error = await refusal(call());
    expect(error.message).toContain(message);
    expect(error.status).toBe(status);
    if (status === 400) expect(error.errors[0]).toEqual({ field: expect.any(String), problem: expect.any(String) });
  });

  it('counts none of a list of which one is refused', async () => {
    const fresh = testStore(newCountry, { clock: CLOCK });
    await refusal(fresh.send('logins', [login('l', CLOCK), { login_id: 'x' }]));
    expect((await fresh.features('login_check', { account_id: 'a1' })).status).toBe('unknown');
  });

  it('of a long list says where its request began', async () => {
    const fresh = testStore(newCountry, { clock: CLOCK });
    const events: object[] = Array.from({ length: 600 }, (_, index) => login(`l${index}`, CLOCK));
    events[502] = { login_id: 'x' };
    const { message, status, errors } = await refusal(fresh.send('logins', events as Record<string, unknown>[]));
    expect(message).toContain('of the events from the 501th on: events[2].account_id: is missing');
    expect([status, errors[0]?.field]).toEqual([400, 'events[2].account_id']);
  });

  it('by the consumer is thrown with its reason, and the others are counted', async () => {
    const source = eventSource({
      name: 'clicks',
      description: 'Clicks.',
      owner: 'tests',
      schema: z.strictObject({ id: identifier(), one: z.string(), two: z.string(), at: eventTime() }),
      eventId: 'id',
      eventTime: 'at',
      partitionKey: 'one',
      allowedLateness: '5s',
    });
    const described = { description: 'For a test.', owner: 'tests', version: 1 } as const;
    const pair = entity({ name: 'pair', description: 'Two together.', joinKeys: ['one', 'two'] });
    const view = windowedView({
      ...described,
      name: 'clicks_of_pair',
      entity: pair,
      source,
      windows: { '1h': '1h' },
      features: { clicks: count() },
      ttl: '2d',
    });
    const service = featureService({ ...described, name: 'clicking', views: [view], decides: source });
    const clicks = testStore(featureRepository({ views: [view], services: [service] }), { clock: CLOCK });
    const long = 'x'.repeat(600);
    const events = [
      { id: '1', one: 'a', two: 'b', at: CLOCK },
      { id: '2', one: long, two: long, at: CLOCK },
    ];
    const error = await refusal(clicks.send('clicks', events));
    expect(error.message).toMatch(/^the event is in quarantine: \w+: /);
    expect(error.status).toBeUndefined();
    expect((await clicks.features('clicking', { one: 'a', two: 'b' })).features).toEqual({ clicks_1h: 1 });
  });
});

describe('the model and the configuration that are given', () => {
  const bytes = smallModelPackage(shipped, { intercept: 0 });
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'test-store-'));
    await writeFile(join(directory, 'model'), bytes);
  });
  afterAll(() => rm(directory, { recursive: true }));

  const decide = (options: Omit<TestStoreOptions, 'clock'>) => {
    const store = testStore(shipped, { clock: CLOCK, ...options });
    return store.decide('fraud_detection', payment('t1', store.now()));
  };
  // 0.001 · 100 + 0.5 · 1
  const score = 1 / (1 + Math.exp(-0.6));

  it('score the same as bytes, file, address and document', async () => {
    const file = join(directory, 'model');
    for (const model of [bytes, file, pathToFileURL(file), JSON.parse(gunzipSync(bytes).toString())]) {
      const decision = await decide({ model });
      expect(decision).toMatchObject({ model: 'small@1', decision: 'approve', configuration_version: 1 });
      expect(decision.score).toBeCloseTo(score, 12);
    }
    expect(await decide({})).toMatchObject({ model: null, score: null, configuration_version: 0 });
  });

  it('decide by thresholds, rules and lists', async () => {
    expect((await decide({ model: bytes, configuration: { thresholds: { block: 0.6 } } })).decision).toBe('block');
    expect((await decide({ configuration: { deny: { user: ['u1'] } } })).listed).toEqual({
      list: 'deny',
      entity: 'user',
    });
    expect(await decide({ model: bytes, configuration: { model: null } })).toMatchObject({ model: null, score: null });
    const store = testStore(newCountry, { clock: CLOCK, configuration: { rules: { NEW_COUNTRY: 'shadow' } } });
    await store.send('logins', login('l1', store.now()));
    const decision = await store.decide('login_check', login('l2', store.now(), { country: 'FR' }));
    expect(decision).toMatchObject({ decision: 'approve', rules: [], shadow_rules: [{ name: 'NEW_COUNTRY' }] });
  });

  it.each<[string, Parameters<typeof testStore>[0], Partial<TestStoreOptions>, string]>([
    ['a clock', shipped, { clock: 'today' }, 'clock must be an instant such as'],
    ['a file that is not there', shipped, { model: '/nowhere' }, 'model: the file /nowhere cannot be read'],
    ['a package that is none', shipped, { model: Buffer.from('x') }, 'the package is not gzip'],
    ['a package of other declarations', newCountry, { model: bytes }, 'fraud_detection@1'],
    ['a configuration that is none', shipped, { configuration: { rules: { NONE: 'off' } } }, 'there is no rule "NONE"'],
    ['a model without its package', shipped, { configuration: { model: 'small@1' } }, 'give its package as "model"'],
    [
      'another model than is given',
      shipped,
      { model: bytes, configuration: { model: 'other@1' } },
      'which is small@1 now',
    ],
    [
      'a configuration of which service',
      several,
      { configuration: {} },
      'which service is it for? These decide: payment_check@1, login_check@1',
    ],
  ])('%s is refused with what to do', (_what, repository, options, message) => {
    expect(() => testStore(repository, { clock: CLOCK, ...options })).toThrow(message);
  });
});

describe('ids that force an outcome', () => {
  it('force it here, and move the clock instead of waiting', async () => {
    const store = testStore(newCountry, { clock: CLOCK });
    const blocked = await store.decide('login_check', login('feature-store-test:block', store.now()));
    expect(blocked).toMatchObject({ decision: 'block', forced: 'block' });
    const slow = await store.decide('login_check', login('feature-store-test:slow', store.now()));
    expect(slow).toMatchObject({ decision: 'approve', forced: 'slow' });
    expect(store.now()).toBe(Date.parse(CLOCK) + 8_000);
  });

  it('are refused where production is tested', async () => {
    const store = testStore(newCountry, { clock: CLOCK, production: true });
    const event = login('feature-store-test:block', store.now());
    expect((await refusal(store.decide('login_check', event))).message).toContain(
      'in production give the event another id',
    );
    expect((await refusal(store.send('logins', event))).status).toBe(400);
  });
});

describe('views', () => {
  const source = eventSource({
    name: 'calls',
    description: 'Calls.',
    owner: 'tests',
    schema: z.strictObject({ call_id: identifier(), phone: identifier(), at: eventTime() }),
    eventId: 'call_id',
    eventTime: 'at',
    partitionKey: 'phone',
    allowedLateness: '1h',
  });
  const orders = eventSource({
    name: 'orders',
    description: 'Orders.',
    owner: 'tests',
    schema: z.strictObject({ order_id: identifier(), phone: identifier(), at: eventTime() }),
    eventId: 'order_id',
    eventTime: 'at',
    partitionKey: 'phone',
    allowedLateness: '1h',
  });
  const described = { description: 'For a test.', owner: 'tests', version: 1 } as const;
  const phone = entity({ name: 'phone', description: 'Who calls.', joinKeys: ['phone'] });
  const viewWith = (more: { liveFrom?: string; cacheFor?: '1min' }) =>
    windowedView({
      ...described,
      name: 'phone_calls',
      entity: phone,
      source,
      windows: { '1d': '1d' },
      features: { calls: count(), last_call: last('call_id') },
      ttl: '3d',
      ...more,
    });
  const storeWith = (more: Parameters<typeof viewWith>[0]) => {
    const view = viewWith(more);
    const service = featureService({ ...described, name: 'ordering', views: [view], decides: orders });
    return testStore(featureRepository({ views: [view], services: [service] }), { clock: CLOCK });
  };

  it('that begin at an instant count what arrives from then on', async () => {
    const store = storeWith({ liveFrom: '2026-01-05T12:10:00Z' });
    const send = (id: string) => store.send('calls', { call_id: id, phone: 'p', at: store.now() });
    expect(await send('c1')).toEqual({ applied: 0, duplicate: 0, late: 0, excluded: 1 });
    store.advance('10min');
    expect(await send('c2')).toEqual({ applied: 1, duplicate: 0, late: 0, excluded: 0 });
    expect((await store.features('ordering', { phone: 'p' })).features).toEqual({ calls_1d: 1, last_call_1d: 'c2' });
  });

  it('that are remembered answer decisions from memory until the clock has moved on', async () => {
    const store = storeWith({ cacheFor: '1min' });
    let orderCount = 0;
    const calls = async () => {
      const order = { order_id: `o${++orderCount}`, phone: 'p', at: store.now() };
      return (await store.decide('ordering', order)).features.calls_1d;
    };
    expect(await calls()).toBe(0);
    await store.send('calls', { call_id: 'c1', phone: 'p', at: store.now() });
    expect(await calls()).toBe(0);
    expect((await store.features('ordering', { phone: 'p' })).features.calls_1d).toBe(1);
    store.advance('60s');
    expect(await calls()).toBe(0);
    store.advance(1);
    expect(await calls()).toBe(1);
  });
});

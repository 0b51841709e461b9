import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  count,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { fraudDetection } from '../../../shared/features/fraud.ts';
import { parseConfiguration } from '../../../shared/scoring/configuration.ts';
import { type DecidedEvent, decide, decisionPolicy, type Scorer } from '../../../shared/scoring/decide.ts';

const QUIET = { tx_count_1min: 1, tx_count_1h: 2, total_amount_1h: 40, distinct_merchants_1h: 1 };
const VALUES = { transaction_id: 't', user_id: 'u', merchant_id: 'm', amount: 20, timestamp: 0 };

function event(
  features: Record<string, number | null> = {},
  values: Record<string, string | number> = {},
): DecidedEvent {
  const empty = Object.fromEntries(fraudDetection.features.map(({ name, emptyValue }) => [name, emptyValue]));
  return {
    values: { ...VALUES, ...values },
    eventStatus: 'applied',
    windowFeatures: { ...empty, ...QUIET, ...features },
  };
}

function scorer(score: number, thresholds: Scorer['thresholds'] = {}, key = 'model@1'): Scorer {
  return {
    key,
    thresholds,
    inputs: ['amount'],
    score: () => score,
    explain: (row, top) => [{ feature: 'amount', value: row.amount ?? null, contribution: 1 }].slice(0, top),
  };
}

function policy(configuration: object = {}, champion?: Scorer, challengers: readonly Scorer[] = []) {
  return decisionPolicy(fraudDetection, parseConfiguration(configuration, fraudDetection), { champion, challengers });
}

describe('a decision by a model that has no probability for a row', () => {
  it.each([
    ['is not a number', () => Number.NaN],
    ['is above 1', () => 1.5],
    [
      'is an error',
      (): number => {
        throw new Error('broken');
      },
    ],
  ])('is never milder than `degraded`, where its score %s', (_, score) => {
    const model = { ...scorer(0.1), score };
    const decided = decide(policy({ degraded: 'block' }, model, [{ ...model, key: 'rival@2' }]), event());
    expect(decided).toMatchObject({ decision: 'block', score: null, problems: ['model'], challengerScores: {} });
  });
});

describe('a decision by rules', () => {
  it.each([
    ['5 transactions within a minute', event({ tx_count_1min: 5 }), []],
    ['6 transactions within a minute', event({ tx_count_1min: 6 }), ['HIGH_VELOCITY']],
    ['exactly three times the average before', event({ tx_count_1h: 4, avg_amount_before_1h: 20 }, { amount: 60 }), []],
    ['a cent more', event({ tx_count_1h: 4, avg_amount_before_1h: 20 }, { amount: 60.01 }), ['AMOUNT_SPIKE']],
    // As a double, three times 0.1 is more than 0.3.
    ['exactly three times 0.1', event({ tx_count_1h: 4, avg_amount_before_1h: 0.1 }, { amount: 0.3 }), []],
    // The mean of 10.01, 10.02 and 10.02 is rounded.
    [
      'exactly three times a rounded mean',
      event({ tx_count_1h: 4, avg_amount_before_1h: 30.05 / 3 }, { amount: 30.05 }),
      [],
    ],
    [
      'a cent more than three times a rounded mean',
      event({ tx_count_1h: 4, avg_amount_before_1h: 30.05 / 3 }, { amount: 30.06 }),
      ['AMOUNT_SPIKE'],
    ],
    ['a large amount with nothing before it', event({ tx_count_1h: 1 }, { amount: 1_000 }), []],
    ['a late event', { ...event(), eventStatus: 'late' as const }, ['LATE']],
    ['a skewed event', { ...event(), eventStatus: 'skewed' as const }, ['SKEWED']],
    ['a repeated event', { ...event(), eventStatus: 'duplicate' as const }, []],
    [
      'a cent more than three times 0.1',
      event({ tx_count_1h: 4, avg_amount_before_1h: 0.1 }, { amount: 0.31 }),
      ['AMOUNT_SPIKE'],
    ],
    ['10 merchants within an hour', event({ distinct_merchants_1h: 10 }), []],
    ['11 merchants within an hour', event({ distinct_merchants_1h: 11 }), ['MERCHANT_HOPPING']],
    ['a first transaction of 1000', event({ tx_count_1h: 1, total_amount_1h: 1_000 }, { amount: 1_000 }), []],
    [
      'a first transaction of 1000.01',
      event({ tx_count_1h: 1, total_amount_1h: 1_000.01 }, { amount: 1_000.01 }),
      ['LARGE_FIRST_TX'],
    ],
    ['a second transaction of 1000.01', event({ tx_count_1h: 2, total_amount_1h: 1_001.01 }, { amount: 1_000.01 }), []],
  ])('%s', (_, decided, names) => {
    const { rules, decision } = decide(policy(), decided);
    expect(rules.map(({ name }) => name)).toEqual(names);
    const outcomes = fraudDetection.rules.filter(({ name }) => names.includes(name)).map(({ outcome }) => outcome);
    expect(decision).toBe(outcomes[0] ?? 'approve');
  });

  it('is the severest of those that fired, and calls fraud what it blocks', () => {
    const decided = decide(policy(), event({ tx_count_1min: 6, tx_count_1h: 9, avg_amount_before_1h: 1 }));
    expect(decided).toMatchObject({ decision: 'block', isFraud: true, score: null });
    expect(decided.rules).toMatchObject([{ severity: 'high' }, { severity: 'medium' }]);
  });

  it('only reports a rule in the shadow, and does not look at one that is off', () => {
    const rules = { HIGH_VELOCITY: 'shadow', MERCHANT_HOPPING: 'off' } as const;
    const decided = decide(policy({ rules }), event({ tx_count_1min: 6, distinct_merchants_1h: 11 }));
    expect(decided).toMatchObject({ decision: 'approve', isFraud: false, rules: [] });
    expect(decided.shadowRules.map(({ name }) => name)).toEqual(['HIGH_VELOCITY']);
  });
});

describe('a decision by score', () => {
  it.each([
    [0.85, {}, {}, 'approve', false],
    [0.850001, {}, {}, 'block', true],
    [0.5, { review: 0.4 }, {}, 'review', false],
    [0.4, { review: 0.4 }, {}, 'approve', false],
    [0.7, { block: 0.9 }, { block: 0.6 }, 'block', true],
    [0.65, { block: 0.6, review: 0.1 }, { block: 0.7 }, 'review', false],
  ] as const)(
    '%d with %o of the model and %o of the configuration',
    (score, ofModel, thresholds, decision, isFraud) => {
      const decided = decide(policy({ thresholds }, scorer(score, ofModel)), event());
      expect(decided).toMatchObject({ score, decision, isFraud });
    },
  );

  it('is outweighed by a rule, which does not make it fraud', () => {
    const decided = decide(policy({}, scorer(0.1)), event({ tx_count_1min: 6 }));
    expect(decided).toMatchObject({ decision: 'block', isFraud: false, score: 0.1 });
  });

  it('reports challengers and never follows them', () => {
    const decided = decide(policy({}, scorer(0.1), [scorer(0.99, {}, 'rival@2')]), event());
    expect(decided).toMatchObject({ decision: 'approve', challengerScores: { 'rival@2': 0.99 } });
  });

  it('names contributions when asked to', () => {
    expect(decide(policy({}, scorer(0.1)), event()).contributions).toEqual([]);
    expect(decide(policy({}, scorer(0.1)), { ...event(), explained: 3 }).contributions).toEqual([
      { feature: 'amount', value: 20, contribution: 1 },
    ]);
  });
});

describe('a decision about a listed entity', () => {
  it.each([
    ['denied', { deny: { user: ['u'] } }, event(), 'block', 'deny'],
    ['allowed, whatever rules say', { allow: { user: ['u'] } }, event({ tx_count_1min: 6 }), 'approve', 'allow'],
  ] as const)('%s', (_, configuration, decided, decision, list) => {
    const { listed, ...rest } = decide(policy(configuration, scorer(0.5)), decided);
    expect({ listed, decision: rest.decision }).toEqual({ listed: { list, entity: 'user' }, decision });
  });

  it.each(['user-1', 'user#1', 'a|b', '100%', 'a%7Cb', ' u ', 'ü🙂'])(
    'knows %j as events have it, and by no other spelling',
    (user_id) => {
      const denied = policy({ deny: { user: [user_id] } });
      expect(decide(denied, event({}, { user_id })).listed).toEqual({ list: 'deny', entity: 'user' });
      for (const other of [
        encodeURIComponent(user_id),
        decodeURIComponent(user_id.replace(/%$/, '')),
        user_id.trim(),
      ]) {
        if (other !== user_id) expect(decide(denied, event({}, { user_id: other })).listed).toBeUndefined();
      }
    },
  );
});

describe('a list of entities with several join keys', () => {
  const source = eventSource({
    name: 'logins',
    description: 'Logins.',
    owner: 'test',
    schema: z.strictObject({
      login_id: identifier(),
      account: z.int().min(1),
      device: identifier().optional(),
      at: eventTime(),
    }),
    eventId: 'login_id',
    eventTime: 'at',
    partitionKey: 'account',
    allowedLateness: '5s',
  });
  const common = { version: 1, description: 'A view.', owner: 'test', windows: { '1h': '1h' }, ttl: '2d' } as const;
  const pair = entity({ name: 'pair', description: 'An account on a device.', joinKeys: ['account', 'device'] });
  const service = featureService({
    name: 'login_check',
    version: 1,
    description: 'Checks logins.',
    owner: 'test',
    views: [
      windowedView({ ...common, name: 'pairs', entity: pair, source, features: { pair_count: count() } }),
      windowedView({
        ...common,
        name: 'accounts',
        entity: entity({ name: 'account', description: 'An account.', joinKeys: ['account'] }),
        source,
        features: { account_count: count() },
      }),
    ],
    decides: source,
  });
  const parse = (configuration: object) => parseConfiguration(configuration, service);
  const listedOf = (configuration: object, values: Record<string, string | number>) =>
    decide(decisionPolicy(service, parse(configuration)), {
      values: { login_id: 'l', at: 0, ...values },
      eventStatus: 'applied',
      windowFeatures: {},
    }).listed;

  it.each([
    ['pair', '7|d', { account: 7, device: 'd' }],
    ['pair', ['7', 'd'], { account: 7, device: 'd' }],
    ['pair', [7, 'd|#%'], { account: 7, device: 'd|#%' }],
    ['account', '7', { account: 7 }],
    ['account', 7, { account: 7, device: 'd' }],
    ['account', ['9007199254740991'], { account: 9007199254740991 }],
  ])('names %s by %j', (name, entry, values) => {
    expect(listedOf({ deny: { [name]: [entry] } }, values)).toEqual({ list: 'deny', entity: name });
    expect(listedOf({ deny: { [name]: [entry] } }, { ...values, account: 8 })).toBeUndefined();
  });

  it.each([
    ['pair', '4711', /entry 1 of pair has 1 and needs 2 values, of account and device/],
    ['pair', '4711|d|e', /entry 1 of pair has 3 and needs 2 values/],
    ['pair', ['4711', 'd', 'e'], /entry 1 of pair has 3 and needs 2 values/],
    ['pair', [], /entry 1 of pair has 0 and needs 2 values/],
    ['pair', '4711|', /entry 1 of pair has a value of device that logins refuses/],
    ['pair', ['4711', 42], /has a value of device that logins refuses/],
    ['pair', `4711|${'d'.repeat(257)}`, /has a value of device that logins refuses/],
    ['pair', '4711|d\u0000', /has a value of device that logins refuses/],
    ['account', '04711', /entry 1 of account must have a whole number as account/],
    ['account', '+4711', /whole number/],
    ['account', '4711.0', /whole number/],
    ['account', '4.711e3', /whole number/],
    ['account', ' 4711', /whole number/],
    ['account', '-4711', /has a value of account that logins refuses/],
    ['account', '9007199254740993', /that logins refuses/],
    ['account', '4711|d', /whole number/],
    ['account', { account: 4711 }, /deny\.account\[1\]/],
  ])('refuses of %s the entry %j, which no event has, and does not repeat it', (name, entry, message) => {
    const others = { pair: ['1|d'], account: ['1'] }[name] ?? [];
    const refused = { deny: { [name]: [...others, entry] } };
    expect(() => parse({ deny: { [name]: others } })).not.toThrow();
    expect(() => parse(refused)).toThrow(message);
    expect(() => parse(refused)).not.toThrow(/4711|4\.711|ddd/);
  });

  it('refuses one entity on both lists in two spellings', () => {
    expect(() => parse({ deny: { pair: ['7|d'] }, allow: { pair: ['1|d', [7, 'd']] } })).toThrow(
      /deny: entry 0 of pair is allowed too; remove one/,
    );
  });

  it('says once how many entries are wrong', () => {
    expect(() => parse({ allow: { account: ['x', 'y', 1, 'z'] } })).toThrow(
      /allow: entry 0 of account \(and 2 more of its entries\) must have/,
    );
  });
});

describe('a decision without all features', () => {
  it('does not ask the model, and is at least what the configuration says', () => {
    const missing = ['tx_count_1min'];
    const asked = (degraded: 'approve' | 'review' | 'block', features = {}) =>
      decide(policy({ degraded }, scorer(0.99)), { ...event(features), missing });
    expect(asked('review')).toMatchObject({ decision: 'review', score: null, isFraud: false });
    expect(asked('approve')).toMatchObject({ decision: 'approve', score: null });
    expect(asked('approve', { distinct_merchants_1h: 11 })).toMatchObject({ decision: 'block', isFraud: true });
  });
});

describe('a configuration', () => {
  it.each([
    [{ threshold: {} }, /Unrecognized key/],
    [{ thresholds: { block: 1.5 } }, /thresholds\.block/],
    [{ thresholds: { review: 0.9, block: 0.5 } }, /review lies above block/],
    [{ rules: { HIGH_SPEED: 'off' } }, /no rule "HIGH_SPEED"; there are HIGH_VELOCITY, AMOUNT_SPIKE/],
    [{ rules: { HIGH_VELOCITY: 'maybe' } }, /rules\.HIGH_VELOCITY/],
    [{ model: 'the best' }, /name@version/],
    [{ model: 'a@1', challengers: ['a@1'] }, /a@1 is the model that decides/],
    [{ deny: { card: ['1'] } }, /no entity "card"; there are user/],
    [{ deny: { user: ['secret-user'] }, allow: { user: ['x', 'secret-user'] } }, /entry 0 of user is allowed too/],
  ])('%o is refused', (value, message) => {
    expect(() => parseConfiguration(value, fraudDetection)).toThrow(message);
    expect(() => parseConfiguration(value, fraudDetection)).not.toThrow(/secret-user/);
  });
});

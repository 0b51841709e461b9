import { describe, expect, it } from 'vitest';
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

  it('knows keys as text of items has them', () => {
    const decided = decide(policy({ deny: { user: ['a%7Cb'] } }), event({}, { user_id: 'a|b' }));
    expect(decided.decision).toBe('block');
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

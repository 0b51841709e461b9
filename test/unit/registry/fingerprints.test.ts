import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { count, decimal, distinct, mean, quantile } from '../../../shared/definitions/index.ts';
import { literal, type NumberExpression } from '../../../shared/expressions/index.ts';
import { definitionFingerprints } from '../../../shared/registry/fingerprints.ts';
import { definitionVersions } from '../../../shared/registry/manifest.ts';
import { type PaymentChanges, paymentsOf } from '../../support/payments.ts';
import { frozenFraudRepository } from './frozen-fraud.ts';

const before = definitionFingerprints(paymentsOf().service);

/** The inputs of before whose fingerprints another declaration changes. */
function changedBy(changes: PaymentChanges): string[] {
  const after = definitionFingerprints(paymentsOf(changes).service);
  return [...before.keys()].filter((name) => after.get(name) !== before.get(name)).sort();
}

const OF_AMOUNT = ['avg_amount_1h', 'p90_amount_1h'];
const OF_THE_VIEW = ['payments_1h', 'last_account_1h', ...OF_AMOUNT];
const ALL_WINDOWS = [...OF_THE_VIEW, 'is_burst', 'ratio'].sort();

describe('the fingerprint of an input', () => {
  it('is there for each field, feature and derived feature, as 16 hexadecimal digits', () => {
    expect([...before.keys()]).toEqual([
      'payment_id',
      'account_id',
      'card_id',
      'amount',
      'channel',
      'is_abroad',
      'paid_at',
      ...['payments_1h', 'avg_amount_1h', 'p90_amount_1h', 'last_account_1h'],
      'is_burst',
      'ratio',
    ]);
    for (const fingerprint of before.values()) expect(fingerprint).toMatch(/^[0-9a-f]{16}$/);
  });

  it.each<[string, PaymentChanges]>([
    ['nothing', {}],
    ['another aggregation', { features: { cards: distinct('card_id') } }],
    ['another window', { windows: { '1d': '1d' } }],
    ['another optional field', { fields: { ip: z.string().optional() } }],
    ['another required field', { fields: { ip: z.string() } }],
    ['another derived feature', { derived: { flag: () => literal(true) } }],
    ['a rule', { service: { rules: { OFF: { when: () => literal(false), reason: 'Never.', outcome: 'review' } } } }],
    ['words', { view: { description: 'Other.', owner: 'other', tags: ['a'] }, source: { description: 'Other.' } }],
    ['the time to live', { view: { ttl: '30d' } }],
    ['the instant from which the stream counts', { view: { liveFrom: '2026-11-21T06:00:00Z' } }],
    ['what may be remembered', { view: { cacheFor: '1min' } }],
    ['how producers spread events', { source: { partitionKey: 'card_id' } }],
    ['the names of the service and the entity', { service: { name: 'other' }, entity: { name: 'payer' } }],
    ['the order of features in the service', { service: { features: [...OF_THE_VIEW].reverse() } }],
  ])('stays with %s', (_, changes) => {
    expect(changedBy(changes)).toEqual([]);
  });

  it.each<[string, PaymentChanges, string[]]>([
    ['the lateness', { source: { allowedLateness: '6s' } }, ALL_WINDOWS],
    ['the time resolution', { source: { timeResolution: '1s' } }, ALL_WINDOWS],
    ['the event id', { source: { eventId: 'card_id' } }, ALL_WINDOWS],
    ['the source', { source: { name: 'other_payments' } }, ALL_WINDOWS],
    ['the length of a window', { windows: { '1h': { length: '2h', hop: '1min' } } }, ALL_WINDOWS],
    ['the hop of a window', { windows: { '1h': { length: '1h', hop: '30s' } } }, ALL_WINDOWS],
    ['the offset of a window', { windows: { '1h': { length: '1h', hop: '1ms', offset: '1h' } } }, ALL_WINDOWS],
    ['the version of the view', { view: { version: 2 } }, ALL_WINDOWS],
    ['the lanes of the view', { view: { lanes: 2 } }, ALL_WINDOWS],
    ['the join keys', { entity: { joinKeys: ['card_id'] } }, ALL_WINDOWS],
    ['more join keys', { entity: { joinKeys: ['account_id', 'card_id'] } }, ALL_WINDOWS],
    [
      'which events belong to the view',
      { view: { where: ({ amount }: { amount: NumberExpression }) => amount.isGreaterThan(0) } },
      ALL_WINDOWS,
    ],
    ['no filter', { view: { where: undefined } }, ALL_WINDOWS],
    [
      'the type of a field that the filter reads',
      { fields: { channel: z.string() } },
      ['channel', ...ALL_WINDOWS].sort(),
    ],
    ['the scale of a field', { fields: { amount: decimal({ scale: 3 }) } }, ['amount', ...OF_AMOUNT, 'ratio'].sort()],
    [
      'whether a field may be missing',
      { fields: { amount: decimal({ scale: 2 }).optional() } },
      ['amount', ...OF_AMOUNT, 'ratio'].sort(),
    ],
    ['the type of a field that nothing else reads', { fields: { is_abroad: z.string() } }, ['is_abroad']],
    ['the aggregate', { features: { avg_amount: count('amount') } }, ['avg_amount_1h', 'ratio']],
    ['the field of an aggregate', { features: { last_account: distinct('card_id') } }, ['last_account_1h']],
    ['the rank of a quantile', { features: { p90_amount: quantile('amount', 0.8) } }, ['p90_amount_1h']],
    [
      'whether the decided event counts',
      { features: { avg_amount: mean('amount', { excludesCurrent: true }) } },
      ['avg_amount_1h', 'ratio'],
    ],
    [
      'a derived feature',
      { derived: { is_burst: (row: { payments_1h: NumberExpression }) => row.payments_1h.isGreaterThan(4) } },
      ['is_burst'],
    ],
    ['the kind of the key', { fields: { account_id: z.int() } }, ['account_id', ...ALL_WINDOWS].sort()],
  ])('changes with %s', (_, changes, inputs) => {
    expect(changedBy(changes)).toEqual(inputs);
  });

  it('is that of what is computed, whatever it is called', () => {
    const renamed = definitionFingerprints(
      paymentsOf({ windows: { hour: { length: '1h', hop: '1min' } }, features: { times: count() } }).service,
    );

    expect(renamed.get('times_hour')).toBe(before.get('payments_1h'));
  });
});

describe('the versions of whole views', () => {
  it('are for ever what rows and packages of the first form say', () => {
    expect(definitionVersions(frozenFraudRepository)).toEqual({
      'user_transactions@1': '19d7b113d3b09a6b',
      'merchant_risk@1': '6ae77a8f15dd636f',
      'fraud_detection@1 derived': '52163ba7a450b104',
    });
  });
});

import { expect, it } from 'vitest';
import { consumer, NOW_MILLIS, recordsOf, transaction } from './fixtures.ts';
import { POISONS } from './poison.ts';

it.each(POISONS)(
  'quarantines $name with a reason and its bytes, and counts its neighbours',
  async ({ content, field }) => {
    // Prepare
    const { consume, quarantine, features } = consumer();
    const records = recordsOf(
      transaction({ transaction_id: 'before', amount: 1 }),
      content,
      transaction({ transaction_id: 'after', amount: '2.00' }),
      transaction({ transaction_id: 'other', user_id: 'user-2' }),
    );

    // Act
    const { counts, failedSequenceNumbers } = await consume(records);

    // Assess
    expect(failedSequenceNumbers).toEqual([]);
    expect(counts).toEqual({ received: 4, applied: 3, duplicate: 0, late: 0, excluded: 0, quarantined: 1, failed: 0 });
    const [quarantined] = quarantine.records;
    expect(quarantined?.sequenceNumber).toBe('1001');
    expect(Buffer.from(quarantined?.data ?? []).equals(Buffer.from(content))).toBe(true);
    expect(quarantined?.problems.map((problem) => problem.field)).toContain(field);
    expect(quarantined?.problems.every(({ problem }) => problem.length > 0)).toBe(true);
    expect(await features({ user_id: 'user-1' })).toMatchObject({ tx_count_1h: 2, total_amount_1h: 3 });
  },
);

it.each([
  ['text beyond the basic plane', { user_id: '\u{1f600}\u{10ffff}', merchant_id: '\u{20000}' }],
  ['characters that keys escape', { user_id: '#1|%25', merchant_id: '|' }],
  ['names of members of every object', { user_id: '__proto__', merchant_id: 'constructor' }],
  ['the largest amount', { amount: '9999999999999.99' }],
  ['an amount of zero', { amount: 0 }],
  ['minus zero', { amount: '-0' }],
  ['ISO 8601 time', { timestamp: '2026-03-01T12:00:00.000Z' }],
  ['time a little ahead of its arrival', { timestamp: NOW_MILLIS + 300_000 }],
  ['the year 2000', { timestamp: Date.UTC(2000, 0, 1) }],
  ['ids of 256 characters', { transaction_id: 'x'.repeat(256), user_id: '%'.repeat(256) }],
])('counts events with %s', async (_name, differences) => {
  const { consume, quarantine } = consumer();
  const { counts } = await consume(recordsOf(transaction(differences)));
  expect(quarantine.records).toEqual([]);
  expect(counts).toMatchObject({ received: 1, applied: 1 });
});

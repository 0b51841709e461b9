import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import { DefinitionError } from '../../../shared/definitions/error.ts';
import { decimal, eventSource, eventTime, identifier } from '../../../shared/definitions/index.ts';
import { transactions } from '../../../shared/features/fraud.ts';
import { historyPartition, historyRow, historySchema } from '../../../shared/offline/history-schema.ts';

/** A source with a field of every kind, and one more that a test names. */
function sourceWith(extraField = 'note') {
  return eventSource({
    name: 'samples',
    description: 'One field of each kind.',
    owner: 'tests',
    schema: z.strictObject({
      sample_id: identifier(),
      at: eventTime(),
      is_new: z.boolean(),
      count: z.int(),
      price: decimal({ scale: 4 }),
      share: decimal({ scale: 15 }).optional(),
      whole: decimal({ scale: 0 }).nullable(),
      reading: z.number(),
      [extraField]: z.string().optional(),
    }),
    eventId: 'sample_id',
    eventTime: 'at',
    partitionKey: 'sample_id',
    allowedLateness: '5s',
  });
}

const AT_MILLIS = Date.UTC(2026, 1, 3, 4, 59, 59, 999);
const SAMPLE = {
  sample_id: 'a',
  at: AT_MILLIS,
  is_new: true,
  count: 2 ** 53 - 1,
  price: '0.1',
  whole: null,
  reading: 0.1 + 0.2,
};

function rowOf(differences: object) {
  const source = sourceWith();
  const decoded = decodeEvent(source, { ...SAMPLE, ...differences }, AT_MILLIS + 7);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return historyRow(source, decoded.event);
}

describe('the schema of history', () => {
  it('has one column per field by its own name, then the arrival, then day and hour in paths', () => {
    expect(historySchema(sourceWith())).toEqual({
      tableName: 'raw_samples',
      columns: [
        { name: 'sample_id', hiveType: 'string' },
        { name: 'at', hiveType: 'bigint' },
        { name: 'is_new', hiveType: 'boolean' },
        { name: 'count', hiveType: 'bigint' },
        { name: 'price', hiveType: 'decimal(18,4)' },
        { name: 'share', hiveType: 'decimal(18,15)' },
        { name: 'whole', hiveType: 'decimal(18,0)' },
        { name: 'reading', hiveType: 'double' },
        { name: 'note', hiveType: 'string' },
        { name: 'arrived_at', hiveType: 'bigint' },
      ],
      partitionColumns: [
        { name: 'event_date', hiveType: 'string' },
        { name: 'event_hour', hiveType: 'string' },
      ],
    });
  });

  it('of the source that ships is stable', () => {
    expect(historySchema(transactions).columns.map(({ name, hiveType }) => `${name} ${hiveType}`)).toEqual([
      'transaction_id string',
      'user_id string',
      'merchant_id string',
      'amount decimal(18,2)',
      'timestamp bigint',
      'arrived_at bigint',
    ]);
  });

  it.each(['arrived_at', 'event_date', 'event_hour'])(
    'refuses a field that is named %s like a column of ours',
    (name) => {
      expect(() => historySchema(sourceWith(name))).toThrow(DefinitionError);
      expect(() => historySchema(sourceWith(name))).toThrow(`source samples: field "${name}" has the name of a column`);
    },
  );
});

describe('the row of an event', () => {
  it('has every column of the schema in its order, null where the event has nothing', () => {
    const row = rowOf({});
    expect(Object.keys(row)).toEqual(historySchema(sourceWith()).columns.map(({ name }) => name));
    expect(row).toEqual({
      sample_id: 'a',
      at: AT_MILLIS,
      is_new: true,
      count: 9_007_199_254_740_991,
      price: '0.1000',
      share: null,
      whole: null,
      reading: 0.300_000_000_000_000_04,
      note: null,
      arrived_at: AT_MILLIS + 7,
    });
  });

  it.each([
    ['99999999999.9999', '99999999999.9999'],
    ['-99999999999.9999', '-99999999999.9999'],
    [1e-4, '0.0001'],
    [-0, '0.0000'],
    [1e10, '10000000000.0000'],
    [12.3, '12.3000'],
  ])('holds the decimal %s as the plain text %s', (price, text) => {
    expect(rowOf({ price }).price).toBe(text);
  });

  it('holds every decimal of 15 digits as it was written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 15 - 1 }), (units) => {
        const share = `0.${String(units).padStart(15, '0')}`;
        expect(rowOf({ share }).share).toBe(share);
        const price = `${Math.floor(units / 10 ** 4)}.${String(units % 10 ** 4).padStart(4, '0')}`;
        expect(rowOf({ price }).price).toBe(price);
      }),
    );
  });
});

describe('the partition of an event', () => {
  it.each([
    [AT_MILLIS, '2026-02-03', '04'],
    [AT_MILLIS + 1, '2026-02-03', '05'],
    [Date.UTC(2000, 0, 1), '2000-01-01', '00'],
    [Date.UTC(2026, 11, 31, 23, 59), '2026-12-31', '23'],
  ])('of the instant %d is its day and hour, UTC', (timeMillis, event_date, event_hour) => {
    const event = { id: 'a', idHash: '', timeMillis, arrivedAtMillis: 0, values: {} };
    expect(historyPartition(event)).toEqual({ event_date, event_hour });
  });
});

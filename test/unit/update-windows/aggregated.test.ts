import { describe, expect, it } from 'vitest';
import { quarantineObject } from '../../../functions/update-windows/quarantine.ts';
import { OnlineStoreThrottledError } from '../../../shared/online/store.ts';
import { aggregated } from '../../support/kpl.ts';
import { consumer, NOW_MILLIS, recordOf, recordsOf, transaction } from './fixtures.ts';

const eventOf = (id: string, user = 'user-1') => transaction({ transaction_id: id, user_id: user });

/** As the Kinesis Producer Library writes them; each event is its own partition key, text is no event. */
function together(...contents: (Record<string, unknown> | string)[]): Buffer {
  return aggregated(
    contents.map((content) => ({
      partitionKey: typeof content === 'string' ? content : String(content.user_id),
      data: typeof content === 'string' ? content : JSON.stringify(content),
    })),
  );
}

describe('events of aggregated records', () => {
  it('are counted one by one, among those of other records', async () => {
    const { consume, features } = consumer();
    const { counts, failedSequenceNumbers } = await consume(
      recordsOf(
        eventOf('a'),
        together(eventOf('b'), eventOf('c', 'user-2'), eventOf('a')),
        eventOf('d'),
        together(eventOf('e')),
      ),
    );
    expect(failedSequenceNumbers).toEqual([]);
    expect(counts).toEqual({ received: 6, applied: 5, duplicate: 1, late: 0, excluded: 0, quarantined: 0, failed: 0 });
    expect(await features({ user_id: 'user-1' })).toMatchObject({ tx_count_1h: 4, total_amount_1h: 50 });
    expect(await features({ user_id: 'user-2' })).toMatchObject({ tx_count_1h: 1 });
  });

  it('are counted once, delivered again, alone or with others', async () => {
    const { consume, features } = consumer();
    await consume(recordsOf(together(eventOf('a'), eventOf('b'))));
    const { counts } = await consume(recordsOf(together(eventOf('b'), eventOf('c')), eventOf('a')));
    expect(counts).toMatchObject({ received: 3, applied: 1, duplicate: 2 });
    expect(await features({ user_id: 'user-1' })).toMatchObject({ tx_count_1h: 3 });
  });

  it('that arrived in one record are never late among each other', async () => {
    const { consume } = consumer();
    const old = transaction({ transaction_id: 'old', timestamp: NOW_MILLIS - 60_000 });
    expect((await consume(recordsOf(together(eventOf('new'), old)))).counts).toMatchObject({ applied: 2, late: 0 });
  });

  it('are bounded each and not together', async () => {
    const { consume } = consumer();
    const many = Array.from({ length: 1_000 }, (_, index) => eventOf(`t-${index}`));
    expect((await consume(recordsOf(together(...many)))).counts).toMatchObject({ received: 1_000, applied: 1_000 });
    const large = JSON.stringify({ ...eventOf('large'), note: 'x'.repeat(70_000) });
    expect((await consume(recordsOf(together(large, eventOf('small'))))).counts).toMatchObject({
      received: 2,
      applied: 1,
      quarantined: 1,
    });
  });
});

describe('quarantine', () => {
  const batch = () => recordsOf(eventOf('a'), together(eventOf('b'), 'no event', eventOf('c'), 'no event'), 'plain');

  it('takes the documents at fault with their own key and place, and counts their neighbours', async () => {
    const { consume, quarantine } = consumer();
    const { counts } = await consume(batch());
    expect(counts).toMatchObject({ received: 6, applied: 3, quarantined: 3, failed: 0 });
    const place = { sequenceNumber: '1001', partitionKey: 'no event', data: Buffer.from('no event') };
    expect(quarantine.records).toMatchObject([
      { ...place, subSequenceNumber: 1 },
      { ...place, subSequenceNumber: 3 },
      { sequenceNumber: '1002', partitionKey: 'user-1' },
    ]);
  });

  it('has a line for each of them, and the same object when the batch comes again', async () => {
    const { consume, quarantine } = consumer();
    const identity = { sourceName: 'transactions', registryVersion: '0123456789abcdef' };
    const objects = [];
    for (let delivery = 0; delivery < 2; delivery++) {
      const { quarantined } = await consume(batch());
      objects.push(quarantineObject(quarantined, identity));
    }
    expect(objects[1]).toEqual(objects[0]);
    expect(quarantine.puts).toBe(2);
    const lines = (objects[0]?.body ?? '')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ sequence_number, sub_sequence_number }) => [sequence_number, sub_sequence_number])).toEqual([
      ['1001', 1],
      ['1001', 3],
      ['1002', undefined],
    ]);
    expect(lines.map(({ data_base64 }) => Buffer.from(data_base64, 'base64').toString())).toEqual([
      'no event',
      'no event',
      'plain',
    ]);
    expect(lines[0].partition_key_hash).not.toBe(lines[2].partition_key_hash);
  });

  it('takes a record whole that cannot be taken apart, as one', async () => {
    const { consume, quarantine } = consumer();
    const cut = together(eventOf('a'), eventOf('b')).subarray(0, -1);
    const { counts } = await consume(recordsOf(eventOf('c'), cut));
    expect(counts).toMatchObject({ received: 2, applied: 1, quarantined: 1 });
    expect(quarantine.records).toEqual([
      {
        ...recordOf(cut, 1),
        deliveryProblem: expect.any(String),
        problems: [{ field: '', problem: expect.stringContaining('MD5') }],
      },
    ]);
  });

  it('that is down has the record come again once, however many of its documents were refused', async () => {
    const { consume } = consumer({ quarantine: { put: () => Promise.reject(new Error('S3 is down')) } });
    const { counts, failedSequenceNumbers } = await consume(batch());
    expect(failedSequenceNumbers).toEqual(['1001', '1002']);
    expect(counts).toMatchObject({ received: 6, applied: 3, quarantined: 0, failed: 3 });
  });
});

describe('a store that fails for one event of an aggregated record', () => {
  it('has the whole record come again, counts its neighbours once, and quarantines what it refused once', async () => {
    const { consume, store, quarantine, features } = consumer();
    store.before = (key) => {
      if (key.endsWith('|user-2')) throw new OnlineStoreThrottledError('slow down');
    };
    const records = recordsOf(
      eventOf('a'),
      together(eventOf('b'), eventOf('c', 'user-2'), 'no event', eventOf('d', 'user-2')),
      eventOf('e', 'user-3'),
    );

    const first = await consume(records);
    expect(first.failedSequenceNumbers).toEqual(['1001']);
    expect(first.counts).toMatchObject({ received: 6, applied: 3, quarantined: 0, failed: 3 });
    expect(quarantine.records).toEqual([]);

    store.before = () => {};
    const second = await consume(records.slice(1));
    expect(second.failedSequenceNumbers).toEqual([]);
    expect(second.counts).toMatchObject({ received: 5, applied: 2, duplicate: 2, quarantined: 1, failed: 0 });
    expect(quarantine.records).toMatchObject([{ sequenceNumber: '1001', subSequenceNumber: 2 }]);
    expect(await features({ user_id: 'user-1' })).toMatchObject({ tx_count_1h: 2 });
    expect(await features({ user_id: 'user-2' })).toMatchObject({ tx_count_1h: 2 });
  });
});

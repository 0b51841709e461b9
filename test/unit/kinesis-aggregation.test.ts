import { describe, expect, it } from 'vitest';
import { takenApart } from '../../functions/kinesis-aggregation.ts';
import { aggregated, bytesField, framed, KPL_MAGIC, numberField, recordField } from '../support/kpl.ts';

const EVENT = '{"transaction_id":"t-0","user_id":"user-a"}';

/** Records that others wrote, and the partition key and the data of what is in them. */
const WRITTEN_BY_OTHERS = [
  {
    // RecordAggregator of aws-kinesis-agg 1.2.3 (PyPI), awslabs' own, on protobuf 3.20: three events of two users, then one with a hash key.
    writer: 'aws-kinesis-agg',
    base64:
      '84mawgoGdXNlci1hCgZ1c2VyLWIKCNC60LvRjtGHEicxNzAxNDExODM0NjA0NjkyMzE3MzE2ODczMDM3MTU4ODQxMDU3MjgaaQgAGmV7InRyYW5zYWN0aW9uX2lkIjoidC0wIiwidXNlcl9pZCI6InVzZXItYSIsIm1lcmNoYW50X2lkIjoibSIsImFtb3VudCI6MS4yNSwidGltZXN0YW1wIjoxNzcyMzY2NDAwMDAwfRppCAEaZXsidHJhbnNhY3Rpb25faWQiOiJ0LTEiLCJ1c2VyX2lkIjoidXNlci1iIiwibWVyY2hhbnRfaWQiOiJtIiwiYW1vdW50IjoxLjI1LCJ0aW1lc3RhbXAiOjE3NzIzNjY0MDAwMDF9GmkIABpleyJ0cmFuc2FjdGlvbl9pZCI6InQtMiIsInVzZXJfaWQiOiJ1c2VyLWEiLCJtZXJjaGFudF9pZCI6Im0iLCJhbW91bnQiOjEuMjUsInRpbWVzdGFtcCI6MTc3MjM2NjQwMDAwMn0aGAgCEAAaEnsibm90IjoiYW4gZXZlbnQifXax5hBi7KvUMVXot+OTZ2g=',
    records: [
      ['user-a', 't-0'],
      ['user-b', 't-1'],
      ['user-a', 't-2'],
      ['ключ', undefined],
    ],
  },
  {
    // encode_aggregated of aiokpl 0.2.0 (PyPI): the first of two events has a hash key and tags.
    writer: 'aiokpl',
    base64:
      '84mawgoGdXNlci1hCgZ1c2VyLWISATcaewgAEAAaZXsidHJhbnNhY3Rpb25faWQiOiJ0LTAiLCJ1c2VyX2lkIjoidXNlci1hIiwibWVyY2hhbnRfaWQiOiJtIiwiYW1vdW50IjoxLjI1LCJ0aW1lc3RhbXAiOjE3NzIzNjY0MDAwMDB9IgYKAWsSAXYiBgoEb25seRppCAEaZXsidHJhbnNhY3Rpb25faWQiOiJ0LTEiLCJ1c2VyX2lkIjoidXNlci1iIiwibWVyY2hhbnRfaWQiOiJtIiwiYW1vdW50IjoxLjI1LCJ0aW1lc3RhbXAiOjE3NzIzNjY0MDAwMDF9E/AL+dfXLC05G7DzXoPihQ==',
    records: [
      ['user-a', 't-0'],
      ['user-b', 't-1'],
    ],
  },
] as const;

const record = (data: Uint8Array) => ({ sequenceNumber: '7', partitionKey: 'outer', data });
const partsOf = (data: Uint8Array) => takenApart([record(data)]);
const textOf = ({ data }: { readonly data: Uint8Array }) => Buffer.from(data).toString();

describe('an aggregated record', () => {
  it.each(WRITTEN_BY_OTHERS)('of $writer is taken apart', ({ base64, records }) => {
    const parts = partsOf(Buffer.from(base64, 'base64'));
    expect(parts.map((part) => [part.partitionKey, JSON.parse(textOf(part)).transaction_id])).toEqual(records);
    expect(parts.map(({ sequenceNumber, subSequenceNumber }) => [sequenceNumber, subSequenceNumber])).toEqual(
      records.map((_, index) => ['7', index]),
    );
  });

  it('keeps the order of its events, and their bytes whatever they are', () => {
    const data = [EVENT, Buffer.from([0xff, 0, 0x0a]), '', EVENT, 'x'.repeat(70_000)];
    const parts = partsOf(aggregated(data.map((each, index) => ({ partitionKey: `${index % 2}`, data: each }))));
    expect(parts.map(({ data }) => Buffer.from(data).toString('hex'))).toEqual(
      data.map((each) => Buffer.from(each).toString('hex')),
    );
    expect(parts.map(({ partitionKey }) => partitionKey)).toEqual(['0', '1', '0', '1', '0']);
  });

  it('is not copied: what is in it lies in its own bytes', () => {
    const data = aggregated([{ partitionKey: 'k', data: EVENT }]);
    expect(partsOf(data)[0]?.data.buffer).toBe(data.buffer);
  });

  it.each([
    [
      'fields that nobody knows yet',
      Buffer.concat([
        numberField(9, 2 ** 40),
        bytesField(10, 'x'),
        Buffer.from([0x5d, 1, 2, 3, 4, 0x61, 1, 2, 3, 4, 5, 6, 7, 8]),
      ]),
    ],
    ['a table of hash keys', bytesField(2, '170141183460469231731687303715884105728')],
  ])('may have %s', (_, more) => {
    const body = Buffer.concat([more, bytesField(1, 'k'), recordField(0, EVENT), more]);
    expect(partsOf(framed(body))).toMatchObject([{ partitionKey: 'k', subSequenceNumber: 0 }]);
  });
});

describe('what cannot be taken apart is kept whole, with a sentence', () => {
  const whole = aggregated([{ partitionKey: 'k', data: EVENT }]);
  const changed = Buffer.from(whole);
  changed[20] = 0;
  const MD5 = 'whose MD5 is not that of its body. Something changed or cut it: send its events again.';
  const FORMAT = 'whose body is no such message. Update the producer, or switch its aggregation off.';

  it.each([
    ['the magic alone', KPL_MAGIC, MD5],
    ['less than a digest', whole.subarray(0, 12), MD5],
    ['a changed byte', changed, MD5],
    ['a lost byte', whole.subarray(0, -1), MD5],
    ['an empty body', framed(Buffer.of()), 'without events. Update'],
    ['partition keys alone', framed(bytesField(1, 'k')), 'without events. Update'],
    ['an index without a key', framed(recordField(0, EVENT)), FORMAT],
    ['an index beyond its keys', framed(Buffer.concat([bytesField(1, 'k'), recordField(2 ** 60, EVENT)])), FORMAT],
    [
      'a record without an index',
      framed(Buffer.concat([bytesField(1, 'k'), bytesField(3, bytesField(3, EVENT))])),
      FORMAT,
    ],
    [
      'a record without data',
      framed(Buffer.concat([bytesField(1, 'k'), bytesField(3, numberField(1, 0)), Buffer.alloc(0)])),
      FORMAT,
    ],
    [
      'a partition key that is not UTF-8',
      framed(Buffer.concat([bytesField(1, Buffer.of(0xff)), recordField(0, EVENT)])),
      FORMAT,
    ],
    ['a length beyond its end', framed(Buffer.from([0x0a, 0x7f, 0x00])), FORMAT],
    ['a number that never ends', framed(Buffer.alloc(40, 0xff)), FORMAT],
    ['a kind of value that protobuf gave up', framed(Buffer.from([0x0b])), FORMAT],
    ['text for a body', framed(Buffer.from(EVENT)), FORMAT],
    [
      'more records than events fit',
      framed(Buffer.concat([bytesField(1, 'k'), ...Array.from({ length: 1_000 }, () => recordField(0, ''))])),
      'can hold events',
    ],
  ])('%s', (_, data, reason) => {
    const parts = partsOf(data);
    expect(parts).toEqual([{ ...record(data), deliveryProblem: expect.stringContaining(reason) }]);
    expect(parts[0]?.deliveryProblem).toMatch(
      /^a record aggregated by the Kinesis Producer Library must be .+; got .+\.$/,
    );
  });

  it('another aggregated record within, and not its neighbours', () => {
    const inner = aggregated([{ partitionKey: 'k', data: EVENT }]);
    const parts = partsOf(aggregated([EVENT, inner, EVENT].map((data) => ({ partitionKey: 'k', data }))));
    expect(parts.map(({ deliveryProblem }) => deliveryProblem)).toEqual([
      undefined,
      'an aggregated record must hold events; got another aggregated record. Switch one of the two aggregations off.',
      undefined,
    ]);
  });
});

it('any other record is left as it is', () => {
  for (const data of ['', EVENT, Buffer.from('f3899a', 'hex'), Buffer.from('f3899ac3', 'hex')]) {
    const plain = record(Buffer.from(data));
    expect(takenApart([plain])).toEqual([plain]);
  }
  const damaged = { ...record(aggregated([{ partitionKey: 'k', data: EVENT }])), deliveryProblem: 'was damaged' };
  expect(takenApart([damaged])).toEqual([damaged]);
});

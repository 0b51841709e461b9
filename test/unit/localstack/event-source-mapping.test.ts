import {
  ExpiredIteratorException,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-kinesis';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, test } from 'vitest';
import { kinesisSource } from '../../../localstack/event-source-mapping.ts';

const STREAM_ARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/transactions';
const kinesis = mockClient(KinesisClient);

function recordOf(sequenceNumber: string) {
  const Data = Buffer.from(sequenceNumber);
  return { SequenceNumber: sequenceNumber, PartitionKey: 'user', Data, ApproximateArrivalTimestamp: new Date(5_000) };
}

const OLDEST = { shardId: 's', afterSequenceNumber: undefined, recordLimit: 10 };

describe('a stream read through Kinesis', () => {
  beforeEach(() => {
    kinesis.reset();
    kinesis.on(GetShardIteratorCommand).resolves({ ShardIterator: 'first' });
  });

  test('begins at the oldest record and goes on with the iterator it was given', async () => {
    kinesis
      .on(GetRecordsCommand, { ShardIterator: 'first' })
      .resolves({ Records: [recordOf('1'), recordOf('2')], NextShardIterator: 'second' })
      .on(GetRecordsCommand, { ShardIterator: 'second' })
      .resolves({ Records: [recordOf('3')] });
    const source = kinesisSource(new KinesisClient(), STREAM_ARN);

    const first = await source.read(OLDEST);
    const second = await source.read({ ...OLDEST, afterSequenceNumber: '2' });

    expect(first.records.map(({ sequenceNumber }) => sequenceNumber)).toEqual(['1', '2']);
    expect(first.records[0]).toMatchObject({ partitionKey: 'user', arrivedAtMillis: 5_000 });
    expect(first.isEndOfShard).toBe(false);
    expect(second.records.map(({ sequenceNumber }) => sequenceNumber)).toEqual(['3']);
    expect(second.isEndOfShard).toBe(true);
    const iterators = kinesis.commandCalls(GetShardIteratorCommand).map(({ args }) => args[0].input.ShardIteratorType);
    expect(iterators).toEqual(['TRIM_HORIZON']);
  });

  test('takes a new iterator after the last record when the old one expired', async () => {
    kinesis
      .on(GetRecordsCommand)
      .resolvesOnce({ Records: [recordOf('1')], NextShardIterator: 'stale' })
      .rejectsOnce(new ExpiredIteratorException({ message: 'expired', $metadata: {} }))
      .resolves({ Records: [recordOf('2')], NextShardIterator: 'next' });
    const source = kinesisSource(new KinesisClient(), STREAM_ARN);

    await source.read(OLDEST);
    const expired = await source.read({ ...OLDEST, afterSequenceNumber: '1' });
    const renewed = await source.read({ ...OLDEST, afterSequenceNumber: '1' });

    expect(expired).toEqual({ records: [], isEndOfShard: false });
    expect(renewed.records.map(({ sequenceNumber }) => sequenceNumber)).toEqual(['2']);
    expect(kinesis.commandCalls(GetShardIteratorCommand).at(-1)?.args[0].input).toMatchObject({
      ShardIteratorType: 'AFTER_SEQUENCE_NUMBER',
      StartingSequenceNumber: '1',
    });
  });

  test('ends a shard that was trimmed away, and one that is closed and empty', async () => {
    kinesis.on(ListShardsCommand).resolves({
      Shards: [
        {
          ShardId: 's',
          HashKeyRange: undefined,
          SequenceNumberRange: { StartingSequenceNumber: '0', EndingSequenceNumber: '9' },
        },
        {
          ShardId: 'child',
          ParentShardId: 's',
          HashKeyRange: undefined,
          SequenceNumberRange: { StartingSequenceNumber: '10' },
        },
      ],
    });
    kinesis.on(GetRecordsCommand).resolves({ Records: [], NextShardIterator: 'without end' });
    const source = kinesisSource(new KinesisClient(), STREAM_ARN);

    const beforeListing = await source.read(OLDEST);
    const shards = await source.listShards();
    const closed = await source.read(OLDEST);
    const open = await source.read({ ...OLDEST, shardId: 'child' });
    kinesis.on(GetRecordsCommand).rejects(new ResourceNotFoundException({ message: 'no shard', $metadata: {} }));
    const trimmed = await source.read({ ...OLDEST, shardId: 'child' });

    expect(shards).toEqual([
      { shardId: 's', parentShardIds: [] },
      { shardId: 'child', parentShardIds: ['s'] },
    ]);
    expect([beforeListing, closed, open, trimmed].map(({ isEndOfShard }) => isEndOfShard)).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });
});

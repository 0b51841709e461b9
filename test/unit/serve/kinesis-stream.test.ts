import { KinesisClient, KinesisServiceException, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import { KinesisEventStream } from '../../../functions/serve/kinesis-stream.ts';
import { EventStreamUnavailableError } from '../../../functions/serve/ports.ts';
import { transactions } from '../../../shared/features/fraud.ts';

const kinesis = mockClient(KinesisClient);
const stream = new KinesisEventStream({
  client: new KinesisClient({ region: 'eu-central-1' }),
  streamNames: { transactions: 'transactions-stream' },
});
const records = ['a', 'b', 'c'].map((partitionKey) => ({ partitionKey, text: `"${partitionKey}"` }));

beforeEach(() => {
  kinesis.reset();
});

describe('the Kinesis event stream', () => {
  it('puts all records in one call', async () => {
    kinesis.on(PutRecordsCommand).resolves({ Records: records.map(() => ({ SequenceNumber: '1', ShardId: 's' })) });
    expect(await stream.put(transactions, records)).toEqual([]);
    const [call] = kinesis.commandCalls(PutRecordsCommand);
    expect(call?.args[0].input).toEqual({
      StreamName: 'transactions-stream',
      Records: records.map(({ partitionKey, text }) => ({ PartitionKey: partitionKey, Data: Buffer.from(text) })),
    });
  });

  it('returns those that were refused', async () => {
    kinesis.on(PutRecordsCommand).resolves({
      FailedRecordCount: 1,
      Records: [
        { SequenceNumber: '1' },
        { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: 'slow down' },
        { SequenceNumber: '2' },
      ],
    });
    expect(await stream.put(transactions, records)).toEqual([records[1]]);
  });

  it.each([
    ['a throttle', serviceError('ProvisionedThroughputExceededException', 'client')],
    ['a failure of Kinesis', serviceError('InternalFailureException', 'server')],
    ['a failure of the network', Object.assign(new Error('socket hang up'), { name: 'TimeoutError' })],
  ])('says that %s passes', async (_what, error) => {
    kinesis.on(PutRecordsCommand).rejects(error);
    await expect(stream.put(transactions, records)).rejects.toBeInstanceOf(EventStreamUnavailableError);
  });

  it('hands on what does not pass', async () => {
    kinesis.on(PutRecordsCommand).rejects(serviceError('ResourceNotFoundException', 'client'));
    await expect(stream.put(transactions, records)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});

function serviceError(name: string, $fault: 'client' | 'server'): KinesisServiceException {
  return new KinesisServiceException({ name, $fault, $metadata: {}, message: name });
}

/** What Firehose hands over, and what the function answered. */
import type {
  FirehoseTransformationEvent,
  FirehoseTransformationEventRecord,
  FirehoseTransformationResultRecord,
} from 'aws-lambda';
import { NOW_MILLIS } from '../update-windows/fixtures.ts';

export type Content = Uint8Array | string | Record<string, unknown>;

/** A record that carries a value as JSON, or bytes or text as they are. */
export function firehoseRecord(content: Content, index = 0): FirehoseTransformationEventRecord {
  const isValue = typeof content === 'object' && !(content instanceof Uint8Array);
  const bytes = Buffer.from(isValue ? JSON.stringify(content) : content);
  return {
    recordId: `record-${index}`,
    // Firehose took it in later than the stream did.
    approximateArrivalTimestamp: NOW_MILLIS + 30_000,
    data: bytes.toString('base64'),
    kinesisRecordMetadata: {
      shardId: 'shardId-000000000000',
      partitionKey: 'partition-key-secret',
      approximateArrivalTimestamp: NOW_MILLIS,
      sequenceNumber: String(1_000 + index),
      subsequenceNumber: '',
    },
  };
}

export function firehoseEvent(...records: FirehoseTransformationEventRecord[]): FirehoseTransformationEvent {
  return {
    invocationId: 'invocation-1',
    deliveryStreamArn: 'arn:aws:firehose:eu-central-1:123456789012:deliverystream/transactions',
    sourceKinesisStreamArn: 'arn:aws:kinesis:eu-central-1:123456789012:stream/transactions',
    region: 'eu-central-1',
    records,
  };
}

/** Records in the order of the contents. */
export function firehoseEventOf(...contents: Content[]): FirehoseTransformationEvent {
  return firehoseEvent(...contents.map(firehoseRecord));
}

export function textOf({ data = '' }: FirehoseTransformationResultRecord): string {
  return Buffer.from(data, 'base64').toString();
}

import type { KinesisStreamRecord } from 'aws-lambda';
import type { StreamRecord } from './update-windows.ts';

/**
 * A record as Lambda hands it over. Decoding base64 never fails, it passes over what it does not understand; so what does
 * not come back the same when it is encoded again was damaged, and its text is kept as it came.
 */
export function streamRecordOf({ kinesis }: KinesisStreamRecord): StreamRecord {
  const data = Buffer.from(kinesis.data, 'base64');
  const record = {
    sequenceNumber: kinesis.sequenceNumber,
    partitionKey: kinesis.partitionKey,
    // The stream tells seconds with three decimals, which a double does not hold exactly.
    arrivedAtMillis: Math.round(kinesis.approximateArrivalTimestamp * 1_000),
  };
  return data.toString('base64') === kinesis.data
    ? { ...record, data }
    : { ...record, data: Buffer.from(kinesis.data), deliveryProblem: 'the record was not delivered as base64 text' };
}

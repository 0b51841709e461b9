/**
 * Takes records apart that the Kinesis Producer Library (KPL) aggregated: many events in one record of the stream. Firehose does
 * that by itself; Lambda hands such a record over whole.
 *
 * 1. The record is `F3 89 9A C2`, which no text in UTF-8 begins with, then a body, then the 16 bytes of the body's MD5.
 * 2. The body is a protobuf message: `AggregatedRecord { 1: partition keys, 2: hash keys, 3: records }`.
 * 3. Each of the records is `Record { 1: index of its partition key, 2: index of its hash key, 3: data, 4: tags }`.
 *
 * The format is described at https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md. Nothing is
 * inflated or copied: data are parts of the record's own bytes, so all of them together are never larger than the record.
 */
import { hash } from 'node:crypto';
import { LIMITS } from '../shared/limits.ts';

const MAGIC = [0xf3, 0x89, 0x9a, 0xc2] as const;
const DIGEST_BYTES = 16;

/** Numbers of fields, in both messages. */
const FIELD = { partitionKeys: 1, records: 3, partitionKeyIndex: 1, data: 3 } as const;

/** Ways in which protobuf writes the value of a field. */
const WIRE = { varint: 0, eightBytes: 1, lengthPrefixed: 2, fourBytes: 5 } as const;

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

/** What a record from a stream has, whoever hands it over. */
interface Delivered {
  readonly data: Uint8Array;
  /** What went wrong on the way here. Such a record is not taken apart. */
  readonly deliveryProblem?: string;
}

/** One record within an aggregated one. */
interface UserRecord {
  readonly partitionKey: string;
  readonly data: Uint8Array;
}

/** What a record may have that came out of another one. */
interface Part extends Pick<Delivered, 'deliveryProblem'> {
  /** Its place in the other one, from 0. */
  readonly subSequenceNumber?: number;
}

/** Whether the Kinesis Producer Library, or one that writes its format, put several events into one record. */
function isAggregated(data: Uint8Array): boolean {
  return data[0] === MAGIC[0] && data[1] === MAGIC[1] && data[2] === MAGIC[2] && data[3] === MAGIC[3];
}

/**
 * Records without aggregated ones: in the place of each of these are those of which it is made, each with a partition key and a place
 * of its own and with all else that the aggregated one has. Never throws, and loses none: a record that cannot be taken apart stays
 * whole, with a `deliveryProblem`.
 */
export function takenApart<R extends Delivered>(records: readonly R[]): readonly (R & Part)[] {
  return records.some(({ data }) => isAggregated(data)) ? records.flatMap(partsOf) : records;
}

function partsOf<R extends Delivered>(record: R): readonly (R & Part)[] {
  if (!isAggregated(record.data) || record.deliveryProblem !== undefined) return [record];
  try {
    return userRecordsOf(record.data).map((userRecord, subSequenceNumber) => ({
      ...record,
      ...userRecord,
      subSequenceNumber,
      ...(isAggregated(userRecord.data) && {
        deliveryProblem:
          'an aggregated record must hold events; got another aggregated record. Switch one of the two aggregations off.',
      }),
    }));
  } catch (error) {
    const reason = error instanceof RangeError ? error.message : 'it cannot be read';
    const deliveryProblem = `a record aggregated by the Kinesis Producer Library must be whole and in its format; ${reason}.`;
    return [{ ...record, deliveryProblem }];
  }
}

/** @throws RangeError that says what it got and what to do, as the end of a sentence. */
function userRecordsOf(data: Uint8Array): UserRecord[] {
  const body = data.subarray(MAGIC.length, Math.max(MAGIC.length, data.byteLength - DIGEST_BYTES));
  const digest = Buffer.from(data.subarray(MAGIC.length + body.byteLength)).toString('hex');
  if (hash('md5', body) !== digest) {
    throw new RangeError(
      'got one whose MD5 is not that of its body. Something changed or cut it: send its events again',
    );
  }
  const partitionKeys: string[] = [];
  const records: Uint8Array[] = [];
  for (const { number, value } of fieldsOf(body)) {
    if (typeof value === 'number') continue;
    if (number === FIELD.partitionKeys) partitionKeys.push(textOf(value));
    else if (number === FIELD.records) records.push(value);
    if (records.length * LIMITS.aggregatedEventBytes > data.byteLength) {
      throw new RangeError(
        `got more records than ${data.byteLength} bytes can hold events. Aggregate nothing but events`,
      );
    }
  }
  if (records.length === 0)
    throw new RangeError('got one without events. Update the producer, or switch its aggregation off');
  return records.map((message) => userRecordOf(message, partitionKeys));
}

/** @throws RangeError */
function userRecordOf(message: Uint8Array, partitionKeys: readonly string[]): UserRecord {
  let partitionKey: string | undefined;
  let data: Uint8Array | undefined;
  for (const { number, value } of fieldsOf(message)) {
    if (typeof value !== 'number') data = number === FIELD.data ? value : data;
    else if (number === FIELD.partitionKeyIndex) partitionKey = partitionKeys[value];
  }
  if (partitionKey === undefined || data === undefined) throw notInFormat();
  return { partitionKey, data };
}

/** Fields of a protobuf message that are varints or have a length, in their order; those of other kinds are passed over. @throws RangeError */
function* fieldsOf(message: Uint8Array): Generator<{ readonly number: number; readonly value: number | Uint8Array }> {
  let position = 0;
  /** The next varint: seven bits a byte, the lowest first, in at most ten bytes. */
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const byte = message[position++];
      if (byte === undefined) break;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw notInFormat();
  };
  const take = (length: number): Uint8Array => {
    if (length > message.byteLength - position) throw notInFormat();
    position += length;
    return message.subarray(position - length, position);
  };
  while (position < message.byteLength) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (wire === WIRE.varint) yield { number, value: varint() };
    else if (wire === WIRE.lengthPrefixed) yield { number, value: take(varint()) };
    else if (wire === WIRE.eightBytes) take(8);
    else if (wire === WIRE.fourBytes) take(4);
    else throw notInFormat();
  }
}

/** @throws RangeError */
function textOf(bytes: Uint8Array): string {
  try {
    return UTF_8.decode(bytes);
  } catch {
    throw notInFormat();
  }
}

function notInFormat(): RangeError {
  return new RangeError('got one whose body is no such message. Update the producer, or switch its aggregation off');
}

/** Writes records as the Kinesis Producer Library aggregates them, by its description and not by our reader. */
import { hash } from 'node:crypto';

export interface UserRecord {
  readonly partitionKey: string;
  readonly data: Uint8Array | string;
}

export const KPL_MAGIC = Buffer.from('f3899ac2', 'hex');

/** A number in protobuf: seven bits a byte, the lowest first, the eighth bit while more follow. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

export const numberField = (field: number, value: number) => Buffer.concat([varint(field * 8), varint(value)]);

export const bytesField = (field: number, value: Uint8Array | string) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
};

/** `Record`, with its index in the table of partition keys. */
export const recordField = (keyIndex: number, data: Uint8Array | string) =>
  bytesField(3, Buffer.concat([numberField(1, keyIndex), bytesField(3, data)]));

/** Any body between its magic and its digest. */
export function framed(body: Uint8Array): Buffer {
  return Buffer.concat([KPL_MAGIC, body, Buffer.from(hash('md5', body), 'hex')]);
}

/** One record of the stream that holds several. */
export function aggregated(records: readonly UserRecord[]): Buffer {
  const keys = [...new Set(records.map(({ partitionKey }) => partitionKey))];
  return framed(
    Buffer.concat([
      ...keys.map((key) => bytesField(1, key)),
      ...records.map(({ partitionKey, data }) => recordField(keys.indexOf(partitionKey), data)),
    ]),
  );
}

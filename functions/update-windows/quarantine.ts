import { hash } from 'node:crypto';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { ExponentialBackoff, fullJitterGenerator, handleWhen, retry } from 'cockatiel';
import { awsErrorKind } from '../../shared/aws-errors.ts';
import type { EventProblem } from '../../shared/definitions/decode-event.ts';

/** A record that cannot become an event however often it is tried, with what is wrong and its original bytes. */
export interface QuarantinedRecord {
  readonly sequenceNumber: string;
  /** Place in the aggregated record that it came in, if it came in one. */
  readonly subSequenceNumber?: number;
  readonly partitionKey: string;
  readonly arrivedAtMillis: number;
  readonly data: Uint8Array;
  readonly problems: readonly EventProblem[];
}

/** Where records go that cannot be counted. */
export interface Quarantine {
  /** Keeps records, all or none; once it returns they are durable. Repeating it does no harm. Never called with none. */
  put(records: readonly QuarantinedRecord[]): Promise<void>;
}

/** Characters of hashes in keys and lines: 64 bits, plenty to tell objects of one sequence number apart. */
const HASH_CHARACTERS = 16;

/**
 * Quarantine in S3: one object of JSON Lines per batch. The original bytes are in it, so the bucket is private and
 * encrypted. The key follows from the content, so a batch that is delivered again overwrites its object.
 */
export class S3Quarantine implements Quarantine {
  readonly #options: S3QuarantineOptions;

  constructor(options: S3QuarantineOptions) {
    this.#options = options;
  }

  async put(records: readonly QuarantinedRecord[]): Promise<void> {
    const { client, bucketName, sourceName, registryVersion, signal } = this.#options;
    const { key, body } = quarantineObject(records, { sourceName, registryVersion });
    const policy = retry(
      // A missing bucket or permission does not pass.
      handleWhen((error) => awsErrorKind(error) !== 'final'),
      {
        maxAttempts: Number.POSITIVE_INFINITY,
        backoff: new ExponentialBackoff({
          initialDelay: this.#options.initialDelayMillis ?? 50,
          maxDelay: this.#options.maxDelayMillis ?? 500,
          generator: fullJitterGenerator,
        }),
      },
    );
    const put = { Bucket: bucketName, Key: key, Body: body, ContentType: 'application/x-ndjson' };
    await policy.execute(() => client.send(new PutObjectCommand(put)), signal);
  }
}

export interface S3QuarantineOptions {
  readonly client: Pick<S3Client, 'send'>;
  readonly bucketName: string;
  readonly sourceName: string;
  /** Which declarations refused the records: after a correction, older objects are worth replaying. */
  readonly registryVersion: string;
  /** Ends the retries. */
  readonly signal: AbortSignal;
  readonly initialDelayMillis?: number;
  readonly maxDelayMillis?: number;
}

/** The object for records of one batch: `quarantine/<source>/<yyyy>/<mm>/<dd>/<first sequence number>-<hash>.jsonl`. */
export function quarantineObject(
  records: readonly QuarantinedRecord[],
  { sourceName, registryVersion }: { readonly sourceName: string; readonly registryVersion: string },
): { readonly key: string; readonly body: string } {
  const [first] = records;
  if (first === undefined) throw new RangeError('a quarantine object holds at least one record');
  const lines = records.map((record) => quarantineLine(record, sourceName, registryVersion));
  const body = `${lines.join('\n')}\n`;
  const day = new Date(first.arrivedAtMillis).toISOString().slice(0, 10).replaceAll('-', '/');
  return { key: `quarantine/${sourceName}/${day}/${first.sequenceNumber}-${shortHash(body)}.jsonl`, body };
}

function quarantineLine(record: QuarantinedRecord, sourceName: string, registryVersion: string): string {
  return JSON.stringify({
    source: sourceName,
    sequence_number: record.sequenceNumber,
    // Not there, as JSON has no undefined, unless the record came in an aggregated one.
    sub_sequence_number: record.subSequenceNumber,
    partition_key_hash: shortHash(record.partitionKey),
    arrived_at: new Date(record.arrivedAtMillis).toISOString(),
    reason: record.problems,
    data_base64: Buffer.from(record.data).toString('base64'),
    registry_version: registryVersion,
  });
}

function shortHash(text: string): string {
  return hash('sha256', text).slice(0, HASH_CHARACTERS);
}

/**
 * Rows of what the product says, on their way to the history by delivery streams that land them.
 *
 * 1. `add` makes a row one line of JSON, which waits in memory, in a queue per table.
 * 2. `send` puts what waits, oldest first, as many lines per request as Firehose takes, one request at a time per table. Lines
 *    that are refused go back to their place and wait for the next `send`.
 * 3. A queue that outgrows its bound forgets its oldest lines, and reports how many.
 *
 * A put that does not end is given up, and its lines wait for the next `send` like refused ones: nothing that hangs holds
 * later rows, nor whoever waits for them.
 *
 * So a row lands at least once: when the answer of Firehose is lost, its lines are put again. Both copies are the same.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type FirehoseClient, PutRecordBatchCommand } from '@aws-sdk/client-firehose';
import type { DeliveredRow } from '../shared/offline/row-logs.ts';

/** Where rows are kept. Nothing that happens to them may hurt who hands them over. */
export interface RowSink {
  /** Takes a row of a table. Never throws, and never waits. */
  add(tableName: string, row: DeliveredRow): void;
  /** Sends what waits. Never rejects. */
  send(): Promise<void>;
}

/** Who is told what went wrong. */
export interface RowReport {
  lost(tableName: string, rows: number): void;
  /** @param reason name of an error; never a message, which may repeat values. */
  refused(tableName: string, options: { readonly rows: number; readonly reason: string }): void;
}

/** What `PutRecordBatch` takes: so many records, of so many bytes together, and so many in one. */
export const PUT_LIMITS = { records: 500, bytes: 4 * 1024 * 1024, recordBytes: 1_000 * 1024 } as const;

/** Per table: some thousands of rows, which is minutes of a busy environment. */
export const WAITING_BYTES_MAX = 16 * 1024 * 1024;

/**
 * One put, milliseconds. The client ends its attempt long before; this ends what goes on before and after an attempt, such
 * as waiting for credentials.
 */
const PUT_MILLIS_MAX = 10_000;

interface FirehoseRowSinkOptions {
  readonly client: Pick<FirehoseClient, 'send'>;
  /** By name of the table. */
  readonly streamNames: Readonly<Record<string, string>>;
  readonly report: RowReport;
  /** Default `WAITING_BYTES_MAX`. */
  readonly waitingBytesMax?: number;
  /** Aborts so many milliseconds from now. Default `AbortSignal.timeout`. */
  readonly timeout?: (millis: number) => AbortSignal;
}

export class FirehoseRowSink implements RowSink {
  readonly #queues: ReadonlyMap<string, RowQueue>;
  readonly #report: RowReport;

  constructor(options: FirehoseRowSinkOptions) {
    this.#report = options.report;
    this.#queues = new Map(
      Object.entries(options.streamNames).map(([tableName, streamName]) => [
        tableName,
        new RowQueue({ ...options, tableName, streamName }),
      ]),
    );
  }

  add(tableName: string, row: DeliveredRow): void {
    const queue = this.#queues.get(tableName);
    if (queue) queue.add(Buffer.from(`${JSON.stringify(row)}\n`));
    else this.#report.lost(tableName, 1);
  }

  async send(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.send()));
  }
}

/** The lines of one table that wait for its delivery stream. */
class RowQueue {
  readonly #options: FirehoseRowSinkOptions & { readonly tableName: string; readonly streamName: string };
  /** Oldest first. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #sending: Promise<void> | undefined;

  constructor(options: FirehoseRowSinkOptions & { readonly tableName: string; readonly streamName: string }) {
    this.#options = options;
  }

  add(line: Uint8Array): void {
    if (line.byteLength > PUT_LIMITS.recordBytes) {
      this.#options.report.lost(this.#options.tableName, 1);
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.byteLength;
    this.#forgetOldest();
  }

  async send(): Promise<void> {
    if (this.#waiting.length === 0) return this.#sending;
    this.#sending ??= this.#sendAll();
    await this.#sending;
  }

  /** Until nothing waits, including what comes meanwhile, or something is refused. */
  async #sendAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const refused = await this.#put(this.#takeBatch());
        if (refused.length === 0) continue;
        this.#giveBack(refused);
        return;
      }
    } finally {
      this.#sending = undefined;
    }
  }

  #takeBatch(): Uint8Array[] {
    let bytes = 0;
    let count = 0;
    for (const line of this.#waiting.slice(0, PUT_LIMITS.records)) {
      if (bytes + line.byteLength > PUT_LIMITS.bytes) break;
      bytes += line.byteLength;
      count++;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  /** @returns the lines that were not taken. */
  async #put(lines: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const { client, streamName, tableName, report, timeout } = this.#options;
    const abortSignal = timeout?.(PUT_MILLIS_MAX) ?? AbortSignal.timeout(PUT_MILLIS_MAX);
    const command = new PutRecordBatchCommand({
      DeliveryStreamName: streamName,
      Records: lines.map((Data) => ({ Data })),
    });
    try {
      const { RequestResponses: answers = [] } = await Promise.race([
        client.send(command, { abortSignal }),
        rejection(abortSignal),
      ]);
      const refused = lines.filter((_, index) => answers[index]?.RecordId === undefined);
      if (refused.length > 0) {
        const reason = answers.find(({ ErrorCode }) => ErrorCode !== undefined)?.ErrorCode ?? 'NoAnswer';
        report.refused(tableName, { rows: refused.length, reason });
      }
      return refused;
    } catch (error) {
      report.refused(tableName, { rows: lines.length, reason: error instanceof Error ? error.name : typeof error });
      return lines;
    }
  }

  #giveBack(lines: readonly Uint8Array[]): void {
    this.#waiting = [...lines, ...this.#waiting];
    this.#waitingBytes += lines.reduce((sum, line) => sum + line.byteLength, 0);
    this.#forgetOldest();
  }

  #forgetOldest(): void {
    const { tableName, report, waitingBytesMax = WAITING_BYTES_MAX } = this.#options;
    let forgotten = 0;
    while (this.#waitingBytes > waitingBytesMax) {
      this.#waitingBytes -= this.#waiting[forgotten]?.byteLength ?? this.#waitingBytes;
      forgotten++;
    }
    if (forgotten === 0) return;
    this.#waiting.splice(0, forgotten);
    report.lost(tableName, forgotten);
  }
}

/** Sends what waits, and waits for that no longer than so many milliseconds; then it goes on by itself. */
export async function sendWithin(sink: RowSink, millis: number): Promise<void> {
  const done = new AbortController();
  await Promise.race([sink.send(), delay(Math.max(0, millis), undefined, { signal: done.signal }).catch(() => {})]);
  done.abort();
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/**
 * Lands rows of a local run as delivery streams do on AWS: the same Parquet files at the same keys, on disk and in the bucket.
 *
 * 1. Rows wait in memory, by delivery, for some seconds or until there are some thousands of them.
 * 2. A flush writes them into a staging folder beside the history, one Parquet file per partition, some hundred partitions at a
 *    time; what does not fit its table becomes lines of an error file, with the original bytes in base64.
 * 3. Each file is renamed to its place, so that readers see whole files alone, and its bytes are put into the bucket at the same
 *    key. What the bucket does not take is put again by the next flush.
 *
 * A row lands exactly once on disk, unless the process is killed while it waits: the files of a write get to their places
 * together, and when one of them cannot, those before it are removed again and their rows wait.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pMap from 'p-map';
import type { HistoryDelivery } from '../../shared/offline/deliveries.ts';
import { LocalEnvironmentError } from '../child-process.ts';
import { emptyOwnFolders } from './own-folder.ts';
import { ParquetWriter } from './parquet-writer.ts';
import { placeFiles } from './place-files.ts';
import { type CheckedRow, rowCheck } from './row-check.ts';

/** A record that did not become a row, as Firehose keeps it. */
export interface RefusedRecord {
  readonly data: Uint8Array;
  readonly kind: 'processing-failed' | 'format-conversion-failed';
  readonly errorCode: string;
  /** Says what is wrong, and quotes no value. */
  readonly errorMessage: string;
}

export interface Lander {
  /**
   * Takes rows, with the partition columns beside those of the table and decimals as text. Never throws, and never waits.
   * What is not such a row is refused when it is its turn.
   * @param originals the bytes that each row was read from, which are kept of what is refused.
   */
  land(delivery: HistoryDelivery, rows: readonly unknown[], originals?: readonly Uint8Array[]): void;
  /** Takes records that cannot become rows. Never throws, and never waits. */
  refuse(delivery: HistoryDelivery, records: readonly RefusedRecord[]): void;
  /**
   * Everything that was taken before is on disk and in the bucket.
   * @throws what kept some of it from there, which waits; all else is there then, too.
   */
  flush(): Promise<void>;
}

/** Where files are put beside the disk. */
export type PutObject = (key: string, content: Uint8Array) => Promise<void>;

export interface DiskLanderOptions {
  /** Folder of the history, emptied at the start; nobody but runs may have put files there. */
  readonly folder: string;
  /** Hears of a flush in the background that failed; the next one tries again. */
  readonly onError: (error: unknown) => void;
  /** Rows wait so long for others. Default 5,000. */
  readonly flushAfterMillis?: number;
  /** So many rows do not wait. Default 5,000. */
  readonly flushRows?: number;
  /** Writes rows of one table and of a bounded number of partitions. Default DuckDB. */
  readonly writer?: Pick<ParquetWriter, 'write' | 'close'>;
  readonly now?: () => number;
  /** Does work so many milliseconds from now, unless what it returns is called before. */
  readonly after?: (millis: number, work: () => void) => () => void;
}

const PUTS_AT_ONCE = 4;
/** DuckDB runs out of its 512 MB at some 2,000 for a table of eight columns, and tables of answers have more. */
const PARTITIONS_PER_WRITE = 200;

function afterByTimer(millis: number, work: () => void): () => void {
  const timer = setTimeout(work, millis);
  return () => clearTimeout(timer);
}

interface TakenRow {
  readonly row: unknown;
  readonly original: Uint8Array | undefined;
}

interface Waiting {
  readonly rows: readonly TakenRow[];
  readonly refused: readonly RefusedRecord[];
}

interface Collected extends Waiting {
  rows: TakenRow[];
  refused: RefusedRecord[];
}

/** What is written, or waits again, as a whole. */
interface Part {
  /** Checked. */
  readonly rows: readonly object[];
  readonly refused: readonly RefusedRecord[];
}

export class DiskLander implements Lander {
  readonly #options: Required<Omit<DiskLanderOptions, 'writer'>>;
  readonly #staging: string;
  readonly #writer: Pick<ParquetWriter, 'write' | 'close'>;
  readonly #checks = new Map<HistoryDelivery, (row: unknown) => CheckedRow>();
  #waiting = new Map<HistoryDelivery, Collected>();
  #waitingRows = 0;
  /** What the flush in progress has not written yet. */
  readonly #landing = new Map<Part, HistoryDelivery>();
  #cancelTimer: (() => void) | undefined;
  /** The flush in progress and those that wait for it. */
  #flushing: Promise<void> = Promise.resolve();
  #putObject: PutObject | undefined;
  /** Keys of files that are in their place, and not yet in the bucket. */
  readonly #unputKeys = new Set<string>();

  private constructor(options: DiskLanderOptions) {
    this.#options = { flushAfterMillis: 5_000, flushRows: 5_000, now: Date.now, after: afterByTimer, ...options };
    this.#staging = `${options.folder}.staging`;
    this.#writer = options.writer ?? new ParquetWriter();
  }

  /**
   * Empties the folder when an earlier run made it: what lies there belongs to another bucket.
   * @throws LocalEnvironmentError when somebody else made it.
   */
  static async open(options: DiskLanderOptions): Promise<DiskLander> {
    const lander = new DiskLander(options);
    await emptyOwnFolders([options.folder, lander.#staging]);
    return lander;
  }

  /** From now on files go into a bucket, too; those that are on disk already with the next flush. */
  publishTo(putObject: PutObject): void {
    this.#putObject = putObject;
  }

  land(delivery: HistoryDelivery, rows: readonly unknown[], originals: readonly Uint8Array[] = []): void {
    const waiting = this.#of(delivery);
    for (const [index, row] of rows.entries()) waiting.rows.push({ row, original: originals[index] });
    this.#taken(rows.length);
  }

  refuse(delivery: HistoryDelivery, records: readonly RefusedRecord[]): void {
    const waiting = this.#of(delivery);
    for (const record of records) waiting.refused.push(record);
    this.#taken(records.length);
  }

  flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const flush = this.#flushing.then(() => this.#flush());
    // The next flush waits for this one, however it ends; whoever asked for it hears of its error.
    this.#flushing = flush.catch(() => {});
    return flush;
  }

  /**
   * Lands what waits. Nothing may be handed over afterwards.
   * @throws LocalEnvironmentError that says how many rows of which table are lost, and why.
   */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    await this.flush().catch((error: unknown) => errors.push(error));
    this.#cancelTimer?.();
    // The next run empties what cannot be removed.
    await Promise.allSettled([this.#writer.close(), rm(this.#staging, { recursive: true, force: true })]);
    const unlanded = this.unlanded();
    if (unlanded === undefined) return;
    const [reason = 'they came while the run ended'] = errors;
    throw new LocalEnvironmentError(`${unlanded}: ${String(reason)}`, { cause: reason });
  }

  /** What would be lost if the process ended now, in one sentence without its full stop. */
  unlanded(): string | undefined {
    const rows = new Map<string, number>();
    const count = (delivery: HistoryDelivery, part: Part | Waiting) => {
      const { tableName } = delivery.schema;
      rows.set(tableName, (rows.get(tableName) ?? 0) + part.rows.length + part.refused.length);
    };
    for (const [delivery, waiting] of this.#waiting) count(delivery, waiting);
    for (const [part, delivery] of this.#landing) count(delivery, part);
    const lost = [...rows].filter(([, number]) => number > 0).map(([table, number]) => `${number} of ${table}`);
    if (lost.length > 0) return `Rows of the history are lost, ${lost.join(', ')}`;
    if (this.#putObject === undefined || this.#unputKeys.size === 0) return undefined;
    return `Files of the history are on disk and not in the bucket, ${this.#unputKeys.size} of them`;
  }

  #of(delivery: HistoryDelivery): Collected {
    const waiting = this.#waiting.get(delivery) ?? { rows: [], refused: [] };
    this.#waiting.set(delivery, waiting);
    return waiting;
  }

  #taken(rows: number): void {
    this.#waitingRows += rows;
    const { flushRows, flushAfterMillis } = this.#options;
    if (this.#waitingRows >= flushRows) this.#flushSoon(0);
    else if (this.#waitingRows > 0 && this.#cancelTimer === undefined) this.#flushSoon(flushAfterMillis);
  }

  #flushSoon(millis: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.after(millis, () => {
      this.flush().catch((error: unknown) => {
        this.#options.onError(error);
        this.#flushSoon(this.#options.flushAfterMillis);
      });
    });
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    this.#waitingRows = 0;
    const errors: unknown[] = [];
    for (const [delivery, taken] of waiting) {
      try {
        for (const part of this.#partsOf(delivery, taken)) this.#landing.set(part, delivery);
      } catch (error) {
        this.#giveBack(delivery, taken);
        errors.push(error);
      }
    }
    for (const [part, delivery] of this.#landing) {
      try {
        await this.#write(delivery, part);
      } catch (error) {
        const rows = part.rows.map((row) => ({ row, original: undefined }));
        this.#giveBack(delivery, { rows, refused: part.refused });
        errors.push(error);
      } finally {
        this.#landing.delete(part);
      }
    }
    await this.#put().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw oneOf(errors);
  }

  #giveBack(delivery: HistoryDelivery, { rows, refused }: Waiting): void {
    const later = this.#of(delivery);
    later.rows = [...rows, ...later.rows];
    later.refused = [...refused, ...later.refused];
    this.#waitingRows += rows.length + refused.length;
  }

  /** What fits its table, by partitions, of which DuckDB keeps a buffer each while it writes; and what does not. */
  #partsOf(delivery: HistoryDelivery, { rows, refused }: Waiting): Part[] {
    const check = this.#checks.get(delivery) ?? rowCheck(delivery.schema);
    this.#checks.set(delivery, check);
    const byPartition = new Map<string, object[]>();
    const unfit: RefusedRecord[] = [];
    for (const { row, original } of rows) {
      const checked = check(row);
      if (!checked.ok) {
        unfit.push(unconverted(original ?? bytesOf(row), checked.problem));
        continue;
      }
      const ofPartition = byPartition.get(checked.partition) ?? [];
      byPartition.set(checked.partition, ofPartition);
      ofPartition.push(checked.row);
    }
    const partitions = [...byPartition.values()];
    const parts: Part[] = [];
    for (let first = 0; first < partitions.length; first += PARTITIONS_PER_WRITE) {
      parts.push({ rows: partitions.slice(first, first + PARTITIONS_PER_WRITE).flat(), refused: [] });
    }
    if (refused.length + unfit.length > 0) parts.push({ rows: [], refused: [...refused, ...unfit] });
    return parts;
  }

  /** Files of a part get to their places once all of them are written, and all of them or none. */
  async #write(delivery: HistoryDelivery, { rows, refused }: Part): Promise<void> {
    const staged = join(this.#staging, randomUUID());
    try {
      await mkdir(staged);
      if (rows.length > 0) await this.#writer.write({ delivery, rows, folder: staged });
      await this.#writeErrors(staged, delivery, refused);
      for (const key of await placeFiles(staged, this.#options.folder)) this.#unputKeys.add(key);
    } finally {
      // What is left beside the history is no reason to land its rows again.
      const left = [staged, `${staged}.jsonl`].map((path) => rm(path, { recursive: true, force: true }));
      await Promise.allSettled(left);
    }
  }

  async #writeErrors(
    folder: string,
    { errorPrefix }: HistoryDelivery,
    records: readonly RefusedRecord[],
  ): Promise<void> {
    const now = this.#options.now();
    const day = new Date(now).toISOString().slice(0, 10).replaceAll('-', '/');
    for (const [kind, ofKind] of Map.groupBy(records, (record) => record.kind)) {
      const lines = ofKind.map(({ data, errorCode, errorMessage }) =>
        JSON.stringify({
          attemptsMade: 1,
          arrivalTimestamp: now,
          errorCode,
          errorMessage,
          attemptEndingTimestamp: now,
          rawData: Buffer.from(data).toString('base64'),
        }),
      );
      const file = join(folder, errorPrefix, kind, day, `refused-${randomUUID()}`);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, `${lines.join('\n')}\n`);
    }
  }

  async #put(): Promise<void> {
    const putObject = this.#putObject;
    if (putObject === undefined) return;
    await pMap(
      [...this.#unputKeys],
      async (key) => {
        // To the end of those that wait: one that fails for ever must not be the first each time.
        this.#unputKeys.delete(key);
        this.#unputKeys.add(key);
        await putObject(key, await readFile(join(this.#options.folder, key)));
        this.#unputKeys.delete(key);
      },
      { concurrency: PUTS_AT_ONCE },
    );
  }
}

/** As JSON, or none where there is no JSON of it: values may be nested too deeply. */
function bytesOf(row: unknown): Uint8Array {
  try {
    return Buffer.from(JSON.stringify(row) ?? '');
  } catch {
    return Buffer.of();
  }
}

/** Every reason once: many deliveries fail for the same one, such as a full disk. */
function oneOf(errors: readonly unknown[]): unknown {
  const texts = [...new Set(errors.map(String))];
  return texts.length === 1 ? errors[0] : new AggregateError(errors, texts.join('; '));
}

/** Of what is no row of its table. */
export function unconverted(data: Uint8Array, errorMessage: string): RefusedRecord {
  return { data, kind: 'format-conversion-failed', errorCode: 'DataFormatConversion.MalformedData', errorMessage };
}

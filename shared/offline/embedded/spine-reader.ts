import type { DuckDBDataChunk } from '@duckdb/node-api';
import type { SpineRows } from '../sweep/event-columns.ts';

/** The rows of one entity, in order of their timestamps. */
export interface EntityRows {
  readonly code: number;
  readonly rows: SpineRows;
  /** Where each row stands in the spine. */
  readonly rowIds: Int32Array;
}

/** Collects rows of (entity, timestamp, known at, row id), in this order, entity by entity. */
export class SpineReader {
  readonly #chunks: AsyncIterator<DuckDBDataChunk>;
  #chunk: DuckDBDataChunk | undefined;
  #row = 0;

  constructor(chunks: AsyncIterable<DuckDBDataChunk>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next entity; `undefined` after the last. */
  async next(): Promise<EntityRows | undefined> {
    const code = await this.#code();
    if (code === undefined) return undefined;
    const timestamps: number[] = [];
    const knownAts: number[] = [];
    const rowIds: number[] = [];
    while ((await this.#code()) === code) {
      timestamps.push(this.#number(1));
      knownAts.push(this.#number(2));
      rowIds.push(this.#number(3));
      this.#row++;
    }
    const rows = {
      length: rowIds.length,
      timestamps: Float64Array.from(timestamps),
      knownAts: Float64Array.from(knownAts),
    };
    return { code, rows, rowIds: Int32Array.from(rowIds) };
  }

  #number(column: number): number {
    return Number(this.#chunk?.getColumnVector(column).getItem(this.#row));
  }

  async #code(): Promise<number | undefined> {
    if (this.#chunk === undefined || this.#row === this.#chunk.rowCount) {
      const next = await this.#chunks.next();
      if (next.done) return undefined;
      this.#chunk = next.value;
      this.#row = 0;
    }
    return this.#number(0);
  }
}

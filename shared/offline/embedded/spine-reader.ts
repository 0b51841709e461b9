import type { DuckDBDataChunk, DuckDBValue } from '@duckdb/node-api';
import type { DecidedIds, SpineRows } from '../sweep/event-columns.ts';

/** The rows of one entity, in order of their timestamps. */
export interface EntityRows {
  readonly code: number;
  readonly rows: SpineRows;
  /** Where each row stands in the spine. */
  readonly rowIds: Int32Array;
}

/** Columns of the query whose rows are read; the last two where rows name what they decide. */
export const SPINE_COLUMNS = { entity: 0, timestamp: 1, knownAt: 2, rowId: 3, decidedId: 4, decidedIdHash: 5 } as const;

/** Collects rows, which are sorted by entity, timestamp and known at, entity by entity. */
export class SpineReader {
  readonly #chunks: AsyncIterator<DuckDBDataChunk>;
  readonly #namesDecided: boolean;
  #chunk: DuckDBDataChunk | undefined;
  #row = 0;

  constructor(chunks: AsyncIterable<DuckDBDataChunk>, { namesDecided }: { readonly namesDecided: boolean }) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#namesDecided = namesDecided;
  }

  /** The next entity; `undefined` after the last. */
  async next(): Promise<EntityRows | undefined> {
    const code = await this.#code();
    if (code === undefined) return undefined;
    const timestamps: number[] = [];
    const knownAts: number[] = [];
    const rowIds: number[] = [];
    const ids: (string | null)[] = [];
    const idHashes: number[] = [];
    while ((await this.#code()) === code) {
      timestamps.push(this.#number(SPINE_COLUMNS.timestamp));
      knownAts.push(this.#number(SPINE_COLUMNS.knownAt));
      rowIds.push(this.#number(SPINE_COLUMNS.rowId));
      if (this.#namesDecided) {
        const id = this.#item(SPINE_COLUMNS.decidedId);
        ids.push(id === null ? null : String(id));
        idHashes.push(this.#number(SPINE_COLUMNS.decidedIdHash));
      }
      this.#row++;
    }
    const decided: DecidedIds = { ids, idHashes: Int32Array.from(idHashes) };
    const rows = {
      length: rowIds.length,
      timestamps: Float64Array.from(timestamps),
      knownAts: Float64Array.from(knownAts),
      ...(this.#namesDecided && { decided }),
    };
    return { code, rows, rowIds: Int32Array.from(rowIds) };
  }

  #number(column: number): number {
    return Number(this.#item(column));
  }

  #item(column: number): DuckDBValue {
    return this.#chunk?.getColumnVector(column).getItem(this.#row) ?? null;
  }

  async #code(): Promise<number | undefined> {
    if (this.#chunk === undefined || this.#row === this.#chunk.rowCount) {
      const next = await this.#chunks.next();
      if (next.done) return undefined;
      this.#chunk = next.value;
      this.#row = 0;
    }
    return this.#number(SPINE_COLUMNS.entity);
  }
}

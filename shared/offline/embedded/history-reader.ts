import {
  type DuckDBDataChunk,
  DuckDBDoubleVector,
  DuckDBIntegerVector,
  DuckDBVarCharVector,
  type DuckDBVector,
} from '@duckdb/node-api';
import type { FieldValue } from '../../definitions/fields.ts';
import type { EventColumns, FieldColumn } from '../sweep/event-columns.ts';
import { HISTORY_COLUMNS, type HistoryQuery, type ValueReading } from './history.ts';

/** Ids of a run of events, still in DuckDB's memory: they are looked at only where hashes or arrivals are equal. */
interface IdSegment {
  /** Of the run's first event. */
  readonly position: number;
  readonly row: number;
  readonly vector: DuckDBVarCharVector;
  /** Keeps the vector's memory alive. */
  readonly chunk: DuckDBDataChunk;
}

/**
 * Collects the events of one entity after the other from chunks in order of entity and time, in arrays that are used
 * again for the next entity.
 */
export class HistoryReader {
  readonly #chunks: AsyncIterator<DuckDBDataChunk>;
  readonly #columns: readonly ColumnBuffer[];
  readonly #times = new NumberBuffer();
  readonly #arrivals = new NumberBuffer();
  readonly #idHashes = new CodeBuffer();
  #chunk: DuckDBDataChunk | undefined;
  #entities: DuckDBIntegerVector | undefined;
  #row = 0;
  #rowCount = 0;
  #length = 0;
  #ids: IdSegment[] = [];

  constructor(query: HistoryQuery, chunks: AsyncIterable<DuckDBDataChunk>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#columns = query.fields.map(([name, reading]) => bufferFor(name, reading));
  }

  /** The events of an entity. Entities are asked for in rising order; what is returned is valid until the next call. */
  async read(entity: number): Promise<EventColumns> {
    this.#length = 0;
    this.#ids = [];
    for (const column of this.#columns) column.clear();
    while (await this.#hasRows()) {
      const entities = this.#entities;
      if (entities === undefined || Number(entities.getItem(this.#row)) > entity) break;
      let end = this.#row + 1;
      while (end < this.#rowCount && entities.getItem(end) === entity) end++;
      this.#take(this.#row, end);
      this.#row = end;
    }
    return {
      length: this.#length,
      times: this.#times.values,
      arrivals: this.#arrivals.values,
      idHashes: this.#idHashes.values,
      idAt: (position) => this.#idAt(position),
      fields: Object.fromEntries(this.#columns.map((column) => [column.name, column.column()])),
    };
  }

  /** Moves on to the next chunk when this one is used up. */
  async #hasRows(): Promise<boolean> {
    if (this.#row < this.#rowCount) return true;
    const next = await this.#chunks.next();
    if (next.done) return false;
    this.#chunk = next.value;
    this.#row = 0;
    this.#rowCount = next.value.rowCount;
    this.#entities = vectorAs(DuckDBIntegerVector, next.value, HISTORY_COLUMNS.entity);
    return this.#rowCount > 0;
  }

  #take(from: number, to: number): void {
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    const at = this.#length;
    this.#times.append(vectorAs(DuckDBDoubleVector, chunk, HISTORY_COLUMNS.time), from, to, at);
    this.#arrivals.append(vectorAs(DuckDBDoubleVector, chunk, HISTORY_COLUMNS.arrival), from, to, at);
    this.#idHashes.append(vectorAs(DuckDBIntegerVector, chunk, HISTORY_COLUMNS.idHash), from, to, at);
    const vector = vectorAs(DuckDBVarCharVector, chunk, HISTORY_COLUMNS.id);
    this.#ids.push({ position: at, row: from, vector, chunk });
    for (let index = 0; index < this.#columns.length; index++) {
      this.#columns[index]?.append(chunk.getColumnVector(HISTORY_COLUMNS.firstField + index), from, to, at);
    }
    this.#length += to - from;
  }

  #idAt(position: number): string {
    let low = 0;
    let high = this.#ids.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#ids[middle]?.position ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    const segment = this.#ids[low];
    return segment ? String(segment.vector.getItem(segment.row + position - segment.position)) : '';
  }
}

/** A column of a chunk as what the query made it. */
function vectorAs<Vector extends DuckDBVector>(
  // biome-ignore lint/suspicious/noExplicitAny: the constructors of vectors differ; only `instanceof` is asked.
  type: abstract new (...parameters: any[]) => Vector,
  chunk: DuckDBDataChunk,
  column: number,
): Vector {
  const vector = chunk.getColumnVector(column);
  if (!(vector instanceof type)) throw new TypeError(`column ${column} of the history query is ${String(vector.type)}`);
  return vector;
}

class NumberBuffer {
  values = new Float64Array(1_024);

  append(vector: DuckDBDoubleVector, from: number, to: number, at: number): void {
    if (at + to - from > this.values.length) {
      const values = new Float64Array(Math.ceil(1.5 * (at + to - from)));
      values.set(this.values.subarray(0, at));
      this.values = values;
    }
    const { values } = this;
    const shift = at - from;
    for (let row = from; row < to; row++) values[row + shift] = vector.getItem(row) ?? Number.NaN;
  }
}

class CodeBuffer {
  values = new Int32Array(1_024);

  reserve(length: number, used: number): void {
    if (length <= this.values.length) return;
    const values = new Int32Array(Math.ceil(1.5 * length));
    values.set(this.values.subarray(0, used));
    this.values = values;
  }

  append(vector: DuckDBIntegerVector, from: number, to: number, at: number): void {
    this.reserve(at + to - from, at);
    const { values } = this;
    const shift = at - from;
    for (let row = from; row < to; row++) values[row + shift] = vector.getItem(row) ?? -1;
  }
}

/** The values of one field for the entity at hand. */
interface ColumnBuffer {
  readonly name: string;
  clear(): void;
  append(vector: DuckDBVector, from: number, to: number, at: number): void;
  column(): FieldColumn;
}

function bufferFor(name: string, reading: ValueReading): ColumnBuffer {
  switch (reading.kind) {
    case 'number':
      return numberColumn(name);
    case 'coded':
      return codedColumn(name, reading.dictionary);
    case 'text':
      return textColumn(name);
  }
}

function numberColumn(name: string): ColumnBuffer {
  const buffer = new NumberBuffer();
  return {
    name,
    clear: () => {},
    append: (vector, from, to, at) => {
      if (vector instanceof DuckDBDoubleVector) buffer.append(vector, from, to, at);
    },
    column: () => ({ kind: 'number', values: buffer.values }),
  };
}

function codedColumn(name: string, dictionary: readonly FieldValue[]): ColumnBuffer {
  const buffer = new CodeBuffer();
  return {
    name,
    clear: () => {},
    append: (vector, from, to, at) => {
      if (vector instanceof DuckDBIntegerVector) buffer.append(vector, from, to, at);
    },
    column: () => ({ kind: 'coded', codes: buffer.values, dictionary }),
  };
}

/** Too many texts for one dictionary: each entity has its own. */
function textColumn(name: string): ColumnBuffer {
  const buffer = new CodeBuffer();
  let dictionary: FieldValue[] = [];
  const places = new Map<string, number>();
  const placeOf = (text: string | null): number => {
    if (text === null) return -1;
    const known = places.get(text);
    if (known !== undefined) return known;
    const place = dictionary.push(text) - 1;
    places.set(text, place);
    return place;
  };
  return {
    name,
    clear: () => {
      dictionary = [];
      places.clear();
    },
    append: (vector, from, to, at) => {
      if (!(vector instanceof DuckDBVarCharVector)) return;
      buffer.reserve(at + to - from, at);
      for (let row = from; row < to; row++) buffer.values[row - from + at] = placeOf(vector.getItem(row));
    },
    column: () => ({ kind: 'coded', codes: buffer.values, dictionary }),
  };
}

import {
  BOOLEAN,
  DOUBLE,
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  INTEGER,
  VARCHAR,
} from '@duckdb/node-api';
import type { FeatureType, FeatureValue } from '../../windows/aggregate.ts';
import { quoted } from './duckdb.ts';

const DUCKDB_TYPES: Readonly<Record<FeatureType, DuckDBType>> = { number: DOUBLE, text: VARCHAR, boolean: BOOLEAN };

/** What DuckDB takes at a time. */
const ROWS_PER_CHUNK = 2_048;

/** The first column, the spine's `rowid`. A name with a space cannot be that of a feature or field. */
export const ROW = quoted('spine row');

/** A table of features by row of the spine, filled in any order. */
export class FeatureTable {
  readonly name: string;
  readonly #appender: DuckDBAppender;
  readonly #types: readonly DuckDBType[];
  readonly #rows: number[] = [];
  readonly #columns: FeatureValue[][];

  private constructor(name: string, appender: DuckDBAppender, types: readonly DuckDBType[]) {
    this.name = name;
    this.#appender = appender;
    this.#types = types;
    this.#columns = types.slice(1).map(() => []);
  }

  static async create(
    connection: DuckDBConnection,
    name: string,
    features: readonly { readonly name: string; readonly type: FeatureType }[],
  ): Promise<FeatureTable> {
    const types = features.map(({ type }) => DUCKDB_TYPES[type]);
    const columns = features.map((feature, index) => `${quoted(feature.name)} ${String(types[index])}`);
    await connection.run(`CREATE TABLE ${name} (${[`${ROW} INTEGER`, ...columns].join(', ')})`);
    const appender = await connection.createAppender(name);
    return new FeatureTable(name, appender, [INTEGER, ...types]);
  }

  append(row: number, values: readonly FeatureValue[]): void {
    this.#rows.push(row);
    for (let index = 0; index < this.#columns.length; index++) this.#columns[index]?.push(values[index] ?? null);
    if (this.#rows.length === ROWS_PER_CHUNK) this.#flush();
  }

  #flush(): void {
    if (this.#rows.length === 0) return;
    const chunk = DuckDBDataChunk.create(this.#types, this.#rows.length);
    chunk.setColumnValues(0, this.#rows);
    for (const [index, values] of this.#columns.entries()) chunk.setColumnValues(index + 1, values);
    this.#appender.appendDataChunk(chunk);
    this.#rows.length = 0;
    for (const values of this.#columns) values.length = 0;
  }

  /** Writes what is left. */
  close(): void {
    this.#flush();
    this.#appender.closeSync();
  }
}

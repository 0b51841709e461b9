import { hash } from 'node:crypto';
import type { GlueClient } from '@aws-sdk/client-glue';
import type { S3Client } from '@aws-sdk/client-s3';
import type { FeatureService } from '../../definitions/service.ts';
import type { WindowedView } from '../../definitions/view.ts';
import type { HistoricalRequest, OfflineStore, TrainingSetManifest } from '../offline-store.ts';
import { missingInputs, nothingCounted } from '../spine-problems.ts';
import { DUCKDB, type SqlDialect, TRINO, tableName, textLiteral } from '../sql/dialect.ts';
import { historyQuery } from '../sql/history-query.ts';
import type { AthenaQueries } from './athena-queries.ts';
import { type Cell, type Column, columnsOf, openParquet, type ParquetFile, parquetOf } from './columns.ts';
import { keysBelow, objectOf, putObject, requirePlace } from './s3-objects.ts';
import { daysOf, tableWithin } from './scan.ts';
import { checkedSpine, hashOfRows, leastColumnsOf, type Spine, spineColumnsOf } from './spine.ts';
import { withSpineTable } from './spine-table.ts';

export interface AthenaOptions {
  readonly queries: Pick<AthenaQueries, 'execute' | 'run'>;
  readonly glue: GlueClient;
  readonly s3: S3Client;
  /** Of the tables of history, and of the temporary one. */
  readonly database: string;
  /** `s3://bucket/prefix/` below which this attempt alone leaves files, which nobody needs afterwards. */
  readonly scratch: string;
  /** A UUID of this attempt alone, so that two attempts at once do not meet. */
  readonly attemptId: string;
  /** What answers behind the API of Athena: Trino on AWS; emulators run DuckDB, which cannot UNLOAD. */
  readonly sqlEngine: 'trino' | 'duckdb';
  /** Milliseconds since 1970 UTC. */
  readonly clock: () => number;
  /** Ends the query and the attempt. */
  readonly signal?: AbortSignal;
}

/** What Athena made, and what it read for it. */
export type AthenaTrainingSet = Omit<TrainingSetManifest, 'registryVersion'> & { readonly bytesScanned: number };

const ROW_NUMBER = 'spine_row';
const PARQUET = 'application/vnd.apache.parquet';

/**
 * Features of the past, computed by Athena over the landed history.
 *
 * 1. The spine is read and checked here. Athena sees its rows' numbers, join keys, instants and the inputs of derived
 *    features, as a temporary table over one Parquet file.
 * 2. One query computes the features of all rows from the days of history that matter, and unloads them as Parquet.
 * 3. The features are brought back into the spine's order and written beside the spine's own columns. So these need no
 *    name that SQL understands, keep their values, and the result is one file in order, which UNLOAD does not promise.
 *
 *     spine.parquet ──▶ check ──▶ (row, keys, instants, inputs) ──▶ Athena ◀── raw_<source>, some days
 *            └─────────────────▶ output.parquet ◀── (row, features …) ◀─┘
 */
export class AthenaOfflineStore implements OfflineStore {
  readonly engine = 'athena';
  readonly #options: AthenaOptions;

  constructor(options: AthenaOptions) {
    this.#options = options;
  }

  /**
   * `spine` and `output` are `s3://bucket/key`; `history` names tables of the database.
   * @throws SpineError saying what cannot be used, AthenaQueryError.
   */
  async getHistoricalFeatures(request: HistoricalRequest): Promise<AthenaTrainingSet> {
    const { service, mode } = request;
    const { s3, clock } = this.#options;
    const columns = await this.#readSpine(request);
    const spine = checkedSpine(columns, { service, mode, nowMillis: clock() });
    const { features, sqlHash, bytesScanned } =
      spine.rowCount === 0
        ? { features: featureColumns(service, 0), sqlHash: null, bytesScanned: 0 }
        : await this.#compute(request, spine);
    const output = [...columns, ...features];
    await putObject(s3, requirePlace(request.output), parquetOf(output), PARQUET);
    return {
      service: service.key,
      mode,
      engine: this.engine,
      sqlHash,
      spineHash: hashOfRows(columns),
      rows: spine.rowCount,
      columns: output.map(({ name }) => name),
      notes: [
        ...missingInputs(
          service,
          columns.map(({ name }) => name),
        ),
        ...nothingCounted(service, countedViews(service, features), spine.rowCount),
      ],
      bytesScanned,
    };
  }

  async #readSpine({ spine, service }: HistoricalRequest): Promise<Column[]> {
    const object = await objectOf(this.#options.s3, requirePlace(spine));
    const columns = await spineColumnsOf(spine, object);
    // Nothing was said about columns where there are neither rows nor columns.
    return columns.length === 0 ? leastColumnsOf(service) : columns;
  }

  async #compute(request: HistoricalRequest, spine: Spine) {
    const { glue, s3, database, scratch, attemptId } = this.#options;
    const rowNumbers = Array.from({ length: spine.rowCount }, (_, row) => BigInt(row));
    const columns: Column[] = [{ name: ROW_NUMBER, kind: 'integer', cells: rowNumbers }, ...spine.needed];
    const location = `${scratch}spine/`;
    await putObject(s3, requirePlace(`${location}spine.parquet`), parquetOf(columns), PARQUET);
    const table = `spine_${attemptId.replaceAll('-', '_')}`;
    const sqlOver = (spineTable: string) => this.#sql(request, spine, spineTable);
    const answer = await withSpineTable({ client: glue, database, table, location, columns }, () =>
      this.#answer(request.service, spine.rowCount, sqlOver(tableName(database, table))),
    );
    // Of the SQL with a name for the table that does not change from attempt to attempt.
    return { ...answer, sqlHash: hash('sha256', sqlOver(tableName(database, 'spine'))) };
  }

  #sql({ service, mode, history }: HistoricalRequest, spine: Spine, spineTable: string): string {
    const { database, clock } = this.#options;
    const days = daysOf({ service, mode, nowMillis: clock(), ...spine });
    const tables = Object.entries(history).map(([source, table]) => [
      source,
      tableWithin(tableName(database, table), days),
    ]);
    return historyQuery({
      service,
      mode,
      dialect: this.#dialect,
      spine: {
        table: spineTable,
        columns: [ROW_NUMBER, ...spine.needed.map(({ name }) => name)],
        rowNumber: ROW_NUMBER,
      },
      history: Object.fromEntries(tables),
    });
  }

  get #dialect(): SqlDialect {
    return this.#options.sqlEngine === 'trino' ? TRINO : DUCKDB;
  }

  async #answer(service: FeatureService, rowCount: number, sql: string) {
    const features = featureColumns(service, rowCount);
    const { bytesScanned, answered } =
      this.#options.sqlEngine === 'trino' ? await this.#unload(sql, features) : await this.#select(sql, features);
    if (answered !== rowCount) throw new Error(`Athena answered ${answered} rows for a spine of ${rowCount}`);
    return { features, bytesScanned };
  }

  async #unload(sql: string, features: readonly Column[]) {
    const { queries, s3, scratch, signal } = this.#options;
    const location = `${scratch}features/`;
    const unload = `UNLOAD (\n${sql}\n) TO ${textLiteral(location)} WITH (format = 'PARQUET', compression = 'SNAPPY')`;
    const { bytesScanned } = await queries.execute(unload, signal);
    let answered = 0;
    const { bucket } = requirePlace(location);
    for (const key of await keysBelow(s3, requirePlace(location))) {
      const file = await openParquet(await objectOf(s3, { bucket, key }));
      const rowNumbers = await cellsOf(file, ROW_NUMBER);
      // A column at a time: all of them are twice in memory otherwise.
      for (const feature of features) {
        const cells = await cellsOf(file, feature.name);
        for (const [index, row] of rowNumbers.entries()) feature.cells[Number(row)] = cells[index] ?? null;
      }
      answered += rowNumbers.length;
    }
    return { bytesScanned, answered };
  }

  async #select(sql: string, features: readonly Column[]) {
    const { queries, signal } = this.#options;
    const { columns, rows, bytesScanned } = await queries.run(sql, signal);
    const rowNumber = columns.indexOf(ROW_NUMBER);
    for (const { name, kind, cells } of features) {
      const position = columns.indexOf(name);
      if (position < 0) throw unanswered(name);
      for (const row of rows) cells[Number(row[rowNumber])] = cellOfText(kind, row[position] ?? null);
    }
    return { bytesScanned, answered: rows.length };
  }
}

/** Views of which some feature has a value that is not its empty one. */
function countedViews(service: FeatureService, columns: readonly Column[]): ReadonlySet<WindowedView> {
  const counted = service.features.filter(({ name, emptyValue }) =>
    columns.find((column) => column.name === name)?.cells.some((cell) => cell !== emptyValue),
  );
  return new Set(counted.map(({ view }) => view));
}

const FEATURE_KINDS = { number: 'double', text: 'text', boolean: 'boolean' } as const;

function featureColumns({ features, derived }: FeatureService, rowCount: number): Column[] {
  return [...features, ...derived].map(({ name, type }) => ({
    name,
    kind: FEATURE_KINDS[type],
    cells: Array.from<Cell>({ length: rowCount }).fill(null),
  }));
}

async function cellsOf(file: ParquetFile, name: string): Promise<Cell[]> {
  const [column] = await columnsOf(file, [name]);
  if (column === undefined) throw unanswered(name);
  return column.cells;
}

function unanswered(name: string): Error {
  return new Error(`Athena did not answer the column ${name}`);
}

function cellOfText(kind: Column['kind'], text: string | null): Cell {
  if (text === null || kind === 'text') return text;
  return kind === 'boolean' ? text === 'true' : Number(text);
}

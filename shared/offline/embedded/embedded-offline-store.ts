import { rename, rm, writeFile } from 'node:fs/promises';
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import type { FieldValue } from '../../definitions/fields.ts';
import type { FeatureService, ServiceFeature } from '../../definitions/service.ts';
import type { EventSource } from '../../definitions/source.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { columnsOf } from '../../expressions/index.ts';
import { LIMITS } from '../../limits.ts';
import { type HistoricalRequest, type OfflineStore, SPINE, type TrainingSetManifest } from '../offline-store.ts';
import { missingInputs, nothingCounted } from '../spine-problems.ts';
import { fieldsOf } from '../sweep/event-columns.ts';
import { ViewSweep } from '../sweep/sweep-view.ts';
import { isZoneless } from './column-types.ts';
import { type DuckDbOptions, queryRows, quoted, streamChunks, withDuckDb } from './duckdb.ts';
import { HistoryError } from './errors.ts';
import { FeatureTable, ROW } from './feature-table.ts';
import { historyQuery, idHashSql } from './history.ts';
import { HistoryReader } from './history-reader.ts';
import { checkedColumn, hashSpine, loadSpine, SPINE_TABLE, type Spine, spineKeysOf } from './spine.ts';
import { SpineReader } from './spine-reader.ts';

/** How far a training set is: `done` of `total` steps, where a row of the spine is a step for each scan that serves it. */
export interface TrainingSetProgress {
  readonly done: number;
  readonly total: number;
}

export interface EmbeddedOptions extends DuckDbOptions {
  readonly onProgress?: (progress: TrainingSetProgress) => void;
}

/**
 * Features of the past on one machine.
 *
 * 1. DuckDB reads the spine and the events of its entities from Parquet and sorts both by entity and time; what does not
 *    fit its memory it puts on disk.
 * 2. The sweep (`../sweep/sweep-view.ts`) goes through both once, entity by entity. Of history, only one entity's events
 *    are in the memory of this process at a time.
 * 3. DuckDB brings the features back into the spine's order and writes them beside the spine's columns.
 *
 *     spine.parquet ──▶ (entity, timestamp, known_at, row) ─┐
 *     history/*     ──▶ (entity, time, arrival, fields …)  ─┴▶ sweep ──▶ (row, features …) ──▶ output.parquet
 *
 * Derived features see the window features and, where the service decides events, the spine's columns of those names;
 * the event's time is the row's timestamp, unless the spine has a column for it. What the spine lacks is null. Only the
 * column that names decided events must be there, where features leave them out.
 */
export class EmbeddedOfflineStore implements OfflineStore {
  readonly engine = 'sweep';
  readonly #options: EmbeddedOptions;

  constructor(options: EmbeddedOptions = {}) {
    this.#options = options;
  }

  /** @throws SpineError, HistoryError saying what cannot be used. */
  async getHistoricalFeatures(request: HistoricalRequest): Promise<Omit<TrainingSetManifest, 'registryVersion'>> {
    refuseUnknownHistory(request);
    const reading = request.offsetMinutes === undefined ? {} : { offsetMinutes: request.offsetMinutes };
    return withDuckDb({ ...this.#options, reading }, async (connect) => {
      const connection = await connect();
      const spine = await loadSpine(connection, request);
      const scans = scansOf(request.service);
      let done = 0;
      const total = spine.rowCount * scans.length;
      const onRows = (count: number) => {
        done += count;
        this.#options.onProgress?.({ done, total });
      };
      const tables: string[] = [];
      const counted = new Set<WindowedView>();
      for (const [index, scan] of scans.entries()) {
        const swept = await sweepScan({ connection, connect, request, spine, scan, index, onRows });
        tables.push(...swept.tables);
        for (const view of swept.counted) counted.add(view);
      }
      if (request.service.derived.length > 0)
        tables.push(await derive({ connection, connect, service: request.service, spine, tables }));
      const features = [...request.service.features, ...request.service.derived].map(({ name }) => name);
      await writeOutput(connection, request.output, spine, tables, features);
      return {
        service: request.service.key,
        mode: request.mode,
        engine: this.engine,
        sqlHash: null,
        spineHash: await hashSpine(connection, spine.columns),
        rows: spine.rowCount,
        columns: [...spine.columns.map(({ name }) => name), ...features],
        notes: [
          ...zonelessNotes(spine),
          ...futureNotes(spine),
          ...missingInputs(
            request.service,
            spine.columns.map(({ name }) => name),
          ),
          ...nothingCounted(request.service, counted, spine.rowCount),
        ],
      };
    });
  }
}

/** Parquet has timestamps that do not say of which zone they are. */
function zonelessNotes({ columns }: Spine): string[] {
  return columns
    .filter(({ name, type }) => (name === SPINE.timestamp || name === SPINE.knownAt) && isZoneless(type))
    .map(({ name, type }) => `"${name}" of the spine is ${type}, without a zone: it was read as UTC`);
}

/** Everything is known in the future: what was known later, labels say, would train a model that nobody can serve. */
function futureNotes({ latestMillis, latestKnownMillis }: Spine): string[] {
  const latest = Math.max(latestMillis, latestKnownMillis);
  if (latest <= Date.now() + LIMITS.futureToleranceMillis) return [];
  const at = new Date(latest).toISOString();
  return [
    `some rows lie in the future, up to ${at}: look at the unit and the epoch of "${SPINE.timestamp}" and "${SPINE.knownAt}"`,
  ];
}

/** Where the manifest of a training set is: beside it. */
export function manifestPathOf(output: string): string {
  return `${output.replace(/\.parquet$/, '')}.manifest.json`;
}

/** Writes the manifest beside the training set and returns where. */
export async function writeManifest(output: string, manifest: TrainingSetManifest): Promise<string> {
  const path = manifestPathOf(output);
  await writeFile(path, `${JSON.stringify(manifest, null, 2)}\n`);
  return path;
}

function refuseUnknownHistory({ service, history }: HistoricalRequest): void {
  const names = [...new Set(service.views.map(({ source }) => source.name))];
  const missing = names.find((name) => history[name] === undefined);
  if (missing !== undefined) throw new HistoryError(`the history of source ${missing} is not given`);
  const stranger = Object.keys(history).find((name) => !names.includes(name));
  if (stranger !== undefined) {
    throw new HistoryError(`service ${service.key} has no source "${stranger}"; its sources are ${names.join(', ')}`);
  }
}

/** Views of one source and one entity: they share a scan of history. */
interface Scan {
  readonly source: EventSource;
  readonly views: readonly WindowedView[];
  /** By view, in its order. */
  readonly features: readonly (readonly ServiceFeature[])[];
}

function scansOf(service: FeatureService): Scan[] {
  const groups = Map.groupBy(service.views, ({ source, entity }) => `${source.name} ${entity.joinKeys.join(' ')}`);
  return [...groups.values()].flatMap((views) => {
    const features = views.map((view) => service.features.filter((feature) => feature.view === view));
    return views[0] ? [{ source: views[0].source, views, features }] : [];
  });
}

async function sweepScan(options: {
  readonly connection: DuckDBConnection;
  readonly connect: () => Promise<DuckDBConnection>;
  readonly request: HistoricalRequest;
  readonly spine: Spine;
  readonly scan: Scan;
  readonly index: number;
  readonly onRows: (count: number) => void;
}): Promise<{ readonly tables: readonly string[]; readonly counted: ReadonlySet<WindowedView> }> {
  const { connection, request, spine, scan, index } = options;
  const { source, views } = scan;
  const [firstView] = views;
  if (firstView === undefined) return { tables: [], counted: new Set() };
  const keys = spineKeysOf(firstView, spine.columns);
  const entityTable = `entities_${index}`;
  await numberEntities(connection, entityTable, keys);
  const sweeps = views.map((view, position) => {
    const featureIndexes = (scan.features[position] ?? []).map((feature) => feature.index);
    return { view, sweep: new ViewSweep(view, request.mode, featureIndexes), fields: fieldsOf(view, featureIndexes) };
  });
  const tables: FeatureTable[] = [];
  for (const [position, features] of scan.features.entries()) {
    tables.push(await FeatureTable.create(connection, `features_${index}_${position}`, features));
  }
  const reach = Math.max(
    ...views.flatMap(({ layout }) =>
      layout.windows.map((window) => window.lengthMillis + window.offsetMillis + window.hopMillis),
    ),
  );
  const query = await historyQuery(connection, source, request.history[source.name] ?? '', {
    mode: request.mode,
    entityTable,
    joinKeys: firstView.entity.joinKeys,
    fields: [...new Set(sweeps.flatMap(({ fields }) => fields))],
    earliestMillis: spine.earliestMillis - reach,
    latestMillis: request.mode === 'bitemporal' ? spine.latestKnownMillis : spine.latestMillis,
  });
  // A connection answers one query at a time.
  const events = new HistoryReader(query, streamChunks(await options.connect(), query.sql));
  // Ids of another source are those of other events.
  const decidedId = source === request.service.decides ? spine.decidedId : undefined;
  const rowsSql = rowsInOrder(spine, { entityTable, keys, decidedId });
  const rows = new SpineReader(streamChunks(await options.connect(), rowsSql), {
    namesDecided: decidedId !== undefined,
  });
  const counted = new Set<WindowedView>();
  for (let entity = await rows.next(); entity !== undefined; entity = await rows.next()) {
    const columns = await events.read(entity.code);
    for (const [position, { view, sweep }] of sweeps.entries()) {
      const table = tables[position];
      const features = scan.features[position] ?? [];
      sweep.sweep(columns, entity.rows, (row, values) => {
        if (!counted.has(view) && values.some((value, index) => value !== features[index]?.emptyValue)) {
          counted.add(view);
        }
        table?.append(entity.rowIds[row] ?? 0, values);
      });
    }
    options.onRows(entity.rows.length);
  }
  for (const table of tables) table.close();
  return { tables: tables.map(({ name }) => name), counted };
}

async function numberEntities(connection: DuckDBConnection, table: string, keys: readonly string[]): Promise<void> {
  const named = keys.map((key, index) => `${key} AS key${index}`);
  await connection.run(
    `CREATE TABLE ${table} AS SELECT (row_number() OVER () - 1)::INTEGER AS code, * FROM (
       SELECT DISTINCT ${named.join(', ')} FROM ${SPINE_TABLE} s)`,
  );
}

/** Its columns are `SPINE_COLUMNS`. */
function rowsInOrder(
  spine: Spine,
  scan: { readonly entityTable: string; readonly keys: readonly string[]; readonly decidedId: string | undefined },
): string {
  const { entityTable, keys, decidedId } = scan;
  const decided = decidedId === undefined ? '' : `, (${decidedId})::VARCHAR, ${idHashSql(decidedId)}`;
  const sameKeys = keys.map((key, index) => `${key} IS NOT DISTINCT FROM e.key${index}`);
  return `
    SELECT e.code, ${spine.timestamp} AS instant, ${spine.knownAt} AS known, s.rowid::INTEGER AS number${decided}
    FROM ${SPINE_TABLE} s JOIN ${entityTable} e ON ${sameKeys.join(' AND ')}
    ORDER BY e.code, instant, known`;
}

/** The spine beside tables of features by its rows. */
function joined(tables: readonly string[]): string {
  return [`${SPINE_TABLE} s`, ...tables.map((table) => `JOIN ${table} ON ${table}.${ROW} = s.rowid`)].join(' ');
}

async function derive(options: {
  readonly connection: DuckDBConnection;
  readonly connect: () => Promise<DuckDBConnection>;
  readonly service: FeatureService;
  readonly spine: Spine;
  readonly tables: readonly string[];
}): Promise<string> {
  const { service, spine } = options;
  const inputs = [...new Set(service.derived.flatMap(({ expression }) => [...columnsOf(expression)]))];
  const sources: { readonly name: string; readonly sql: string }[] = [];
  for (const name of inputs) {
    const sql = await derivedInput(options.connection, service, spine, name);
    if (sql !== undefined) sources.push({ name, sql });
  }
  const table = await FeatureTable.create(options.connection, 'derived', service.derived);
  const sql = `SELECT s.rowid::INTEGER, ${[...sources.map((source) => source.sql), 'NULL'].join(', ')} FROM ${joined(options.tables)}`;
  for await (const chunk of streamChunks(await options.connect(), sql)) {
    for (const [rowId, ...values] of chunk.getRows()) {
      const row: Record<string, FieldValue> = {};
      for (const [position, { name }] of sources.entries()) row[name] = plainValue(values[position]);
      table.append(
        Number(rowId),
        service.derived.map(({ evaluate }) => evaluate(row)),
      );
    }
  }
  table.close();
  return table.name;
}

function plainValue(value: DuckDBValue | undefined): FieldValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

/** SQL of an input of derived features; `undefined` where there is none. */
async function derivedInput(
  connection: DuckDBConnection,
  service: FeatureService,
  spine: Spine,
  name: string,
): Promise<string | undefined> {
  if (service.features.some((feature) => feature.name === name)) return quoted(name);
  const field = service.decides?.fields[name];
  if (field === undefined) return undefined;
  const sql = await checkedColumn(connection, spine.columns, name, field.type, 'optional');
  if (sql === undefined) return name === service.decides?.eventTime ? spine.timestamp : undefined;
  return field.type.kind === 'integer' ? `CAST(${sql} AS DOUBLE)` : sql;
}

/** Writes beside the output first, so that what is there is always whole. */
async function writeOutput(
  connection: DuckDBConnection,
  output: string,
  spine: Spine,
  tables: readonly string[],
  features: readonly string[],
): Promise<void> {
  const unfinished = `${output}.unfinished`;
  const columns = [...spine.columns.map(({ name, sql }) => `${sql} AS ${quoted(name)}`), ...features.map(quoted)];
  try {
    const [[written] = []] = await queryRows(
      connection,
      `COPY (SELECT ${columns.join(', ')} FROM ${joined(tables)} ORDER BY s.rowid) TO $1 (FORMAT parquet, COMPRESSION zstd)`,
      [unfinished],
    );
    if (Number(written) !== spine.rowCount) {
      throw new Error(`${Number(written)} rows of the training set were computed for a spine of ${spine.rowCount}`);
    }
    await rename(unfinished, output);
  } finally {
    await rm(unfinished, { force: true });
  }
}

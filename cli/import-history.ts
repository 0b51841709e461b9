import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DuckDBConnection } from '@duckdb/node-api';
import { decodeEvent, type EventProblem } from '../shared/definitions/decode-event.ts';
import type { Field, FieldValue } from '../shared/definitions/fields.ts';
import { parseJson } from '../shared/definitions/json.ts';
import type { EventSource } from '../shared/definitions/source.ts';
import { describeColumns, queryRows, quoted, streamChunks, withDuckDb } from '../shared/offline/embedded/duckdb.ts';
import { FeatureTable } from '../shared/offline/embedded/feature-table.ts';
import { ARRIVED_AT } from '../shared/offline/offline-store.ts';
import { loadRepository } from '../shared/registry/load-repository.ts';
import type { FeatureType } from '../shared/windows/aggregate.ts';
import { findSource } from './repository.ts';
import { UserError } from './user-error.ts';

/** In place of a column's name: what was there when it happened. */
export const AT_EVENT_TIME = 'event-time';

export interface ImportOptions {
  readonly source: string;
  /** A `.parquet`, `.csv` or `.jsonl` file. */
  readonly from: string;
  /** The folder that becomes, or is, the source's history. */
  readonly to: string;
  /** The column that says when events arrived, or `event-time`. Default: the column `arrived_at`. */
  readonly arrival?: string;
  /** `field=column` each; fields that are not mapped have columns of their own names. */
  readonly map: readonly string[];
  readonly features?: string;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number | undefined }) => void;
}

export interface ImportSummary {
  readonly accepted: number;
  readonly rejected: number;
  /** The Parquet file of history. */
  readonly output: string;
  /** The file of what did not fit, one JSON object per line with its reasons; `undefined` when all did. */
  readonly rejects: string | undefined;
}

/** A row of a foreign file: text, or what its JSON says, by field. */
type ForeignRow = Readonly<Record<string, unknown>>;

/** What the rows of a foreign file are read into, before they are validated. */
interface ForeignFile {
  /** `undefined` where only reading tells. */
  readonly rowCount: number | undefined;
  readonly rows: AsyncIterable<ForeignRow>;
}

/**
 * Turns a foreign file into history: every row is validated as an event of the source is, and what does not fit is put
 * aside with its reason. Importing a file again replaces what it made before.
 * @throws UserError when the file cannot be read or lacks a column.
 */
export async function importHistory(options: ImportOptions): Promise<ImportSummary> {
  const repository = await loadRepository(options.features);
  const source = findSource(repository, options.source);
  if (!existsSync(options.from)) throw new UserError(`there is no file ${options.from}`);
  const columnByField = mappedColumns(source, options.map);
  await mkdir(options.to, { recursive: true });
  const name = basename(options.from, extname(options.from));
  const output = join(options.to, `${name}.parquet`);
  const rejects = join(options.to, `${name}.rejects.jsonl`);
  return withDuckDb({}, async (connect) => {
    const connection = await connect();
    const file = await openForeignFile(await connect(), options, source, columnByField);
    const counts = await validateRows(connection, source, file, rejects, options.onProgress);
    await writeHistory(connection, source, output);
    if (counts.rejected === 0) await rm(rejects, { force: true });
    return { ...counts, output, rejects: counts.rejected === 0 ? undefined : rejects };
  });
}

function mappedColumns(source: EventSource, entries: readonly string[]): Record<string, string> {
  const columns = Object.fromEntries(Object.keys(source.fields).map((field) => [field, field]));
  for (const entry of entries) {
    const separator = entry.indexOf('=');
    const field = entry.slice(0, Math.max(0, separator));
    if (columns[field] === undefined || separator === entry.length - 1) {
      const fields = Object.keys(source.fields).join(', ');
      throw new UserError(`--map ${entry}: write field=column, where the fields of ${source.name} are ${fields}`);
    }
    columns[field] = entry.slice(separator + 1);
  }
  return columns;
}

async function openForeignFile(
  connection: DuckDBConnection,
  options: ImportOptions,
  source: EventSource,
  columnByField: Readonly<Record<string, string>>,
): Promise<ForeignFile> {
  switch (extname(options.from).toLowerCase()) {
    case '.jsonl':
      return { rowCount: undefined, rows: jsonRows(options, columnByField) };
    case '.csv':
      return tableRows(connection, 'read_csv($1, all_varchar = true)', options, source, columnByField);
    case '.parquet':
      return tableRows(connection, 'read_parquet($1)', options, source, columnByField);
    default:
      throw new UserError(`${options.from} is neither .parquet nor .csv nor .jsonl`);
  }
}

/** Rows of a table, all their values as text; instants as milliseconds. */
async function tableRows(
  connection: DuckDBConnection,
  relation: string,
  options: ImportOptions,
  source: EventSource,
  columnByField: Readonly<Record<string, string>>,
): Promise<ForeignFile> {
  const columns = await describeColumns(connection, relation, [options.from]).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new UserError(`${options.from} cannot be read: ${reason}`, { cause: error });
  });
  const typeByColumn = new Map(columns.map(({ name, type }) => [name, type]));
  const names = [...typeByColumn.keys()].join(', ');
  const wanted = { ...columnByField, ...arrivalColumn(options, (column) => typeByColumn.has(column)) };
  const selected = Object.entries(wanted).flatMap(([field, column]) => {
    const type = typeByColumn.get(column);
    if (type !== undefined) {
      const isInstant = type.startsWith('TIMESTAMP') || type === 'DATE';
      return [{ field, sql: isInstant ? `epoch_ms(${quoted(column)})::VARCHAR` : `${quoted(column)}::VARCHAR` }];
    }
    if (source.fields[field]?.optional) return [];
    throw new UserError(`${options.from} has no column "${column}" but ${names}; name it with --map ${field}=COLUMN`);
  });
  const [[rowCount] = []] = await queryRows(connection, `SELECT count(*) FROM ${relation}`, [options.from]);
  const sql = `SELECT ${selected.map((column) => column.sql).join(', ')} FROM ${relation}`;
  async function* rows(): AsyncGenerator<ForeignRow> {
    for await (const chunk of streamChunks(connection, sql, [options.from])) {
      for (const values of chunk.getRows()) {
        yield Object.fromEntries(selected.map(({ field }, index) => [field, values[index]]));
      }
    }
  }
  return { rowCount: Number(rowCount), rows: rows() };
}

function arrivalColumn(options: ImportOptions, has: (column: string) => boolean): Record<string, string> {
  if (options.arrival === AT_EVENT_TIME) return {};
  const column = options.arrival ?? ARRIVED_AT;
  if (has(column)) return { [ARRIVED_AT]: column };
  throw new UserError(
    `${options.from} has no column "${column}" that says when events arrived; ` +
      `name one with --arrival COLUMN, or say --arrival ${AT_EVENT_TIME} if they were known at once`,
  );
}

async function* jsonRows(
  options: ImportOptions,
  columnByField: Readonly<Record<string, string>>,
): AsyncGenerator<ForeignRow> {
  let wanted: Record<string, string> | undefined;
  for await (const line of createInterface({
    input: createReadStream(options.from),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    if (line.trim() === '') continue;
    const row = jsonObject(line);
    if (row === undefined) {
      yield { [UNREADABLE]: line };
      continue;
    }
    wanted ??= { ...columnByField, ...arrivalColumn(options, (column) => column in row) };
    yield Object.fromEntries(Object.entries(wanted).map(([field, column]) => [field, row[column]]));
  }
}

/** Stands for a line that is no JSON object. */
const UNREADABLE = '';

function jsonObject(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = parseJson(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

const ROWS_PER_PROGRESS = 10_000;

async function validateRows(
  connection: DuckDBConnection,
  source: EventSource,
  file: ForeignFile,
  rejectsPath: string,
  onProgress: ImportOptions['onProgress'],
): Promise<{ accepted: number; rejected: number }> {
  const fields = Object.entries(source.fields);
  const columns = [
    ...fields.map(([name, field]) => ({ name, type: featureTypeOf(field) })),
    { name: ARRIVED_AT, type: 'number' as const },
  ];
  const table = await FeatureTable.create(connection, 'events', columns);
  const rejects = createWriteStream(rejectsPath);
  const acceptsNull = new Set(
    Object.entries(source.schema.shape).flatMap(([name, schema]) => (schema.safeParse(null).success ? [name] : [])),
  );
  let accepted = 0;
  let rejected = 0;
  for await (const row of file.rows) {
    const decoded = decodeRow(source, row, acceptsNull);
    if (decoded.ok) {
      const { values, arrivedAtMillis } = decoded.event;
      table.append(accepted, [...fields.map(([name]) => values[name] ?? null), arrivedAtMillis]);
      accepted++;
    } else {
      rejected++;
      rejects.write(`${JSON.stringify({ row, problems: decoded.problems })}\n`);
    }
    const done = accepted + rejected;
    if (done % ROWS_PER_PROGRESS === 0) onProgress?.({ done, total: file.rowCount });
  }
  table.close();
  await new Promise<void>((resolve, reject) => rejects.once('error', reject).end(resolve));
  return { accepted, rejected };
}

function featureTypeOf({ type }: Field): FeatureType {
  return type.kind === 'text' || type.kind === 'boolean' ? type.kind : 'number';
}

type Decoded = ReturnType<typeof decodeEvent>;

function decodeRow(source: EventSource, row: ForeignRow, acceptsNull: ReadonlySet<string>): Decoded {
  if (UNREADABLE in row) return refused({ field: '', problem: 'the line is no JSON object' });
  const event: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(source.fields)) {
    const value = row[name] ?? null;
    if (value !== null) event[name] = typeof value === 'string' ? parsedText(field, value) : value;
    else if (acceptsNull.has(name)) event[name] = null;
  }
  // Without an arrival of its own an event is known as soon as it happens; whether the time is one is seen below.
  const time = instantOf(event[source.eventTime]);
  const arrivedAtMillis = ARRIVED_AT in row ? instantOf(row[ARRIVED_AT]) : (time ?? 0);
  if (arrivedAtMillis === undefined) return refused({ field: ARRIVED_AT, problem: 'is no instant' });
  return decodeEvent(source, event, arrivedAtMillis);
}

function refused(problem: EventProblem): Decoded {
  return { ok: false, problems: [problem] };
}

const WHOLE_NUMBER = /^[+-]?\d+(\.0+)?$/;

/** Text of a file without types as the JSON of an event would have it. What cannot be parsed is left for the schema to refuse. */
function parsedText({ type }: Field, text: string): FieldValue {
  switch (type.kind) {
    case 'text':
    case 'decimal':
      return text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'double':
      return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
    default:
      return WHOLE_NUMBER.test(text) ? Number(text) : text;
  }
}

function instantOf(value: unknown): number | undefined {
  const millis =
    typeof value === 'string' && !WHOLE_NUMBER.test(value) ? Date.parse(value) : Number(value ?? Number.NaN);
  return Number.isInteger(millis) ? millis : undefined;
}

/** Types of the columns of history; the first file of a source decides nothing, the declaration does. */
const SQL_TYPES: Readonly<Record<Field['type']['kind'], string>> = {
  text: 'VARCHAR',
  boolean: 'BOOLEAN',
  integer: 'BIGINT',
  decimal: 'DECIMAL',
  double: 'DOUBLE',
  timestamp: 'BIGINT',
};

async function writeHistory(connection: DuckDBConnection, source: EventSource, output: string): Promise<void> {
  const columns = Object.entries(source.fields).map(([name, { type }]) => {
    const sqlType = type.kind === 'decimal' ? `DECIMAL(18, ${type.scale})` : SQL_TYPES[type.kind];
    return `${quoted(name)}::${sqlType} AS ${quoted(name)}`;
  });
  columns.push(`${ARRIVED_AT}::BIGINT AS ${ARRIVED_AT}`);
  const unfinished = `${output}.unfinished`;
  try {
    const sql = `COPY (SELECT ${columns.join(', ')} FROM events) TO $1 (FORMAT parquet, COMPRESSION zstd)`;
    await connection.run(sql, [unfinished]);
    await rename(unfinished, output);
  } finally {
    await rm(unfinished, { force: true });
  }
}

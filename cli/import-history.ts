/** The command `import`: files of others become history of a source. */
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { decodeEvent, type EventProblem, IS_MISSING, type ValueDecoder } from '../shared/definitions/decode-event.ts';
import { Refusal } from '../shared/definitions/decoded.ts';
import type { FieldType } from '../shared/definitions/fields.ts';
import { FILE_OFFSET_FIX, sqlTypeOf } from '../shared/definitions/forms.ts';
import type { EventSource } from '../shared/definitions/source.ts';
import { LIMITS } from '../shared/limits.ts';
import { quoted, withDuckDb } from '../shared/offline/embedded/duckdb.ts';
import { FeatureTable } from '../shared/offline/embedded/feature-table.ts';
import { ARRIVED_AT } from '../shared/offline/offline-store.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import { withoutRefusedIds } from '../shared/reserved-ids.ts';
import type { FeatureType, FeatureValue } from '../shared/windows/aggregate.ts';
import type { WindowEvent } from '../shared/windows/event.ts';
import { openCsv } from './import/csv.ts';
import { AT_EVENT_TIME, type FileOptions, type ForeignFile, type ForeignRow, INSTANT } from './import/foreign-file.ts';
import { type InputFile, inputFiles, ORIGIN_KEY, OutputNames, REJECTS_SUFFIX } from './import/input-files.ts';
import { openJson } from './import/json.ts';
import { openParquet } from './import/parquet.ts';
import { countText, FileNotes, type ImportSummary, type Place, Reasons, Suspicions } from './import/summary.ts';
import { findSource, repositoryOf } from './repository.ts';
import { withDownloads } from './s3.ts';
import { offsetOf } from './training-set.ts';
import { UserError } from './user-error.ts';

export interface ImportOptions {
  readonly source: string;
  /** Files, folders, globs and addresses in S3. */
  readonly from: readonly string[];
  /** The folder that becomes, or is, the source's history. */
  readonly to: string;
  /** The column that says when events arrived, or `event-time`. Default: the column `arrived_at`. */
  readonly arrival?: string;
  /** `field=column` each; fields that are not mapped have columns of their own names. */
  readonly map?: readonly string[];
  /** `UTC` or an offset, for instants that say none. */
  readonly timeZone?: string;
  /** Texts that say that a value is missing. */
  readonly null?: readonly string[];
  readonly delimiter?: string;
  readonly quote?: string;
  readonly escape?: string;
  /** Names of the columns of CSV without a header, separated by commas. */
  readonly header?: string;
  readonly encoding?: string;
  /** A count, or `10%` of the rows. */
  readonly maxRejects?: string;
  readonly dryRun?: boolean;
  readonly features?: string;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export const MAX_REJECTS_DEFAULT = '10%';
const PREVIEW_ROWS = 20;

/** What became of one file. */
interface ReadFile {
  readonly file: InputFile;
  readonly accepted: number;
  readonly rejected: number;
  readonly unfinished: Unfinished;
}

/** Where files lie until all are read: under names that no other import has. */
interface Unfinished {
  readonly history: string;
  readonly rejects: string;
}

/**
 * Turns foreign files into history: every row is decoded as an event of the source is, and what does not fit is put aside
 * with its reason. There is one file of history for each; importing one again replaces what was made of it.
 * @throws UserError when a file cannot be read or lacks a column. Nothing is written then.
 */
export async function importHistory(options: ImportOptions): Promise<ImportSummary> {
  const repository = await repositoryOf(options);
  const source = findSource(repository, options.source);
  const keys = keysOf(source, repository);
  const rejectsMax = rejectsMaxOf(options.maxRejects ?? MAX_REJECTS_DEFAULT);
  const common = fileOptionsOf(options, source);
  return withDownloads((download) =>
    withDuckDb({}, async (connect) => {
      const connection = await connect();
      const files = await inputFiles(options.from, { connection, download });
      const bytesTotal = files.reduce((sum, { path }) => sum + statSync(path).size, 0);
      const names = await OutputNames.of(options.to, connection);
      const run = new ImportRun({ connect, connection, options, common, names, keys });
      try {
        for (const file of files) await run.read(file, bytesTotal);
        const failure = failureOf(run.results, rejectsMax);
        return run.summary(options.dryRun === true ? NO_FILES : await run.finish(failure), failure);
      } finally {
        await run.clear();
      }
    }),
  );
}

/** What producers call the fields by which events are found. */
function keysOf(source: EventSource, { views }: FeatureRepository): ReadonlySet<string> {
  const joinKeys = views.filter((view) => view.source.name === source.name).flatMap(({ entity }) => entity.joinKeys);
  const names = [source.eventId, source.partitionKey, ...joinKeys];
  return new Set(source.fieldList.filter(({ name }) => names.includes(name)).map(({ wireName }) => wireName));
}

/** How all files of a command are read. */
type CommonOptions = Omit<FileOptions, 'name' | 'path'>;

function fileOptionsOf(options: ImportOptions, source: EventSource): CommonOptions {
  const quote = options.quote === '' ? '' : oneCharacter('--quote', options.quote ?? '"');
  return {
    source,
    columns: mappedColumns(source, options.map ?? []),
    arrival: options.arrival,
    reading: { offsetFix: FILE_OFFSET_FIX, ...offsetOf(options.timeZone) },
    encoding: encodingOf(options.encoding ?? 'utf-8'),
    csv: {
      header: options.header?.split(','),
      delimiter: options.delimiter === undefined ? undefined : oneCharacter('--delimiter', options.delimiter),
      quote,
      escape: options.escape === undefined ? quote : oneCharacter('--escape', options.escape),
    },
  };
}

function mappedColumns(source: EventSource, entries: readonly string[]): Record<string, string> {
  const columns: Record<string, string> = {};
  for (const entry of entries) {
    const separator = entry.indexOf('=');
    const field = entry.slice(0, Math.max(0, separator));
    if (!Object.hasOwn(source.fields, field) || separator === entry.length - 1) {
      const fields = Object.keys(source.fields).join(', ');
      throw new UserError(`--map ${entry}: write field=column, where the fields of ${source.name} are ${fields}`);
    }
    columns[field] = entry.slice(separator + 1);
  }
  return columns;
}

function encodingOf(label: string): string {
  try {
    return new TextDecoder(label).encoding;
  } catch (error) {
    throw new UserError(`--encoding ${label}: must be an encoding such as utf-8, utf-16le or latin1`, { cause: error });
  }
}

function oneCharacter(option: string, text: string): string {
  const character = text === '\\t' ? '\t' : text;
  if (character.length === 1) return character;
  throw new UserError(`${option} ${JSON.stringify(text)}: must be one character, such as ';', or '\\t' for a tab`);
}

function rejectsMaxOf(text: string): (rows: number) => number {
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  if (number === undefined || (percent === '' && number.includes('.')) || (percent === '%' && Number(number) > 100)) {
    throw new UserError(
      `--max-rejects ${text}: must be a count such as 100, or a share such as ${MAX_REJECTS_DEFAULT}`,
    );
  }
  return (rows) => (percent === '%' ? (rows * Number(number)) / 100 : Number(number));
}

function failureOf(results: readonly ReadFile[], rejectsMax: (rows: number) => number): string | undefined {
  const none = results.find(({ accepted, rejected }) => accepted === 0 && rejected > 0);
  if (none !== undefined) return `no row of ${none.file.name} is an event; nothing was imported. Look at the reasons`;
  const rejected = results.reduce((sum, file) => sum + file.rejected, 0);
  const rows = results.reduce((sum, file) => sum + file.accepted + file.rejected, 0);
  if (rows === 0) return `${results.map(({ file }) => file.name).join(', ')}: there is no row; nothing was imported`;
  if (rejected <= rejectsMax(rows)) return undefined;
  const fix = rejected < rows / 2 ? `Mend the file, or say --max-rejects ${rejected}` : 'Look at the reasons';
  return (
    `${rejected.toLocaleString('en-US')} of ${countText(rows, 'row')} were put aside, which is more than --max-rejects allows; ` +
    `nothing was imported. ${fix}`
  );
}

/** The work of one command. */
class ImportRun {
  readonly results: ReadFile[] = [];
  readonly #connect: () => Promise<DuckDBConnection>;
  readonly #connection: DuckDBConnection;
  readonly #options: ImportOptions;
  readonly #common: CommonOptions;
  readonly #names: OutputNames;
  readonly #nulls: ReadonlySet<string>;
  readonly #reasons = new Reasons();
  readonly #suspicions: Suspicions;
  readonly #notes = new FileNotes();
  readonly #preview: WindowEvent[] = [];
  readonly #unfinished: Unfinished[] = [];
  #bytesDone = 0;

  constructor(ports: {
    readonly connect: () => Promise<DuckDBConnection>;
    readonly connection: DuckDBConnection;
    readonly options: ImportOptions;
    readonly common: CommonOptions;
    readonly names: OutputNames;
    readonly keys: ReadonlySet<string>;
  }) {
    this.#connect = ports.connect;
    this.#connection = ports.connection;
    this.#options = ports.options;
    this.#common = ports.common;
    this.#names = ports.names;
    this.#nulls = new Set(ports.options.null);
    this.#suspicions = new Suspicions(ports.keys);
  }

  async read(file: InputFile, bytesTotal: number): Promise<void> {
    const fileOptions = { ...this.#common, name: file.name, path: file.path };
    const foreign = await openFile(file, fileOptions, this.#connect);
    const unfinished = this.#unfinishedOf();
    if (this.#options.dryRun !== true) await mkdir(this.#options.to, { recursive: true });
    const rejects = this.#options.dryRun === true ? undefined : new RejectsFile(unfinished.rejects);
    const { size } = statSync(file.path);
    const onProgress = () =>
      this.#options.onProgress?.({ done: this.#bytesDone + size * (foreign?.done() ?? 1), total: bytesTotal });
    let counts = NO_ROWS;
    try {
      if (foreign !== undefined) counts = await this.#readRows(file, foreign, { rejects, onProgress });
    } finally {
      await rejects?.close();
    }
    this.#bytesDone += size;
    this.#notes.add(file.name, foreign?.notes ?? []);
    if (counts.accepted + counts.rejected === 0) this.#notes.add(file.name, [{ kind: 'empty', subject: '' }]);
    this.results.push({ file, unfinished, ...counts });
    if (counts.accepted > 0 && rejects !== undefined)
      await writeHistory(this.#connection, this.#common.source, { path: unfinished.history, origin: file.origin });
  }

  #unfinishedOf(): Unfinished {
    const path = join(this.#options.to, `import-${randomUUID()}`);
    const unfinished = { history: `${path}.parquet.unfinished`, rejects: `${path}${REJECTS_SUFFIX}.unfinished` };
    this.#unfinished.push(unfinished);
    return unfinished;
  }

  async #readRows(
    file: InputFile,
    foreign: ForeignFile,
    { rejects, onProgress }: { readonly rejects: RejectsFile | undefined; readonly onProgress: () => void },
  ): Promise<{ accepted: number; rejected: number }> {
    const { source } = this.#common;
    await this.#connection.run(`DROP TABLE IF EXISTS ${TABLE}`);
    const table = await FeatureTable.create(this.#connection, TABLE, columnsOf(source));
    const decode = this.#decoderOf(foreign);
    let accepted = 0;
    let rejected = 0;
    for await (const rows of foreign.batches) {
      const lines: string[] = [];
      for (const row of rows) {
        const decoded = this.#decodeRow(row, decode);
        if (decoded.ok) {
          const { values, arrivedAtMillis } = decoded.event;
          if (this.#preview.length < PREVIEW_ROWS) this.#preview.push(decoded.event);
          const cells: FeatureValue[] = source.fieldList.map(({ name }) => values[name] ?? null);
          table.append(accepted, [...cells, arrivedAtMillis]);
          accepted++;
        } else {
          rejected++;
          const place = { file: file.name, numbered: foreign.numbered, number: row.number };
          for (const problem of decoded.problems) this.#reasons.add(problem, place);
          lines.push(rejectLine(place, row, decoded.problems));
        }
      }
      await rejects?.write(lines);
      onProgress();
    }
    table.close();
    return { accepted, rejected };
  }

  /** Values as the file has them, except for texts that say nothing. */
  #decoderOf(foreign: ForeignFile): ValueDecoder {
    return (type, value, wireName) => {
      if (typeof value === 'string') {
        if (this.#nulls.has(value)) return null;
        if (type.kind === 'text') this.#suspicions.look(wireName, value);
      }
      return foreign.decode(type, value, wireName);
    };
  }

  #decodeRow(row: ForeignRow, decode: ValueDecoder): ReturnType<typeof decodeEvent> {
    if ('problem' in row) return { ok: false, problems: [{ field: '', problem: row.problem }] };
    const { source, arrival = ARRIVED_AT } = this.#common;
    const arrivedAtMillis =
      arrival === AT_EVENT_TIME
        ? // Where it is no instant, the event is refused for that.
          Number(decode(INSTANT, row.values[eventTimeOf(source)], eventTimeOf(source)))
        : decode(INSTANT, row.arrival, ARRIVED_AT);
    if (typeof arrivedAtMillis === 'number' && !(arrivedAtMillis > Date.now() + LIMITS.futureToleranceMillis)) {
      const decoded = decodeEvent(source, row.values, arrivedAtMillis, decode);
      // History is of any stage, production among them.
      return withoutRefusedIds(source, decoded, { production: true });
    }
    const problem =
      arrivedAtMillis instanceof Refusal ? arrivedAtMillis.problem : arrivedAtMillis === null ? IS_MISSING : IN_FUTURE;
    return { ok: false, problems: [{ field: arrival, problem }] };
  }

  /** Puts files in their places, of a failure those alone that say why. */
  async finish(failure: string | undefined): Promise<WrittenFiles> {
    const [outputs, rejects]: [string[], string[]] = [[], []];
    for (const { file, unfinished, accepted, rejected } of this.results) {
      const isHistory = accepted > 0 && failure === undefined;
      const path = isHistory ? await this.#names.place(file, unfinished.history) : this.#names.pathFor(file);
      if (isHistory) outputs.push(`${path}.parquet`);
      if (rejected > 0) {
        await rename(unfinished.rejects, `${path}${REJECTS_SUFFIX}`);
        rejects.push(`${path}${REJECTS_SUFFIX}`);
      } else if (failure === undefined) await rm(`${path}${REJECTS_SUFFIX}`, { force: true });
    }
    return { outputs, rejects };
  }

  /** Removes what was not finished. */
  async clear(): Promise<void> {
    for (const { history, rejects } of this.#unfinished) {
      await rm(history, { force: true });
      await rm(rejects, { force: true });
    }
  }

  summary({ outputs, rejects }: WrittenFiles, failure: string | undefined): ImportSummary {
    return {
      accepted: this.results.reduce((sum, { accepted }) => sum + accepted, 0),
      rejected: this.results.reduce((sum, { rejected }) => sum + rejected, 0),
      outputs,
      rejects,
      reasons: this.#reasons.byCount(),
      notes: [...this.#notes.texts(), ...this.#suspicions.notes()],
      preview: { source: this.#common.source, events: this.#preview },
      failure,
    };
  }
}

/** As some clocks count: from 1601, or in units of 100 ns. Nothing would ever know such an event. */
const IN_FUTURE = 'must not lie in the future; look at its unit and its epoch';

const NO_ROWS = { accepted: 0, rejected: 0 };

type WrittenFiles = Pick<ImportSummary, 'outputs' | 'rejects'>;

const NO_FILES: WrittenFiles = { outputs: [], rejects: [] };

function eventTimeOf({ fieldList, eventTime }: EventSource): string {
  return fieldList.find(({ name }) => name === eventTime)?.wireName ?? eventTime;
}

/** @returns `undefined` for a file without even a header. */
async function openFile(
  { format }: InputFile,
  options: FileOptions,
  connect: () => Promise<DuckDBConnection>,
): Promise<ForeignFile | undefined> {
  switch (format) {
    case 'csv':
      return openCsv(options);
    case 'json':
      return openJson(options);
    case 'parquet':
      return openParquet(await connect(), options);
  }
}

/** Is there once something was put aside. */
class RejectsFile {
  readonly #path: string;
  #handle: FileHandle | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async write(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    this.#handle ??= await open(this.#path, 'w');
    await this.#handle.write(lines.join(''));
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }
}

function rejectLine({ file, numbered, number }: Place, row: ForeignRow, problems: readonly EventProblem[]): string {
  const original = 'problem' in row ? row.original : { ...row.values, [ARRIVED_AT]: row.arrival };
  const withDigits = (_key: string, value: unknown) =>
    typeof value === 'bigint' ? JSON.rawJSON(String(value)) : value;
  return `${JSON.stringify({ file, [numbered]: number, problems, content: original }, withDigits)}\n`;
}

const TABLE = 'events';

/** The columns of the table that history is written from; fields may have any name. */
function columnsOf({ fieldList }: EventSource): { readonly name: string; readonly type: FeatureType }[] {
  const fields = fieldList.map(({ type }, index) => ({ name: `field_${index}`, type: featureTypeOf(type) }));
  return [...fields, { name: ARRIVED_AT, type: 'number' }];
}

function featureTypeOf({ kind }: FieldType): FeatureType {
  return kind === 'text' || kind === 'boolean' ? kind : 'number';
}

async function writeHistory(
  connection: DuckDBConnection,
  { fieldList }: EventSource,
  { path, origin }: { readonly path: string; readonly origin: string },
): Promise<void> {
  const columns = fieldList.map(({ name, type }, index) => `field_${index}::${sqlTypeOf(type)} AS ${quoted(name)}`);
  columns.push(`${ARRIVED_AT}::${sqlTypeOf(INSTANT)} AS ${ARRIVED_AT}`);
  const metadata = `KV_METADATA {${ORIGIN_KEY}: '${origin}'}`;
  await connection.run(
    `COPY (SELECT ${columns.join(', ')} FROM ${TABLE}) TO $1 (FORMAT parquet, COMPRESSION zstd, ${metadata})`,
    [path],
  );
}

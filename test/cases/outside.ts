/** Files of others go through the command line, and what comes out is read back. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { main } from '../../cli/main.ts';
import { decodeEventBytes } from '../../shared/definitions/decode-event.ts';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { readParquet, writeParquet } from '../support/parquet.ts';

export const NOON = Date.UTC(2026, 0, 1, 12);
const FEATURES = join(import.meta.dirname, 'features.ts');
export const FIXTURES = join(import.meta.dirname, 'fixtures');

type Row = Record<string, unknown>;

export interface Imported {
  /** The history, in its order; numbers as numbers. */
  readonly events: Row[];
  /** Why rows were put aside, one text each. */
  readonly aside: string[];
  /** What the command says. */
  readonly said: string;
  /** Whether it refused the file as a whole, in a sentence. */
  readonly isRefused: boolean;
}

/** A new folder. */
const places = await mkdtemp(join(tmpdir(), 'cases-'));
afterAll(() => rm(places, { recursive: true, force: true }));
export const place = () => mkdtemp(join(places, 'case-'));

async function command(commandLine: readonly string[]) {
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const exitCode = await main([...commandLine, '--features', FEATURES], { print: say, printError: say });
  return { exitCode, said: lines.join('\n') };
}

export async function importFile(
  file: string,
  options: readonly string[] = [],
  source = 'purchases',
): Promise<Imported> {
  const to = join(await place(), 'history');
  const arrival = options.includes('--arrival') ? [] : ['--arrival', 'event-time'];
  const { exitCode, said } = await command([
    'import',
    '--source',
    source,
    '--from',
    file,
    '--to',
    to,
    ...arrival,
    // Files of a few rows: one that is put aside is many percent.
    ...(options.includes('--max-rejects') ? [] : ['--max-rejects', '100%']),
    ...options,
  ]);
  const names = await readdir(to).catch(() => []);
  const rows = await Promise.all(
    names.filter((name) => name.endsWith('.parquet')).map((name) => readParquet(join(to, name))),
  );
  const lines = await Promise.all(
    names.filter((name) => name.endsWith('.rejects.jsonl')).map((name) => readFile(join(to, name), 'utf8')),
  );
  const aside = lines.flatMap((text) => text.split('\n').filter((line) => line !== ''));
  return { events: rows.flat().map(plainRow), aside, said, isRefused: exitCode === 2 };
}

/** Imports a file of this text, or of these bytes. */
export async function importText(
  name: string,
  content: string | Uint8Array,
  options: readonly string[] = [],
  source = 'purchases',
): Promise<Imported> {
  const file = join(await place(), name);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, content);
  return importFile(file, options, source);
}

export async function importSql(sql: string, options: readonly string[] = [], source = 'purchases'): Promise<Imported> {
  const file = join(await place(), 'events.parquet');
  await writeParquet(file, sql);
  return importFile(file, options, source);
}

export interface Trained {
  readonly rows: Row[];
  readonly said: string;
  readonly isRefused: boolean;
}

/** @param history by source: SQL of its events, or the path of files. @param spine SQL, or a path. */
export async function train(
  service: string,
  spine: string,
  history: Readonly<Record<string, string>>,
  options: readonly string[] = [],
): Promise<Trained> {
  const folder = await place();
  const fileOf = async (name: string, sqlOrPath: string) => {
    if (sqlOrPath.startsWith('/')) return sqlOrPath;
    const file = join(folder, `${name}.parquet`);
    await writeParquet(file, sqlOrPath);
    return file;
  };
  const histories: string[] = [];
  for (const [source, given] of Object.entries(history)) {
    histories.push('--history', `${source}=${await fileOf(`history-${source}`, given)}`);
  }
  const output = join(folder, 'output.parquet');
  const spineFile = await fileOf('spine', spine);
  const { exitCode, said } = await command([
    'training-set',
    '--service',
    service,
    '--spine',
    spineFile,
    '--output',
    output,
    ...histories,
    ...options,
  ]);
  const rows = exitCode === 0 ? (await readParquet(output)).map(plainRow) : [];
  return { rows, said, isRefused: exitCode === 2 };
}

/** What a record of the stream is decoded to, or why not. */
export function streamed(
  source: EventSource,
  text: string | Uint8Array,
): Readonly<Record<string, FieldValue>> | string {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const decoded = decodeEventBytes(source, bytes, NOON + 3_600_000);
  return decoded.ok
    ? decoded.event.values
    : decoded.problems.map(({ field, problem }) => `${field} ${problem}`).join('; ');
}

/** Whole numbers that a double holds come back as text from DuckDB's JSON. Instants and ids are compared as numbers. */
function plainRow(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainCell(name, value)]));
}

const WHOLE_COLUMNS =
  /^(at|arrived_at|items|n_1d|trips_1d|depot_trips_1d|visits_1d|loads_1d|card_no|depot|instant|timestamp|known_at)$/;
const DECIMAL_COLUMNS = /^(amount|rate)$/;

function plainCell(name: string, value: unknown): unknown {
  const isNumber = WHOLE_COLUMNS.test(name) || DECIMAL_COLUMNS.test(name);
  return isNumber && typeof value === 'string' && value !== '' && !Number.isNaN(Number(value)) ? Number(value) : value;
}

/** One column of the rows. */
export const column = (rows: readonly Row[], name: string) => rows.map((row) => row[name]);

/** SQL of a valid purchase, and what it has beside or instead. */
export function purchase(differences: Readonly<Record<string, string>> = {}): string {
  const columns = { id: "'a'", card: "'c1'", amount: '1.50::DECIMAL(9,2)', at: `${NOON}::BIGINT`, ...differences };
  return `SELECT ${Object.entries(columns)
    .map(([name, sql]) => `${sql} AS "${name}"`)
    .join(', ')}`;
}

const NOTHING = {
  shop: 'NULL::VARCHAR',
  contactless: 'NULL::BOOLEAN',
  items: 'NULL::BIGINT',
  distance: 'NULL::DOUBLE',
  rate: 'NULL::DECIMAL(18,8)',
};

/** As history: with its arrival and all optional fields. */
export const landed = (differences: Readonly<Record<string, string>> = {}) =>
  purchase({ ...NOTHING, arrived_at: `${NOON}::BIGINT`, ...differences });

/** As history of the time before the optional fields. */
export const landedEarly = (differences: Readonly<Record<string, string>> = {}) =>
  purchase({ arrived_at: `${NOON}::BIGINT`, ...differences });

export const union = (...selects: readonly string[]) => selects.join(' UNION ALL ');

/** An optional field of a purchase in each of these lines, as CSV, JSON Lines. */
export const csvOf = (header: string, ...lines: readonly string[]) => `${[header, ...lines].join('\n')}\n`;

export const AN_HOUR_LATER = `${NOON + 3_600_000}::BIGINT AS timestamp`;

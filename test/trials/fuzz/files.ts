/** Files through the commands that read them, and Parquet through what reads it in a function. */
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { main } from '../../../cli/main.ts';
import { checkedSpine, spineColumnsOf } from '../../../shared/offline/athena/spine.ts';
import { SpineError } from '../../../shared/offline/offline-store.ts';
import type { Random } from '../../simulation/random.ts';
import { differenceOf, type Family, faultOf, type Input, type Judgement } from './family.ts';
import { cards } from './features.ts';
import { CLOCK_MILLIS, FIELDS, jsonOf, mangledBytes, mangledMembers } from './mangle.ts';
import { type EventMeaning, readCsv, readJson, readUtf8, rowOfCells, rowOfNode } from './reading.ts';

const FEATURES = join(import.meta.dirname, 'features.ts');

let shared: Promise<DuckDBConnection> | undefined;

async function query(sql: string): Promise<Record<string, unknown>[]> {
  shared ??= DuckDBInstance.create(':memory:', { threads: '1' }).then((instance) => instance.connect());
  return (await (await shared).runAndReadAll(sql)).getRowObjects();
}

// --- Text --------------------------------------------------------------------------------------------------------

const cellOf = (json: string, random: Random) => {
  const text = json.startsWith('"') ? json.slice(1, -1) : json === 'null' ? '' : json;
  return /[",\n]/.test(text) || random.chance(0.1)
    ? `"${text.replaceAll('"', random.chance(0.95) ? '""' : '"')}"`
    : text;
};

function anyCsv(random: Random): string {
  const names: string[] = [...FIELDS];
  while (random.chance(0.15)) names.splice(random.integer(0, names.length - 1), 1);
  if (random.chance(0.1)) names.push(random.pick(['note', 'ID', 'id', '', 'extra', 'arrived_at', '__proto__']));
  if (random.chance(0.1)) names.reverse();
  const rows = Array.from({ length: random.integer(0, 6) }, () => {
    const members = new Map(mangledMembers(random));
    const cells = names.map((name) => cellOf(members.get(name) ?? '', random));
    if (random.chance(0.05)) cells.pop();
    return cells.join(',');
  });
  return [names.join(','), ...rows].join(random.pick(['\n', '\n', '\r\n', '\n\n', '\r'])) + random.pick(['', '\n']);
}

const lines = (random: Random) =>
  Array.from({ length: random.integer(0, 6) }, () => {
    const text = jsonOf(mangledMembers(random));
    return random.chance(0.03) ? random.pick(['', ' ', '1', 'null', '[]', text.slice(1)]) : text;
  });

/** Bytes of Parquet, made once. */
let parquetFiles: Promise<readonly Buffer[]> | undefined;

const COLUMNS = (row: number) => ({
  id: `'e${row}'`,
  card: `'c${row % 3}'`,
  number: `${row}::BIGINT`,
  at: `${CLOCK_MILLIS - row}::BIGINT`,
  timestamp: `${CLOCK_MILLIS - row}::BIGINT`,
  comment: `'a${row}'`,
  choice: `'gold'`,
  flag: 'true',
  money: '12.50::DECIMAL(18,2)',
  double: '0.5::DOUBLE',
});

/** What columns may be instead. */
const CHANGES: readonly Readonly<Record<string, string | undefined>>[] = [
  {},
  { at: undefined },
  { id: undefined, Id: "'e'" },
  { card: 'NULL::VARCHAR' },
  { card: '1.5::DOUBLE' },
  { card: "'ab'::BLOB" },
  { card: "['a']" },
  { number: "{'a': 1}" },
  { number: '12.0::DOUBLE' },
  { number: '12::HUGEINT' },
  { at: 'NULL::BIGINT', timestamp: 'NULL::BIGINT' },
  { at: "TIMESTAMP '2026-01-01 12:00:00'", timestamp: "TIMESTAMP '2026-01-01 12:00:00'" },
  { at: "'2026-01-01T12:00:00Z'", timestamp: "'2026-01-01T12:00:00Z'" },
  { at: "'now'", timestamp: "'now'" },
  { at: "DATE '2026-01-01'", timestamp: "'infinity'::TIMESTAMP" },
  { money: '12.345::DECIMAL(18,3)' },
  { money: "'NaN'::DOUBLE", double: "'Infinity'::DOUBLE" },
  { double: 'INTERVAL 1 DAY', flag: "TIME '12:00:00'" },
  { choice: "'gold'::ENUM('gold', 'silver')", id: 'uuid()' },
  { extra: '1', by_card_n_2d: '1' },
  { __proto__x: '1', 'a"b': '2', '': '3' },
];
const WRITTEN = [
  '',
  ', COMPRESSION zstd',
  ', COMPRESSION uncompressed',
  ', COMPRESSION gzip, PARQUET_VERSION v2',
  ', ROW_GROUP_SIZE 2048',
];

async function parquetBytes(): Promise<Buffer[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-parquet-'));
  const written: Buffer[] = [];
  for (const [index, changes] of CHANGES.entries()) {
    for (const rowCount of index === 0 ? [0, 1, 30, 5000] : [3]) {
      for (const options of index === 0 ? WRITTEN : WRITTEN.slice(index % 3, (index % 3) + 1)) {
        const path = join(folder, 'x.parquet');
        const row = { ...COLUMNS(0), ...changes };
        const cells = Object.entries(row).flatMap(([name, sql]) => {
          const varied = { id: "'e' || i", number: 'i', card: "'c' || (i % 3)" }[name];
          const value = index === 0 ? (varied ?? sql) : sql;
          return value === undefined || name === '' ? [] : [`${value} AS "${name.replaceAll('"', '""')}"`];
        });
        await query(
          `COPY (SELECT ${cells.join(', ')} FROM range(${rowCount}) r(i)) TO '${path}' (FORMAT parquet${options})`,
        );
        written.push(await readFile(path));
      }
    }
  }
  await rm(folder, { recursive: true });
  return written;
}

/** Damage where Parquet keeps its meaning: the footer, the headers of pages, and data. */
function mangledParquet(bytes: Buffer, random: Random): Buffer {
  if (random.chance(0.15)) return bytes;
  if (random.chance(0.1)) return mangledBytes(bytes, random);
  const copy = Buffer.from(bytes);
  const footer = copy.length > 12 ? copy.readUInt32LE(copy.length - 8) : 0;
  const from = random.chance(0.7) ? Math.max(0, copy.length - 8 - footer) : 0;
  for (let flips = random.integer(1, 4); flips > 0; flips--) {
    const at = random.integer(from, copy.length - 1);
    copy[at] = random.chance(0.5) ? (copy[at] ?? 0) ^ (1 << random.integer(0, 7)) : random.integer(0, 255);
  }
  if (random.chance(0.1)) copy.fill(0, random.integer(0, copy.length), copy.length);
  return random.chance(0.1) ? copy.subarray(0, random.integer(0, copy.length)) : copy;
}

const WAYS = [
  'csv',
  'csv',
  'csv.gz',
  'jsonl',
  'jsonl',
  'jsonl.gz',
  'json',
  'json',
  'parquet',
  'parquet',
  'spine',
  'columns',
  'columns',
  'columns',
];

function anyFile(random: Random, parquet: readonly Buffer[]): Input {
  const way = random.pick(WAYS);
  const setting = { folder: random.pick(['', '', '', 'choice=gold', "it's", 'a[b]*']) };
  if (way === 'parquet' || way === 'spine' || way === 'columns')
    return { way, bytes: mangledParquet(random.pick(parquet), random), setting };
  const [format, isCompressed] = [way.split('.')[0], way.endsWith('.gz')];
  const items = lines(random);
  const text =
    format === 'csv'
      ? anyCsv(random)
      : format === 'json'
        ? `[${items.join(random.pick([',', ',\n']))}]`
        : items.join('\n');
  const bytes = mangledBytes(Buffer.from(text), random);
  // Damage to what is compressed and to what compresses it.
  return {
    way,
    bytes: isCompressed ? (random.chance(0.7) ? gzipSync(bytes) : mangledBytes(gzipSync(bytes), random)) : bytes,
    setting,
  };
}

/** Rows as the second reading finds them; `undefined` where it has no opinion. */
function rowsOf(way: string, bytes: Buffer): readonly EventMeaning[] | 'refused' | undefined {
  let content = bytes;
  if (way.endsWith('.gz')) {
    try {
      content = gunzipSync(bytes);
    } catch {
      return bytes.length === 0 ? undefined : 'refused';
    }
  }
  const beginning = content.toString('hex', 0, 4);
  if (/^(1f8b|504b0304|50415231|fffe|feff)/.test(beginning)) return 'refused';
  const text = readUtf8(content);
  if (way.startsWith('csv')) return text === undefined ? undefined : csvRowsOf(text);
  if (
    /^\s*\[/.test(
      content
        .toString()
        .replace(/^\ufeff/, '')
        .split('\n')[0] ?? '',
    ) ||
    /^\s*\[/.test(text ?? '')
  ) {
    const node = text === undefined ? undefined : readJson(text);
    return node?.kind === 'list' ? node.items.map(rowOfNode) : undefined;
  }
  const start = content.subarray(0, 3).toString() === '\ufeff' ? 3 : 0;
  const rows: EventMeaning[] = [];
  let objects = 0;
  for (let from = start, to = 0; from < content.length; from = to + 1) {
    to = content.indexOf('\n', from);
    if (to < 0) to = content.length;
    const line = content.subarray(from, to);
    // A mark within the file is no blank of JSON.
    const said = line.toString().startsWith('\ufeff') ? line.toString() : readUtf8(line);
    if (said?.trim() === '') continue;
    const node = said === undefined ? undefined : readJson(said);
    if (node?.kind === 'object') objects++;
    rows.push(rowOfNode(node));
  }
  if (rows.length > 0 && objects === 0) return 'refused';
  return rows.length > 10 ? undefined : rows;
}

function csvRowsOf(text: string): readonly EventMeaning[] | 'refused' | undefined {
  const records = readCsv(text);
  if (records === undefined || text.includes('\ufeff')) return undefined;
  const [first, ...others] = records;
  if (first === undefined) return [];
  const header = first.map((cell) => cell ?? '');
  const names = new Set(header);
  const isNamed = ['id', 'card', 'number', 'at'].every((name) => names.has(name));
  const isTwice = header.some((name, index) => name !== '' && header.indexOf(name) !== index);
  if (!isNamed || isTwice || header.some((name) => name.includes('\r'))) return 'refused';
  // Some fields are declared as nullable, and none of them needs a column.
  return others.map((cells) => rowOfCells(header, cells));
}

// --- Outcomes ----------------------------------------------------------------------------------------------------

async function commanded(commandLine: readonly string[]) {
  const [printed, errors]: [string[], string[]] = [[], []];
  const print = (line: string) => printed.push(line);
  const exitCode = await main(commandLine, { print, printError: (line) => errors.push(line) });
  return { exitCode, errors };
}

function* faultsOfErrors(exitCode: number, errors: readonly string[]): Generator<string> {
  if (exitCode !== 2) yield `exit code ${exitCode}`;
  const [error = ''] = errors;
  if (errors.length !== 1 || error.includes('\n')) yield `a refusal has ${errors.length} lines: ${errors.join('\n')}`;
  if (!error.startsWith('feature-store: ')) yield `a refusal does not say whose it is: ${error}`;
  const fault = faultOf(error);
  if (fault !== undefined) yield fault;
}

const TEXTS = ['id', 'card', 'note', 'choice'];
const IMPORTED = [
  '"flag"',
  // The reader takes a byte order mark off the beginning of a text, so that none is there.
  ...TEXTS.map((name) => `'|' || "${name}" AS "${name}"`),
  ...['number', 'at', 'whole', 'money', 'rounded', 'double', 'seen'].map((name) => `"${name}"::DOUBLE AS "${name}"`),
].join(', ');

async function judgeImport(path: string, place: string, { way, bytes }: Input): Promise<Judgement> {
  const history = join(place, 'history');
  const options = ['--source', 'strict', '--features', FEATURES, '--arrival', 'event-time', '--max-rejects', '100%'];
  const { exitCode, errors } = await commanded(['import', ...options, '--from', path, '--to', history]);
  const rows = way === 'parquet' ? undefined : rowsOf(way, bytes);
  const made = existsSync(history) ? await readdir(history) : [];
  const rejected = (
    await Promise.all(
      made.filter((name) => name.endsWith('.jsonl')).map((name) => readFile(join(history, name), 'utf8')),
    )
  ).flatMap((text) => text.trimEnd().split('\n'));
  const complaints = rejected.flatMap((line) => {
    const { problems }: { problems: readonly { field: string; problem: string }[] } = JSON.parse(line);
    return problems.flatMap(({ problem }) => faultOf(problem) ?? []);
  });
  if (made.some((name) => name.endsWith('.unfinished'))) complaints.push('something unfinished was left');
  const outputs = made.filter((name) => name.endsWith('.parquet'));
  const expected = Array.isArray(rows) ? (rows as readonly EventMeaning[]) : undefined;
  const isSure = expected !== undefined && !expected.includes('unknown');
  const valid = isSure
    ? expected.flatMap((row) => (row !== 'unknown' && 'values' in row ? [row.values] : []))
    : undefined;
  if (exitCode !== 0) {
    complaints.push(...faultsOfErrors(exitCode, errors));
    if (outputs.length > 0) complaints.push('a file that was refused has history');
    // Two keys of one field, in different objects: which is meant is the user's to say.
    if (valid !== undefined && valid.length > 0 && !/say which with --map/.test(errors.join()))
      complaints.push(`a file with ${valid.length} valid rows was refused: ${errors.join()}`);
    return { isAccepted: false, complaints };
  }
  if (rows === 'refused') complaints.push('a file that must be refused was imported');
  const imported = await query(
    `SELECT ${IMPORTED} FROM read_parquet('${join(history, '*.parquet').replaceAll("'", "''").replaceAll(/[[?]/g, '[$&]')}')`,
  );
  if (expected !== undefined && imported.length + rejected.length !== expected.length)
    complaints.push(`rows are lost: ${expected.length} became ${imported.length} and ${rejected.length}`);
  if (valid !== undefined && valid.length !== imported.length)
    complaints.push(`${valid.length} valid rows became ${imported.length}`);
  valid?.forEach((values, index) => {
    const row = { ...imported[index] };
    for (const name of TEXTS) row[name] = typeof row[name] === 'string' ? row[name].slice(1) : null;
    const difference = differenceOf(values, row);
    if (difference !== undefined) complaints.push(`imported: ${difference}`);
  });
  return { isAccepted: true, complaints };
}

let historyFile: Promise<string> | undefined;

async function writtenHistory(folder: string): Promise<string> {
  const path = join(folder, 'history.parquet');
  const cells = {
    id: "'e' || i",
    card: "'c' || (i % 3)",
    number: 'i',
    at: `${CLOCK_MILLIS} - i`,
    arrived_at: `${CLOCK_MILLIS} - i`,
  };
  const empty = {
    note: 'VARCHAR',
    choice: 'VARCHAR',
    flag: 'BOOLEAN',
    whole: 'BIGINT',
    money: 'DECIMAL(18,2)',
    rounded: 'DECIMAL(18,2)',
    double: 'DOUBLE',
    seen: 'BIGINT',
  };
  const sql = [
    ...Object.entries(cells).map(([name, value]) => `${value} AS ${name}`),
    ...Object.entries(empty).map(([name, type]) => `NULL::${type} AS "${name}"`),
  ];
  await query(`COPY (SELECT ${sql.join(', ')} FROM range(10) r(i)) TO '${path}' (FORMAT parquet)`);
  return path;
}

async function judgeSpine(path: string, place: string): Promise<Judgement> {
  historyFile ??= writtenHistory(await folder());
  const output = join(place, 'output.parquet');
  const options = ['--service', 'cards', '--features', FEATURES, '--history', `strict=${await historyFile}`];
  const { exitCode, errors } = await commanded(['training-set', ...options, '--spine', path, '--output', output]);
  if (exitCode === 0) return { isAccepted: true, complaints: existsSync(output) ? [] : ['there is no training set'] };
  const left = existsSync(output) ? ['a refused spine left an output'] : [];
  return { isAccepted: false, complaints: [...faultsOfErrors(exitCode, errors), ...left] };
}

async function judgeColumns(bytes: Buffer): Promise<Judgement> {
  try {
    const columns = await spineColumnsOf('s3://history/spines/x', new Uint8Array(bytes).buffer);
    const { rowCount } = checkedSpine(columns, { service: cards, mode: 'bitemporal', nowMillis: CLOCK_MILLIS });
    const isWhole = columns.every(({ cells }) => cells.length === rowCount);
    return { isAccepted: true, complaints: isWhole ? [] : ['columns have different numbers of rows'] };
  } catch (error) {
    if (!(error instanceof SpineError)) throw error;
    const fault = faultOf(error.message);
    return { isAccepted: false, complaints: fault === undefined ? [] : [fault] };
  }
}

let root: Promise<string> | undefined;
const folder = () => (root ??= mkdtemp(join(tmpdir(), 'fuzz-')));
let places = 0;

async function judge(input: Input): Promise<Judgement> {
  const { way, bytes, setting } = input;
  if (way === 'columns') return judgeColumns(bytes);
  const place = join(await folder(), String(places++));
  const path = join(place, String(setting.folder), `x.${way === 'spine' ? 'parquet' : way}`);
  await mkdir(join(place, String(setting.folder)), { recursive: true });
  await writeFile(path, bytes);
  try {
    return way === 'spine' ? await judgeSpine(path, place) : await judgeImport(path, place, input);
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** @returns the family once its files of Parquet are made. */
export async function files(): Promise<Family> {
  parquetFiles ??= parquetBytes();
  const parquet = await parquetFiles;
  return {
    name: 'files',
    make: (random) => anyFile(random, parquet),
    judge,
    close: async () => {
      await rm(await folder(), { recursive: true, force: true });
      root = undefined;
      historyFile = undefined;
    },
  };
}

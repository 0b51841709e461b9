/**
 * CSV, read without a guess.
 *
 * 1. Blocks of whole lines are parsed at once. What ends within quotes waits for the next block.
 * 2. A line that cannot be parsed is put aside, and parsing goes on with the line after it.
 * 3. An empty field without quotes is null; one with quotes is the empty text.
 */
import { CsvError, parse } from 'csv-parse/sync';
import { UserError } from '../user-error.ts';
import {
  type CsvOptions,
  decodeAs,
  type FileOptions,
  type ForeignFile,
  type ForeignRow,
  hasWanted,
  type UnreadableRow,
  wantedColumns,
} from './foreign-file.ts';
import { INVALID_TEXT, type LineBlock, openText } from './lines.ts';
import { countText } from './summary.ts';

type Dialect = CsvOptions & { readonly delimiter: string };

type Cells = readonly (string | null)[];

type CsvRecord = { readonly number: number; readonly cells: Cells } | UnreadableRow;

/** @returns `undefined` for a file without even a header. */
export async function openCsv(options: FileOptions): Promise<ForeignFile | undefined> {
  const text = openText(options);
  const delimiter = options.csv.delimiter ?? (/\.tsv(?:\.gz)?$/i.test(options.name) ? '\t' : ',');
  const records = recordsOf(text.blocks, { ...options.csv, delimiter });
  const header = options.csv.header ?? (await headerOf(records, options, delimiter));
  if (header === undefined) return undefined;
  const { fields, arrival, notes } = wantedColumns(options, header);
  const places = fields.map(({ wireName, column }) => ({ wireName, at: header.indexOf(column) }));
  const arrivalAt = arrival === undefined ? -1 : header.indexOf(arrival.column);
  const rowOf = (record: CsvRecord): ForeignRow => {
    if (!('cells' in record)) return record;
    const { number, cells } = record;
    if (cells.length !== header.length) return { number, original: cells, problem: lengthProblem(header, cells) };
    const values: Record<string, unknown> = {};
    for (const { wireName, at } of places) values[wireName] = cells[at];
    return { number, values, arrival: cells[arrivalAt] };
  };
  async function* batches(): AsyncGenerator<ForeignRow[]> {
    for await (const batch of records) yield batch.map(rowOf);
  }
  return {
    numbered: 'line',
    batches: batches(),
    decode: (type, value) => decodeAs(type, 'cell', value, options.reading),
    done: text.done,
    notes,
  };
}

const lengthProblem = (header: Cells, cells: Cells) =>
  `must have ${header.length} fields; got ${cells.length}. Quote fields that have the delimiter in them`;

/** Takes the header from the records, which begin after it then. */
async function headerOf(
  records: RecordBatches,
  options: FileOptions,
  delimiter: string,
): Promise<readonly string[] | undefined> {
  const { name } = options;
  let first = await records.shift();
  const separator = first !== undefined && 'cells' in first ? /^sep=(.?)$/.exec(first.cells.join(delimiter)) : null;
  if (separator !== null) {
    if (separator[1] !== delimiter) {
      throw new UserError(`${name} begins with Excel's line ${separator[0]}: say --delimiter '${separator[1]}'`);
    }
    first = await records.shift();
  }
  if (first === undefined) return undefined;
  if (!('cells' in first)) throw new UserError(`${name}: its header ${first.problem}`);
  const header = first.cells.map((cell) => cell ?? '');
  const [only = ''] = header;
  const other = header.length === 1 ? [';', '\t', '|', ','].find((one) => only.includes(one)) : undefined;
  if (other !== undefined) {
    throw new UserError(`${name} has one column: say --delimiter '${other === '\t' ? '\\t' : other}'`);
  }
  if (!hasWanted(options, header)) {
    throw new UserError(
      `${name} has ${countText(header.length, 'column')}, and none that is wanted in its first line; ` +
        'if that is a row, say --header a,b,c with the names of all columns, else name columns with --map',
    );
  }
  if (header.some((column) => column.includes('\r'))) {
    throw new UserError(`${name} must have lines that end with LF or CRLF; got CR alone. Save it with one of those`);
  }
  const twice = header.find((column, index) => column !== '' && header.indexOf(column) !== index);
  if (twice !== undefined) throw new UserError(`${name} has two columns "${twice}"; give one of them another name`);
  return header;
}

type RecordBatches = AsyncIterable<CsvRecord[]> & { readonly shift: () => Promise<CsvRecord | undefined> };

/** The records of a file in batches. The first ones may be taken singly. */
function recordsOf(blocks: AsyncIterable<LineBlock>, csv: Dialect): RecordBatches {
  const batches = batchesOf(blocks, csv);
  let batch: CsvRecord[] = [];
  return {
    async shift() {
      while (batch.length === 0) {
        const next = await batches.next();
        if (next.done) return undefined;
        batch = next.value;
      }
      return batch.shift();
    },
    async *[Symbol.asyncIterator]() {
      yield batch;
      yield* batches;
    },
  };
}

async function* batchesOf(blocks: AsyncIterable<LineBlock>, csv: Dialect): AsyncGenerator<CsvRecord[]> {
  let open: Lines = { text: '', firstLine: 1 };
  for await (const { text, firstLine, isValid } of blocks) {
    if (isValid) {
      const lines = open.text === '' ? { text, firstLine } : { ...open, text: open.text + text };
      const parsed = parseLines(lines, csv, { isLast: false });
      yield parsed.records;
      open = parsed.open;
    } else {
      yield parseLines(open, csv, { isLast: true }).records;
      yield [{ number: firstLine, original: text.trimEnd(), problem: INVALID_TEXT }];
      open = { text: '', firstLine: firstLine + 1 };
    }
  }
  yield parseLines(open, csv, { isLast: true }).records;
}

interface Lines {
  readonly text: string;
  readonly firstLine: number;
}

/** Quotes around so much text were not meant. */
const QUOTED_CHARACTERS_MAX = 1 << 20;

/** So much is parsed next, and twice as much each time that it is good: what follows an error is not parsed again for the next one. */
const CHARACTERS_AFTER_ERROR = 128;

const PROBLEMS: Readonly<Record<string, string>> = {
  CSV_INVALID_CLOSING_QUOTE:
    'must have the delimiter after a closing quote; got other text. Double quotes within a field, or say --escape',
  INVALID_OPENING_QUOTE:
    'must have quotes around all of a field; got one within it. Double it and quote the field, or say --quote ""',
  CSV_QUOTE_NOT_CLOSED: 'must close the quote that it opens; got none that does. Double quotes within a field',
};

/** @returns records, and the lines of one that has not ended, unless they are the last. */
function parseLines(lines: Lines, csv: Dialect, { isLast }: { readonly isLast: boolean }) {
  const records: CsvRecord[] = [];
  const { text } = lines;
  let line = lines.firstLine;
  let feedsInRecord = 0;
  const options = {
    delimiter: csv.delimiter,
    quote: csv.quote,
    escape: csv.escape,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    cast: (cell: string, { quoting }: { readonly quoting: boolean }) => {
      if (quoting) feedsInRecord += cell.split('\n').length - 1;
      return cell === '' && !quoting ? null : cell;
    },
    on_record: (cells: Cells) => {
      const isBlank = cells.length === 1 && cells[0] === null;
      if (!isBlank) records.push({ number: line, cells });
      line += 1 + feedsInRecord;
      feedsInRecord = 0;
      return null;
    },
  };
  let start = 0;
  let size = text.length;
  while (start < text.length) {
    const firstLine = line;
    feedsInRecord = 0;
    const end = startOfLine(text, Math.min(text.length, start + size - 1), 1);
    try {
      parse(text.slice(start, end), options);
      start = end;
      size *= 2;
    } catch (error) {
      if (!(error instanceof CsvError)) throw error;
      // What was parsed is in the records; the line at hand is the first that is not.
      start = startOfLine(text, start, line - firstLine);
      if (error.code === 'CSV_QUOTE_NOT_CLOSED') {
        if (end < text.length) {
          size = 2 * (end - start);
          continue;
        }
        if (!isLast && text.length - start < QUOTED_CHARACTERS_MAX) break;
      }
      const next = startOfLine(text, start, 1);
      const problem = PROBLEMS[error.code] ?? `must be CSV; ${error.message}`;
      records.push({ number: line, original: text.slice(start, next).trimEnd(), problem });
      start = next;
      line++;
      size = CHARACTERS_AFTER_ERROR;
    }
  }
  return { records, open: { text: text.slice(start), firstLine: line } };
}

/** Where the line after so many others begins, from a place within the first. */
function startOfLine(text: string, from: number, lines: number): number {
  let start = from;
  for (let line = 0; line < lines; line++) {
    const feed = text.indexOf('\n', start);
    if (feed < 0) return text.length;
    start = feed + 1;
  }
  return start;
}

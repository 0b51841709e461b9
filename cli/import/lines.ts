/** Text files as blocks of whole lines, so that a line that is no text costs that line alone. */
import { constants, isUtf8 } from 'node:buffer';
import { createReadStream, statSync } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UserError } from '../user-error.ts';
import { type FileOptions, unreadable } from './foreign-file.ts';

export interface LineBlock {
  /** Whole lines with their ends, which the last of the file may lack. */
  readonly text: string;
  readonly firstLine: number;
  /** False for one line that is not in the encoding of the file; its text has marks where it is not. */
  readonly isValid: boolean;
}

export const INVALID_TEXT = 'must be UTF-8 text; got other bytes. Say what it is with --encoding, such as latin1';

const LINE_FEED = 10;

/** No event is so large, and what is unpacked may never end. */
const LINE_BYTES_MAX = 16 << 20;

const lineTooLong = (name: string, line: number, bytesMax: number) =>
  new UserError(
    `${name} must have lines of at most ${bytesMax >> 20} MB; line ${line} is longer. Write each event on a line of its own`,
  );

export interface TextFile {
  readonly blocks: AsyncIterable<LineBlock>;
  readonly done: () => number;
}

/** @throws UserError while it is read, for what is no such file. */
export function openText(options: FileOptions): TextFile {
  const { size } = statSync(options.path);
  const file = createReadStream(options.path, { highWaterMark: 1 << 19 });
  const isCompressed = /\.gz$/i.test(options.path);
  const bytes = isCompressed ? pipeline(file, createGunzip({ chunkSize: 1 << 19 }), () => {}) : file;
  // Whoever reads is told of errors, also of those before he began; without a listener they would end the process.
  bytes.on('error', () => {});
  return {
    blocks: blocksOf(utf8Of(bytes, options), options.name),
    done: () => Math.min(1, file.bytesRead / Math.max(1, size)),
  };
}

/** What a file begins with that is something else than its name says. */
const SIGNATURES: readonly (readonly [bytes: string, fix: string])[] = [
  ['1f8b', 'is compressed by gzip; name it so: add .gz to its name'],
  ['504b0304', 'is a workbook or a ZIP archive; save it as CSV UTF-8'],
  ['50415231', 'is Parquet; name it so: .parquet'],
];

/** The chunks of a file in UTF-8, without a byte order mark. */
async function* utf8Of(chunks: AsyncIterable<Buffer>, { name, encoding }: FileOptions): AsyncGenerator<Buffer> {
  const decoder = encoding === 'utf-8' ? undefined : new TextDecoder(encoding, { fatal: true });
  let isFirst = true;
  try {
    for await (const chunk of chunks) {
      if (isFirst) refuseOther(name, chunk, encoding);
      if (decoder !== undefined) yield Buffer.from(decoder.decode(chunk, { stream: true }));
      else yield isFirst && chunk.indexOf('\uFEFF') === 0 ? chunk.subarray(3) : chunk;
      isFirst = false;
    }
    if (decoder !== undefined) yield Buffer.from(decoder.decode());
  } catch (error) {
    if (!(error instanceof TypeError)) throw unreadable(name, error);
    throw new UserError(`${name} must be ${encoding} text; got other bytes. Say what it is with --encoding`, {
      cause: error,
    });
  }
}

function refuseOther(name: string, chunk: Buffer, encoding: string): void {
  const found = SIGNATURES.find(([bytes]) => chunk.toString('hex', 0, bytes.length / 2) === bytes);
  if (found !== undefined) throw new UserError(`${name} ${found[1]}`);
  const order = { fffe: 'utf-16le', feff: 'utf-16be' }[chunk.toString('hex', 0, 2)];
  if (order !== undefined && encoding !== order) {
    throw new UserError(`${name} begins as ${order} text does; say --encoding ${order}`);
  }
}

async function* blocksOf(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<LineBlock> {
  let firstLine = 1;
  let restBytes = 0;
  let bytesMax: number | undefined;
  let rest: Buffer[] = [];
  function* blocks(bytes: Buffer): Generator<LineBlock> {
    if (isUtf8(bytes)) {
      yield { text: bytes.toString(), firstLine, isValid: true };
      firstLine += linesIn(bytes);
      return;
    }
    for (let start = 0; start < bytes.length; firstLine++) {
      const feed = bytes.indexOf(LINE_FEED, start);
      const line = bytes.subarray(start, feed < 0 ? bytes.length : feed + 1);
      yield { text: line.toString(), firstLine, isValid: isUtf8(line) };
      start += line.length;
    }
  }
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(LINE_FEED) + 1;
    if (end > 0) yield* blocks(Buffer.concat([...rest, chunk.subarray(0, end)]));
    rest = end > 0 ? [chunk.subarray(end)] : [...rest, chunk];
    restBytes = end > 0 ? chunk.length - end : restBytes + chunk.length;
    // An array may be one line.
    bytesMax ??= /^\s*\[/.test(chunk.toString('latin1')) ? constants.MAX_STRING_LENGTH : LINE_BYTES_MAX;
    if (restBytes > bytesMax) throw lineTooLong(name, firstLine, bytesMax);
  }
  const last = Buffer.concat(rest);
  if (last.length > 0) yield* blocks(last);
}

function linesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) count++;
  return count;
}

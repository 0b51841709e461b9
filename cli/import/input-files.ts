/** The files that an import reads, and what becomes of their names. */

import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { link, readdir, rename } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { literalGlob, queryRows } from '../../shared/offline/embedded/duckdb.ts';
import { type Download, isS3 } from '../s3.ts';
import { UserError } from '../user-error.ts';
import { unreadable } from './foreign-file.ts';

export interface InputFile {
  /** As it was named: a path, or an address in S3. */
  readonly name: string;
  readonly path: string;
  readonly format: 'csv' | 'json' | 'parquet';
  /** Its name without folder and suffix. */
  readonly stem: string;
  /** Tells it from other files of its name, without saying where it lies. */
  readonly origin: string;
}

const SUFFIX = /\.(?:(?:(csv|tsv|txt)|(jsonl|ndjson|json))(?:\.gz)?|(parquet))$/i;
const SUFFIXES = '.parquet, .csv, .tsv, .txt, .jsonl, .ndjson or .json, the texts perhaps with .gz';

/** Of files with rows that were put aside. */
export const REJECTS_SUFFIX = '.rejects.jsonl';

/** A folder has texts of any kind. */
const TEXT = /\.txt(?:\.gz)?$/i;

/** @throws UserError where an entry names no file, or one of another kind. */
export async function inputFiles(
  entries: readonly string[],
  ports: { readonly connection: DuckDBConnection; readonly download: Download },
): Promise<InputFile[]> {
  const files = new Map<string, InputFile>();
  for (const entry of entries) {
    const found = isS3(entry) ? (await ports.download(entry)).files : await localFiles(entry, ports.connection);
    // Beside files that were named, a folder may have others.
    const wanted: { readonly url: string; readonly path: string }[] = [];
    for (const one of found) {
      if (
        one.url === entry ||
        (isWanted(one.url, entry) && (await originOf(one.path, ports.connection)) === undefined)
      ) {
        wanted.push(one);
      }
    }
    if (wanted.length === 0) {
      const isPlain = !isS3(entry) && !existsSync(entry) && !/[*?[]/.test(entry);
      throw new UserError(`there is no file ${entry}${isPlain ? '' : ` that is ${SUFFIXES}`}`);
    }
    for (const { url, path } of wanted) {
      const file = inputFile(url, path);
      files.set(file.origin, file);
    }
  }
  return [...files.values()];
}

/** Of a folder or a glob: what import itself writes is passed over. */
const isWanted = (url: string, entry: string) =>
  SUFFIX.test(url) && !url.endsWith(REJECTS_SUFFIX) && (TEXT.test(entry) || !TEXT.test(url));

async function localFiles(entry: string, connection: DuckDBConnection) {
  const isFolder = existsSync(entry) && statSync(entry).isDirectory();
  if (existsSync(entry) && !isFolder) return [{ url: entry, path: entry }];
  const glob = isFolder ? join(literalGlob(entry), '**', '*') : entry;
  const found = await queryRows(connection, 'SELECT file FROM glob($1) ORDER BY file', [glob]);
  const paths = found.map(([path]) => String(path));
  // Spark and others leave files beside data whose names begin so.
  return paths.filter((path) => !isFolder || !/^[_.]/.test(basename(path))).map((path) => ({ url: path, path }));
}

function inputFile(name: string, path: string): InputFile {
  const [suffix, csv, json] = SUFFIX.exec(name) ?? [];
  if (suffix === undefined) {
    throw new UserError(`${name} must be ${SUFFIXES}; got something else. Convert it, or rename it`);
  }
  return {
    name,
    path,
    format: csv !== undefined ? 'csv' : json !== undefined ? 'json' : 'parquet',
    stem: basename(name).slice(0, -suffix.length) || basename(name),
    origin: createHash('sha256')
      .update(isS3(name) ? name : resolve(name))
      .digest('hex')
      .slice(0, 32),
  };
}

/** The key of a history file's metadata that says what it was made from. */
export const ORIGIN_KEY = 'origin';

/** Gives each file of history a name: what was made from the same file is replaced, and nothing else is. */
export class OutputNames {
  readonly #folder: string;
  readonly #connection: DuckDBConnection;
  readonly #originByName: Map<string, string | undefined>;

  private constructor(folder: string, connection: DuckDBConnection, originByName: Map<string, string | undefined>) {
    this.#folder = folder;
    this.#connection = connection;
    this.#originByName = originByName;
  }

  static async of(folder: string, connection: DuckDBConnection): Promise<OutputNames> {
    if (existsSync(folder) && !statSync(folder).isDirectory()) {
      throw new UserError(`--to ${folder}: must be a folder; got a file. Name another one`);
    }
    const origins = new Map<string, string | undefined>();
    for (const name of existsSync(folder) ? await readdir(folder) : []) {
      origins.set(name, await originOf(join(folder, name), connection));
    }
    return new OutputNames(folder, connection, origins);
  }

  /** The path of a file of history, without its suffix. */
  pathFor({ stem, origin }: InputFile): string {
    const before = [...this.#originByName].find(([, other]) => other === origin);
    let name = before?.[0] ?? `${stem}.parquet`;
    for (let number = 2; before === undefined && this.#originByName.has(name); number++)
      name = `${stem}-${number}.parquet`;
    this.#originByName.set(name, origin);
    return join(this.#folder, name.slice(0, -'.parquet'.length));
  }

  /** Gives a file of history its name, which another import may have taken meanwhile. @returns its path without suffix. */
  async place(file: InputFile, unfinished: string): Promise<string> {
    for (;;) {
      const path = this.pathFor(file);
      const output = `${path}.parquet`;
      try {
        await link(unfinished, output);
        return path;
      } catch (error) {
        if (!existsSync(output)) throw unreadable(output, error);
      }
      const origin = await originOf(output, this.#connection);
      if (origin === file.origin) {
        await rename(unfinished, output);
        return path;
      }
      this.#originByName.set(basename(output), origin);
    }
  }
}

/** What import made a file from; undefined for what it did not make, or cannot be read. */
async function originOf(path: string, connection: DuckDBConnection): Promise<string | undefined> {
  if (!path.endsWith('.parquet')) return undefined;
  const sql = 'SELECT decode(value) FROM parquet_kv_metadata($1) WHERE decode(key) = $2';
  try {
    const [[origin] = []] = await queryRows(connection, sql, [literalGlob(path), ORIGIN_KEY]);
    return origin === undefined ? undefined : String(origin);
  } catch {
    return undefined;
  }
}

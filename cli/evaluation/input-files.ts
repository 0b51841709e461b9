import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { queryRows, withDuckDb } from '../../shared/offline/embedded/duckdb.ts';

/** What was given to an option, told so that it can be known again. */
export interface InputFiles {
  readonly option: string;
  /** As it was given. */
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
  /** Of all contents, in the order of the files' names. */
  readonly sha256: string;
}

/** @param glob where the files are on this machine. */
export async function inputFiles(option: string, path: string, glob: string): Promise<InputFiles> {
  const files = await withDuckDb({}, async (connect) =>
    queryRows(await connect(), 'SELECT file FROM glob($1) ORDER BY file', [glob]),
  );
  const hash = createHash('sha256');
  let bytes = 0;
  for (const [file] of files) {
    for await (const chunk of createReadStream(String(file))) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  }
  return { option, path, files: files.length, bytes, sha256: hash.digest('hex') };
}

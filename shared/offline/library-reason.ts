/** What libraries say of a file that they cannot read, as part of a sentence for its owner. */

/** `Invalid Input Error: `, as DuckDB begins. */
const ERROR_NAME = /^(?:[A-Za-z][\w-]* ){1,4}(?:Error|Exception): |^\w+Exception: /;

/** Characters of a reason; what is longer quotes the file. */
const REASON_CHARACTERS = 300;

/** Thrown for a file that can be read, and whose columns cannot be used. One sentence in our words, which is told as it is. */
export class UnusableColumnsError extends Error {
  override readonly name = 'UnusableColumnsError';
}

const AGAIN = 'write it again, or copy it again';

/**
 * The first line of a message, without the name of the error and without values of the file, and what to do. Errors of the runtime
 * say nothing that helps.
 */
export function reasonOfLibrary(error: unknown): string {
  if (error instanceof UnusableColumnsError) return error.message;
  if (!(error instanceof Error) || error.name !== 'Error') return `it is damaged, or something else; ${AGAIN}`;
  let [reason = ''] = error.message.split('\n');
  if (/magic bytes|too small to be a Parquet/i.test(reason))
    return "it is no Parquet; write it with pandas' to_parquet(), say";
  if (/No files found/.test(reason)) return 'there is no such file';
  while (ERROR_NAME.test(reason)) reason = reason.replace(ERROR_NAME, '');
  // It says which text, and texts may be keys of entities.
  if (/UTF-?8|encoding/i.test(reason)) return 'its texts must be UTF-8; write it again with its texts decoded';
  return `${reason.replace(/:? (?:value|string) ["'].*$/, '').slice(0, REASON_CHARACTERS)}; ${AGAIN}`;
}

/**
 * Whether an output has the shape that a document shows: the same words and JSON keys in the same order.
 *
 * 1. Both become tokens: `0.3 s` → `#`, `s`; numbers, instants, ids and hashes are all `#`. What comes of files that are in the
 *    repository keeps its whole numbers, and so does everywhere the 0 of differences that there are not. White space and the
 *    lines of tables say nothing, so that a document may break a line of JSON.
 * 2. `…` of the document stands for any tokens, or none. What lies between two of them must follow in this order.
 */
import { stripVTControlCharacters } from 'node:util';

const TOKEN =
  /…|(?<![\w.,])0(?= (?:differences|mismatches|violations))|(?<date>\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?)|(?<hash>(?<!\w)(?=[0-9a-f-]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*(?!\w))|(?<number>(?<!\w)-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?(?!\w))|[\p{L}\p{N}_]+|\S/gu;
const LINES_OF_TABLES = /[\u2500-\u257f]/g;
/** `npm run` says what it runs. */
const NPM_BANNER = /^> .*$/gm;
const CONTEXT_TOKENS = 8;

function tokensOf(text: string, keepsWholeNumbers: boolean): string[] {
  const plain = text.replaceAll(LINES_OF_TABLES, ' ');
  return [...plain.matchAll(TOKEN)].map(({ 0: token, groups }) =>
    (groups?.date ?? groups?.hash ?? groups?.number) && !(keepsWholeNumbers && /^\d{1,3}(,\d{3})*$/.test(token))
      ? '#'
      : token,
  );
}

/** How many of some tokens are found from a place on. */
function matching(wanted: readonly string[], found: readonly string[], from: number): number {
  const end = wanted.findIndex((token, index) => token !== found[from + index]);
  return end === -1 ? wanted.length : end;
}

function difference(wanted: readonly string[], found: readonly string[], from: number): string {
  const same = matching(wanted, found, from);
  const begin = Math.max(0, same - CONTEXT_TOKENS);
  const show = (tokens: readonly string[], start: number) =>
    tokens.slice(start, start + 2 * CONTEXT_TOKENS).join(' ') || 'nothing more';
  return `the document has "${show(wanted, begin)}" where the output has "${show(found, from + begin)}"`;
}

/** Commands whose input is in the repository. */
const OF_SAMPLE_DATA = /^npm run cli -- (?:import|training-set|backfill) /;

/**
 * @param command that made the output.
 * @returns where an output differs from what a document shows, or `undefined`.
 */
export function shapeDifference(document: string, output: string, command = ''): string | undefined {
  const keepsWholeNumbers = OF_SAMPLE_DATA.test(command);
  const found = tokensOf(stripVTControlCharacters(output).replaceAll(NPM_BANNER, ''), keepsWholeNumbers);
  const parts: string[][] = [[]];
  for (const token of tokensOf(document, keepsWholeNumbers)) {
    if (token === '…') parts.push([]);
    else parts.at(-1)?.push(token);
  }
  let from = 0;
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    // What is before the first `…` begins the output, and what is after the last one ends it.
    if (index === 0 || isLast) {
      const place = index === 0 ? 0 : Math.max(from, found.length - part.length);
      const isWhole = !isLast || place + part.length === found.length;
      if (matching(part, found, place) < part.length || !isWhole) return difference(part, found, place);
      from = place + part.length;
      continue;
    }
    let best = from;
    for (let place = from; place < found.length && matching(part, found, best) < part.length; place++) {
      if (matching(part, found, place) > matching(part, found, best)) best = place;
    }
    if (matching(part, found, best) < part.length) return difference(part, found, best);
    from = best + part.length;
  }
  return undefined;
}

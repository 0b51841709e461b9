/** JSON that keeps what was written: the digits of its numbers, and keys that occur twice. */
import { LIMITS } from '../limits.ts';

declare global {
  // ECMAScript's "JSON.parse source text access", which TypeScript's library does not know yet.
  interface JSON {
    rawJSON(text: string): RawJson;
    isRawJSON(value: unknown): value is RawJson;
  }
}

/** A number as it is written. `JSON.stringify` writes it the same way again. */
export interface RawJson {
  readonly rawJSON: string;
}

/**
 * Whether a text has numbers whose double may say less than they do: of 16 characters or more, whole with a point, with
 * an exponent, or −0. Texts inside of strings may look like it, which costs time and nothing else.
 */
const TELLING_NUMBER = /[:[,]\s*(?:-0[\s,}\]]|-?(?:\d[\d.]{15}|\d+\.0+(?=[\s,}\]])|\d+(?:\.\d+)?[eE][+-]?\d))/;

/**
 * `JSON.parse`, except that a number which its double does not say completely is a `RawJson` with its source text.
 * @throws SyntaxError, also for more levels than `LIMITS.jsonDepth`.
 */
export function parseJson(text: string): unknown {
  if (text.length > LIMITS.jsonDepth && isTooDeep(text)) {
    throw new SyntaxError(`JSON must have at most ${LIMITS.jsonDepth} levels`);
  }
  if (!TELLING_NUMBER.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
      ? JSON.rawJSON(context.source)
      : value,
  );
}

/** The text of a number of JSON. */
export function sourceOf(value: number | RawJson): string {
  if (typeof value === 'object') return value.rawJSON;
  return Object.is(value, -0) ? '-0' : String(value);
}

/** A number without its source text, where digits beyond those of a double do not matter; any other value as it is. */
export function plainNumber(value: unknown): unknown {
  return JSON.isRawJSON(value) ? Number(value.rawJSON) : value;
}

const CHARACTER = {
  quote: 34,
  comma: 44,
  colon: 58,
  openBracket: 91,
  backslash: 92,
  closeBracket: 93,
  openBrace: 123,
  closeBrace: 125,
};

/** A list or an object that has not ended. */
interface Level {
  /** Of an object, those that were seen. */
  readonly keys: Set<string> | undefined;
  /** Where in it the text is: the key, or the place in a list. */
  at: string | number;
}

/**
 * A key that occurs twice in an object of valid JSON text, with the path to it, such as `events[3].id`; `undefined` if none does.
 * Readers disagree on which of the values counts (the last, here; the first or an error elsewhere), so online and offline would.
 * @param options.everywhere whether objects within objects and lists are looked at; by default, the outermost alone is.
 */
export function repeatedKeyOf(
  text: string,
  { everywhere = false }: { readonly everywhere?: boolean } = {},
): string | undefined {
  const levels: Level[] = [];
  let lastString = '';
  for (let position = 0; position < text.length; position++) {
    const character = text.charCodeAt(position);
    if (character === CHARACTER.quote) {
      const start = position + 1;
      position = closingQuote(text, start);
      if (everywhere || levels.length === 1) lastString = text.slice(start, position);
    } else if (character === CHARACTER.openBrace) levels.push({ keys: new Set(), at: '' });
    else if (character === CHARACTER.openBracket) levels.push({ keys: undefined, at: 0 });
    else if (character === CHARACTER.closeBrace || character === CHARACTER.closeBracket) levels.pop();
    else if (character === CHARACTER.comma) {
      const level = levels.at(-1);
      if (typeof level?.at === 'number') level.at++;
    } else if (character === CHARACTER.colon && (everywhere || levels.length === 1)) {
      const level = levels.at(-1);
      const key = lastString.includes('\\') ? String(JSON.parse(`"${lastString}"`)) : lastString;
      if (level?.keys === undefined) continue;
      level.at = key;
      if (level.keys.has(key)) return pathOf(levels);
      level.keys.add(key);
    }
  }
  return undefined;
}

function pathOf(levels: readonly Level[]): string {
  return levels.reduce((path, { at }) => {
    if (typeof at === 'number') return `${path}[${at}]`;
    return path === '' ? at : `${path}.${at}`;
  }, '');
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let position = 0; position < text.length; position++) {
    const character = text.charCodeAt(position);
    if (character === CHARACTER.quote) position = closingQuote(text, position + 1);
    else if (character === CHARACTER.openBrace || character === CHARACTER.openBracket) {
      if (++depth > LIMITS.jsonDepth) return true;
    } else if (character === CHARACTER.closeBrace || character === CHARACTER.closeBracket) depth--;
  }
  return false;
}

/** Where the string that begins at `start` ends: at the first quote that no backslash escapes. */
function closingQuote(text: string, start: number): number {
  let position = start;
  while (position < text.length && text.charCodeAt(position) !== CHARACTER.quote) {
    position += text.charCodeAt(position) === CHARACTER.backslash ? 2 : 1;
  }
  return position;
}

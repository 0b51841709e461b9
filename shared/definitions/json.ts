/** JSON that keeps what was written: the digits of its numbers, and keys that occur twice. */

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
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  if (!TELLING_NUMBER.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
      ? JSON.rawJSON(context.source)
      : value,
  );
}

/** The same value with doubles for all numbers, where digits beyond them do not matter. */
export function withPlainNumbers(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (JSON.isRawJSON(value)) return Number(value.rawJSON);
  if (Array.isArray(value)) return value.map(withPlainNumbers);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withPlainNumbers(member)]));
}

const CHARACTER = {
  quote: 34,
  colon: 58,
  openBracket: 91,
  backslash: 92,
  closeBracket: 93,
  openBrace: 123,
  closeBrace: 125,
};

/**
 * A key that occurs twice in the object that valid JSON text is; `undefined` if none does. Readers disagree on which of
 * the values counts (the last, here; the first or an error elsewhere), so online and offline would.
 */
export function repeatedKeyOf(text: string): string | undefined {
  const keys = new Set<string>();
  let depth = 0;
  let lastString = '';
  for (let position = 0; position < text.length; position++) {
    const character = text.charCodeAt(position);
    if (character === CHARACTER.quote) {
      const start = position + 1;
      position = closingQuote(text, start);
      if (depth === 1) lastString = text.slice(start, position);
    } else if (character === CHARACTER.openBrace || character === CHARACTER.openBracket) depth++;
    else if (character === CHARACTER.closeBrace || character === CHARACTER.closeBracket) depth--;
    else if (character === CHARACTER.colon && depth === 1) {
      const key = lastString.includes('\\') ? String(JSON.parse(`"${lastString}"`)) : lastString;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** Where the string that begins at `start` ends: at the first quote that no backslash escapes. */
function closingQuote(text: string, start: number): number {
  let position = start;
  while (position < text.length && text.charCodeAt(position) !== CHARACTER.quote) {
    position += text.charCodeAt(position) === CHARACTER.backslash ? 2 : 1;
  }
  return position;
}

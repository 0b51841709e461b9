import type * as z from 'zod';
import { LIMITS } from '../limits.ts';
import { idHashOf, type WindowEvent } from '../windows/event.ts';
import type { FieldValue } from './fields.ts';
import type { EventSource } from './source.ts';
import { whyTooLarge, whyUnreadable, whyWrapped } from './unreadable.ts';

/** What is wrong with an event: the field (`''` for the whole) and a sentence that says what it must be. */
export interface EventProblem {
  readonly field: string;
  readonly problem: string;
}

export type DecodedEvent =
  | { readonly ok: true; readonly event: WindowEvent }
  | { readonly ok: false; readonly problems: readonly EventProblem[] };

const refused = (field: string, problem: string): DecodedEvent => ({ ok: false, problems: [{ field, problem }] });

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

const CHARACTER = {
  quote: 34,
  colon: 58,
  openBracket: 91,
  backslash: 92,
  closeBracket: 93,
  openBrace: 123,
  closeBrace: 125,
};

/** Numbers that a double may not hold faithfully. */
const LONG_NUMBER = /[\d.]{16}/;

/**
 * `JSON.parse`, except that a number that a double cannot hold is handed on as its text, so that a decimal field sees
 * every digit and refuses or accepts it, instead of being given a rounded one.
 * @throws SyntaxError
 */
export function parseJsonFaithfully(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value !== 'number' || context?.source === undefined) return value;
    return isFaithful(value, context.source) ? value : context.source;
  });
}

function isFaithful(value: number, source: string): boolean {
  return String(value) === source || (source.length < 16 && Number.isFinite(value));
}

/** Decodes the bytes of one record: UTF-8 JSON text of one event. */
export function decodeEventBytes(source: EventSource, bytes: Uint8Array, arrivedAtMillis: number): DecodedEvent {
  if (bytes.byteLength > LIMITS.eventBytes) {
    const tooLarge = `the event has ${bytes.byteLength} bytes; at most ${LIMITS.eventBytes} are allowed`;
    return refused('', whyTooLarge(bytes.subarray(0, LIMITS.eventBytes)) ?? tooLarge);
  }
  let text: string;
  let value: unknown;
  try {
    text = UTF_8.decode(bytes);
    value = parseJsonFaithfully(text);
  } catch {
    return refused('', whyUnreadable(bytes));
  }
  const decoded = decodeEvent(source, value, arrivedAtMillis);
  const envelope = decoded.ok ? undefined : whyWrapped(source, value);
  if (envelope !== undefined) return refused('', envelope);
  const repeated = decoded.ok ? repeatedKeyOf(text) : undefined;
  return repeated === undefined ? decoded : refused(repeated, 'occurs twice; say which value is meant');
}

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

/**
 * Validates an event and gives it its identity and times.
 * @param value what JSON text decoded to.
 * @param arrivedAtMillis when it reached the product.
 */
export function decodeEvent(source: EventSource, value: unknown, arrivedAtMillis: number): DecodedEvent {
  const parsed = source.schema.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => problemsOf(source, value, issue));
    return { ok: false, problems };
  }
  const values = parsed.data as Readonly<Record<string, FieldValue>>;
  const problems = engineProblems(source, values, arrivedAtMillis);
  if (problems.length > 0) return { ok: false, problems };
  const id = String(values[source.eventId]);
  const timeMillis = Number(values[source.eventTime]);
  return { ok: true, event: { id, idHash: idHashOf(id), timeMillis, arrivedAtMillis, values } };
}

/** What is said of a field that is not there, wherever one is missed. */
export const IS_MISSING = 'is missing; it is required';

/** An issue of the schema as sentences for whoever sent the event, one per field. */
function problemsOf(source: EventSource, value: unknown, issue: z.core.$ZodIssue): EventProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((field) => ({ field, problem: `is not a field of ${source.name}; remove it` }));
  }
  const field = issue.path.join('.');
  const isMissing = typeof value === 'object' && value !== null && field !== '' && !Object.hasOwn(value, field);
  return [{ field, problem: isMissing ? IS_MISSING : issue.message }];
}

/** What no schema says: the engine's own demands. */
function engineProblems(
  source: EventSource,
  values: Readonly<Record<string, FieldValue>>,
  arrivedAtMillis: number,
): EventProblem[] {
  const problems: EventProblem[] = [];
  const timeMillis = Number(values[source.eventTime]);
  if (timeMillis > arrivedAtMillis + LIMITS.futureToleranceMillis) {
    const minutes = LIMITS.futureToleranceMillis / 60_000;
    problems.push({
      field: source.eventTime,
      problem: `lies more than ${minutes} min after its arrival; check the clock`,
    });
  }
  if (timeMillis % source.timeResolutionMillis !== 0) {
    problems.push({ field: source.eventTime, problem: `must be a multiple of ${source.timeResolutionMillis} ms` });
  }
  for (const [field, { type }] of Object.entries(source.fields)) {
    const value = values[field];
    if (typeof value === 'string' && !value.isWellFormed()) {
      problems.push({ field, problem: 'must be well-formed Unicode: half a surrogate pair is no character' });
    }
    if (type.kind === 'double' && typeof value === 'number' && value !== 0 && !isStorable(Math.abs(value))) {
      problems.push({
        field,
        problem: 'must be 0 or between 1e-120 and 1e120 in size, which is what the store can hold',
      });
    }
  }
  return problems;
}

function isStorable(magnitude: number): boolean {
  return magnitude >= 1e-120 && magnitude <= 1e120;
}

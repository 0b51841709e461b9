import * as z from 'zod';
import { LIMITS } from '../limits.ts';
import { idHashOf, type WindowEvent } from '../windows/event.ts';
import { type Decoded, Refusal } from './decoded.ts';
import type { FieldType, FieldValue } from './fields.ts';
import { decodeJson, expectedOf } from './forms.ts';
import { parseJson, repeatedKeyOf } from './json.ts';
import type { EventSource, SourceField } from './source.ts';
import { whyTooLarge, whyUnreadable, whyWrapped } from './unreadable.ts';

/** What is wrong with an event: the field (`''` for the whole) and a sentence that says what it must be. */
export interface EventProblem {
  readonly field: string;
  readonly problem: string;
}

export type DecodedEvent =
  | {
      readonly ok: true;
      readonly event: WindowEvent;
      /** How many fields it has that its source does not declare and ignores. */
      readonly ignoredFields: number;
    }
  | { readonly ok: false; readonly problems: readonly EventProblem[] };

const refused = (field: string, problem: string): DecodedEvent => ({ ok: false, problems: [{ field, problem }] });

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

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
    value = parseJson(text);
  } catch {
    return refused('', whyUnreadable(bytes));
  }
  const decoded = decodeEvent(source, value, arrivedAtMillis);
  const envelope = decoded.ok ? undefined : whyWrapped(source, value);
  if (envelope !== undefined) return refused('', envelope);
  const repeated = decoded.ok ? repeatedKeyOf(text) : undefined;
  return repeated === undefined ? decoded : refused(repeated, 'occurs twice; say which value is meant');
}

/** How a value of a row that is no JSON is decoded. The name is that by which producers know the field. */
export type ValueDecoder = (type: FieldType, value: unknown, wireName: string) => Decoded;

const ofJson: ValueDecoder = (type, value) => decodeJson(type, value);

/**
 * Validates an event and gives it its identity and times.
 * @param value what JSON text decoded to, or a row of a file.
 * @param arrivedAtMillis when it reached the product.
 * @param decode what a value of a field means; by default, that of JSON.
 */
export function decodeEvent(
  source: EventSource,
  value: unknown,
  arrivedAtMillis: number,
  decode: ValueDecoder = ofJson,
): DecodedEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refused('', `must be a JSON object with the fields of one event of ${source.name}`);
  }
  const row = value as Readonly<Record<string, unknown>>;
  const { values, problems, known } = decodedFields(source, row, decode);
  const ignoredFields = Object.keys(row).length - known;
  if (ignoredFields > 0 && source.unknownFields === 'refuse') problems.push(...unknownFields(source, row));
  if (problems.length > 0) return { ok: false, problems };
  const parsed = source.schema.safeParse(values);
  if (!parsed.success) return { ok: false, problems: schemaProblems(source, values) };
  const checked = parsed.data as Readonly<Record<string, FieldValue>>;
  const timeMillis = Number(checked[source.eventTime]);
  const problem = problemOfTime(source, timeMillis, arrivedAtMillis);
  if (problem !== undefined) return refused(wireNameOf(source, source.eventTime), problem);
  const id = String(checked[source.eventId]);
  return { ok: true, event: { id, idHash: idHashOf(id), timeMillis, arrivedAtMillis, values: checked }, ignoredFields };
}

/** The issues of the schema, in our words. They are asked for apart, because nearly every event has none. */
function schemaProblems(source: EventSource, values: Readonly<Record<string, FieldValue>>): EventProblem[] {
  const issues = source.schema.safeParse(values, { error: sentenceOfIssue }).error?.issues ?? [];
  return issues.map(({ path, message }) => ({ field: wireNameOf(source, path.join('.')), problem: message }));
}

/** What is said of a field that is not there, wherever one is missed. */
export const IS_MISSING = 'is missing; it is required';

/** The values of the fields, before the schema looks at them, and how many of the row's members are fields. */
function decodedFields(source: EventSource, row: Readonly<Record<string, unknown>>, decode: ValueDecoder) {
  const values: Record<string, FieldValue> = {};
  const problems: EventProblem[] = [];
  let known = 0;
  for (const field of source.fieldList) {
    const { name, wireName, type } = field;
    const isThere = Object.hasOwn(row, wireName);
    if (isThere) known++;
    const value = isThere ? decode(type, row[wireName], wireName) : null;
    if (value instanceof Refusal) problems.push({ field: wireName, problem: value.problem });
    else if (value !== null) values[name] = value;
    else if (field.whenMissing === 'refused') problems.push({ field: wireName, problem: missing(isThere, type) });
    else if (field.whenMissing === 'null') values[name] = null;
  }
  return { values, problems, known };
}

function missing(isThere: boolean, type: FieldType): string {
  return isThere ? `is missing (null); it is required and must be ${expectedOf(type)}` : IS_MISSING;
}

function unknownFields({ name, fieldList }: EventSource, row: object): EventProblem[] {
  const known = new Set(fieldList.map(({ wireName }) => wireName));
  return Object.keys(row)
    .filter((field) => !known.has(field))
    .map((field) => ({
      field,
      problem: `is not a field of ${name}; remove it, or declare the source with unknownFields: 'ignore'`,
    }));
}

/** What producers call a field. */
export function wireNameOf({ fieldList }: EventSource, path: string): string {
  return fieldList.find(({ name }) => name === path)?.wireName ?? path;
}

/**
 * One value of a field, without its event: a join key that is asked for.
 * @returns `undefined` for one that is missing where it may be.
 */
export function decodeFieldValue(
  source: EventSource,
  { name, type, whenMissing }: SourceField,
  value: unknown,
): Decoded {
  const decoded = decodeJson(type, value);
  if (decoded instanceof Refusal) return decoded;
  if (decoded === null) return whenMissing === 'refused' ? new Refusal(missing(value !== undefined, type)) : null;
  const schema = source.schema.shape[name];
  const parsed = schema && z.safeParse(schema, decoded, { error: sentenceOfIssue });
  return parsed?.success === false ? new Refusal(parsed.error.issues[0]?.message ?? 'is not valid') : decoded;
}

/** Types as zod names them, in our words. */
const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

const COUNTED: Readonly<Record<string, string>> = { string: 'characters', array: 'entries' };

/** What a schema demands, of an event beyond the kinds of its fields, in the words of the other problems. */
export function sentenceOfIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? IS_MISSING : `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'too_small':
      return COUNTED[issue.origin] !== undefined
        ? `must have at least ${issue.minimum} ${COUNTED[issue.origin]}`
        : `must be ${issue.inclusive === false ? 'above' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      return COUNTED[issue.origin] !== undefined
        ? `must have at most ${issue.maximum} ${COUNTED[issue.origin]}`
        : `must be ${issue.inclusive === false ? 'below' : 'at most'} ${issue.maximum}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'invalid_format':
      return issue.pattern === undefined || issue.format !== 'regex'
        ? `must be written as ${issue.format} is`
        : `must match ${issue.pattern}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    default:
      return undefined;
  }
}

/** What no schema says of an event's time. */
function problemOfTime({ timeResolutionMillis }: EventSource, timeMillis: number, arrivedAtMillis: number) {
  if (timeMillis > arrivedAtMillis + LIMITS.futureToleranceMillis) {
    return `must lie at most ${LIMITS.futureToleranceMillis / 60_000} min after its arrival; check the clock`;
  }
  return timeMillis % timeResolutionMillis === 0 ? undefined : `must be a multiple of ${timeResolutionMillis} ms`;
}

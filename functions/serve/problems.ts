import type * as z from 'zod';
import { sentenceOfIssue } from '../../shared/definitions/decode-event.ts';
import { EntityKeyError } from '../../shared/definitions/entity.ts';
import { OnlineStoreError } from '../../shared/online/store.ts';
import type { HttpAnswer } from './http.ts';
import type { FieldProblem, Problem } from './schemas.ts';

/** Everything that can go wrong, by the name that ends its `type`. The names are part of the API and never change. */
export const PROBLEMS = {
  'invalid-json': { status: 400, title: 'The body is not JSON text in UTF-8.' },
  validation: { status: 400, title: 'The request is not valid.' },
  'unknown-route': { status: 404, title: 'There is no such route.' },
  'unknown-service': { status: 404, title: 'There is no such feature service.' },
  'unknown-feature': { status: 404, title: 'There is no such feature.' },
  'unknown-source': { status: 404, title: 'There is no such event source.' },
  'unknown-training-set': { status: 404, title: 'There is no such training set.' },
  'method-not-allowed': { status: 405, title: 'The route has another method.' },
  gone: { status: 410, title: 'The path is another one now.' },
  'body-too-large': { status: 413, title: 'The body is too large.' },
  internal: { status: 500, title: 'The service failed.' },
  throttled: { status: 503, title: 'The online store is busy.' },
  unavailable: { status: 503, title: 'The online store does not answer.' },
  contention: { status: 503, title: 'Too many requests change this entity at once.' },
  'events-not-accepted': { status: 503, title: 'Not every event was accepted.' },
  'item-too-large': { status: 507, title: 'The entity has outgrown the online store.' },
} as const;

export type ProblemKind = keyof typeof PROBLEMS;

/** What 503 asks callers to wait, seconds. Throttling passes within a second or lasts; more would only delay recovery. */
const RETRY_AFTER_SECONDS = 1;

/** An answer lists at most so many fields: enough to mend a request, and bounded whatever was sent. */
const FIELDS_LISTED = 100;

/** Names of fields come from the request; no more of one than this is repeated. */
const FIELD_CHARACTERS = 200;

/** Thrown wherever a request cannot be answered as asked. The handler turns it into an RFC 9457 answer. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly kind: ProblemKind;
  readonly fields: readonly FieldProblem[];
  /** Members of the answer beside those of RFC 9457. */
  readonly members: Readonly<Record<string, number>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    kind: ProblemKind,
    detail: string,
    options: {
      readonly fields?: readonly FieldProblem[];
      readonly members?: Readonly<Record<string, number>>;
      readonly headers?: Readonly<Record<string, string>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(detail, { cause: options.cause });
    this.kind = kind;
    this.fields = options.fields ?? [];
    this.members = options.members ?? {};
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return PROBLEMS[this.kind].status;
  }
}

/** A request with these faults. The sentence repeats the first one, for readers of nothing else. */
export function invalid(fields: readonly FieldProblem[]): ProblemError {
  const [first] = fields;
  const rest = fields.length > 1 ? ` (and ${fields.length - 1} more)` : '';
  const detail = first === undefined ? 'The request is not valid.' : `${sentenceOf(first)}${rest}`;
  return new ProblemError('validation', detail, { fields });
}

/** A body by its schema. @throws ProblemError with its faults, in the words that faults of events have. */
export function parseRequest<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body, { error: sentenceOfIssue });
  if (parsed.success) return parsed.data;
  throw invalid(fieldProblemsOf(parsed.error));
}

/** The faults that zod found, each at its path: `entities[3].user_id`. */
function fieldProblemsOf(error: z.ZodError): FieldProblem[] {
  return error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [{ field: pathOf(issue.path), problem: issue.message }];
    return issue.keys.map((key) => ({ field: pathOf([...issue.path, key]), problem: 'is not known here; remove it' }));
  });
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? String(step) : `${text}.${String(step)}`;
  }, '');
}

function sentenceOf({ field, problem }: FieldProblem): string {
  return field === '' ? problem : `${shortened(field)}: ${problem}`;
}

function shortened(text: string): string {
  return text.length > FIELD_CHARACTERS ? `${text.slice(0, FIELD_CHARACTERS)}…` : text;
}

/** The problem that an error is to the caller. What callers cannot act on is `internal`, without a word about why. */
export function problemOf(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof EntityKeyError) {
    return invalid([{ field: error.field, problem: error.message.slice(error.field.length + 1) }]);
  }
  if (error instanceof OnlineStoreError) return storeProblemOf(error);
  return new ProblemError('internal', 'The failure has been logged under the request id.', { cause: error });
}

function storeProblemOf(error: OnlineStoreError): ProblemError {
  const options = { cause: error };
  switch (error.name) {
    case 'OnlineStoreThrottledError':
      return new ProblemError('throttled', 'Send the request again, with backoff; it counts nothing twice.', options);
    case 'OnlineStoreUnavailableError':
      return new ProblemError('unavailable', 'Send the request again, with backoff; it counts nothing twice.', options);
    case 'OnlineStoreContentionError':
      return new ProblemError('contention', 'Send the request again. If it persists, give the view lanes.', options);
    case 'OnlineStoreItemTooLargeError':
      return new ProblemError(
        'item-too-large',
        'Sending it again does not help: give the view lanes, or coarser windows. Reading the entity still works.',
        options,
      );
    default:
      return new ProblemError('internal', 'The failure has been logged under the request id.', options);
  }
}

export function problemAnswer(problem: ProblemError, requestId: string | undefined): HttpAnswer {
  const { status, title } = PROBLEMS[problem.kind];
  const body: Problem = {
    type: `urn:feature-store:problem:${problem.kind}`,
    title,
    status,
    detail: problem.message,
    ...(requestId !== undefined && { instance: `urn:feature-store:request:${requestId}` }),
    ...(problem.fields.length > 0 && {
      errors: problem.fields.slice(0, FIELDS_LISTED).map((field) => ({ ...field, field: shortened(field.field) })),
    }),
    ...problem.members,
  };
  return {
    statusCode: status,
    headers: {
      'content-type': 'application/problem+json',
      ...(status === 503 && { 'retry-after': String(RETRY_AFTER_SECONDS) }),
      ...problem.headers,
    },
    body: JSON.stringify(body),
  };
}

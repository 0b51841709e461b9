import type * as z from 'zod';
import { LIMITS } from '../../limits.ts';
import { ModelError, type ModelFormat } from './model.ts';

/** @throws ModelError when a model's text is too long to be parsed. */
export function requireTextWithinLimit(format: ModelFormat, text: string): void {
  if (text.length > LIMITS.modelFileBytes) {
    throw new ModelError(
      `${format}: the file has more than ${LIMITS.modelFileBytes} characters; train a smaller model or round its numbers`,
    );
  }
}

/** @throws ModelError when a model's text is not JSON. */
export function parseJson(format: ModelFormat, text: string): unknown {
  requireTextWithinLimit(format, text);
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ModelError(`${format}: the file is not JSON: ${error.message}; export the model again`, { cause: error });
  }
}

/** @throws ModelError naming the first place that is not as its schema says. */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, place: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ModelError(`${place}: ${firstIssue(parsed.error)}; export the model again`);
}

/** The first issue of a parse, as `place: problem`. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  const place = issue?.path.map(String).join('.');
  return `${place ? `${place}: ` : ''}${issue?.message ?? 'is not as described'}`;
}

/** An array of numbers of one length, checked without a schema: models have millions of them. */
export function numbersAt(place: string, value: unknown, length?: number): readonly number[] {
  if (!Array.isArray(value)) throw new ModelError(`${place}: must be an array of numbers; export the model again`);
  const members: readonly unknown[] = value;
  if (length !== undefined && members.length !== length) {
    throw new ModelError(`${place}: has ${members.length} members, and must have ${length}; export the model again`);
  }
  const isNumber = (member: unknown): member is number => typeof member === 'number';
  if (!members.every(isNumber)) {
    const index = members.findIndex((member) => !isNumber(member));
    throw new ModelError(`${place}.${index}: must be a number; export the model again`);
  }
  return members;
}

/** @throws ModelError when a file has names for another number of inputs than it has inputs. */
export function inputNamesOf(
  format: ModelFormat,
  names: readonly string[] | null | undefined,
  inputCount: number,
): readonly string[] | undefined {
  if (!names || names.length === 0) return undefined;
  if (names.length !== inputCount) {
    throw new ModelError(
      `${format}: the file names ${names.length} inputs and has ${inputCount}; export the model again`,
    );
  }
  return names;
}

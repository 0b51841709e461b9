import type * as z from 'zod';
import { LIMITS } from '../../limits.ts';
import { MODEL_FORMATS, ModelError, type ModelFormat } from './model.ts';

/** @throws ModelError when a model's text is too long to be parsed. */
export function requireTextWithinLimit(format: ModelFormat, text: string): void {
  if (text.length > LIMITS.modelFileBytes) {
    throw new ModelError(
      `${format}: the file has more than ${LIMITS.modelFileBytes} characters; train a smaller model or round its numbers`,
    );
  }
}

/** How each format is written: what a file of another kind needs. */
export const EXPORT_AGAIN: Readonly<Record<ModelFormat, string>> = {
  'xgboost-json': "export the model again with booster.save_model('model.json'), by XGBoost 1.0 to 3.4",
  'lightgbm-text': "export the model again with save_model('model.txt')",
  'sklearn-trees': 'export the model again with cli/python/export_sklearn.py',
  'logistic-regression': 'export the model again with cli/python/export_sklearn.py',
};

/** NaN is read as null, and Infinity as an infinite number. @throws ModelError when a model's text is not JSON. */
export function parseJson(format: ModelFormat, text: string): unknown {
  requireTextWithinLimit(format, text);
  try {
    return JSON.parse(BARE_NUMBER.test(text) ? withJsonNumbers(text) : text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const problem = `${format}: the file is not JSON: ${error.message}`;
    throw new ModelError(`${problem}; ${EXPORT_AGAIN[format]}`, { cause: error });
  }
}

/** As C++ and Python write them. */
const BARE_NUMBER = /-?\b(?:nan|inf|infinity)\b/i;

/** Outside of texts, NaN becomes null, and infinity a number that JSON.parse makes infinite. Linear in hostile texts too. */
function withJsonNumbers(text: string): string {
  let position = 0;
  let isInText = false;
  return text.replace(new RegExp(BARE_NUMBER, 'gi'), (token, offset: number) => {
    for (; position < offset; position++) {
      if (text[position] === '"') isInText = !isInText;
      else if (text[position] === '\\') position++;
    }
    if (isInText) return token;
    if (/nan/i.test(token)) return 'null';
    return token.startsWith('-') ? '-1e999' : '1e999';
  });
}

/** @throws ModelError naming the first place that is not as its schema says. A place starts with the format. */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, place: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const format = MODEL_FORMATS.find((name) => place.startsWith(name));
  const fix = format ? EXPORT_AGAIN[format] : 'export the model again';
  throw new ModelError(`${place}: ${firstIssue(parsed.error)}; ${fix}`);
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
    const fix = members[index] === null ? 'is NaN; train the model again' : 'must be a number; export the model again';
    throw new ModelError(`${place}.${index}: ${fix}`);
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

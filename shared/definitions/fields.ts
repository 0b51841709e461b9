import * as z from 'zod';
import { LIMITS } from '../limits.ts';
import { DefinitionError } from './error.ts';
import { NUMBER, optional, requireShape, wholeNumber } from './shape.ts';

/** How a field of an event is understood by the engine. */
export type FieldType =
  | { readonly kind: 'text' }
  | { readonly kind: 'boolean' }
  /** A whole number, at most 2^53 − 1 in size. */
  | { readonly kind: 'integer' }
  /** A number with at most `scale` digits after the point and 15 in all. Sums of it are exact. */
  | { readonly kind: 'decimal'; readonly scale: number }
  /** Any finite number. It has an order but no exact sum. */
  | { readonly kind: 'double' }
  /** Milliseconds since 1970-01-01 UTC. */
  | { readonly kind: 'timestamp' };

export interface Field {
  readonly type: FieldType;
  readonly optional: boolean;
}

/** The field of a name, which may be any text. */
export function fieldNamed(fields: Readonly<Record<string, Field>>, name: string): Field | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** Decoded event values: what zod returned. `null` and absent are the same. */
export type FieldValue = string | number | boolean | null | undefined;

const fieldTypes = z.registry<FieldType>();

const LATEST_DATE_MILLIS = Date.UTC(9999, 11, 31);

const PLAIN_DECIMAL = /^-?(0|[1-9]\d*)(\.\d+)?$/;

const DECIMAL = {
  expected: 'an object such as { scale: 2 }',
  options: { scale: wholeNumber(0, LIMITS.decimalDigits), minimum: optional(NUMBER), maximum: optional(NUMBER) },
};

/**
 * An exact quantity such as money. Accepts a JSON number or its text; the value is a number.
 *
 * @param options.scale digits after the point, 0 to 15; more in the input is an error, never a rounding.
 * @param options.minimum smallest value allowed; money that cannot be negative says 0.
 * @param options.maximum largest value allowed; by default what fits 15 digits.
 */
export function decimal(options: { readonly scale: number; readonly minimum?: number; readonly maximum?: number }) {
  requireShape('decimal()', options, DECIMAL);
  const { scale } = options;
  const bound = 10 ** (LIMITS.decimalDigits - scale);
  const { minimum = -bound, maximum = bound } = options;
  if (minimum > maximum) {
    throw new DefinitionError('decimal()', `minimum ${minimum} is above maximum ${maximum}; exchange them`);
  }
  const unit = 10 ** scale;

  function problemWith(value: number, text: string): string | undefined {
    if (!Number.isFinite(value)) return 'must be a finite number';
    if (Math.abs(value) >= bound) return `must have at most ${LIMITS.decimalDigits - scale} digits before the point`;
    // The text is looked at too: digits that a double drops are an error, not a rounding.
    const digits = text.split('.')[1]?.replace(/0+$/, '').length ?? 0;
    if (digits > scale || Math.round(value * unit) / unit !== value) {
      return `must have at most ${scale} digits after the point`;
    }
    if (value < minimum) return `must be at least ${minimum}`;
    if (value > maximum) return `must be at most ${maximum}`;
    return undefined;
  }

  const schema = z
    .union([z.number(), z.string().max(64).regex(PLAIN_DECIMAL)], {
      error: 'must be a finite number, or its plain decimal text such as "12.50"',
    })
    .transform((input, context) => {
      const value = Number(input);
      const problem = problemWith(value, typeof input === 'string' ? input : '');
      if (problem !== undefined) context.addIssue(problem);
      // -0 and 0 are one number.
      return value + 0;
    });
  schema.register(fieldTypes, { kind: 'decimal', scale });
  return schema;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** The name of a thing: 1 to 256 characters of well-formed Unicode without control characters. */
export function identifier() {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(LIMITS.identifierCharacters, `must have at most ${LIMITS.identifierCharacters} characters`)
    .refine((text) => !LONE_SURROGATE.test(text) && !/\p{Cc}/u.test(text), {
      error: 'must be well-formed Unicode without control characters',
    });
}

/**
 * When the event happened: milliseconds since 1970 UTC, or ISO 8601 text with an offset. The value is milliseconds.
 * Refuses what lies before the year 2000, which is nearly always seconds taken for milliseconds.
 */
export function eventTime() {
  const schema = z
    .union([z.int(), z.iso.datetime({ offset: true })], {
      error: 'must be whole milliseconds since 1970, or ISO 8601 text with an offset such as 2026-01-31T12:00:00Z',
    })
    .transform((input, context) => {
      const millis = typeof input === 'string' ? Date.parse(input) : input;
      if (!(millis >= LIMITS.earliestEventTimeMillis && millis <= LATEST_DATE_MILLIS)) {
        context.addIssue('must lie between the years 2000 and 9999, in milliseconds (seconds are too small)');
      }
      return millis;
    });
  schema.register(fieldTypes, { kind: 'timestamp' });
  return schema;
}

/** The engine's view of one zod schema. @throws DefinitionError for shapes that no feature can use. */
export function fieldOf(subject: string, name: string, schema: z.core.$ZodType): Field {
  let optional = false;
  let inner = schema;
  // A described schema is a copy, which has the type of what it was copied from.
  while (fieldTypes.get(inner) === undefined) {
    if (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable) {
      optional = true;
      inner = inner.unwrap();
    } else break;
  }
  const registered = fieldTypes.get(inner);
  if (registered) return { type: registered, optional };
  if (inner instanceof z.ZodString) return { type: { kind: 'text' }, optional };
  if (inner instanceof z.ZodEnum && inner.options.every((option) => typeof option === 'string')) {
    return { type: { kind: 'text' }, optional };
  }
  if (inner instanceof z.ZodBoolean) return { type: { kind: 'boolean' }, optional };
  if (inner instanceof z.ZodNumberFormat) {
    return { type: { kind: inner.isInt ? 'integer' : 'double' }, optional };
  }
  if (inner instanceof z.ZodNumber) return { type: { kind: inner.isInt ? 'integer' : 'double' }, optional };
  throw new DefinitionError(
    subject,
    `field "${name}" has a type that features cannot use; use identifier(), z.string(), z.enum(), z.boolean(), ` +
      'z.int(), z.number(), decimal() or eventTime(), each possibly .optional() or .nullable()',
  );
}

import * as z from 'zod';
import { LIMITS } from '../limits.ts';
import { DefinitionError } from './error.ts';
import { NUMBER, oneOf, optional, requireShape, wholeNumber } from './shape.ts';

/** How a field of an event is understood by the engine. */
export type FieldType =
  | { readonly kind: 'text' }
  | { readonly kind: 'boolean' }
  /** A whole number, at most 2^53 − 1 in size. */
  | { readonly kind: 'integer' }
  /** A number with at most `scale` digits after the point and 15 in all. Sums of it are exact. */
  | { readonly kind: 'decimal'; readonly scale: number; readonly rounding?: Rounding }
  /** Any finite number. It has an order but no exact sum. */
  | { readonly kind: 'double' }
  /** Milliseconds since 1970-01-01 UTC. */
  | { readonly kind: 'timestamp' };

/** What becomes of digits beyond a decimal's scale: rounded to the nearest, and from the middle to the even one. */
export type Rounding = 'half-even';

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

const DECIMAL = {
  expected: 'an object such as { scale: 2 }',
  options: {
    scale: wholeNumber(0, LIMITS.decimalDigits),
    minimum: optional(NUMBER),
    maximum: optional(NUMBER),
    rounding: optional(oneOf(['half-even'])),
  },
};

/**
 * An exact quantity such as money. Its values are numbers.
 *
 * @param options.scale digits after the point, 0 to 15. More are refused, unless `rounding` is declared.
 * @param options.minimum smallest value allowed; money that cannot be negative says 0.
 * @param options.maximum largest value allowed; by default what fits 15 digits.
 * @param options.rounding `half-even` rounds digits beyond the scale, so that measured doubles can be summed exactly.
 */
export function decimal(options: {
  readonly scale: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly rounding?: Rounding;
}) {
  requireShape('decimal()', options, DECIMAL);
  const { scale, rounding, minimum, maximum } = options;
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    throw new DefinitionError('decimal()', `minimum ${minimum} is above maximum ${maximum}; exchange them`);
  }
  let schema = z.number();
  if (minimum !== undefined) schema = schema.min(minimum);
  if (maximum !== undefined) schema = schema.max(maximum);
  schema.register(fieldTypes, { kind: 'decimal', scale, ...(rounding && { rounding }) });
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

/** When the event happened. The value is milliseconds since 1970 UTC, of the years 2000 to 9999. */
export function eventTime() {
  const schema = z.int().min(LIMITS.earliestInstantMillis).max(LIMITS.latestInstantMillis);
  schema.register(fieldTypes, { kind: 'timestamp' });
  return schema;
}

/** What of a schema changes values: history and join keys that are asked for never see the schema. */
function rewritingOf(schema: z.core.$ZodType): string | undefined {
  if ('coerce' in schema._zod.def && schema._zod.def.coerce === true) return 'z.coerce';
  const checks = schema._zod.def.checks ?? [];
  // zod trims what it takes for a URL.
  if ([schema, ...checks].some(({ _zod }) => 'format' in _zod.def && _zod.def.format === 'url')) return 'z.url()';
  return checks.some(({ _zod }) => _zod.def.check === 'overwrite')
    ? 'trim(), toLowerCase() or another overwrite'
    : undefined;
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
  const fault = rewritingOf(inner);
  if (fault !== undefined) {
    throw new DefinitionError(
      subject,
      `field "${name}" must keep its values as they are written; got ${fault}, which would make another key of them; leave it out, as in z.string()`,
    );
  }
  const registered = fieldTypes.get(inner);
  if (registered) return { type: registered, optional };
  if (inner instanceof z.ZodString || inner instanceof z.ZodStringFormat) return { type: { kind: 'text' }, optional };
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
    `field "${name}" has a type that features cannot use; use identifier(), z.string(), z.uuid(), z.email(), z.enum(), ` +
      'z.boolean(), z.int(), z.number(), decimal() or eventTime(), each possibly .optional() or .nullable()',
  );
}

import * as z from 'zod';
import { decodeEvent, decodeFieldValue } from '../../shared/definitions/decode-event.ts';
import { Refusal } from '../../shared/definitions/decoded.ts';
import type { Field, FieldValue } from '../../shared/definitions/fields.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource, SourceField } from '../../shared/definitions/source.ts';

/**
 * An event such as the source could send: of each field a plausible value that its schema accepts.
 * @returns `undefined` where a schema, or the whole event's, accepts nothing that was thought of: then declare one, by
 * `.meta({ examples: ['…'] })`.
 */
export function exampleEvent(source: EventSource): Record<string, FieldValue> | undefined {
  const values = source.fieldList.map(({ name, wireName }) => [wireName, exampleOf(source, name)] as const);
  const event = Object.fromEntries(values);
  return decodeEvent(source, event, Date.parse(EXAMPLE_TIME)).ok ? event : undefined;
}

/** The join keys of an entity that the service has features of; `undefined` as for events. */
export function exampleEntity({ views }: FeatureService): Record<string, FieldValue> | undefined {
  const joinKeys = views.flatMap(({ entity, source }) =>
    entity.joinKeys.map((joinKey) => [joinKey, exampleOf(source, joinKey)] as const),
  );
  return joinKeys.some(([, value]) => value === undefined) ? undefined : Object.fromEntries(joinKeys);
}

const EXAMPLE_TIME = '2026-01-31T12:00:00.000Z';

function exampleOf(source: EventSource, name: string): FieldValue {
  const field = source.fieldList.find((one) => one.name === name);
  const schema = source.schema.shape[name];
  if (field === undefined || schema === undefined) return undefined;
  return candidates(field, schema).find(
    (candidate) => !(decodeFieldValue(source, field, candidate) instanceof Refusal),
  );
}

const TEXTS_BY_FORMAT: Readonly<Record<string, string>> = {
  email: 'somebody@example.com',
  uri: 'https://example.com/',
  uuid: '0b0a6b1e-7c3f-4d2a-9a68-2f1f0c3d4e5f',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  date: '2026-01-31',
  'date-time': '2026-01-31T12:00:00.000Z',
};

/** The parts of a JSON schema that say what a value could be. */
const hints = z.object({
  examples: z.array(z.unknown()).default([]),
  enum: z.array(z.unknown()).default([]),
  const: z.unknown().optional(),
  format: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  multipleOf: z.number().optional(),
  minLength: z.number().default(0),
  maxLength: z.number().optional(),
  pattern: z.string().optional(),
});
type Hints = z.infer<typeof hints>;

/** Whatever is worth trying, the most telling first. */
function candidates({ name, type }: SourceField, schema: z.core.$ZodType): FieldValue[] {
  const told = hints.parse(z.toJSONSchema(schema, { io: 'input' }));
  const declared = [...told.examples, told.const, ...told.enum].filter(isFieldValue);
  switch (type.kind) {
    case 'text':
      return [...declared, ...texts(name.replace(/_id$/, ''), told)];
    case 'boolean':
      return [...declared, true, false];
    case 'timestamp':
      return [...declared, EXAMPLE_TIME];
    default:
      return [...declared, ...numbers(type, told)];
  }
}

function isFieldValue(value: unknown): value is FieldValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function texts(stem: string, { format, minLength, maxLength, pattern }: Hints): string[] {
  const ofFormat = format === undefined ? undefined : TEXTS_BY_FORMAT[format];
  const long = `${stem}-1`.padEnd(minLength, '1');
  const ofLength = maxLength === undefined ? long : long.slice(0, maxLength);
  // Codes of countries and currencies, and digits, are what short patterns mostly ask for.
  const codes = ['DE', 'EUR', 'de', 'eur', 'A1'];
  const digits = Array.from({ length: 19 }, (_, index) => '1'.repeat(index + 1));
  return [...(ofFormat === undefined ? [] : [ofFormat]), ofLength, ...(pattern === undefined ? [] : codes), ...digits];
}

function numbers(type: Field['type'], { minimum, maximum, multipleOf = 1 }: Hints): number[] {
  const usual =
    type.kind === 'integer' ? 1 : type.kind === 'double' ? 0.5 : type.kind === 'decimal' && type.scale > 0 ? 12.5 : 12;
  const least = Math.ceil((minimum ?? 0) / multipleOf) * multipleOf;
  const bounds = [minimum, maximum].flatMap((bound) => (bound !== undefined && Math.abs(bound) < 1e9 ? [bound] : []));
  return [usual, 1, 0, least, least + multipleOf, ...bounds, -1];
}

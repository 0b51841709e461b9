import * as z from 'zod';
import { type Duration, parseDuration } from './duration.ts';
import { checkName, DefinitionError } from './error.ts';
import { type Field, type FieldType, fieldNamed, fieldOf } from './fields.ts';
import { DURATION, named, oneOf, optional, requireShape, subjectOf, suggestion, TEXT } from './shape.ts';

/** The decoded fields of one event of a schema. */
export type RowOf<Schema extends z.ZodObject> = z.output<Schema>;

/** A field as events have it. */
export interface SourceField {
  readonly name: string;
  /** What producers call it. */
  readonly wireName: string;
  readonly type: FieldType;
  /** What its absence means to the schema. */
  readonly whenMissing: 'refused' | 'null' | 'absent';
}

/** What becomes of an event with a field that its source does not declare. */
export type UnknownFields = 'refuse' | 'ignore';

/** Where events come from: their schema, and which of their fields say who, when and which. */
export interface EventSource<Schema extends z.ZodObject = z.ZodObject> {
  readonly kind: 'eventSource';
  readonly name: string;
  readonly description: string;
  readonly owner: string;
  readonly schema: Schema;
  /** What the engine knows of each field. */
  readonly fields: Readonly<Record<string, Field>>;
  /** The fields in the order of their declaration, with the names that producers give them. */
  readonly fieldList: readonly SourceField[];
  readonly unknownFields: UnknownFields;
  /**
   * Field whose value names the event: deliveries with the same value are one event, also with times that differ by up to
   * a minute (or the allowed lateness, if that is longer). Ids must not be used again for other events.
   */
  readonly eventId: string;
  /** Field that says when the event happened. */
  readonly eventTime: string;
  /** Field by which producers spread events over the stream; events of one value keep their order. */
  readonly partitionKey: string;
  /**
   * How far behind the newest event of its entity an event may be and still be counted online. Stored items depend on it:
   * a change needs new versions of the source's views.
   */
  readonly allowedLatenessMillis: number;
  /** Event times are multiples of this; others are refused. */
  readonly timeResolutionMillis: number;
}

/** A field of a schema, by name. */
type FieldName<Schema extends z.ZodObject> = keyof RowOf<Schema> & string;

const SOURCE = {
  expected: 'an object with name, schema, eventId and the other options of an event source',
  options: {
    name: TEXT,
    description: TEXT,
    owner: TEXT,
    schema: {
      expected: 'a z.strictObject({ … }), because others let unknown fields vanish or through',
      holds: (value: unknown) => value instanceof z.ZodObject && value.def.catchall instanceof z.ZodNever,
    },
    eventId: TEXT,
    eventTime: TEXT,
    partitionKey: TEXT,
    allowedLateness: DURATION,
    timeResolution: optional(DURATION),
    unknownFields: optional(oneOf(['refuse', 'ignore'])),
    fields: optional(named("{ user_id: { from: 'uid' } }")),
  },
};

const WIRE_NAME = {
  expected: 'the name that producers send',
  holds: (value: unknown) => TEXT.holds(value) && !(String(value) in {}),
};
const MAPPING = { expected: "an object such as { from: 'uid' }", options: { from: WIRE_NAME } };

/** Declares an event source. @throws DefinitionError when a field is missing or has the wrong type for its role. */
export function eventSource<Schema extends z.ZodObject>(options: {
  readonly name: string;
  readonly description: string;
  readonly owner: string;
  /** A `z.strictObject`, so that unexpected fields are refused rather than lost. */
  readonly schema: Schema;
  readonly eventId: FieldName<Schema>;
  readonly eventTime: FieldName<Schema>;
  readonly partitionKey: FieldName<Schema>;
  /**
   * How late an event may be and still be counted, at the time that it tells. Of a source whose events are decided it is
   * also how far a told time is believed (5 s at least): seconds, for whoever tells times may spread payments over it.
   */
  readonly allowedLateness: Duration;
  /** Default `1ms`. Coarser only if the data is: then windows can have coarser hops and stay exact. */
  readonly timeResolution?: Duration;
  /**
   * What becomes of events with other fields. By default they are refused, which finds misspelt ones; `ignore` leaves such
   * fields out and counts them, so that a producer may add one before it is declared here.
   */
  readonly unknownFields?: UnknownFields;
  /** Where producers call a field otherwise: `{ user_id: { from: 'uid' } }`. */
  readonly fields?: { readonly [Name in FieldName<Schema>]?: { readonly from: string } };
}): EventSource<Schema> {
  const subject = subjectOf('source', options);
  requireShape(subject, options, SOURCE);
  checkName('source', options.name);
  const fields = Object.fromEntries(
    Object.entries(options.schema.shape).map(([name, schema]) => {
      checkName(`${subject}: field`, name);
      if (name in {})
        throw new DefinitionError(subject, `field "${name}" has the name of what every object has by birth; rename it`);
      return [name, fieldOf(subject, name, schema)];
    }),
  );
  requireRole(subject, fields, options.eventId, 'eventId', ['text', 'integer']);
  requireRole(subject, fields, options.eventTime, 'eventTime', ['timestamp']);
  requireRole(subject, fields, options.partitionKey, 'partitionKey', ['text', 'integer']);
  const timeResolutionMillis = parseDuration(subject, options.timeResolution ?? '1ms');
  if (timeResolutionMillis < 1) throw new DefinitionError(subject, 'timeResolution is at least 1ms');
  return {
    kind: 'eventSource',
    name: options.name,
    description: options.description,
    owner: options.owner,
    schema: options.schema,
    fields,
    fieldList: fieldListOf(subject, options.schema, fields, options.fields ?? {}),
    unknownFields: options.unknownFields ?? 'refuse',
    eventId: options.eventId,
    eventTime: options.eventTime,
    partitionKey: options.partitionKey,
    allowedLatenessMillis: parseDuration(subject, options.allowedLateness),
    timeResolutionMillis,
  };
}

function fieldListOf(
  subject: string,
  schema: z.ZodObject,
  fields: Readonly<Record<string, Field>>,
  mappings: Readonly<Record<string, { readonly from: string } | undefined>>,
): SourceField[] {
  for (const [name, mapping] of Object.entries(mappings)) {
    if (!Object.hasOwn(fields, name)) {
      const hint = suggestion(name, Object.keys(fields), 'fields');
      throw new DefinitionError(subject, `fields maps "${name}", which the schema does not have; ${hint}`);
    }
    if (mapping !== undefined) requireShape(`${subject}: field "${name}"`, mapping, MAPPING);
  }
  const list = Object.entries(fields).map(([name, { type, optional }]): SourceField => {
    const acceptsNull = optional && schema.shape[name] !== undefined && z.safeParse(schema.shape[name], null).success;
    const whenMissing = acceptsNull ? 'null' : optional ? 'absent' : 'refused';
    return { name, wireName: mappings[name]?.from ?? name, type, whenMissing };
  });
  const twice = list.find(({ wireName }, index) => list.findIndex((other) => other.wireName === wireName) !== index);
  if (twice)
    throw new DefinitionError(subject, `two fields come from "${twice.wireName}"; map one of them to another name`);
  return list;
}

function requireRole(
  subject: string,
  fields: Readonly<Record<string, Field>>,
  name: string,
  role: string,
  kinds: readonly Field['type']['kind'][],
): void {
  const field = fieldNamed(fields, name);
  if (!field) {
    const hint = suggestion(name, Object.keys(fields), 'fields');
    throw new DefinitionError(subject, `${role} names "${name}", which the schema does not have; ${hint}`);
  }
  if (field.optional) throw new DefinitionError(subject, `${role} "${name}" must not be optional`);
  if (!kinds.includes(field.type.kind)) {
    const wanted =
      role === 'eventTime'
        ? 'eventTime()'
        : kinds.map((kind) => (kind === 'text' ? 'identifier()' : 'z.int()')).join(' or ');
    throw new DefinitionError(subject, `${role} "${name}" is ${field.type.kind}; declare it as ${wanted}`);
  }
}

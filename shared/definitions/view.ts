import * as z from 'zod';
import {
  type BooleanExpression,
  type Columns,
  columns,
  compilePredicate,
  type Value,
  type ValueType,
} from '../expressions/index.ts';
import { LIMITS } from '../limits.ts';
import type { Aggregate, FeatureType } from '../windows/aggregate.ts';
import { AGGREGATES } from '../windows/aggregates/index.ts';
import { layOut, reachMillis, type Window, type WindowFeature, type WindowLayout } from '../windows/layout.ts';
import type { Aggregation, AggregationOptions } from './aggregations.ts';
import { conditionFrom } from './callback.ts';
import { DESCRIPTION, type Described, type Description, described } from './described.ts';
import { type Duration, defaultHopMillis, formatDuration, parseDuration, roundUpDuration } from './duration.ts';
import type { Entity } from './entity.ts';
import { checkName, DefinitionError } from './error.ts';
import { type Field, type FieldType, fieldNamed } from './fields.ts';
import {
  callback,
  DURATION,
  FLAG,
  made,
  NUMBER,
  named,
  oneOf,
  optional,
  requireShape,
  subjectOf,
  suggestion,
  TEXT,
  wholeNumber,
} from './shape.ts';
import type { EventSource, RowOf } from './source.ts';

/** A window as a view declares it. A bare duration is a window of that length with the default hop. */
export type WindowDeclaration = Duration | WindowOptions;

export interface WindowOptions {
  readonly length: Duration;
  /** By how much the window moves at a time; divides the length. Default: the largest round sixtieth of it. */
  readonly hop?: Duration;
  /** Shifts the window into the past: what was known that long ago. Needs `hop` equal to the time resolution. */
  readonly offset?: Duration;
}

type FieldsOfType<Schema extends z.ZodObject, Type> = {
  [K in keyof RowOf<Schema> & string]: NonNullable<RowOf<Schema>[K]> extends Type ? K : never;
}[keyof RowOf<Schema> & string];

type NumericAggregate = 'sum' | 'mean' | 'min' | 'max' | 'stddev' | 'variance' | 'quantile';

/** The aggregations that a schema permits: numeric ones of numeric fields, the others of any field. */
export type AggregationOf<Schema extends z.ZodObject> =
  | Aggregation<NumericAggregate, FieldsOfType<Schema, number>>
  | Aggregation<'first' | 'last' | 'distinct' | 'count', keyof RowOf<Schema> & string>
  | Aggregation<'count', undefined>;

/** TypeScript type of the values of a feature. */
type ValueOf<Schema extends z.ZodObject, A> =
  A extends Aggregation<'count' | 'sum' | 'distinct', string | undefined>
    ? number
    : A extends Aggregation<'first' | 'last', infer F extends keyof RowOf<Schema> & string>
      ? NonNullable<RowOf<Schema>[F]> | null
      : number | null;

/** The features of a view as a row: `tx_count_1min: number, avg_amount_1min: number | null, …`. */
export type FeatureRow<Schema extends z.ZodObject, Features, WindowName extends string> = {
  [Name in `${keyof Features & string}_${WindowName}`]: Name extends `${infer F}_${WindowName}`
    ? F extends keyof Features
      ? ValueOf<Schema, Features[F]>
      : never
    : never;
};

/** One feature of a view, as catalogues and services see it. */
export interface ViewFeature {
  readonly name: string;
  readonly type: FeatureType;
  /** What a window without values answers. */
  readonly emptyValue: 0 | null;
  readonly aggregate: string;
  readonly field: string | undefined;
  readonly window: string;
  /** Whether its window leaves out the event that is being decided. */
  readonly excludesCurrent: boolean;
}

/** How a feature is named where several views are meant: `view@version:feature`. */
export function featureReference(view: Described, feature: string): string {
  return `${view.key}:${feature}`;
}

/** Features of an entity over sliding windows of a source's events, kept online in one item per entity. */
export interface WindowedView<Row = unknown> extends Described {
  readonly kind: 'windowedView';
  readonly entity: Entity;
  readonly source: EventSource;
  readonly features: readonly ViewFeature[];
  readonly where: BooleanExpression['tree'] | undefined;
  /** Whether an event belongs to the view: it has the entity's join keys and `where` is true of it. */
  readonly includes: (values: Readonly<Record<string, Value | undefined>>) => boolean;
  /** Items over which one entity is spread. */
  readonly lanes: number;
  readonly layout: WindowLayout;
  /** Decisions over events that do not change the view may use readings up to this old; `undefined`: none. */
  readonly cacheForMillis: number | undefined;
  /** Carries the row type; never read. */
  readonly row?: Row;
}

const VIEW = {
  expected: 'an object with name, entity, source and the other options of a view',
  options: {
    ...DESCRIPTION,
    entity: made('entity', 'entity'),
    source: made('eventSource', 'eventSource'),
    where: optional(callback('({ amount }) => amount.isGreaterThan(0)')),
    windows: named('{ "1h": "1h", "7d": "7d" }'),
    features: named('{ tx_count: count(), total_amount: sum("amount") }'),
    ttl: DURATION,
    liveFrom: optional(TEXT),
    cacheFor: optional(DURATION),
    lanes: optional(wholeNumber(1, LIMITS.lanesPerView)),
  },
};

const WINDOW = {
  expected: 'a duration such as 1h, or { length, hop, offset }',
  options: { length: DURATION, hop: optional(DURATION), offset: optional(DURATION) },
};

const AGGREGATION = {
  expected: 'an aggregation such as count() or sum("amount")',
  options: {
    aggregate: oneOf(Object.keys(AGGREGATES)),
    field: optional({ ...TEXT, expected: 'the name of a field' }),
    quantile: optional(NUMBER),
    options: optional(named('{ excludesCurrent: true }')),
  },
};

const AGGREGATION_OPTIONS = { expected: 'an object', options: { excludesCurrent: optional(FLAG) } };

/**
 * Declares windowed features: every aggregation over every window, named `<aggregation>_<window>`.
 * @throws DefinitionError naming the view and the fix.
 */
export function windowedView<
  Schema extends z.ZodObject,
  const Features extends Record<string, AggregationOf<Schema>>,
  const Windows extends Record<string, WindowDeclaration>,
>(
  options: Description & {
    readonly entity: Entity<keyof RowOf<Schema> & string>;
    readonly source: EventSource<Schema>;
    /** Which events belong to the view; all, by default. */
    readonly where?: (columns: Columns<RowOf<Schema>>) => BooleanExpression;
    readonly windows: Windows;
    readonly features: Features;
    /** How long after its last event an entity is forgotten. Covers the longest window. */
    readonly ttl: Duration;
    /**
     * Set it to an instant after the deployment to have history filled in: events that arrive from then on are counted by
     * the stream, those before by `backfill`. In ISO 8601 with a zone, `2026-11-21T06:00:00Z`. Never moved once it has
     * passed; without it, the stream counts all.
     */
    readonly liveFrom?: string;
    /**
     * For what changes slowly: a decision over an event that does not change the view may use a reading this old, from
     * memory. Answers say of which instant it is. By default the store is asked each time.
     */
    readonly cacheFor?: Duration;
    /** For entities that too many writers meet (a merchant on every shard): spread each over so many items. Default 1. */
    readonly lanes?: number;
  },
): WindowedView<FeatureRow<Schema, Features, keyof Windows & string>> {
  const subject = subjectOf('view', options);
  requireShape(subject, options, VIEW);
  const description = described('view', options);
  const { source, entity, lanes = 1 } = options;
  for (const joinKey of entity.joinKeys) requireJoinable(subject, entity, source, joinKey);
  const windows = Object.entries(options.windows).map(([name, window]) =>
    declaredWindow(subject, name, window, source),
  );
  const features = windows.flatMap((window) =>
    Object.entries(options.features).map(([name, aggregation]) =>
      declaredFeature(subject, name, aggregation, window, source),
    ),
  );
  if (features.length === 0) throw new DefinitionError(subject, 'declare at least one window and one feature');
  const expiresAfterMillis = parseDuration(subject, options.ttl);
  const cacheForMillis = options.cacheFor === undefined ? undefined : parseDuration(subject, options.cacheFor);
  if (cacheForMillis === 0) throw new DefinitionError(subject, 'cacheFor is at least 1ms; leave it out for none');
  requireCoveringTtl(subject, expiresAfterMillis, windows, source);
  // A source has exactly the fields of its schema; its `fields` are a plain record.
  const fields = source.fields as Readonly<Record<keyof RowOf<Schema> & string, Field>>;
  const where =
    options.where &&
    conditionFrom(`${subject}: where`, options.where, columns<RowOf<Schema>>(columnTypes(fields))).tree;
  return {
    kind: 'windowedView',
    ...description,
    entity,
    source,
    features: features.map(({ name, aggregate, input, window, excludesCurrent }) => ({
      name,
      type: aggregate.outputType(input),
      emptyValue: aggregate.emptyValue,
      aggregate: aggregate.name,
      field: input.fieldName,
      window: window.name,
      excludesCurrent,
    })),
    where,
    includes: membershipTest(entity, where),
    lanes,
    cacheForMillis,
    layout: layOutOrThrow(subject, {
      windows,
      features,
      expiresAfterMillis,
      liveFromMillis: options.liveFrom === undefined ? undefined : parseInstant(subject, options.liveFrom),
      allowedLatenessMillis: source.allowedLatenessMillis,
    }),
  };
}

/** The expression type of each column. */
export function columnTypes<Name extends string>(fields: Readonly<Record<Name, Field>>): Record<Name, ValueType> {
  const typeOf = ({ type }: Field): ValueType =>
    type.kind === 'text' ? 'text' : type.kind === 'boolean' ? 'boolean' : 'number';
  return Object.fromEntries(Object.entries<Field>(fields).map(([name, field]) => [name, typeOf(field)])) as Record<
    Name,
    ValueType
  >;
}

/** History joins entities by text and by whole numbers: other values are written in more than one way. */
function requireJoinable(subject: string, entity: Entity, source: EventSource, joinKey: string): void {
  const field = fieldNamed(source.fields, joinKey);
  if (!field) {
    throw new DefinitionError(
      subject,
      `source ${source.name} has no field "${joinKey}", the join key of ${entity.name}; ${suggestion(joinKey, Object.keys(source.fields), 'fields')}`,
    );
  }
  const { kind } = field.type;
  if (kind !== 'text' && kind !== 'integer') {
    throw new DefinitionError(
      subject,
      `join key "${joinKey}" must be text or a whole number; got ${kind}; declare it as identifier() or z.int()`,
    );
  }
}

function requireCoveringTtl(subject: string, ttlMillis: number, windows: readonly Window[], source: EventSource): void {
  const reach = Math.max(...windows.map((window) => reachMillis(window, source.allowedLatenessMillis)));
  if (ttlMillis < reach) {
    throw new DefinitionError(
      subject,
      `ttl ${formatDuration(ttlMillis)} would forget events that its windows still reach; make it at least ${roundUpDuration(reach)}`,
    );
  }
}

/** Milliseconds since 1970. @throws DefinitionError when it is not an instant, or one whose zone has to be guessed. */
function parseInstant(subject: string, text: string): number {
  const instant = z.iso.datetime({ offset: true }).safeParse(text);
  if (instant.success) return Date.parse(text);
  throw new DefinitionError(
    subject,
    `liveFrom must be an instant with its zone; got "${text}"; write one such as 2026-11-21T06:00:00Z`,
  );
}

function membershipTest(entity: Entity, where: WindowedView['where']): WindowedView['includes'] {
  const predicate = where && compilePredicate(where);
  return (values) =>
    entity.joinKeys.every((joinKey) => (values[joinKey] ?? null) !== null && values[joinKey] !== '') &&
    (predicate === undefined || predicate(values));
}

function declaredWindow(subject: string, name: string, declaration: WindowDeclaration, source: EventSource): Window {
  if (!/^[a-z0-9]{1,16}$/.test(name)) {
    throw new DefinitionError(
      subject,
      `window name "${name}" ends feature names: 1 to 16 lower-case letters and digits`,
    );
  }
  const options: WindowOptions = typeof declaration === 'string' ? { length: declaration } : declaration;
  requireShape(`${subject}: window ${name}`, options, WINDOW);
  const { length, hop, offset } = options;
  const lengthMillis = parseDuration(subject, length);
  const hopMillis =
    hop === undefined
      ? Math.max(defaultHopMillis(lengthMillis), offset === undefined ? 1 : source.timeResolutionMillis)
      : parseDuration(subject, hop);
  const offsetMillis = offset === undefined ? 0 : parseDuration(subject, offset);
  const problem = windowProblem({ name, lengthMillis, hopMillis, offsetMillis }, source);
  if (problem) throw new DefinitionError(subject, `window ${name}: ${problem}`);
  return { name, lengthMillis, hopMillis, offsetMillis };
}

function windowProblem(window: Window, source: EventSource): string | undefined {
  const { lengthMillis, hopMillis, offsetMillis } = window;
  if (lengthMillis < 1) return 'its length is at least 1ms';
  if (hopMillis < 1 || lengthMillis % hopMillis !== 0) {
    return `hop ${formatDuration(hopMillis)} does not divide ${formatDuration(lengthMillis)}; leave it out for ${formatDuration(defaultHopMillis(lengthMillis))}`;
  }
  if (offsetMillis > 0 && source.timeResolutionMillis % hopMillis !== 0) {
    return (
      `with an offset both edges must be exact: set its hop to ${formatDuration(source.timeResolutionMillis)}, ` +
      `the time resolution of ${source.name}`
    );
  }
  return undefined;
}

function declaredFeature(
  subject: string,
  name: string,
  aggregation: Aggregation,
  window: Window,
  source: EventSource,
): WindowFeature {
  checkName(`${subject}: feature`, name);
  const { excludesCurrent = false } = aggregationOptions(`${subject}: feature ${name}`, aggregation);
  const { quantile, field: fieldName } = aggregation;
  const aggregate: Aggregate = AGGREGATES[aggregation.aggregate];
  const field = fieldName === undefined ? undefined : fieldNamed(source.fields, fieldName);
  const refuse = (problem: string) => {
    throw new DefinitionError(subject, `${name} = ${aggregate.name}(${fieldName ?? ''}): ${problem}`);
  };
  if (fieldName === undefined ? !aggregate.fieldIsOptional : field === undefined) {
    const names = Object.keys(source.fields);
    refuse(
      fieldName === undefined
        ? `name a field of source ${source.name}, which has the fields ${names.join(', ')}`
        : `source ${source.name} has no field "${fieldName}"; ${suggestion(fieldName, names, 'fields')}`,
    );
  }
  if (field && !aggregate.accepts.includes(field.type.kind)) {
    refuse(unacceptableField(aggregate.name, fieldName ?? '', field.type));
  }
  const largest = aggregate.largestInteger;
  if (largest !== undefined && field?.type.kind === 'integer' && sizeOf(source, fieldName ?? '') > largest) {
    refuse(
      `squares of "${fieldName}" may exceed the ${LIMITS.storedDigits} digits that the store adds exactly; bound it to at most ` +
        `${LIMITS.decimalDigits} digits, as z.int().min(-1e9).max(1e9), or declare it as decimal({ scale })`,
    );
  }
  if (window.offsetMillis > 0 && !aggregate.supportsOffset) {
    refuse(`${aggregate.name} cannot be computed for window ${window.name} with an offset`);
  }
  if (aggregate.name !== 'quantile') {
    if (quantile !== undefined) refuse('only quantile() has a rank; leave "quantile" out');
  } else if (!(quantile !== undefined && quantile >= 0 && quantile <= 1)) {
    refuse(`the rank of a quantile lies between 0 and 1, not ${quantile}`);
  }
  const scale = field?.type.kind === 'decimal' ? field.type.scale : 0;
  return {
    name: `${name}_${window.name}`,
    window,
    aggregate,
    input: { fieldName, field, scale, quantile },
    excludesCurrent,
  };
}

/** Size of the largest whole number that the schema of a field lets through. */
function sizeOf({ schema }: EventSource, fieldName: string): number {
  let field: z.core.$ZodType | undefined = schema.shape[fieldName];
  while (field instanceof z.ZodOptional || field instanceof z.ZodNullable) field = field.unwrap();
  const { minValue, maxValue } = field instanceof z.ZodNumber ? field : {};
  return Math.max(Math.abs(minValue ?? -Infinity), Math.abs(maxValue ?? Infinity));
}

/** What an aggregation is told beside its field. @throws DefinitionError when the aggregation or its options are none. */
function aggregationOptions(subject: string, aggregation: Aggregation): AggregationOptions {
  requireShape(subject, aggregation, AGGREGATION);
  const { options = {} } = aggregation;
  requireShape(subject, options, AGGREGATION_OPTIONS);
  return options;
}

function unacceptableField(aggregate: string, field: string, type: FieldType): string {
  return type.kind === 'double'
    ? `sums of floating-point numbers depend on their order; declare "${field}" as decimal({ scale }) or z.int()`
    : `${aggregate} does not work on "${field}", which is ${type.kind}`;
}

function layOutOrThrow(subject: string, options: Parameters<typeof layOut>[0]): WindowLayout {
  try {
    return layOut(options);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new DefinitionError(subject, `${error.message}; declare one of them in a view of its own`);
  }
}

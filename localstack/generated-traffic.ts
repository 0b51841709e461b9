/**
 * Traffic for any declarations, from a seed: events that their sources accept.
 *
 * 1. The values of a field come from a small pool, which fields of one name share, so that entities have several events and
 *    the sources of one service speak of the same ones.
 * 2. The windows of a source take turns: each event lies anywhere within one of them, as it is at an end.
 * 3. They are delivered nearly in order: a few come a little late, and a few come twice.
 */
import { hash } from 'node:crypto';
import * as z from 'zod';
import { decodeEvent, decodeFieldValue } from '../shared/definitions/decode-event.ts';
import { Refusal } from '../shared/definitions/decoded.ts';
import type { FieldValue } from '../shared/definitions/fields.ts';
import type { EventSource, SourceField } from '../shared/definitions/source.ts';
import type { WindowedView } from '../shared/definitions/view.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import { LocalEnvironmentError } from './child-process.ts';
import { type Random, randomOf } from './traffic.ts';

/** An event as a producer sends it. */
export interface SentEvent {
  readonly source: EventSource;
  readonly event: Readonly<Record<string, FieldValue>>;
}

const ENTITIES = 25;
const OTHER_VALUES = 12;
const MISSING_SHARE = 0.15;
const DUPLICATE_SHARE = 0.02;
const DELAYED_SHARE = 0.05;
/** How many whole numbers there are where a schema names no bounds. The factor below makes another one of each id. */
const NUMBERS = 1_000_000;
/** So often is an event made anew that its schema refuses as a whole. */
const ATTEMPTS_MAX = 50;

/** Makes events of sources, no two with one id. */
export class EventMaker {
  readonly #random: Random;
  readonly #prefix: string;
  readonly #joinKeys: ReadonlySet<string>;
  readonly #ids = new Map<EventSource, Set<FieldValue>>();
  #made = 0;

  /** @param options.prefix tells ids and entities of this run from those of earlier ones, where they are free texts. */
  constructor(
    { views }: Pick<FeatureRepository, 'views'>,
    options: { readonly seed: number; readonly prefix: string },
  ) {
    this.#random = randomOf(options.seed);
    this.#prefix = options.prefix;
    this.#joinKeys = new Set(views.flatMap(({ entity }) => entity.joinKeys));
  }

  /**
   * An event at an instant, or as shortly before it as the resolution of its source has it.
   * @throws LocalEnvironmentError naming the field of which no value was found that its schema accepts.
   */
  event(source: EventSource, instantMillis: number): SentEvent['event'] {
    const timeMillis = instantMillis - (instantMillis % source.timeResolutionMillis);
    const ids = this.#ids.get(source) ?? new Set();
    this.#ids.set(source, ids);
    let hasFreeId = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      this.#made++;
      const values = source.fieldList.map((field) => [field, this.#value(source, field, timeMillis)] as const);
      const id = values.find(([{ name }]) => name === source.eventId)?.[1];
      if (ids.has(id)) continue;
      hasFreeId = true;
      const told = values.filter(([, value]) => value !== undefined);
      const event = Object.fromEntries(told.map(([{ wireName }, value]) => [wireName, value]));
      if (!decodeEvent(source, event, Math.max(timeMillis, Date.now())).ok) continue;
      ids.add(id);
      return event;
    }
    throw new LocalEnvironmentError(
      hasFreeId
        ? `No event of source ${source.name} was found that its schema accepts: let what it asks of several fields at once be met by their .meta({ examples: [...] })`
        : `After ${ids.size} events of source ${source.name} no further value of its eventId "${source.eventId}" was found: let its schema accept more of them, or send fewer with --events`,
    );
  }

  #value(source: EventSource, field: SourceField, timeMillis: number): FieldValue {
    const { name } = field;
    if (name === source.eventTime) return timeMillis;
    if (name === source.eventId) {
      return plausibleValue(source, field, {
        prefix: this.#prefix,
        isKey: false,
        variant: this.#made,
        stem: `${this.#prefix}${source.name}-`,
        timeMillis,
      });
    }
    const isKey = this.#joinKeys.has(name) || name === source.partitionKey;
    if (field.whenMissing !== 'refused' && this.#random.unit() < MISSING_SHARE) {
      return field.whenMissing === 'null' ? null : undefined;
    }
    const referred = this.#joinKeys.has(name) ? undefined : this.#idReferredTo(source, field);
    if (referred !== undefined) return referred;
    const variant = this.#random.integer(1, isKey ? ENTITIES : OTHER_VALUES);
    const stem = isKey ? `${this.#prefix}${name.replace(/_id$/, '')}-` : `${name}-`;
    return plausibleValue(source, field, { prefix: this.#prefix, isKey, variant, stem, timeMillis });
  }

  /** The id of an earlier event, for a field that is called as the event id of another source: a label names what it is of. */
  #idReferredTo(source: EventSource, field: SourceField): FieldValue {
    const [, ids] = [...this.#ids].find(([other]) => other !== source && other.eventId === field.name) ?? [];
    if (ids === undefined || ids.size === 0) return undefined;
    const id = [...ids][this.#random.integer(0, ids.size - 1)];
    return decodeFieldValue(source, field, id) instanceof Refusal ? undefined : id;
  }

  /** Deliveries of one source, in their order. */
  deliveries(source: EventSource, count: number, endMillis: number, views: readonly WindowedView[]): SentEvent[] {
    const declared = views.filter((view) => view.source.name === source.name).flatMap(({ layout }) => layout.windows);
    const windows = declared.length > 0 ? declared : [{ lengthMillis: 60_000, offsetMillis: 0 }];
    const random = this.#random;
    const planned = Array.from({ length: count }, (_, index) => {
      const { lengthMillis = 0, offsetMillis = 0 } = windows[index % windows.length] ?? {};
      return endMillis - offsetMillis - Math.floor(random.unit() * lengthMillis);
    }).flatMap((timeMillis) => {
      const sent = { source, event: this.event(source, timeMillis) };
      const delay = random.unit() < DELAYED_SHARE ? Math.floor(random.unit() * source.allowedLatenessMillis * 0.9) : 0;
      const first = { at: timeMillis + delay, sent };
      return random.unit() < DUPLICATE_SHARE ? [first, { at: first.at + random.integer(0, 60_000), sent }] : [first];
    });
    return planned.toSorted((left, right) => left.at - right.at).map(({ sent }) => sent);
  }
}

/** The parts of a JSON schema that say what a value could be. */
const hints = z.object({
  examples: z.array(z.unknown()).default([]),
  enum: z.array(z.unknown()).default([]),
  const: z.unknown().optional(),
  format: z.string().optional(),
  minimum: z.number().default(-Infinity),
  maximum: z.number().default(Infinity),
  exclusiveMinimum: z.number().default(-Infinity),
  exclusiveMaximum: z.number().default(Infinity),
  multipleOf: z.number().default(0),
  minLength: z.number().default(0),
  maxLength: z.number().default(256),
});
type Hints = z.infer<typeof hints>;

const COUNTRIES = ['DE', 'FR', 'US', 'GB', 'PL', 'ES', 'IT', 'NL', 'BR', 'IN', 'JP', 'SE'];
const CURRENCIES = ['EUR', 'USD', 'GBP', 'PLN', 'BRL', 'INR', 'JPY', 'SEK', 'CHF', 'DKK', 'NOK', 'CZK'];

/** Eight hexadecimal digits that tell the uuids of a run from those of others, as its prefix does for texts. */
function digitsOf(prefix: string): string {
  return hash('sha256', prefix).slice(0, 8);
}

/** The same for whole numbers: the least of as many as there are entities, beyond those of a run without a prefix. */
function firstNumberOf(prefix: string): number {
  return NUMBERS + (Number.parseInt(digitsOf(prefix), 16) % NUMBERS) * ENTITIES;
}

/** Whether a join key was made for the run of a prefix, and for no other. */
export function isOfRun(prefix: string, value: FieldValue): boolean {
  if (typeof value === 'number') {
    const position = value - firstNumberOf(prefix);
    return position >= 0 && position < ENTITIES;
  }
  return typeof value === 'string' && (value.startsWith(prefix) || value.startsWith(`${digitsOf(prefix)}-`));
}

/** What a value is made from. */
interface Seed {
  /** Of the run. */
  readonly prefix: string;
  /** Whether it is a join key, which other runs must not have. */
  readonly isKey: boolean;
  /** From 1 on: of another one is another value, where the schema leaves room. */
  readonly variant: number;
  /** Begins free texts. */
  readonly stem: string;
  /** When its event happened. */
  readonly timeMillis: number;
}

/** @throws LocalEnvironmentError naming the field when none is found. */
function plausibleValue(source: EventSource, field: SourceField, seed: Seed): FieldValue {
  const schema = source.schema.shape[field.name];
  const told = schema === undefined ? hints.parse({}) : hintsOf(schema);
  const isAccepted = (value: FieldValue) => !(decodeFieldValue(source, field, value) instanceof Refusal);
  const found = candidates(field, told, seed)
    .filter((value) => value !== undefined)
    .find(isAccepted);
  if (found !== undefined) return found;
  throw new LocalEnvironmentError(
    `No value of field "${field.name}" of source ${source.name} was found that its schema accepts: declare some, with .meta({ examples: ['…', '…'] })`,
  );
}

const hintsBySchema = new WeakMap<z.ZodType, Hints>();

function hintsOf(schema: z.ZodType): Hints {
  const known = hintsBySchema.get(schema);
  if (known !== undefined) return known;
  const { anyOf = [], ...told } = z.toJSONSchema(schema, { io: 'input' });
  // What may be null is one of two.
  const found = hints.parse(Object.assign({}, ...anyOf.filter(({ type }) => type !== 'null'), told));
  hintsBySchema.set(schema, found);
  return found;
}

function candidates({ type }: SourceField, told: Hints, seed: Seed): FieldValue[] {
  const { prefix, isKey, variant, timeMillis } = seed;
  const declared = [...told.examples, ...(told.const === undefined ? [] : [told.const]), ...told.enum].filter(isValue);
  const own = declared[variant % Math.max(1, declared.length)];
  switch (type.kind) {
    case 'text':
      return [own, ...texts(told, seed)];
    case 'boolean':
      return [own, variant % 2 === 0, true, false];
    case 'timestamp':
      return [own, timeMillis - variant * 3_600_000];
    default:
      // Sixty-fourths are exact.
      return [
        own,
        isKey && prefix !== '' ? firstNumberOf(prefix) + variant - 1 : undefined,
        ...numbers(told, variant, type.kind === 'decimal' ? 10 ** type.scale : type.kind === 'double' ? 64 : 1),
      ];
  }
}

function isValue(value: unknown): value is FieldValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function texts({ format, minLength, maxLength }: Hints, { prefix, variant, stem }: Seed): FieldValue[] {
  const digits = String(variant);
  const plain = `${stem}${digits}`;
  const fitting = plain.length > maxLength ? digits.padStart(minLength, '0') : plain.padEnd(minLength, '0');
  const hexadecimal = variant.toString(16).padStart(12, '0');
  const byFormat: Readonly<Record<string, string>> = {
    email: `${prefix}user${digits}@example.com`,
    e164: `+4930${digits.padStart(6, '0')}`,
    uri: `https://example.com/${digits}`,
    uuid: `${digitsOf(prefix)}-7c3f-4d2a-9a68-${hexadecimal}`,
    ipv4: `192.0.${2 + (variant >> 8)}.${variant % 256}`,
    ipv6: `2001:db8::${variant.toString(16)}`,
    date: new Date(Date.UTC(2026, 0, 1 + (variant % 365))).toISOString().slice(0, 10),
    'date-time': new Date(Date.UTC(2026, 0, 1, 0, variant % 1_440)).toISOString(),
  };
  // Codes, and digits of some length, are what short patterns mostly ask for.
  const codes = [COUNTRIES, CURRENCIES].map((list) => list[variant % list.length]);
  const ofDigits = Array.from({ length: 19 }, (_, index) => digits.padStart(index + 1, '1'));
  return [format === undefined ? undefined : byFormat[format], fitting, ...codes, ...codes.map(lower), ...ofDigits];
}

function lower(text: string | undefined): string | undefined {
  return text?.toLowerCase();
}

/** @param perUnit steps from one whole number to the next. */
function numbers(told: Hints, variant: number, perUnit: number): FieldValue[] {
  const [least, most] = [
    Math.max(told.minimum, told.exclusiveMinimum + 1 / perUnit),
    Math.min(told.maximum, told.exclusiveMaximum - 1 / perUnit),
  ].map((bound) => (Math.abs(bound) < 1e12 ? bound : undefined));
  const from = least ?? (most === undefined || most > 0 ? 0 : most - NUMBERS);
  const to = most ?? from + NUMBERS;
  const step = Math.max(1, Math.round(told.multipleOf * perUnit));
  const first = Math.ceil(Math.round(from * perUnit) / step);
  const steps = Math.max(1, Math.floor(Math.round(to * perUnit) / step) - first + 1);
  return [((first + ((variant * 7_919) % steps)) * step) / perUnit, from, to, 1, 0, -1];
}

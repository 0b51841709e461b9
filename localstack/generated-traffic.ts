/**
 * Traffic for any declarations, from a seed: events that their sources accept.
 *
 * 1. The values of a field come from a small pool, which fields of one name share, so that entities have several events and
 *    the sources of one service speak of the same ones.
 * 2. Half of the events lie anywhere within the longest windows of their source, half within the shortest, up to an end.
 * 3. They are delivered nearly in order: a few come a little late, and a few come twice.
 */
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
/** So often is an event made anew that its schema refuses as a whole. */
const ATTEMPTS_MAX = 50;

/** Makes events of sources, no two with one id. */
export class EventMaker {
  readonly #random: Random;
  readonly #prefix: string;
  readonly #joinKeys: ReadonlySet<string>;
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

  /** @throws LocalEnvironmentError naming the field of which no value was found that its schema accepts. */
  event(source: EventSource, timeMillis: number): SentEvent['event'] {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      this.#made++;
      const fields = source.fieldList.map((field) => [field.wireName, this.#value(source, field, timeMillis)] as const);
      const event = Object.fromEntries(fields.filter(([, value]) => value !== undefined));
      if (decodeEvent(source, event, Math.max(timeMillis, Date.now())).ok) return event;
    }
    throw new LocalEnvironmentError(
      `No event of source ${source.name} was found that its schema accepts: let what it asks of several fields at once be met by their .meta({ examples: [...] })`,
    );
  }

  #value(source: EventSource, field: SourceField, timeMillis: number): FieldValue {
    const { name } = field;
    if (name === source.eventTime) return timeMillis;
    if (name === source.eventId) return plausibleValue(source, field, this.#made, `${this.#prefix}${source.name}-`);
    const isKey = this.#joinKeys.has(name) || name === source.partitionKey;
    if (field.whenMissing !== 'refused' && this.#random.unit() < MISSING_SHARE) {
      return field.whenMissing === 'null' ? null : undefined;
    }
    const variant = this.#random.integer(1, isKey ? ENTITIES : OTHER_VALUES);
    return plausibleValue(source, field, variant, isKey ? `${this.#prefix}${name.replace(/_id$/, '')}-` : `${name}-`);
  }

  /** Deliveries of one source, in their order. */
  deliveries(source: EventSource, count: number, endMillis: number, views: readonly WindowedView[]): SentEvent[] {
    const windows = views.filter((view) => view.source.name === source.name).flatMap(({ layout }) => layout.windows);
    const lengths = windows.map(({ lengthMillis, offsetMillis }) => lengthMillis + offsetMillis);
    const longest = Math.max(60_000, ...lengths);
    const shortest = Math.min(longest, ...lengths);
    const random = this.#random;
    const planned = Array.from({ length: count }, (_, index) => {
      const span = index % 2 === 0 ? longest : shortest;
      return endMillis - Math.floor(random.unit() * span);
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
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().default(0),
  maxLength: z.number().default(256),
});
type Hints = z.infer<typeof hints>;

const COUNTRIES = ['DE', 'FR', 'US', 'GB', 'PL', 'ES', 'IT', 'NL', 'BR', 'IN', 'JP', 'SE'];
const CURRENCIES = ['EUR', 'USD', 'GBP', 'PLN', 'BRL', 'INR', 'JPY', 'SEK', 'CHF', 'DKK', 'NOK', 'CZK'];

/**
 * A value of a field, another one for every variant where its schema leaves room.
 * @param variant from 1 on.
 */
export function plausibleValue(source: EventSource, field: SourceField, variant: number, stem: string): FieldValue {
  const schema = source.schema.shape[field.name];
  const told = hints.parse(schema === undefined ? {} : z.toJSONSchema(schema, { io: 'input' }));
  const isAccepted = (value: FieldValue) => !(decodeFieldValue(source, field, value) instanceof Refusal);
  const found = candidates(field, told, variant, stem)
    .filter((value) => value !== undefined)
    .find(isAccepted);
  if (found !== undefined) return found;
  throw new LocalEnvironmentError(
    `No value of field "${field.name}" of source ${source.name} was found that its schema accepts: declare some, with .meta({ examples: ['…', '…'] })`,
  );
}

function candidates({ type }: SourceField, told: Hints, variant: number, stem: string): FieldValue[] {
  const declared = [...told.examples, ...(told.const === undefined ? [] : [told.const]), ...told.enum].filter(isValue);
  const own = declared[variant % Math.max(1, declared.length)];
  switch (type.kind) {
    case 'text':
      return [own, ...texts(told, variant, stem)];
    case 'boolean':
      return [own, variant % 2 === 0, true, false];
    case 'timestamp':
      return [own, Date.now() - variant * 3_600_000];
    default:
      return [
        own,
        ...numbers(told, variant, type.kind === 'decimal' ? 10 ** type.scale : type.kind === 'double' ? 4 : 1),
      ];
  }
}

function isValue(value: unknown): value is FieldValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function texts({ format, minLength, maxLength }: Hints, variant: number, stem: string): FieldValue[] {
  const digits = String(variant);
  const plain = `${stem}${digits}`;
  const fitting = plain.length > maxLength ? digits.padStart(minLength, '0') : plain.padEnd(minLength, '0');
  const hexadecimal = variant.toString(16).padStart(12, '0');
  const byFormat: Readonly<Record<string, string>> = {
    email: `user${digits}@example.com`,
    uri: `https://example.com/${digits}`,
    uuid: `0b0a6b1e-7c3f-4d2a-9a68-${hexadecimal}`,
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
function numbers({ minimum, maximum }: Hints, variant: number, perUnit: number): FieldValue[] {
  const least = minimum !== undefined && Math.abs(minimum) < 1e12 ? minimum : 0;
  const most = maximum !== undefined && Math.abs(maximum) < 1e12 ? maximum : least + 1_000;
  const steps = Math.max(1, Math.floor((most - least) * perUnit) + 1);
  const step = (variant * 7_919) % steps;
  return [Math.round(least * perUnit + step) / perUnit, least, most, 1, 0, -1];
}

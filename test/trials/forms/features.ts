/** A source with one field of each kind, and the services that read it. Commands load this module by its path. */
import {
  coalesce,
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureRepository,
  featureService,
  identifier,
  last,
  windowedView,
  z,
} from 'fraud-feature-store';

const described = { description: 'Of the trial of forms.', owner: 'trials' } as const;
const common = { ...described, version: 1 } as const;

export const events = eventSource({
  ...described,
  name: 'events',
  schema: z.strictObject({
    id: identifier(),
    card: identifier(),
    number: z.int(),
    at: eventTime(),
    text_field: z.string().optional(),
    boolean_field: z.boolean().optional(),
    integer_field: z.int().optional(),
    decimal_field: decimal({ scale: 2 }).optional(),
    rounded_field: decimal({ scale: 2, rounding: 'half-even' }).optional(),
    double_field: z.number().optional(),
    timestamp_field: eventTime().optional(),
  }),
  eventId: 'id',
  eventTime: 'at',
  partitionKey: 'card',
  allowedLateness: '1h',
});

const windows = { '2d': { length: '2d', hop: '1h' } } as const;

export const byCard = windowedView({
  ...common,
  name: 'by_card',
  entity: entity({ name: 'card', description: 'A card.', joinKeys: ['card'] }),
  source: events,
  windows,
  features: {
    n: count(),
    others: count({ excludesCurrent: true }),
    seen_card: last('card'),
    seen_at: last('at'),
    seen_text: last('text_field'),
    seen_boolean: last('boolean_field'),
    seen_integer: last('integer_field'),
    seen_decimal: last('decimal_field'),
    seen_rounded: last('rounded_field'),
    seen_double: last('double_field'),
    seen_timestamp: last('timestamp_field'),
  },
  ttl: '60d',
});

export const byNumber = windowedView({
  ...common,
  name: 'by_number',
  entity: entity({ name: 'number', description: 'A number.', joinKeys: ['number'] }),
  source: events,
  windows,
  features: { times: count(), seen_number: last('number') },
  ttl: '60d',
});

export const cards = featureService({
  ...common,
  name: 'cards',
  views: [byCard],
  decides: events,
  derived: {
    input_at: ({ at }) => at.plus(0),
    input_text: ({ text_field }) => coalesce(text_field, text_field),
    input_boolean: ({ boolean_field }) => coalesce(boolean_field, boolean_field),
    input_integer: ({ integer_field }) => integer_field.plus(0),
    input_decimal: ({ decimal_field }) => decimal_field.plus(0),
    input_rounded: ({ rounded_field }) => rounded_field.plus(0),
    input_double: ({ double_field }) => double_field.plus(0),
    input_timestamp: ({ timestamp_field }) => timestamp_field.plus(0),
  },
});

export const numbers = featureService({ ...common, name: 'numbers', views: [byNumber], decides: events });

export const repository = featureRepository({ views: [byCard, byNumber], services: [cards, numbers] });

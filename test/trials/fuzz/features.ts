/** Two sources with one field of each kind, of which one ignores what it does not declare. Commands load this module by its path. */
import {
  count,
  decimal,
  type Entity,
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

const described = { description: 'Of the trial of mangled inputs.', owner: 'trials' } as const;
const common = { ...described, version: 1 } as const;

/** What `note` is called by producers. */
const schema = z.strictObject({
  id: identifier(),
  card: identifier(),
  number: z.int(),
  at: eventTime(),
  note: z.string().optional(),
  choice: z.enum(['gold', 'silver']).nullable(),
  flag: z.boolean().optional(),
  whole: z.int().min(-1000).max(9_007_199_254_740_991).optional(),
  money: decimal({ scale: 2, minimum: -1e12 }).optional(),
  rounded: decimal({ scale: 2, rounding: 'half-even' }).optional(),
  double: z.number().optional(),
  seen: eventTime().optional(),
});

const roles = { eventId: 'id', eventTime: 'at', partitionKey: 'card', allowedLateness: '1h' } as const;
const fields = { note: { from: 'comment' } } as const;

export const strict = eventSource({ ...described, ...roles, name: 'strict', schema, fields });
export const loose = eventSource({ ...described, ...roles, name: 'loose', schema, fields, unknownFields: 'ignore' });

const card = entity({ name: 'card', description: 'A card.', joinKeys: ['card'] });
const number = entity({ name: 'number', description: 'A number.', joinKeys: ['number'] });

function viewOf<const Key extends 'card' | 'number'>(name: string, key: Entity<Key>, source: typeof strict) {
  return windowedView({
    ...common,
    name,
    entity: key,
    source,
    windows: { '2d': { length: '2d', hop: '1h' } },
    features: {
      [`${name}_n`]: count(),
      [`${name}_card`]: last('card'),
      [`${name}_number`]: last('number'),
      [`${name}_note`]: last('note'),
      [`${name}_choice`]: last('choice'),
      [`${name}_flag`]: last('flag'),
      [`${name}_whole`]: last('whole'),
      [`${name}_money`]: last('money'),
      [`${name}_rounded`]: last('rounded'),
      [`${name}_double`]: last('double'),
      [`${name}_seen`]: last('seen'),
    },
    ttl: '60d',
  });
}

const byCard = viewOf('by_card', card, strict);
const byNumber = viewOf('by_number', number, strict);
const looseByCard = viewOf('loose_by_card', card, loose);

export const cards = featureService({ ...common, name: 'cards', views: [byCard, byNumber], decides: strict });
export const loosely = featureService({ ...common, name: 'loosely', views: [looseByCard], decides: loose });

export const repository = featureRepository({
  views: [byCard, byNumber, looseByCard],
  services: [cards, loosely],
  aliases: { predict_fraud: cards },
});

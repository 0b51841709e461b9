/** A source with a field of each kind. */
import * as z from 'zod';
import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { featureRepository } from '../../../shared/registry/manifest.ts';

const about = { description: 'of a test', owner: 'tests' };

const payments = eventSource({
  ...about,
  name: 'payments',
  schema: z.strictObject({
    id: identifier(),
    card: identifier(),
    at: eventTime(),
    amount: decimal({ scale: 2 }).optional(),
    ratio: z.number().optional(),
    units: z.int().optional(),
    chip: z.boolean().optional(),
    note: z.string().optional(),
  }),
  eventId: 'id',
  eventTime: 'at',
  partitionKey: 'card',
  allowedLateness: '10s',
  fields: { card: { from: 'cardNumber' } },
});

/** Two fields whose names producers use otherwise. */
const swaps = eventSource({
  ...about,
  name: 'swaps',
  schema: z.strictObject({ id: identifier(), card: identifier(), at: eventTime() }),
  eventId: 'id',
  eventTime: 'at',
  partitionKey: 'card',
  allowedLateness: '10s',
  fields: { id: { from: 'uuid' }, card: { from: 'id' } },
});

const cards = windowedView({
  ...about,
  name: 'cards',
  version: 1,
  entity: entity({ name: 'card', description: 'of a test', joinKeys: ['card'] }),
  source: payments,
  windows: { '1d': '1d' },
  features: { n: count() },
  ttl: '30d',
});

const swapped = windowedView({
  ...about,
  name: 'swapped',
  version: 1,
  entity: entity({ name: 'swapper', description: 'of a test', joinKeys: ['card'] }),
  source: swaps,
  windows: { '1d': '1d' },
  features: { n: count() },
  ttl: '30d',
});

export const repository = featureRepository({
  views: [cards, swapped],
  services: [featureService({ ...about, name: 'paying', version: 1, views: [cards] })],
});

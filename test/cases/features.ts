/** Sources for files and streams as others write them. Commands load this module by its path. */
import * as z from 'zod';
import {
  count,
  decimal,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  last,
  sum,
  windowedView,
} from '../../shared/definitions/index.ts';
import { featureRepository } from '../../shared/registry/manifest.ts';

const described = { description: 'As others write it.', owner: 'cases' } as const;
const common = { ...described, version: 1, ttl: '60d' } as const;

export const purchases = eventSource({
  ...described,
  name: 'purchases',
  schema: z.strictObject({
    id: identifier(),
    card: identifier(),
    amount: decimal({ scale: 2 }),
    at: eventTime(),
    shop: z.string().optional(),
    contactless: z.boolean().optional(),
    items: z.int().optional(),
    distance: z.number().optional(),
    rate: decimal({ scale: 8 }).optional(),
  }),
  eventId: 'id',
  eventTime: 'at',
  partitionKey: 'card',
  allowedLateness: '1h',
});

/** Whole numbers as keys, one of them optional. */
export const trips = eventSource({
  ...described,
  name: 'trips',
  schema: z.strictObject({ trip: identifier(), card_no: z.int(), depot: z.int().optional(), at: eventTime() }),
  eventId: 'trip',
  eventTime: 'at',
  partitionKey: 'card_no',
  allowedLateness: '1h',
});

/** Nullable, and not optional as zod has it. */
export const visits = eventSource({
  ...described,
  name: 'visits',
  schema: z.strictObject({ id: identifier(), card: identifier(), at: eventTime(), channel: z.string().nullable() }),
  eventId: 'id',
  eventTime: 'at',
  partitionKey: 'card',
  allowedLateness: '1h',
});

/** Fields with names that programs like to give to columns of their own. */
export const loads = eventSource({
  ...described,
  name: 'loads',
  schema: z.strictObject({
    rowid: identifier(),
    code: identifier(),
    instant: eventTime(),
    known: z.string().optional(),
    filename: z.string().optional(),
  }),
  eventId: 'rowid',
  eventTime: 'instant',
  partitionKey: 'code',
  allowedLateness: '1h',
});

const windows = { '1d': '1d' } as const;
const keyed = <const Key extends string>(name: Key) =>
  entity({ name, description: 'Found by one key.', joinKeys: [name] });

const card = keyed('card');
const cardNo = keyed('card_no');

export const cardView = windowedView({
  ...common,
  name: 'card_purchases',
  entity: card,
  source: purchases,
  windows,
  features: { n: count(), total: sum('amount'), last_shop: last('shop') },
});
export const cardNoView = windowedView({
  ...common,
  name: 'card_trips',
  entity: cardNo,
  source: trips,
  windows,
  features: { trips: count() },
});
export const depotView = windowedView({
  ...common,
  name: 'depot_trips',
  entity: keyed('depot'),
  source: trips,
  windows,
  features: { depot_trips: count() },
});
const visitView = windowedView({
  ...common,
  name: 'card_visits',
  entity: card,
  source: visits,
  windows,
  features: { visits: count(), last_channel: last('channel') },
});
const loadView = windowedView({
  ...common,
  name: 'code_loads',
  entity: keyed('code'),
  source: loads,
  windows,
  features: { loads: count(), last_known: last('known'), last_filename: last('filename') },
});

const service = { ...described, version: 1 } as const;

export const repository = featureRepository({
  views: [cardView, cardNoView, depotView, visitView, loadView],
  services: [
    featureService({ ...service, name: 'by_card', views: [cardView], decides: purchases }),
    featureService({
      ...service,
      name: 'with_inputs',
      views: [cardView],
      decides: purchases,
      derived: { share: ({ amount, total_1d }) => amount.dividedBy(total_1d), hour: ({ at }) => at.plus(0) },
    }),
    featureService({ ...service, name: 'by_card_no', views: [cardNoView] }),
    featureService({ ...service, name: 'by_depot', views: [cardNoView, depotView], decides: trips }),
    featureService({ ...service, name: 'by_visit', views: [visitView] }),
    featureService({ ...service, name: 'by_code', views: [loadView] }),
  ],
});

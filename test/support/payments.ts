/** A small repository of payments, each part of which can be declared otherwise. */
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
  mean,
  quantile,
  windowedView,
} from '../../shared/definitions/index.ts';
import { featureRepository } from '../../shared/registry/manifest.ts';

/** Options in place of those below, or beside them. */
export interface PaymentChanges {
  readonly fields?: object;
  readonly source?: object;
  readonly entity?: object;
  readonly windows?: object;
  readonly features?: object;
  readonly view?: object;
  readonly derived?: object;
  readonly service?: object;
}

export function paymentsOf(changes: PaymentChanges = {}) {
  const payments = eventSource({
    name: 'payments',
    description: 'Payments.',
    owner: 'payments',
    schema: z.strictObject({
      payment_id: identifier(),
      account_id: identifier(),
      card_id: identifier(),
      amount: decimal({ scale: 2 }),
      channel: z.string().optional(),
      is_abroad: z.boolean().optional(),
      paid_at: eventTime(),
      ...changes.fields,
    }),
    eventId: 'payment_id',
    eventTime: 'paid_at',
    partitionKey: 'account_id',
    allowedLateness: '5s',
    ...changes.source,
  });
  const account = entity({
    name: 'account',
    description: 'Who pays.',
    joinKeys: ['account_id'],
    ...changes.entity,
  });
  const view = windowedView({
    name: 'account_payments',
    version: 1,
    description: 'How often an account pays.',
    owner: 'fraud',
    entity: account,
    source: payments,
    windows: { '1h': { length: '1h', hop: '1min' }, ...changes.windows },
    features: {
      payments: count(),
      avg_amount: mean('amount'),
      p90_amount: quantile('amount', 0.9),
      last_account: last('account_id'),
      ...changes.features,
    },
    where: ({ channel }) => channel.isNull().or(channel.differsFrom('test')),
    ttl: '2d',
    ...changes.view,
  });
  const service = featureService({
    name: 'payment_fraud',
    version: 2,
    description: 'Decides payments.',
    owner: 'fraud',
    views: [view],
    decides: payments,
    derived: {
      is_burst: ({ payments_1h }) => payments_1h.isGreaterThan(3),
      ratio: ({ amount, avg_amount_1h }) => amount.dividedBy(avg_amount_1h),
      ...changes.derived,
    },
    ...changes.service,
  });
  return { payments, view, service, repository: featureRepository({ views: [view], services: [service] }) };
}

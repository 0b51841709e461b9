/** The same with an aggregation, a window and a field more, none of which the model uses. */
import { distinct, z } from 'fraud-feature-store';
import { paymentsOf } from '../../support/payments.ts';

export const { repository, service } = paymentsOf({
  features: { cards: distinct('card_id') },
  windows: { '1d': '1d' },
  fields: { ip: z.string().optional() },
});

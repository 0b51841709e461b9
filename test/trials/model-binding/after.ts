/** The same with an aggregation, a window and a field more, none of which the model uses. */
import * as z from 'zod';
import { distinct } from '../../../shared/definitions/index.ts';
import { paymentsOf } from '../../support/payments.ts';

export const { repository, service } = paymentsOf({
  features: { cards: distinct('card_id') },
  windows: { '1d': '1d' },
  fields: { ip: z.string().optional() },
});

/** Sends events and decides with types that openapi-typescript made. Last line: JSON of what was answered. */
import createClient from 'openapi-fetch';
import type { paths } from './api.d.ts';

const HOUR_MILLIS = 3_600_000;
const client = createClient<paths>({ baseUrl: process.argv[2] ?? '' });
const now = Date.now();
const payment = { user_id: 'by-typescript', merchant_id: 'merchant-1', amount: '7.25', timestamp: now };
const label = {
  label_id: `typescript-${now}`,
  transaction_id: `typescript-${now}`,
  user_id: 'by-typescript',
  merchant_id: 'merchant-1',
  is_fraud: 0,
  labelled_at: Math.floor(now / HOUR_MILLIS) * HOUR_MILLIS,
};
const sent = await client.POST('/events/transactions', {
  body: { events: [{ ...payment, transaction_id: `typescript-sent-${now}` }] },
});
const labelled = await client.POST('/events/labels', { body: label });
const body = { ...payment, transaction_id: `typescript-${now}` };
const decided = await client.POST('/services/fraud_detection/decide', { body });
const again = await client.POST('/predict_fraud', { body });
// The type of every feature is known.
const average: number | null | undefined = decided.data?.features.avg_amount_1h;
console.log(
  JSON.stringify({
    sent: sent.data?.accepted,
    labelled: labelled.data?.accepted,
    decided: decided.data?.event_status,
    again: again.data?.event_status,
    average,
  }),
);

/** Which paths each policy of callers permits: written down by hand, because the policies are made of the routes. */
export const PERMITTED: Readonly<Record<string, readonly string[]>> = {
  features: ['POST /features'],
  'decide-fraud_detection': ['POST /services/fraud_detection/decide', 'POST /predict_fraud'],
  'events-transactions': ['POST /events/transactions'],
  'events-labels': ['POST /events/labels'],
  health: ['GET /health'],
  openapi: ['GET /openapi.json'],
  'training-sets': ['POST /training-sets', 'GET /training-sets/0b0a6b1e-7c3f-4d2a-9a68-2f1f0c3d4e5f'],
};

/** What may be asked for beside: paths that there were, that there are not, and spellings of those that there are. */
export const OTHER_REQUESTS: readonly string[] = [
  'POST /events',
  'POST /labels',
  'POST /events?source=labels',
  'POST /events//labels',
  'POST /events/labels/',
  'POST /events/Labels',
  'POST /events/transactions%2f..%2flabels',
  'POST /events/transactions?source=labels',
  'PUT /events/labels',
  'POST /services/credit/decide',
  'GET /',
];

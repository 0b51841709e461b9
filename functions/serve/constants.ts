/** Environment variables of the serving function, beside the common ones. */
export const SERVE_ENV = {
  /** JSON object: source name → name of the Kinesis stream that carries it. */
  streamNames: 'STREAM_NAMES',
} as const;

/** Metrics of the serving function. Dimension: `route`. */
export const SERVE_METRICS = {
  /** Milliseconds from handler entry to response, per route. */
  servingLatency: 'ServingLatency',
  /** 1 for an answer below 500, 0 otherwise; its average is the availability. */
  availability: 'Availability',
  /** Features answered with null, dimension `feature`. */
  nullFeatures: 'NullFeatures',
  /** Seconds between the evaluation instant and the last update of a view's item, dimension `view`. */
  featureAge: 'FeatureAge',
} as const;

export const ROUTES = {
  features: { method: 'POST', path: '/features' },
  predictFraud: { method: 'POST', path: '/predict_fraud' },
  events: { method: 'POST', path: '/events' },
  health: { method: 'GET', path: '/health' },
  openapi: { method: 'GET', path: '/openapi.json' },
} as const;

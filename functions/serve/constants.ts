/** Environment variables of the serving function, beside the common ones. */
export const SERVE_ENV = {
  /** JSON object: source name → name of the Kinesis stream that carries it. */
  streamNames: 'STREAM_NAMES',
  /** `true`: answers wait until their rows are sent. */
  waitsForRows: 'WAITS_FOR_ROWS',
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

/** Value of the dimension `service` of every metric of this function. */
export const SERVE_SERVICE = 'serve';

/**
 * How long a request goes on trying, milliseconds. A try that has begun by then is let end, so an answer comes within
 * this time plus one request to AWS.
 */
export const SERVE_DEADLINES = {
  predictFraud: 1_000,
  features: 1_000,
  events: 3_000,
  probe: 1_000,
} as const;

/** One request to AWS, milliseconds. DynamoDB answers within 20; a slower one is better asked again. */
export const AWS_REQUEST_TIMEOUT_MILLIS = { store: 400, streams: 1_000 } as const;

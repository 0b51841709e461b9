/** Environment variables of the serving function, beside the common ones. */
export const SERVE_ENV = {
  /** JSON object: source name → name of the Kinesis stream that carries it. */
  streamNames: 'STREAM_NAMES',
  /** `true`: answers wait until their rows are sent. */
  waitsForRows: 'WAITS_FOR_ROWS',
  /** Bucket of configurations and models; unset, the default configuration decides by rules alone. */
  decisionsBucket: 'DECISIONS_BUCKET',
  /** Instead of `SERVE_DEADLINES`, apart from rows, milliseconds: for endpoints slower than AWS. */
  deadlineMillis: 'DEADLINE_MILLIS',
  /** JSON of an `ApiDescription`: what the OpenAPI document says of the deployment. */
  api: 'API',
} as const;

/** Metrics of the serving function. Dimension: `route`. */
export const SERVE_METRICS = {
  /** Milliseconds from handler entry to response, per route. */
  servingLatency: 'ServingLatency',
  /** 1 for an answer below 500, 0 otherwise; its average is the availability. */
  availability: 'Availability',
  /** Decisions that lacked a view, the configuration or the model. No dimension. */
  degradedDecisions: 'DegradedDecisions',
  /** Decided events that were not simply counted, dimension `event_status`. */
  doubtfulEvents: 'DoubtfulEvents',
  /** Features answered with null, dimension `feature`. */
  nullFeatures: 'NullFeatures',
  /** Seconds between the evaluation instant and the last update of a view's item, dimension `view`. */
  featureAge: 'FeatureAge',
  /** Seconds since S3 last said which configuration is active, at each decision, dimension `feature_service`. */
  configurationAge: 'ConfigurationAge',
} as const;

/** Value of the dimension `service` of every metric of this function. */
export const SERVE_SERVICE = 'serve';

/** The function is ended after so many seconds: the longest that an answer can take. */
export const SERVE_TIMEOUT_SECONDS = 10;

/** How long an answer takes that is forced to be slow: nearly as long as one can. */
export const SLOW_ANSWER_MILLIS = (SERVE_TIMEOUT_SECONDS - 2) * 1_000;

/** How long a request waits for the online store, the stream or its rows, milliseconds, with all tries. */
export const SERVE_DEADLINES = {
  decision: 400,
  features: 1_000,
  events: 3_000,
  probe: 1_000,
  rows: 5_000,
} as const;

/**
 * The age of a configuration, which is the time since the last read began in which S3 said that it is the active one.
 * A replaced configuration decides for 30 s at most while S3 answers. Milliseconds.
 */
export const CONFIGURATION_AGE = {
  /** From here on it is renewed beside requests: a failed renewal leaves time for others. */
  renewed: 10_000,
  /** From here on a request asks first: five of the 30 s are left for its features. */
  askedFirst: 25_000,
  /** From here on nobody can say what is active, so decisions follow `degraded` and allow lists do not count. */
  unknown: 15 * 60_000,
} as const;

/** How often S3 is asked for a configuration, and how long it is waited for. Milliseconds. */
export const CONFIGURATION_RENEWAL = {
  /** How long a request that asks first waits, twice: then it is decided without, well within `SERVE_DEADLINES.decision`. */
  waited: 150,
  /** A renewal that failed is not repeated with every request. */
  repeatedAfter: 1_000,
  /** A renewal as old as this belongs to a connection that hangs or to the time before a sleep: another one is begun. */
  abandonedAfter: 3_000,
} as const;

/** One request to AWS, milliseconds. DynamoDB answers within 20; a slower one is better asked again. */
export const AWS_REQUEST_TIMEOUT_MILLIS = { store: 150, streams: 1_000, objects: 2_000 } as const;

/** A read that has no answer by then is asked a second time: later than nearly all answers come. */
export const HEDGE_AFTER_MILLIS = 40;

/** Environment variables of the stream consumer, beside the common ones. */
export const UPDATE_WINDOWS_ENV = {
  /** Name of the event source whose stream this function reads. */
  sourceName: 'SOURCE_NAME',
  quarantineBucket: 'QUARANTINE_BUCKET_NAME',
} as const;

/** Metrics of the stream consumer. Dimensions: `source`; per view also `view`. Of an aggregated record each event counts. */
export const UPDATE_WINDOWS_METRICS = {
  eventsReceived: 'EventsReceived',
  eventsApplied: 'EventsApplied',
  eventsDuplicate: 'EventsDuplicate',
  eventsLate: 'EventsLate',
  eventsQuarantined: 'EventsQuarantined',
  /** Fields that the source does not declare and ignores, of all events: a producer has added some. */
  fieldsIgnored: 'FieldsIgnored',
  /** Events whose records are handed back to the stream to be delivered again. */
  writeFailures: 'WriteFailures',
  /** Milliseconds from the first byte of a batch to its last update. */
  computationLatency: 'ComputationLatency',
  /** Seconds from the arrival of an event in the stream to its visibility in features, per view. */
  freshness: 'FeatureFreshness',
} as const;

/** Name of the service in metrics and logs. */
export const SERVICE_NAME = 'update-windows';

/**
 * How an invocation shares out its time. Deadlines are counted from its end; the first attempt of every call is made, and
 * after a deadline at most one backoff and one request follow. An invocation needs several times the store's reserve.
 */
export const TIME_BUDGET = {
  /** One request to the store. It takes milliseconds; beyond this, another attempt is the better bet. */
  storeRequestMillis: 1_000,
  /** One object of up to some megabytes. */
  quarantineRequestMillis: 2_000,
  longestBackoffMillis: 500,
  /** From here on the store is not called again, so that quarantine and report have their turn. */
  storeReserveMillis: 7_000,
  /** From here on quarantine is not tried again: one backoff, one connection and one request fit, and the report. */
  quarantineReserveMillis: 4_000,
  /** From here on rows of features are not waited for; what was not taken is sent with the next batch. */
  rowsReserveMillis: 1_000,
} as const;

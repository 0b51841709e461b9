/** Environment variables of the stream consumer, beside the common ones. */
export const UPDATE_WINDOWS_ENV = {
  /** Name of the event source whose stream this function reads. */
  sourceName: 'SOURCE_NAME',
  quarantineBucket: 'QUARANTINE_BUCKET_NAME',
} as const;

/** Metrics of the stream consumer. Dimensions: `source`; per view also `view`. */
export const UPDATE_WINDOWS_METRICS = {
  eventsReceived: 'EventsReceived',
  eventsApplied: 'EventsApplied',
  eventsDuplicate: 'EventsDuplicate',
  eventsLate: 'EventsLate',
  eventsQuarantined: 'EventsQuarantined',
  /** Records handed back to the stream to be delivered again. */
  writeFailures: 'WriteFailures',
  /** Milliseconds from the first byte of a batch to its last update. */
  computationLatency: 'ComputationLatency',
  /** Seconds from the arrival of an event in the stream to its visibility in features, per view. */
  freshness: 'FeatureFreshness',
} as const;

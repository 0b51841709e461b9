/** Environment variables of the function that lands events, beside the common ones. */
export const LAND_EVENTS_ENV = {
  /** Name of the event source whose events this function makes rows of. */
  sourceName: 'SOURCE_NAME',
} as const;

/** Metrics of landing. Dimension: `source`. */
export const LAND_EVENTS_METRICS = {
  /** Events made into rows of history. A record that is tried again counts again. */
  eventsLanded: 'EventsLanded',
  /** Events in records that no retry can help; Firehose keeps those below the error prefix. */
  eventsRefused: 'EventsRefused',
} as const;

/** Name of the service in metrics and logs. */
export const LAND_EVENTS_SERVICE = 'land-events';

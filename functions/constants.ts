/** Names that functions and their infrastructure share. */

/** Environment variables common to the functions. */
export const ENV = {
  /** Read by Powertools: the CloudWatch namespace of the metrics of this stage of this store. */
  metricsNamespace: 'POWERTOOLS_METRICS_NAMESPACE',
  /** `false` in stages that are not production; anything else, and nothing, means production. */
  production: 'PRODUCTION',
  tableName: 'ONLINE_TABLE_NAME',
  /** Point every AWS client at this endpoint (local stacks); unset in AWS. */
  endpoint: 'AWS_ENDPOINT_URL',
  /** Point Firehose's client alone at this endpoint: the lander of a local run. */
  rowEndpoint: 'AWS_ENDPOINT_URL_FIREHOSE',
  /** JSON object: table of the history → delivery stream that lands its rows. Unset where history is not landed. */
  rowStreamNames: 'ROW_STREAM_NAMES',
} as const;

/** Metrics of every function that keeps rows. Dimensions: `service` and `table`. */
export const ROW_METRICS = {
  /** Rows that will never be in the history: too many waited, or one was larger than a record may be. */
  rowsLost: 'RowsLost',
  /** Rows that a delivery stream did not take; they are sent again. */
  rowsRefused: 'RowsRefused',
} as const;

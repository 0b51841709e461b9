/** Environment variables of the function that audits what was served, beside the common ones. */
export const AUDIT_ENV = {
  /** Athena's workgroup, and the database of history. */
  workgroup: 'ATHENA_WORKGROUP',
  database: 'HISTORY_DATABASE_NAME',
  historyBucket: 'HISTORY_BUCKET_NAME',
  rowsMax: 'AUDIT_ROWS_MAX',
  /** `duckdb` where an emulator answers for Athena; unset, Athena does. */
  sqlEngine: 'ATHENA_SQL_ENGINE',
} as const;

/** Metrics of an audit. Dimension of the match rate: `view`. */
export const AUDIT_METRICS = {
  /** Served rows that were recomputed from history. */
  rowsCompared: 'SkewRowsCompared',
  /** Served rows that could not be understood. */
  rowsUnreadable: 'SkewRowsUnreadable',
  /** Values that differ from the recomputed ones, and nothing explains it. */
  unexplained: 'SkewUnexplained',
  /** Percent of a view's, or a service's derived, values that are equal. */
  matchRate: 'SkewMatchRate',
} as const;

/** Name of the service in metrics and logs. */
export const AUDIT_SERVICE = 'audit';

/** Reports lie below this prefix of the bucket of history, in a folder per date. */
export const AUDITS_PREFIX = 'audits/';

/** One request to AWS, milliseconds. Athena's answers are pages of a thousand rows. */
export const AWS_REQUEST_TIMEOUT_MILLIS = 20_000;

/** Environment variables of the function that makes training sets, beside the common ones. */
export const MAKE_TRAINING_SET_ENV = {
  historyBucket: 'HISTORY_BUCKET_NAME',
  /** Athena's workgroup, and the database of history. */
  workgroup: 'ATHENA_WORKGROUP',
  database: 'HISTORY_DATABASE_NAME',
  /** `trino`, or `duckdb` where an emulator answers for Athena. */
  sqlEngine: 'ATHENA_SQL_ENGINE',
} as const;

/** Metrics of the function. No dimension. */
export const TRAINING_SET_METRICS = {
  made: 'TrainingSetsMade',
  /** Through no fault of whoever asked. */
  failed: 'TrainingSetsFailed',
  /** What Athena charges by. */
  bytesScanned: 'TrainingSetBytesScanned',
} as const;

export const MAKE_TRAINING_SET_SERVICE = 'make-training-set';

/** One request to AWS, milliseconds: files of results are large. */
export const AWS_REQUEST_TIMEOUT_MILLIS = 60_000;

/** Kept back from the time that the function has, to drop the table and to say what happened, milliseconds. */
export const LAST_WORDS_MILLIS = 30_000;

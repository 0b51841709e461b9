/** Names that the API of training sets, the function that makes them and their infrastructure share. */

/** Environment variables of the function that answers requests for training sets. */
export const TRAINING_SETS_ENV = {
  historyBucket: 'HISTORY_BUCKET_NAME',
  makeFunction: 'MAKE_TRAINING_SET_FUNCTION_NAME',
} as const;

/** Value of the dimension `service`, and name of the service in logs. */
export const TRAINING_SETS_SERVICE = 'training-sets';

/** Training sets and their manifests lie below this prefix of the bucket of history, in a folder per id. */
export const TRAINING_SETS_PREFIX = 'training-sets/';

/** Where users put spines that are too large for a request. */
export const SPINES_PREFIX = 'spines/';

/** What is needed only while a training set is made; the bucket forgets it after a day. */
export const SCRATCH_PREFIX = 'training-set-scratch/';

/** Where Athena keeps the results of queries that do not say where, and what it unloaded. */
export const QUERY_RESULTS_PREFIX = 'athena-results/';

/** How long a presigned address of a result can be read, seconds. */
export const DOWNLOAD_SECONDS = 900;

/** How long a request waits in the queue of the function that makes training sets, at most, milliseconds. */
export const QUEUED_MILLIS_MAX = 3_600_000;

/** How long it takes to make one, at most, milliseconds: as long as a function may run. */
export const RUNNING_MILLIS_MAX = 900_000;

/** One request to AWS, milliseconds. */
export const AWS_REQUEST_TIMEOUT_MILLIS = 5_000;

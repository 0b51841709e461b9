import { ServiceException } from '@smithy/core/client';
import { isServerError, isThrottlingError, isTransientError } from '@smithy/core/retry';

/**
 * What an error of an AWS client means for whoever wants to try again.
 * `throttled`: nothing was done; the same call may succeed later, more slowly. `passing`: the call may have been made, and
 * may succeed later. `final`: the request was refused, and is refused again as long as it is the same.
 */
export type AwsErrorKind = 'throttled' | 'passing' | 'final';

/** Throttles that the SDK's list does not have. */
const THROTTLES = new Set(['ReplicatedWriteConflictException']);

/**
 * The signature or the session was too old when the request arrived, as after an environment was frozen: the next attempt
 * is signed anew. The SDK itself corrects its clock, and counts only what it has corrected as passing.
 */
const OUTDATED = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestExpired',
  'RequestInTheFuture',
  'RequestTimeTooSkewed',
]);
const OUTDATED_SIGNATURE = /^Signature (expired|not yet current)/;

/** Asks the SDK's own classification first: its lists grow with AWS, ours only add what they lack. */
export function awsErrorKind(error: unknown): AwsErrorKind {
  // Whatever is not an answer of the service is a failure on the way to it.
  if (!isAnswer(error)) return 'passing';
  if (isThrottlingError(error) || THROTTLES.has(error.name)) return 'throttled';
  const isPassing =
    isTransientError(error) ||
    isServerError(error) ||
    (error.$metadata.httpStatusCode === undefined && error.$fault === 'server') ||
    OUTDATED.has(error.name) ||
    OUTDATED_SIGNATURE.test(error.message);
  return isPassing ? 'passing' : 'final';
}

/** With the cause of a type that the SDK's classifiers take. */
function isAnswer(error: unknown): error is ServiceException & { readonly cause?: Error } {
  return error instanceof ServiceException && (error.cause === undefined || error.cause instanceof Error);
}

import { OnlineStoreError } from '../../shared/online/store.ts';
import { ConfigurationError } from '../../shared/scoring/configuration.ts';
import { ObjectTooLargeError } from '../../shared/scoring/decision-store.ts';
import { ModelPackageError } from '../../shared/scoring/package.ts';
import { MissingEnvironmentError } from '../environment.ts';
import { EventStreamUnavailableError } from './ports.ts';

/** Families of ours, whose messages name declarations, limits and AWS errors, never values of events. */
const SPEAKING = [
  OnlineStoreError,
  EventStreamUnavailableError,
  MissingEnvironmentError,
  ConfigurationError,
  ModelPackageError,
  ObjectTooLargeError,
] as const;

/** An error as it may be logged. */
interface DescribedError {
  readonly name: string;
  readonly message?: string;
  /** Where it was thrown: the frames alone, because a stack begins with the message. */
  readonly frames: readonly string[];
  readonly cause?: DescribedError;
}

/**
 * What may be logged of an error. Messages of errors that are not ours are left out, because they can repeat what they
 * were given: `Cannot convert 12.5 to a BigInt` is somebody's payment.
 */
export function describeError(error: unknown): DescribedError {
  if (!(error instanceof Error)) return { name: typeof error, frames: [] };
  return {
    name: error.name,
    ...(SPEAKING.some((family) => error instanceof family) && { message: error.message }),
    frames: (error.stack ?? '')
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .slice(0, 8)
      .map((line) => line.trim()),
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
  };
}

/** The names of an error and its causes, outermost first. */
export function errorNames(error: unknown): string[] {
  if (!(error instanceof Error)) return [typeof error];
  return [error.name, ...(error.cause === undefined ? [] : errorNames(error.cause))];
}

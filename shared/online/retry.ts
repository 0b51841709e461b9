import { ExponentialBackoff, fullJitterGenerator, handleWhen, retry } from 'cockatiel';
import { type OnlineStore, OnlineStoreError, OnlineStoreUnavailableError } from './store.ts';

/**
 * A store that repeats what may succeed later, with exponential backoff and full jitter (Brooker, "Exponential Backoff
 * and Jitter", 2015), until `signal` aborts; then the last error is thrown, and no further call is begun.
 *
 * Repeating an update whose answer was lost is safe: its own conditions make it happen once.
 */
export function withRetries(
  store: OnlineStore,
  options: {
    readonly signal: AbortSignal;
    readonly initialDelayMillis?: number;
    readonly maxDelayMillis?: number;
    /** Asked after every failure. Default: it always is, until the signal aborts. */
    readonly isWorthRetrying?: () => boolean;
  },
): OnlineStore {
  const policy = retry(
    handleWhen(
      (error) => error instanceof OnlineStoreError && error.retryable && (options.isWorthRetrying?.() ?? true),
    ),
    {
      maxAttempts: Number.POSITIVE_INFINITY,
      backoff: new ExponentialBackoff({
        initialDelay: options.initialDelayMillis ?? 25,
        maxDelay: options.maxDelayMillis ?? 2_000,
        generator: fullJitterGenerator,
      }),
    },
  );
  const execute = async <Answer>(call: () => Promise<Answer>): Promise<Answer> => {
    if (options.signal.aborted) throw new OnlineStoreUnavailableError('no time was left to call the online store');
    return policy.execute(call, options.signal);
  };
  return {
    update: (key, update, updateOptions) => execute(() => store.update(key, update, updateOptions)),
    get: (keys, getOptions) => execute(() => store.get(keys, getOptions)),
  };
}

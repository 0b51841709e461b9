import { ExponentialBackoff, fullJitterGenerator, handleWhen, retry } from 'cockatiel';
import type { Item } from '../windows/item.ts';
import {
  type OnlineStore,
  OnlineStoreError,
  OnlineStoreNotAskedError,
  OnlineStoreUnavailableError,
  type UpdateResult,
} from './store.ts';

/**
 * A store that repeats what may succeed later, with exponential backoff and full jitter (Brooker, "Exponential Backoff
 * and Jitter", 2015), until `signal` aborts; then the last error is thrown, and no further call is begun.
 *
 * Repeating an update whose answer was lost is safe: its own conditions make it happen once, and a refusal says that it
 * may come from there. A read that was answered in part is repeated for the other keys alone.
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
    if (options.signal.aborted) throw new OnlineStoreNotAskedError('no time was left to call the online store');
    return policy.execute(call, options.signal);
  };
  return {
    update: async (key, update, updateOptions) => {
      let isAnswerLost = false;
      const attempt = async (): Promise<UpdateResult> => {
        try {
          const result = await store.update(key, update, updateOptions);
          return result.applied || !isAnswerLost ? result : { ...result, mayBeOwn: true };
        } catch (error) {
          isAnswerLost ||= error instanceof OnlineStoreUnavailableError && !(error instanceof OnlineStoreNotAskedError);
          throw error;
        }
      };
      return execute(attempt);
    },
    get: async (keys, getOptions) => {
      const answered = new Map<string, Item | undefined>();
      await execute(async () => {
        const missing = keys.filter((key) => !answered.has(key));
        try {
          const items = await store.get(missing, getOptions);
          missing.forEach((key, index) => {
            answered.set(key, items[index]);
          });
        } catch (error) {
          if (error instanceof OnlineStoreError) for (const [key, item] of error.answered) answered.set(key, item);
          throw error;
        }
      });
      return keys.map((key) => answered.get(key));
    },
  };
}

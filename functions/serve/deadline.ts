import { withRetries } from '../../shared/online/retry.ts';
import type { OnlineStore } from '../../shared/online/store.ts';

/** A store that is asked again after passing failures, until the deadline of one request. The caller waits: short delays. */
export function withinDeadline(store: OnlineStore, deadlineMillis: number): OnlineStore {
  return withRetries(store, {
    signal: AbortSignal.timeout(deadlineMillis),
    initialDelayMillis: 10,
    maxDelayMillis: 100,
  });
}

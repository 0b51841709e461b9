import {
  BrokenCircuitError,
  CircuitState,
  CountBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
} from 'cockatiel';
import { withRetries } from '../../shared/online/retry.ts';
import { type OnlineStore, OnlineStoreNotAskedError, OnlineStoreUnavailableError } from '../../shared/online/store.ts';

/**
 * The breaker opens when half of the last 20 tries failed, of at least 10: counted, not timed, because one function
 * instance may see a call a minute or a hundred a second.
 */
const BREAKER = { threshold: 0.5, size: 20, minimumNumberOfCalls: 10 };

/** How long an open breaker lets nothing through, before it lets one try: longer each time, up to the maximum. */
const HALF_OPEN_AFTER = { initialDelay: 1_000, maxDelay: 15_000 };

export interface GuardOptions {
  /** A read that has no answer by then is asked a second time beside the first; the sooner answer wins. */
  readonly hedgeAfterMillis: number;
  /** Told whenever the breaker changes its mind. */
  readonly onState?: (state: BreakerState) => void;
  readonly halfOpenAfter?: { readonly initialDelay: number; readonly maxDelay: number };
  /** Aborts so many milliseconds from now. Default `AbortSignal.timeout`. */
  readonly timeout?: (millis: number) => AbortSignal;
}

export type BreakerState = 'closed' | 'half-open' | 'open';

const STATE_NAMES: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
};

/**
 * An online store for callers who cannot wait. One guard is shared by all requests of a function instance.
 *
 *     deadline( retries( breaker( hedge( store ))))
 *
 * 1. Reads are hedged: the slow tail of one request is the usual time of a second one (Dean and Barroso, "The Tail at
 *    Scale", 2013). Updates are not; a second one would only meet the first one's event.
 * 2. A breaker stops tries that would fail, so that a store in trouble is left alone and callers are answered at once.
 * 3. Passing failures are tried again, until the request's deadline; whatever is not there by then has failed.
 */
export class GuardedStore {
  readonly #hedged: OnlineStore;
  readonly #timeout: (millis: number) => AbortSignal;
  readonly #breaker: ReturnType<typeof circuitBreaker>;

  constructor(store: OnlineStore, options: GuardOptions) {
    this.#hedged = { update: store.update.bind(store), get: hedged(store, options.hedgeAfterMillis) };
    this.#timeout = options.timeout ?? AbortSignal.timeout.bind(AbortSignal);
    this.#breaker = circuitBreaker(
      // Not throttles: one busy key is throttled alone, and all others are still answered.
      handleWhen((error) => error instanceof OnlineStoreUnavailableError),
      {
        breaker: new CountBreaker(BREAKER),
        halfOpenAfter: new ExponentialBackoff(options.halfOpenAfter ?? HALF_OPEN_AFTER),
      },
    );
    this.#breaker.onStateChange((state) => options.onState?.(STATE_NAMES[state]));
  }

  get state(): BreakerState {
    return STATE_NAMES[this.#breaker.state];
  }

  /** The store for one request, which ends `deadlineMillis` from now. */
  within(deadlineMillis: number): OnlineStore {
    const signal = this.#timeout(deadlineMillis);
    const broken = this.#broken;
    const retried = withRetries(
      {
        update: (key, update, options) => broken(() => this.#hedged.update(key, update, options)),
        get: (keys, options) => broken(() => this.#hedged.get(keys, options)),
      },
      { signal, initialDelayMillis: 10, maxDelayMillis: 100, isWorthRetrying: () => this.state !== 'open' },
    );
    return {
      update: (key, update, options) => beforeAbort(signal, retried.update(key, update, options)),
      get: (keys, options) => beforeAbort(signal, retried.get(keys, options)),
    };
  }

  readonly #broken = async <Answer>(call: () => Promise<Answer>): Promise<Answer> => {
    try {
      return await this.#breaker.execute(call);
    } catch (error) {
      if (!(error instanceof BrokenCircuitError)) throw error;
      throw new OnlineStoreNotAskedError('the online store failed too often just now and is left alone', {
        cause: error,
      });
    }
  };
}

function hedged(store: OnlineStore, hedgeAfterMillis: number): OnlineStore['get'] {
  return async (keys, options) => {
    const first = store.get(keys, options);
    let timer: NodeJS.Timeout | undefined;
    const second = new Promise<Awaited<typeof first>>((resolve, reject) => {
      timer = setTimeout(() => {
        store.get(keys, options).then(resolve, reject);
      }, hedgeAfterMillis);
    });
    try {
      // A first one that fails is not waited for again: trying again is the retries' business.
      return await Promise.race([first, second]);
    } finally {
      clearTimeout(timer);
      second.catch(() => {});
      first.catch(() => {});
    }
  };
}

/** What is not answered by the deadline goes on alone: it may still happen, and its own conditions make it happen once. */
function beforeAbort<Answer>(signal: AbortSignal, work: Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const refuse = () => reject(new OnlineStoreUnavailableError('the online store did not answer before the deadline'));
    if (signal.aborted) refuse();
    signal.addEventListener('abort', refuse, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', refuse));
  });
}

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type BreakerState, GuardedStore } from '../../../functions/serve/guarded-store.ts';
import {
  type OnlineStore,
  OnlineStoreRequestError,
  OnlineStoreThrottledError,
  OnlineStoreUnavailableError,
} from '../../../shared/online/store.ts';

const UPDATE = { add: {}, set: {}, remove: [], conditions: [] };
const NEVER = () => new Promise<undefined>(() => {});
const UNAVAILABLE = () => Promise.reject(new OnlineStoreUnavailableError('gone'));

/** Of the time that a test moves. */
function timeout(millis: number): AbortSignal {
  const deadline = new AbortController();
  setTimeout(() => deadline.abort(), millis);
  return deadline.signal;
}

/** What comes of work while so much time passes. */
async function passing<Answer>(millis: number, work: Promise<Answer>): Promise<Answer> {
  work.catch(() => {});
  await vi.advanceTimersByTimeAsync(millis);
  return work;
}

describe('a guarded store', () => {
  let calls: number;
  let answer: (call: number) => Promise<undefined>;
  let states: BreakerState[];

  const store: OnlineStore = {
    update: async () => {
      await answer(calls++);
      return { applied: true, item: {} };
    },
    get: async (keys) => {
      await answer(calls++);
      return keys.map(() => ({}));
    },
  };
  const guard = (options: { hedgeAfterMillis?: number; halfOpenMillis?: number } = {}) =>
    new GuardedStore(store, {
      hedgeAfterMillis: options.hedgeAfterMillis ?? 10_000,
      halfOpenAfter: { initialDelay: options.halfOpenMillis ?? 50, maxDelay: 400 },
      onState: (state) => states.push(state),
      timeout,
    });

  beforeEach(() => {
    vi.useFakeTimers();
    calls = 0;
    states = [];
    answer = async () => undefined;
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('tries again after passing failures', async () => {
    answer = async (call) => (call < 3 ? Promise.reject(new OnlineStoreThrottledError('slow down')) : undefined);
    expect(await passing(5_000, guard().within(5_000).get(['a']))).toEqual([{}]);
    expect(calls).toBe(4);
  });

  it('does not try again what cannot succeed', async () => {
    answer = () => Promise.reject(new OnlineStoreRequestError('no such table'));
    await expect(guard().within(5_000).update('a', UPDATE)).rejects.toThrow('no such table');
    expect(calls).toBe(1);
  });

  it('answers by the deadline, whatever the store does', async () => {
    answer = NEVER;
    const updated = passing(30, guard().within(30).update('a', UPDATE));
    await expect(updated).rejects.toThrow(/did not answer before the deadline/);
    await expect(passing(30, guard().within(30).get(['a']))).rejects.toThrow(OnlineStoreUnavailableError);
  });

  it('asks a slow read a second time and takes the sooner answer, and asks an update once', async () => {
    answer = (call) => (call === 0 ? NEVER() : Promise.resolve(undefined));
    expect(await passing(5, guard({ hedgeAfterMillis: 5 }).within(5_000).get(['a']))).toEqual([{}]);
    expect(calls).toBe(2);

    calls = 0;
    answer = () => new Promise((resolve) => setTimeout(() => resolve(undefined), 30));
    await passing(30, guard({ hedgeAfterMillis: 1 }).within(5_000).update('a', UPDATE));
    expect(calls).toBe(1);
  });

  it('asks a read that is answered in time only once', async () => {
    await passing(40, guard({ hedgeAfterMillis: 20 }).within(5_000).get(['a']));
    expect(calls).toBe(1);
  });

  it('leaves a failing store alone, tries it now and then, and returns to it', async () => {
    const guarded = guard();
    answer = UNAVAILABLE;
    // Ten tries with a pause of at most 100 ms before each, and no time for the breaker to let another one through.
    guarded
      .within(10_000)
      .get(['a'])
      .catch(() => {});
    while (states.length === 0) await vi.advanceTimersByTimeAsync(1);
    expect(states).toEqual(['open']);
    const callsUntilOpen = calls;
    await expect(guarded.within(10_000).get(['a'])).rejects.toThrow(/left alone/);
    expect(calls).toBe(callsUntilOpen);

    // Half open, one try goes through; it fails, and the breaker is open for longer.
    await vi.advanceTimersByTimeAsync(120);
    await expect(guarded.within(10_000).get(['a'])).rejects.toThrow('gone');
    expect(calls).toBe(callsUntilOpen + 1);
    expect(states).toEqual(['open', 'half-open', 'open']);

    answer = async () => undefined;
    await vi.advanceTimersByTimeAsync(500);
    expect(await guarded.within(10_000).get(['a'])).toEqual([{}]);
    expect(states.slice(-2)).toEqual(['half-open', 'closed']);
  });

  it('is not opened by callers whose requests are refused', async () => {
    const guarded = guard();
    answer = () => Promise.reject(new OnlineStoreRequestError('malformed'));
    for (let call = 0; call < 30; call++)
      await guarded
        .within(1_000)
        .get(['a'])
        .catch(() => {});
    expect(guarded.state).toBe('closed');
    expect(calls).toBe(30);
  });

  it('is not opened by three failures in ten', async () => {
    const guarded = guard();
    answer = async (call) => (call % 10 < 3 ? UNAVAILABLE() : undefined);
    for (let call = 0; call < 60; call++) await passing(5_000, guarded.within(5_000).get(['a']));
    expect(states).toEqual([]);
  });
});

/** Updates that were made, and whose answer was held back until after they had been tried again. */
import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import { userTransactions } from '../../shared/features/fraud.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { withRetries } from '../../shared/online/retry.ts';
import { type OnlineStore, OnlineStoreUnavailableError, type UpdateResult } from '../../shared/online/store.ts';
import { NOW_MILLIS, serve, transaction } from './serve/harness.ts';
import { consumer, recordsOf, transaction as streamed } from './update-windows/fixtures.ts';

/** What happens to the first update of each key, before somebody else has the item and the update is tried again. */
type FirstAttempt = 'answer held back' | 'not made';

/** A store whose first attempt per key has no answer in time. */
class HoldingStore implements OnlineStore {
  readonly inner = new MemoryOnlineStore();
  /** Runs between the first attempt and the next one. */
  between: () => Promise<unknown> = async () => {};
  readonly #first: FirstAttempt;
  readonly #held = new Map<string, PromiseWithResolvers<void>>();
  /** Answers that came when nobody waited for them. */
  readonly lateAnswers: UpdateResult[] = [];

  constructor(first: FirstAttempt) {
    this.#first = first;
  }

  async update(...[key, update, options]: Parameters<OnlineStore['update']>): Promise<UpdateResult> {
    const held = this.#held.get(key);
    if (held) {
      const result = await this.inner.update(key, update, options);
      held.resolve();
      return result;
    }
    const release = Promise.withResolvers<void>();
    this.#held.set(key, release);
    if (this.#first === 'answer held back') {
      const answer = await this.inner.update(key, update, options);
      void release.promise.then(() => this.lateAnswers.push(answer));
    }
    await this.between();
    throw new OnlineStoreUnavailableError('no answer in time');
  }

  get(keys: readonly string[]) {
    return this.inner.get(keys);
  }
}

const retrying = (store: OnlineStore) =>
  withRetries(store, { signal: new AbortController().signal, initialDelayMillis: 1, maxDelayMillis: 1 });

describe('a decision', () => {
  it('says that it counted its event', async () => {
    const store = new HoldingStore('answer held back');
    const { predict } = serve({ store });
    const event = transaction();
    expect((await predict(event)).body).toMatchObject({
      event_status: 'applied',
      degraded: [],
      features: { tx_count_1h: 1 },
    });
    expect(store.lateAnswers).toHaveLength(1);
    expect((await predict(event)).body).toMatchObject({ event_status: 'duplicate', features: { tx_count_1h: 1 } });
  });

  it('says that an event which was sent before is a duplicate, though an answer was lost this time', async () => {
    const store = new HoldingStore('answer held back');
    const event = transaction();
    await serve({ store: store.inner }).predict(event);
    const { predict, clock } = serve({ store });
    clock.nowMillis += 1;
    expect((await predict(event)).body).toMatchObject({ event_status: 'duplicate', features: { tx_count_1h: 1 } });
  });
});

describe('the consumer', () => {
  it('counts its events as applied, and those of others as duplicates', async () => {
    const store = new HoldingStore('answer held back');
    const { consume } = consumer({ store: retrying(store) });
    const records = recordsOf(...['a', 'b', 'b', 'c'].map((id) => streamed({ transaction_id: id, user_id: id })));
    const decided = records.slice(0, 1).map((record) => ({ ...record, arrivedAtMillis: record.arrivedAtMillis - 300 }));
    await consumer({ store: store.inner }).consume(decided);
    const { counts, failedSequenceNumbers } = await consume(records);
    expect(failedSequenceNumbers).toEqual([]);
    expect(counts).toMatchObject({ applied: 2, duplicate: 2 });
  });
});

describe('events of one update', () => {
  const eventOf = (id: string, laterMillis = 0) => {
    const fields = transaction({ transaction_id: id, user_id: 'u', timestamp: NOW_MILLIS + laterMillis });
    const decoded = decodeEvent(userTransactions.source, fields, NOW_MILLIS + laterMillis);
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
    return decoded.event;
  };
  const apply = (store: OnlineStore, events: Parameters<typeof applyEvents>[3]) =>
    applyEvents(store, userTransactions, 'u', events);
  const [a, b, again] = [eventOf('a'), eventOf('b'), eventOf('a')];

  it('are our own when all of them are in', async () => {
    const { outcomes, ownLost } = await apply(retrying(new HoldingStore('answer held back')), [a, b, again]);
    expect([...outcomes.values()]).toEqual(['applied', 'applied', 'duplicate']);
    expect([...ownLost]).toEqual([a, b]);
  });

  it('are duplicates when others have written since, for then nobody can tell', async () => {
    const store = new HoldingStore('answer held back');
    store.between = () => apply(store.inner, [eventOf('c', 1_000)]);
    const { outcomes, ownLost } = await apply(retrying(store), [a, b]);
    expect([...outcomes.values()]).toEqual(['duplicate', 'duplicate']);
    expect(ownLost.size).toBe(0);
  });

  it("are another writer's when some of them are not", async () => {
    const store = new HoldingStore('not made');
    store.between = () => apply(store.inner, [eventOf('a')]);
    const { outcomes, ownLost } = await apply(retrying(store), [a, b]);
    expect([...outcomes.values()]).toEqual(['duplicate', 'applied']);
    expect(ownLost.size).toBe(0);
  });

  it('are counted by the attempt that comes through', async () => {
    const { outcomes, ownLost } = await apply(retrying(new HoldingStore('not made')), [a, b]);
    expect([...outcomes.values()]).toEqual(['applied', 'applied']);
    expect(ownLost.size).toBe(0);
  });
});

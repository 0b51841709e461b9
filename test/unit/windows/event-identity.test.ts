import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../../../shared/definitions/decode-event.ts';
import { userTransactions } from '../../../shared/features/fraud.ts';
import { applyEvents } from '../../../shared/online/apply-events.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';

const START_MILLIS = Date.UTC(2026, 0, 31, 12);

function eventAt(offsetMillis: number, id = 'same') {
  const timestamp = START_MILLIS + offsetMillis;
  const fields = { transaction_id: id, user_id: 'u', merchant_id: 'm', amount: 10, timestamp };
  const decoded = decodeEvent(userTransactions.source, fields, timestamp);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.event;
}

describe('an event that is sent again with a new time', () => {
  it.each([0, 1, 3_000, 9_999, 30_000, 60_000])('is still the same event, %i ms later', async (laterMillis) => {
    for (let phase = 0; phase < 120_000; phase += 7_919) {
      const store = new MemoryOnlineStore();
      await applyEvents(store, userTransactions, 'u', [eventAt(phase)]);
      const again = eventAt(phase + laterMillis);
      const { outcomes } = await applyEvents(store, userTransactions, 'u', [again]);
      expect(outcomes.get(again)).toBe('duplicate');
    }
  });

  it('is still the same event after other events and their maintenance, as long as it comes in time', async () => {
    const second = 1_000;
    // Ids are kept in buckets of two minutes: those at the end of one are the first to be forgotten.
    for (let phase = 0; phase < 120; phase += 3.33) {
      const store = new MemoryOnlineStore();
      const first = phase * second;
      await applyEvents(store, userTransactions, 'u', [eventAt(first)]);
      for (let later = 1; later <= 64; later++) {
        const other = eventAt(first + later * second, `other-${later}`);
        await applyEvents(store, userTransactions, 'u', [other], { everyEvents: 1, minimumBytesFreed: -1_000_000 });
      }
      const again = eventAt(first + 59.6 * second);
      expect((await applyEvents(store, userTransactions, 'u', [again])).outcomes.get(again)).toBe('duplicate');
    }
  });

  it('is another event once its id is no longer kept', async () => {
    const store = new MemoryOnlineStore();
    await applyEvents(store, userTransactions, 'u', [eventAt(0)]);
    const muchLater = eventAt(1_000_000);
    expect((await applyEvents(store, userTransactions, 'u', [muchLater])).outcomes.get(muchLater)).toBe('applied');
  });
});

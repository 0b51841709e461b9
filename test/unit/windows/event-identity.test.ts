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

  it('is another event once its id is no longer kept', async () => {
    const store = new MemoryOnlineStore();
    await applyEvents(store, userTransactions, 'u', [eventAt(0)]);
    const muchLater = eventAt(1_000_000);
    expect((await applyEvents(store, userTransactions, 'u', [muchLater])).outcomes.get(muchLater)).toBe('applied');
  });
});

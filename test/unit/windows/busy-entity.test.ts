import { describe, expect, it } from 'vitest';
import { userTransactions as view } from '../../../shared/features/fraud.ts';
import { applyEvents } from '../../../shared/online/apply-events.ts';
import { itemKeysOf } from '../../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import { idHashOf, type WindowEvent } from '../../../shared/windows/event.ts';
import { readWindows } from '../../../shared/windows/read.ts';

const START = Date.UTC(2026, 0, 1);
const HOURS = 6;
const SECONDS_BETWEEN = 1;

function transaction(index: number): WindowEvent {
  const timeMillis = START + index * SECONDS_BETWEEN * 1_000;
  // A multiplicative hash: users repeat, in no order.
  const merchant = (Math.imul(index, 2_654_435_761) >>> 0) % 40_000;
  return {
    id: `t${index}`,
    idHash: idHashOf(`t${index}`),
    timeMillis,
    arrivedAtMillis: timeMillis,
    values: {
      transaction_id: `t${index}`,
      user_id: 'u',
      merchant_id: `m${merchant}`,
      amount: 1,
      timestamp: timeMillis,
    },
  };
}

describe('an entity with an event every second, in batches', () => {
  it('keeps a small item: maintenance keeps up with what batches bring', async () => {
    const store = new MemoryOnlineStore({ answers: 'live' });
    const total = (HOURS * 3_600) / SECONDS_BETWEEN;
    for (let first = 0; first < total; first += 25) {
      const batch = Array.from({ length: 25 }, (_, offset) => transaction(first + offset));
      await applyEvents(store, view, 'u', batch);
    }
    const [item = {}] = await store.get(itemKeysOf(view, 'u'));
    expect(Object.keys(item).length).toBeLessThan(2_000);
    expect(store.sizes()[0]).toBeLessThan(160 * 1_024);
    const reading = readWindows(view.layout, [item], START + total * 1_000 - 1);
    const countOf = (name: string) => reading.values[view.features.findIndex((feature) => feature.name === name)];
    expect(countOf('tx_count_24h')).toBe(total);
  });
});

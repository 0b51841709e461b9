/** Records, stores and quarantines for the tests of the stream consumer. */
import type { Quarantine, QuarantinedRecord } from '../../../functions/update-windows/quarantine.ts';
import {
  type StreamRecord,
  type UpdateWindowsPorts,
  updateWindows,
} from '../../../functions/update-windows/update-windows.ts';
import type { WindowedView } from '../../../shared/definitions/index.ts';
import { transactions, userTransactions } from '../../../shared/features/fraud.ts';
import { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import { featureValues, readViews } from '../../../shared/online/read-features.ts';
import type { OnlineStore, UpdateOptions, UpdateResult } from '../../../shared/online/store.ts';
import type { ItemUpdate } from '../../../shared/windows/item.ts';

export const NOW_MILLIS = Date.UTC(2026, 2, 1, 12);

/** A valid transaction, and what a test says otherwise. */
export function transaction(differences: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    transaction_id: 'transaction-1',
    user_id: 'user-1',
    merchant_id: 'merchant-1',
    amount: 12.5,
    timestamp: NOW_MILLIS,
    ...differences,
  };
}

/** The record that carries a value as JSON, or bytes or text as they are. */
export function recordOf(content: Uint8Array | string | Record<string, unknown>, index = 0): StreamRecord {
  const data =
    content instanceof Uint8Array
      ? content
      : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
  return {
    sequenceNumber: String(1_000 + index),
    partitionKey: 'user-1',
    data,
    arrivedAtMillis: NOW_MILLIS,
  };
}

/** Records in the order of the contents, with rising sequence numbers. */
export function recordsOf(...contents: Parameters<typeof recordOf>[0][]): StreamRecord[] {
  return contents.map((content, index) => recordOf(content, index));
}

export class MemoryQuarantine implements Quarantine {
  readonly records: QuarantinedRecord[] = [];
  puts = 0;

  async put(records: readonly QuarantinedRecord[]): Promise<void> {
    this.puts++;
    this.records.push(...records);
  }
}

/** A store that does something else when a key is updated: throws, for example. */
export class InterceptedStore implements OnlineStore {
  readonly inner = new MemoryOnlineStore();
  readonly updatedKeys: string[] = [];
  before: (key: string, update: ItemUpdate) => void | Promise<void> = () => {};

  async update(key: string, update: ItemUpdate, options?: UpdateOptions): Promise<UpdateResult> {
    this.updatedKeys.push(key);
    await this.before(key, update);
    return this.inner.update(key, update, options);
  }

  get(keys: readonly string[]) {
    return this.inner.get(keys);
  }
}

/** The use case over memory, with whatever a test replaces. */
export function consumer(replaced: Partial<UpdateWindowsPorts> = {}) {
  const store = new InterceptedStore();
  const quarantine = new MemoryQuarantine();
  const ports: UpdateWindowsPorts = {
    source: transactions,
    views: [userTransactions],
    store,
    quarantine,
    ...replaced,
  };
  return {
    store,
    quarantine,
    consume: (records: readonly StreamRecord[]) => updateWindows(records, ports),
    /** The features of one entity, as they are served. */
    features: async (row: Readonly<Record<string, string>>, view: WindowedView = userTransactions) => {
      const [readings] = await readViews(ports.store, [view], [row], NOW_MILLIS);
      const wanted = view.features.map((feature, index) => ({ ...feature, view, index }));
      return featureValues(wanted, readings ?? new Map());
    },
  };
}

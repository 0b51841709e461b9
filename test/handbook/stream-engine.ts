/** The stream consumer and the read path: what is online, played through in order of time. */
import { SingleBar } from 'cli-progress';
import { handbookService, handbookTransactions } from '../../examples/handbook/declarations.ts';
import { eventOf, type Published, type Transaction } from '../../examples/handbook/published.ts';
import { type StreamRecord, updateWindows } from '../../functions/update-windows/update-windows.ts';
import type { Value } from '../../shared/expressions/index.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { derivedValues, featureValues, readViews } from '../../shared/online/read-features.ts';
import { type Engine, peakMemoryMegabytes, secondsSince } from './engine.ts';

const BATCH_SIZE = 500;

function recordOf(transaction: Transaction): StreamRecord {
  const { id, atMillis, customer } = transaction;
  return {
    sequenceNumber: String(id),
    partitionKey: String(customer),
    data: Buffer.from(JSON.stringify(eventOf(transaction))),
    arrivedAtMillis: atMillis,
  };
}

/** Batches in order of time. A batch ends with a second in which features are compared, so that they are read just then. */
function* batches(
  transactions: readonly Transaction[],
  published: ReadonlyMap<number, Published>,
): Generator<Transaction[]> {
  let batch: Transaction[] = [];
  for (const [index, transaction] of transactions.entries()) {
    batch.push(transaction);
    const next = transactions[index + 1];
    const endsSecond = next?.atMillis !== transaction.atMillis;
    const isCompared = batch.some(({ id }) => published.has(id));
    if (endsSecond && (isCompared || batch.length >= BATCH_SIZE)) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

async function answer({ id, atMillis, customer, terminal }: Transaction, store: MemoryOnlineStore) {
  const entity = { customer_id: customer, terminal_id: terminal };
  const [readings = new Map()] = await readViews(store, handbookService.views, [entity], atMillis);
  const windows = featureValues(handbookService.features, readings);
  return [id, { ...windows, ...derivedValues(handbookService, { ...windows, at: atMillis }) }] as const;
}

export const stream: Engine = async ({ transactions, published }) => {
  const startedAt = performance.now();
  const store = new MemoryOnlineStore({ answers: 'live' });
  const refuse = () => Promise.reject(new Error('a handbook transaction was refused'));
  const ports = { source: handbookTransactions, views: handbookService.views, store, quarantine: { put: refuse } };
  const progress = new SingleBar({
    format: '{bar} {value}/{total} transactions, {eta_formatted} left',
    etaBuffer: 1_000,
  });
  progress.start(transactions.length, 0);
  const byTransaction = new Map<number, Readonly<Record<string, Value | undefined>>>();
  for (const batch of batches(transactions, published)) {
    const { counts } = await updateWindows(batch.map(recordOf), ports);
    const expected = batch.length * ports.views.length;
    if (counts.applied !== expected) throw new Error(`of ${expected} updates ${counts.applied} were applied`);
    for (const transaction of batch) {
      if (published.has(transaction.id)) byTransaction.set(...(await answer(transaction, store)));
    }
    progress.increment(batch.length);
  }
  progress.stop();
  return { byTransaction, seconds: secondsSince(startedAt), peakMemoryMegabytes: peakMemoryMegabytes() };
};

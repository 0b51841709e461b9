/** A day of decisions over memory, with a consumer that lags behind, as the Parquet files that it leaves. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DecisionPolicies } from '../../functions/serve/decision-policies.ts';
import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import { labels, transactions, userTransactions } from '../../shared/features/fraud.ts';
import { historyRow, historySchema } from '../../shared/offline/history-schema.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import { Random } from '../simulation/random.ts';
import { serve } from '../unit/serve/harness.ts';
import { values, writeParquet } from './parquet.ts';

export const DAY = '2026-11-20';
const START_MILLIS = Date.parse(DAY);
const DAY_MILLIS = 86_400_000;

const DUCKDB_TYPES: Readonly<Record<string, string>> = { string: 'VARCHAR', bigint: 'BIGINT', boolean: 'BOOLEAN' };

type Row = Readonly<Record<string, unknown>>;

/** What a day leaves behind. Every tenth transaction comes by the stream alone, whose consumer is `lagMillis` behind. */
export async function playDay(options: {
  readonly users: number;
  readonly transactions: number;
  readonly lagMillis: number;
  readonly policies?: DecisionPolicies;
}): Promise<{ served: Row[]; history: Row[] }> {
  const random = new Random(7);
  const served: Row[] = [];
  const history: Row[] = [];
  const store = new MemoryOnlineStore();
  const add = (table: string, row: object) => {
    (table === ROW_LOGS.served.schema.tableName ? served : history).push({ ...row });
  };
  const api = serve({
    store,
    ...(options.policies && { policies: options.policies }),
    rows: { sink: { add, send: async () => undefined }, waits: true },
  });
  const waiting: WindowEvent[] = [];
  const spacing = DAY_MILLIS / options.transactions;
  for (let index = 0; index < options.transactions; index++) {
    const now = Math.floor(START_MILLIS + index * spacing);
    for (let [first] = waiting; first && first.arrivedAtMillis + options.lagMillis <= now; [first] = waiting) {
      await applyEvents(store, userTransactions, String(first.values.user_id), [first]);
      waiting.shift();
    }
    const event = {
      transaction_id: `t${index}`,
      // Few pay often.
      user_id: `user-${Math.floor(options.users * random.next() ** 3)}`,
      merchant_id: `merchant-${Math.floor(50 * random.next())}`,
      amount: Math.floor(20_000 * random.next()) / 100,
      timestamp: now - Math.floor(2_000 * random.next()),
    };
    api.clock.nowMillis = now;
    if (index % 10 !== 0) await api.predict(event);
    else {
      const decoded = decodeEvent(transactions, event, now);
      if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
      history.push(historyRow(transactions, decoded.event));
      waiting.push(decoded.event);
    }
  }
  return { served, history };
}

/** Writes `served.parquet`, `transactions.parquet` and an empty `labels.parquet`. */
export async function writeDay(directory: string, day: { readonly served: Row[]; readonly history: Row[] }) {
  await mkdir(directory, { recursive: true });
  await writeRows(join(directory, 'served.parquet'), ROW_LOGS.served.schema.columns, day.served);
  await writeRows(join(directory, 'transactions.parquet'), historySchema(transactions).columns, day.history);
  await writeRows(join(directory, 'labels.parquet'), historySchema(labels).columns, []);
}

/** Writes rows of a log or a history as Parquet. */
export async function writeRows(
  path: string,
  columns: readonly { readonly name: string; readonly hiveType: string }[],
  rows: readonly Row[],
): Promise<void> {
  const types = columns.map(({ name, hiveType }) => `${name} ${DUCKDB_TYPES[hiveType] ?? hiveType}`);
  const cells = (row: Row) => columns.map(({ name }) => cell(row[name]));
  await writeParquet(path, values(types, rows.map(cells)));
}

function cell(value: unknown): string | number | boolean | null {
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return value;
  if (value === undefined || value === null) return null;
  throw new TypeError('rows hold texts, numbers and truth values');
}

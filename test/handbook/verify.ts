/**
 * Plays the Fraud Detection Handbook's transactions through the stream consumer and the read path, in order of time, and
 * compares what they answer with the features that the handbook publishes.
 *
 *     npm run verify:handbook [-- --data DIR]
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { SingleBar } from 'cli-progress';
import { program } from 'commander';
import { type StreamRecord, updateWindows } from '../../functions/update-windows/update-windows.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { derivedValues, featureValues, readViews } from '../../shared/online/read-features.ts';
import { handbookService, handbookTransactions, PUBLISHED_COLUMNS } from './declarations.ts';

interface Transaction {
  readonly id: number;
  readonly atMillis: number;
  readonly customer: number;
  readonly terminal: number;
  readonly amount: number;
  readonly fraud: number;
}

type Published = Readonly<Record<keyof typeof PUBLISHED_COLUMNS, number>>;

interface Difference {
  readonly transaction: number;
  readonly column: keyof typeof PUBLISHED_COLUMNS;
  readonly published: number;
  readonly ours: number;
  /** Whether the customer has another transaction in the same second, which the handbook orders by row. */
  readonly isTie: boolean;
}

const TOLERANCE = 1e-9;
const BATCH_SIZE = 500;

async function query(path: string, columns: string, order: string): Promise<unknown[][]> {
  const connection = await (await DuckDBInstance.create()).connect();
  const rows = await connection.runAndReadAll(`SELECT ${columns} FROM read_parquet($1) ORDER BY ${order}`, [path]);
  return rows.getRows();
}

async function loadTransactions(directory: string): Promise<Transaction[]> {
  const columns = 'TRANSACTION_ID, epoch_ms(TX_DATETIME)::DOUBLE, CUSTOMER_ID, TERMINAL_ID, TX_AMOUNT, TX_FRAUD';
  const rows = await query(join(directory, 'transactions.parquet'), columns, 'TX_DATETIME, TRANSACTION_ID');
  return rows.map((row) => {
    const [id = 0, atMillis = 0, customer = 0, terminal = 0, amount = 0, fraud = 0] = row.map(Number);
    return { id, atMillis, customer, terminal, amount, fraud };
  });
}

async function loadPublished(directory: string): Promise<Map<number, Published>> {
  const names = Object.keys(PUBLISHED_COLUMNS);
  const rows = await query(join(directory, 'expected_features.parquet'), ['TRANSACTION_ID', ...names].join(', '), '1');
  return new Map(
    rows.map(([id, ...values]) => [
      Number(id),
      Object.fromEntries(names.map((name, index) => [name, Number(values[index])])) as Published,
    ]),
  );
}

function recordOf(transaction: Transaction): StreamRecord {
  const { id, atMillis, customer, terminal, amount, fraud } = transaction;
  const event = {
    transaction_id: id,
    customer_id: customer,
    terminal_id: terminal,
    // Amounts have two decimals, but the data are doubles and some carry noise: 183.70000000000002.
    amount: amount.toFixed(2),
    fraud,
    at: atMillis,
  };
  return {
    sequenceNumber: String(id),
    partitionKey: String(customer),
    data: Buffer.from(JSON.stringify(event)),
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

async function compare(
  store: MemoryOnlineStore,
  batch: readonly Transaction[],
  published: ReadonlyMap<number, Published>,
): Promise<Difference[]> {
  const compared = batch.filter(({ id }) => published.has(id));
  const differences: Difference[] = [];
  for (const { id, atMillis, customer, terminal } of compared) {
    const entity = { customer_id: customer, terminal_id: terminal };
    const [readings = new Map()] = await readViews(store, handbookService.views, [entity], atMillis);
    const windows = featureValues(handbookService.features, readings);
    const ours = { ...windows, ...derivedValues(handbookService, { ...windows, at: atMillis }) };
    const isTie = batch.some((other) => other.customer === customer && other.atMillis === atMillis && other.id !== id);
    for (const [column, expected] of Object.entries(published.get(id) ?? {}) as [Difference['column'], number][]) {
      const answer = ours[PUBLISHED_COLUMNS[column]] ?? null;
      const isEqual = answer !== null && Math.abs(Number(answer) - expected) <= TOLERANCE;
      if (!isEqual) differences.push({ transaction: id, column, published: expected, ours: Number(answer), isTie });
    }
  }
  return differences;
}

export interface Verification {
  readonly transactions: number;
  readonly rows: number;
  readonly features: number;
  readonly mismatches: Readonly<Record<string, number>>;
  /** Rows that differ because of two transactions of one customer in one second, and only for that. */
  readonly ties: number;
  readonly differences: readonly Difference[];
  readonly seconds: number;
}

export async function verifyHandbook(directory: string): Promise<Verification> {
  const startedAt = performance.now();
  const [transactions, published] = await Promise.all([loadTransactions(directory), loadPublished(directory)]);
  const store = new MemoryOnlineStore({ answers: 'live' });
  const refuse = () => Promise.reject(new Error('a handbook transaction was refused'));
  const ports = { source: handbookTransactions, views: handbookService.views, store, quarantine: { put: refuse } };
  const progress = new SingleBar({
    format: '{bar} {value}/{total} transactions, {eta_formatted} left',
    etaBuffer: 1_000,
  });
  progress.start(transactions.length, 0);
  const differences: Difference[] = [];
  for (const batch of batches(transactions, published)) {
    const { counts } = await updateWindows(batch.map(recordOf), ports);
    const expected = batch.length * ports.views.length;
    if (counts.applied !== expected) throw new Error(`of ${expected} updates ${counts.applied} were applied`);
    differences.push(...(await compare(store, batch, published)));
    progress.increment(batch.length);
  }
  progress.stop();
  const columns = Object.keys(PUBLISHED_COLUMNS);
  const real = differences.filter(({ isTie }) => !isTie);
  return {
    transactions: transactions.length,
    rows: published.size,
    features: columns.length,
    mismatches: Object.fromEntries(columns.map((name) => [name, real.filter(({ column }) => column === name).length])),
    ties: new Set(differences.filter(({ isTie }) => isTie).map(({ transaction }) => transaction)).size,
    differences,
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
  };
}

if (import.meta.main) {
  program
    .name('verify:handbook')
    .description("Compares our features with the Fraud Detection Handbook's published ones.")
    .option('--data <directory>', 'folder of transactions.parquet and expected_features.parquet', '../shared/handbook')
    .parse();
  const { data } = program.opts<{ data: string }>();
  if (!existsSync(join(data, 'transactions.parquet'))) {
    console.error(`There is no transactions.parquet in ${data}; give the folder with --data DIR.`);
    process.exit(2);
  }
  const { differences, ...summary } = await verifyHandbook(data);
  for (const { transaction, column, published, ours, isTie } of differences) {
    const cause = isTie ? 'same-second tie: the handbook counts in row order, we count both' : 'MISMATCH';
    console.log(`transaction ${transaction} ${column}: published ${published}, ours ${ours} (${cause})`);
  }
  console.log(JSON.stringify(summary));
  process.exitCode = Object.values(summary.mismatches).some((count) => count > 0) ? 1 : 0;
}

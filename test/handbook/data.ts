/** The Fraud Detection Handbook's transactions and the features that it publishes. */
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { PUBLISHED_COLUMNS } from '../../examples/handbook/declarations.ts';
import type { Value } from '../../shared/expressions/index.ts';

export interface Transaction {
  readonly id: number;
  readonly atMillis: number;
  readonly customer: number;
  readonly terminal: number;
  readonly amount: number;
  readonly fraud: number;
}

export type Published = Readonly<Record<keyof typeof PUBLISHED_COLUMNS, number>>;

/** What an engine answers for the transactions whose features are published, by the names of our features. */
export interface Answers {
  readonly byTransaction: ReadonlyMap<number, Readonly<Record<string, Value | undefined>>>;
  /** Of computing the features; starting a server and loading tables is not in it. */
  readonly seconds: number;
  /** Of this process, or of the query where a server runs it. */
  readonly peakMemoryMegabytes: number;
}

export interface Handbook {
  readonly directory: string;
  /** In order of time. */
  readonly transactions: readonly Transaction[];
  /** By id of the transaction. */
  readonly published: ReadonlyMap<number, Published>;
}

/** A way to compute the handbook's features. */
export type Engine = (handbook: Handbook) => Promise<Answers>;

/** Most memory that this process has ever had. */
export function peakMemoryMegabytes(): number {
  return Math.round(process.resourceUsage().maxRSS / 1_024);
}

export function secondsSince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) / 100) / 10;
}

export async function loadHandbook(directory: string): Promise<Handbook> {
  const [transactions, published] = await Promise.all([loadTransactions(directory), loadPublished(directory)]);
  return { directory, transactions, published };
}

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

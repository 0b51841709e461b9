/** The Fraud Detection Handbook's transactions, the features that it publishes, and how ours compare with them. */
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Value } from '../../shared/expressions/index.ts';
import { PUBLISHED_COLUMNS } from './declarations.ts';

export interface Transaction {
  readonly id: number;
  readonly atMillis: number;
  readonly customer: number;
  readonly terminal: number;
  readonly amount: number;
  readonly fraud: number;
}

export type Published = Readonly<Record<keyof typeof PUBLISHED_COLUMNS, number>>;

export interface Handbook {
  readonly directory: string;
  /** In order of time. */
  readonly transactions: readonly Transaction[];
  /** By id of the transaction. */
  readonly published: ReadonlyMap<number, Published>;
}

export async function loadHandbook(directory: string): Promise<Handbook> {
  const [transactions, published] = await Promise.all([loadTransactions(directory), loadPublished(directory)]);
  return { directory, transactions, published };
}

/** A transaction as its source declares it, in JSON. */
export function eventOf({ id, atMillis, customer, terminal, amount, fraud }: Transaction) {
  return {
    transaction_id: id,
    customer_id: customer,
    terminal_id: terminal,
    amount,
    fraud,
    at: atMillis,
  };
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

/** A feature of a transaction that is not as published. */
export interface Difference {
  readonly transaction: number;
  readonly column: keyof typeof PUBLISHED_COLUMNS;
  readonly published: number;
  readonly ours: number;
  /** Whether the customer has another transaction in the same second, which the handbook orders by row. */
  readonly isTie: boolean;
}

const TOLERANCE = 1e-9;

/** Seconds in which a customer has more than one transaction. */
function tiedSeconds(transactions: readonly Transaction[]): ReadonlySet<string> {
  const groups = Map.groupBy(transactions, ({ customer, atMillis }) => `${customer} ${atMillis}`);
  return new Set([...groups].filter(([, { length }]) => length > 1).map(([second]) => second));
}

/**
 * Every published feature of some transactions beside ours.
 * @param answers by id of the transaction and name of our feature. What is not there is a difference.
 */
export function compareWithPublished(
  { transactions, published }: Handbook,
  answers: ReadonlyMap<number, Readonly<Record<string, Value | undefined>>>,
  compared: readonly Transaction[] = transactions,
): Difference[] {
  const ties = tiedSeconds(transactions);
  return compared.flatMap(({ id, customer, atMillis }) => {
    const expected = Object.entries(published.get(id) ?? {}) as [Difference['column'], number][];
    return expected.flatMap(([column, value]) => {
      const answer = answers.get(id)?.[PUBLISHED_COLUMNS[column]] ?? null;
      if (answer !== null && Math.abs(Number(answer) - value) <= TOLERANCE) return [];
      const isTie = ties.has(`${customer} ${atMillis}`);
      return [
        { transaction: id, column, published: value, ours: answer === null ? Number.NaN : Number(answer), isTie },
      ];
    });
  });
}

export function describeDifference({ transaction, column, published, ours, isTie }: Difference): string {
  const cause = isTie ? 'same-second tie: the handbook counts in row order, we count both' : 'MISMATCH';
  return `transaction ${transaction} ${column}: published ${published}, ours ${ours} (${cause})`;
}

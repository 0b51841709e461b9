/**
 * Computes the features of the Fraud Detection Handbook and compares them with those that the handbook publishes:
 * through the stream consumer and the read path in order of time, or by one query over all of history.
 *
 *     npm run verify:handbook [-- --data DIR --engine stream|sweep|duckdb|trino]
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Option, program } from 'commander';
import { PUBLISHED_COLUMNS } from '../../examples/handbook/declarations.ts';
import { type Answers, type Engine, type Handbook, loadHandbook } from './data.ts';

import { duckDb, trino } from './sql-engines.ts';
import { stream } from './stream-engine.ts';
import { sweep } from './sweep-engine.ts';

const ENGINES = { stream, sweep, duckdb: duckDb, trino } as const satisfies Record<string, Engine>;
export type EngineName = keyof typeof ENGINES;

interface Difference {
  readonly transaction: number;
  readonly column: keyof typeof PUBLISHED_COLUMNS;
  readonly published: number;
  readonly ours: number;
  /** Whether the customer has another transaction in the same second, which the handbook orders by row. */
  readonly isTie: boolean;
}

const TOLERANCE = 1e-9;
/** Seconds in which a customer has more than one transaction. */
function tiedSeconds({ transactions }: Handbook): ReadonlySet<string> {
  const groups = Map.groupBy(transactions, ({ customer, atMillis }) => `${customer} ${atMillis}`);
  return new Set([...groups].filter(([, { length }]) => length > 1).map(([second]) => second));
}

function compare(handbook: Handbook, { byTransaction }: Answers): Difference[] {
  const ties = tiedSeconds(handbook);
  return handbook.transactions.flatMap(({ id, customer, atMillis }) => {
    const expected = Object.entries(handbook.published.get(id) ?? {}) as [Difference['column'], number][];
    return expected.flatMap(([column, published]) => {
      const answer = byTransaction.get(id)?.[PUBLISHED_COLUMNS[column]] ?? null;
      if (answer !== null && Math.abs(Number(answer) - published) <= TOLERANCE) return [];
      const isTie = ties.has(`${customer} ${atMillis}`);
      return [{ transaction: id, column, published, ours: answer === null ? Number.NaN : Number(answer), isTie }];
    });
  });
}

export interface Verification {
  readonly engine: EngineName;
  readonly transactions: number;
  readonly rows: number;
  readonly features: number;
  readonly mismatches: Readonly<Record<string, number>>;
  /** Rows that differ because of two transactions of one customer in one second, and only for that. */
  readonly ties: number;
  readonly differences: readonly Difference[];
  readonly seconds: number;
  readonly peakMemoryMegabytes: number;
}

export async function verifyHandbook(directory: string, engine: EngineName = 'stream'): Promise<Verification> {
  const handbook = await loadHandbook(directory);
  const answers = await ENGINES[engine](handbook);
  const differences = compare(handbook, answers);
  const columns = Object.keys(PUBLISHED_COLUMNS);
  const real = differences.filter(({ isTie }) => !isTie);
  return {
    engine,
    transactions: handbook.transactions.length,
    rows: answers.byTransaction.size,
    features: columns.length,
    mismatches: Object.fromEntries(columns.map((name) => [name, real.filter(({ column }) => column === name).length])),
    ties: new Set(differences.filter(({ isTie }) => isTie).map(({ transaction }) => transaction)).size,
    differences,
    seconds: answers.seconds,
    peakMemoryMegabytes: answers.peakMemoryMegabytes,
  };
}

if (import.meta.main) {
  program
    .name('verify:handbook')
    .description("Compares our features with the Fraud Detection Handbook's published ones.")
    .option('--data <directory>', 'folder of transactions.parquet and expected_features.parquet', '../shared/handbook')
    .addOption(new Option('--engine <name>', 'what computes them').choices(Object.keys(ENGINES)).default('stream'))
    .parse();
  const { data, engine } = program.opts<{ data: string; engine: EngineName }>();
  if (!existsSync(join(data, 'transactions.parquet'))) {
    console.error(`There is no transactions.parquet in ${data}; give the folder with --data DIR.`);
    process.exit(2);
  }
  const { differences, ...summary } = await verifyHandbook(data, engine);
  for (const { transaction, column, published, ours, isTie } of differences) {
    const cause = isTie ? 'same-second tie: the handbook counts in row order, we count both' : 'MISMATCH';
    console.log(`transaction ${transaction} ${column}: published ${published}, ours ${ours} (${cause})`);
  }
  console.log(JSON.stringify(summary));
  process.exitCode = Object.values(summary.mismatches).some((count) => count > 0) ? 1 : 0;
}

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
import {
  compareWithPublished,
  type Difference,
  describeDifference,
  loadHandbook,
} from '../../examples/handbook/published.ts';
import type { Engine } from './engine.ts';
import { duckDb, trino } from './sql-engines.ts';
import { stream } from './stream-engine.ts';
import { sweep } from './sweep-engine.ts';

const ENGINES = { stream, sweep, duckdb: duckDb, trino } as const satisfies Record<string, Engine>;
export type EngineName = keyof typeof ENGINES;

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
  const differences = compareWithPublished(handbook, answers.byTransaction);
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
  for (const difference of differences) console.log(describeDifference(difference));
  console.log(JSON.stringify(summary));
  process.exitCode = Object.values(summary.mismatches).some((count) => count > 0) ? 1 : 0;
}

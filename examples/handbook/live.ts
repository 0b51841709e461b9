/**
 * History to live and back, on the Fraud Detection Handbook's transactions.
 *
 *     npm run handbook:live [-- --data DIR --transactions N --later N --customers N --port N]
 *
 * Exit codes: 0 all of it holds, 1 something does not, 2 it cannot be run (one sentence says what to do).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { styleText } from 'node:util';
import Table from 'cli-table3';
import { InvalidArgumentError, program } from 'commander';
import { LocalEnvironmentError } from '../../localstack/child-process.ts';
import { DEFAULT_PORT } from '../../localstack/ministack.ts';
import { type LiveOptions, LiveRunError, runLive } from './live/run.ts';
import { describeDifference } from './published.ts';

function positive(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('Give a whole number above 0.');
}

interface Options extends Omit<LiveOptions, 'laterTransactions'> {
  readonly later: number;
}

program
  .name('handbook:live')
  .description("Backfills a local deployment from the Fraud Detection Handbook's history, decides live, and audits.")
  .option('--data <directory>', 'folder of transactions.parquet and expected_features.parquet', '../shared/handbook')
  .option('--transactions <number>', 'transactions to decide and compare with what is published', positive, 2_000)
  .option(
    '--later <number>',
    'transactions after those, some of them late, half by a changed definition',
    positive,
    500,
  )
  .option('--customers <number>', 'only those of the busiest customers of the day', positive)
  .option('--port <port>', 'port of the endpoint to start', positive, DEFAULT_PORT)
  .parse();
const { later, ...options } = program.opts<Options>();
if (!existsSync(join(options.data, 'transactions.parquet'))) {
  console.error(`handbook:live: there is no transactions.parquet in ${options.data}; give the folder with --data DIR.`);
  process.exit(2);
}
try {
  const startedAt = performance.now();
  const { checks, differences } = await runLive({ ...options, laterTransactions: later });
  for (const difference of differences) console.log(describeDifference(difference));
  const table = new Table({ head: ['', 'what', 'found'], style: { head: [], border: [] } });
  for (const { name, found, holds } of checks) {
    table.push([holds ? styleText('green', '✔') : styleText('red', '✘'), name, found]);
  }
  console.log(table.toString());
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(`${seconds} s; reports of the audits are in .local/handbook-live`);
  process.exit(checks.every(({ holds }) => holds) ? 0 : 1);
} catch (error) {
  const isExplained = error instanceof LocalEnvironmentError || error instanceof LiveRunError;
  console.error(isExplained ? `\nhandbook:live: ${error.message}` : error);
  process.exit(2);
}

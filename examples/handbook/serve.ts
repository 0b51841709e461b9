/**
 * A tuned model of the Fraud Detection Handbook, from its history to decisions in a deployment.
 *
 *     npm run handbook:serve [-- --data DIR --transactions N --port N]
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
import { PythonUnavailableError } from '../python-environment.ts';
import { runServe, type ServeOptions } from './serve/run.ts';

function positive(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('Give a whole number above 0.');
}

program
  .name('handbook:serve')
  .description("Tunes, trains and deploys a model of the Fraud Detection Handbook, and compares its decisions' scores.")
  .option('--data <directory>', 'folder of transactions.parquet and expected_features.parquet', '../shared/handbook')
  .option('--transactions <number>', 'transactions of the test week to decide', positive, 2_000)
  .option('--port <port>', 'port of the endpoint to start', positive, DEFAULT_PORT)
  .parse();
const options = program.opts<ServeOptions>();
if (!existsSync(join(options.data, 'transactions.parquet'))) {
  console.error(
    `handbook:serve: there is no transactions.parquet in ${options.data}; give the folder with --data DIR.`,
  );
  process.exit(2);
}
try {
  const startedAt = performance.now();
  const checks = await runServe(options);
  const table = new Table({ head: ['', 'what', 'found'], style: { head: [], border: [] } });
  for (const { name, found, holds } of checks) {
    table.push([holds ? styleText('green', '✔') : styleText('red', '✘'), name, found]);
  }
  console.log(table.toString());
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(`${seconds} s; the evaluation is in .local/handbook-serve/evaluation.html`);
  process.exit(checks.every(({ holds }) => holds) ? 0 : 1);
} catch (error) {
  const isExplained = error instanceof LocalEnvironmentError || error instanceof PythonUnavailableError;
  console.error(isExplained ? `\nhandbook:serve: ${error.message}` : error);
  process.exit(isExplained ? 2 : 1);
}

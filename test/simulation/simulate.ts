/**
 * Runs the simulator for many seeds. A seed that shows a difference is printed and replays with `--from SEED --seeds 1`.
 *
 *     npm run simulate -- --seeds 1000 [--from N] [--break dedup|lateness|prune|max|backfill-…]
 */
import { SingleBar } from 'cli-progress';
import { InvalidArgumentError, Option, program } from 'commander';
import { BREAKS, type Break } from './sabotage.ts';
import { runWorld } from './world.ts';

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number');
  return value;
}

program
  .name('simulate')
  .description('Races the consumer and the scorer through faults and compares their features with the naive oracle.')
  .option('--seeds <count>', 'how many seeds', wholeNumber, 200)
  .option('--from <seed>', 'the first seed', wholeNumber, 1)
  .addOption(new Option('--break <defect>', 'plant a defect, which must be found').choices(BREAKS))
  .parse();
const options = program.opts<{ seeds: number; from: number; break?: Break }>();

const startedAt = performance.now();
const progress = new SingleBar({ format: '{bar} {value}/{total} seeds, {differences} differences' });
progress.start(options.seeds, 0, { differences: 0 });
const totals = {
  events: 0,
  deliveries: 0,
  decisions: 0,
  crashes: 0,
  failedRecords: 0,
  quarantined: 0,
  backfilled: 0,
  compared: 0,
  untold: 0,
};
const failing: { seed: number; differences: readonly string[] }[] = [];
for (let seed = options.from; seed < options.from + options.seeds; seed++) {
  const { differences, ...counts } = await runWorld(seed, options.break);
  for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += counts[name];
  if (differences.length > 0) failing.push({ seed, differences });
  progress.increment({ differences: failing.length });
}
progress.stop();

for (const { seed, differences } of failing.slice(0, 5)) {
  console.log(`seed ${seed}: ${differences.length} differences, first: ${differences[0]}`);
  console.log(
    `  replay: npm run simulate -- --from ${seed} --seeds 1${options.break ? ` --break ${options.break}` : ''}`,
  );
}
const differences = failing.reduce((sum, failure) => sum + failure.differences.length, 0);
console.log(
  JSON.stringify({
    seeds: options.seeds,
    from: options.from,
    ...(options.break && { planted: options.break, firstFailingSeed: failing[0]?.seed ?? null }),
    differences,
    failingSeeds: failing.length,
    ...totals,
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
  }),
);
process.exitCode = differences > 0 ? 1 : 0;

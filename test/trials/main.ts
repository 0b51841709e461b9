/**
 * Trials of promises: `npm run trial -- list`, `npm run trial -- configuration`.
 *
 * The last line of the output is one JSON object. A promise that is missed ends with exit code 1.
 */
import { InvalidArgumentError, program } from 'commander';
import { api } from './api.ts';
import { configuration } from './configuration.ts';
import { declarations } from './declarations.ts';
import { documents } from './documents.ts';
import { evasion } from './evasion.ts';
import { forms } from './forms.ts';
import { fuzz } from './fuzz.ts';
import { localDay } from './local-day.ts';
import { mistakes } from './mistakes.ts';
import { modelBinding } from './model-binding.ts';
import { ownDomain } from './own-domain.ts';
import { permissions } from './permissions.ts';
import { readback } from './readback.ts';
import { spike } from './spike.ts';
import { testStoreTrial } from './test-store.ts';
import type { Trial } from './trial.ts';

const TRIALS: readonly Trial[] = [
  api,
  configuration,
  declarations,
  documents,
  evasion,
  forms,
  fuzz,
  localDay,
  mistakes,
  modelBinding,
  ownDomain,
  permissions,
  readback,
  spike,
  testStoreTrial,
];

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number.');
}

program.name('trial').description('Tries what the product promises, and counts where it is missed.');
program
  .command('list')
  .description('Lists the trials and what they prove.')
  .action(() => {
    for (const { name, proves } of TRIALS) console.log(`${name}  ${proves}`);
  });
for (const trial of TRIALS) {
  program
    .command(trial.name)
    .description(trial.proves)
    .option('--trials <number>', 'how often; every trial has its own default', wholeNumber)
    .option('--seed <number>', 'the same seed makes the same trials', wholeNumber)
    .action(async (options: { trials?: number; seed?: number }) => {
      const { json, ok } = await trial.run(options);
      console.log(JSON.stringify({ trial: trial.name, ...json, ok }));
      process.exitCode = ok ? 0 : 1;
    });
}
await program.parseAsync();

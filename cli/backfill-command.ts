import { Command } from 'commander';
import { type BackfillOptions, backfillText, runBackfill } from './backfill.ts';
import { endpointOption, example, featuresOption, historyOption, wholeNumber } from './options.ts';
import { count, progressBar, type Terminal } from './terminal.ts';
import { UserError } from './user-error.ts';

export function backfillCommand(terminal: Terminal): Command {
  return new Command('backfill')
    .description(
      'Merges into the items of a view what arrived before its "liveFrom", while the stream counts what arrives since. ' +
        'May be run again: what is done is left alone.',
    )
    .requiredOption('--view <name[@version]>', 'the view, which declares "liveFrom"; its newest version by default')
    .addOption(historyOption("the view's source"))
    .requiredOption('--table <name>', 'the online table')
    .addOption(endpointOption('DynamoDB'))
    .option('--landing-delay <duration>', 'how long after its arrival an event is in history for certain', '15min')
    .option('--concurrency <count>', 'entities at a time', wholeNumber(1), 32)
    .addOption(featuresOption())
    .addHelpText(
      'after',
      example(
        'backfill --view user_transactions@2 --history transactions=s3://HISTORY/raw/transactions',
        '--table ONLINE_TABLE',
      ),
    )
    .action(async (options: BackfillOptions) => {
      const bar = progressBar('entities');
      const summary = await runBackfill({ ...options, onProgress: bar.show }, Date.now).finally(bar.stop);
      terminal.print(backfillText(summary));
      const left = summary.items.tooLarge + summary.items.refused + summary.items.failed;
      if (left > 0) throw new UserError(`${count(left)} items were left as they are; the summary says why`);
    });
}

import { Command, Option } from 'commander';
import { example, featuresOption, historyOption, serviceOption, timeZoneOption } from './options.ts';
import { count, progressBar, type Terminal } from './terminal.ts';
import { makeTrainingSet, type TrainingSetOptions } from './training-set.ts';

export function trainingSetCommand(terminal: Terminal): Command {
  return new Command('training-set')
    .description('Writes the features of a service for the rows of a spine, as they were known at each row.')
    .addOption(serviceOption())
    .requiredOption(
      '--spine <file>',
      'Parquet file of join keys and "timestamp", perhaps "known_at", and any columns to keep',
    )
    .addOption(historyOption('a source of the service; one for each'))
    .requiredOption('--output <file>', 'Parquet file to write; its manifest is written beside it')
    .addOption(
      new Option('--mode <mode>', 'whether an event counts only once it had arrived, or as soon as it happened')
        .choices(['bitemporal', 'event-time'])
        .default('bitemporal'),
    )
    .addOption(timeZoneOption())
    .addOption(featuresOption())
    .addHelpText(
      'after',
      example(
        'training-set --service fraud_detection --spine spine.parquet',
        '--history transactions=history/transactions --history labels=history/labels --output training.parquet',
      ),
    )
    .action(async (options: TrainingSetOptions) => {
      const bar = progressBar('rows');
      const summary = await makeTrainingSet({ ...options, onProgress: bar.show }).finally(bar.stop);
      terminal.print(
        `${count(summary.rows)} rows with ${summary.features} features in ${summary.seconds.toFixed(1)} s\n` +
          `  training set  ${summary.output}\n  manifest      ${summary.manifest}`,
      );
      for (const note of summary.notes) terminal.print(`note: ${note}`);
    });
}

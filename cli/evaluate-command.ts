import { Command } from 'commander';
import { type EvaluateOptions, evaluateModels, evaluationText } from './evaluate.ts';
import { collect, example } from './options.ts';
import type { Terminal } from './terminal.ts';

export function evaluateCommand(terminal: Terminal): Command {
  return new Command('evaluate')
    .description(
      'Compares models on what became of the transactions: measures, thresholds and charts in one HTML file.',
    )
    .option('--scores <file>', 'Parquet file of "is_fraud" and one column of scores for each model, named name@version')
    .option('--served <glob>', 'instead: Parquet files of served rows, or a folder of them')
    .option('--labels <glob>', 'with --served: Parquet files of the history of labels, or a folder of them')
    .option('--as-of <instant>', 'with --served: labels that arrived later are not known')
    .option('--maturity <duration>', 'with --served: younger transactions have no label yet', '30d')
    .requiredOption('--champion <name@version>', 'the model that the others are compared with')
    .option('--challenger <name@version>', 'once for each; by default every other model that scored', collect)
    .option(
      '--threshold <name@version=value>',
      'a threshold chosen before, whose cost is wanted; once for each',
      collect,
    )
    .option('--false-alarm-cost <amount>', 'what refusing an honest transaction costs', '10')
    .option('--cards-checked <number>', 'cards that are looked into on one day', '100')
    .option('--draws <number>', 'bootstrap draws for the intervals', '500')
    .option('--seed <number>', 'seed of the draws', '1')
    .option('--card <column>', 'field that names the card', 'user_id')
    .option('--time <column>', 'field of the instant, in milliseconds', 'timestamp')
    .option('--amount <column>', 'field of the amount', 'amount')
    .requiredOption('--report <file>', 'HTML file to write')
    .option('--json <file>', 'the figures as JSON, too')
    .addHelpText(
      'after',
      example(
        'evaluate --served s3://HISTORY/served_rows --labels s3://HISTORY/raw/labels --as-of 2026-12-31',
        '--champion boosted_trees@1 --report evaluation.html',
      ),
    )
    .action(async (options: EvaluateOptions) => {
      terminal.print(`${evaluationText(await evaluateModels(options))}\n  report  ${options.report}`);
    });
}

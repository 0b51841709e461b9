import { Command } from 'commander';
import { type EvaluateOptions, evaluateModels, evaluationText } from './evaluate.ts';
import { collect, example, featuresOption } from './options.ts';
import type { Terminal } from './terminal.ts';

export function evaluateCommand(terminal: Terminal): Command {
  return new Command('evaluate')
    .description('Compares models on what became of rows: measures, thresholds and charts in one HTML file.')
    .option('--scores <file>', 'Parquet file of outcomes and scores, such as a training set with what models say')
    .option('--served <glob>', 'instead: Parquet files of served rows, or a folder of them')
    .option('--labels <glob>', 'with --served: Parquet files of the history of labels, or a folder of them')
    .option('--as-of <instant>', 'with --served: labels that arrived later are not known')
    .option('--maturity <duration>', 'with --served: younger events have no label yet', '30d')
    .requiredOption('--champion <model>', 'the model that the others are compared with: name@version, or a column')
    .option('--challenger <model>', 'once for each; by default every other name@version', collect)
    .option(
      '--label <name>',
      'column, or field of labels, of what became of a row: 1 and 0, or true and false (default: the only one)',
    )
    .option('--card <name>', 'whose rows they are (default with --served: the partition key of the decided source)')
    .option('--amount <name>', 'what missing a fraud costs (default: "amount", where there is one)')
    .option('--time <name>', 'instant by whose day cards are ranked (default: "timestamp", or the time of the event)')
    .option('--service <name[@version]>', 'with --served: whose decisions are meant, where several are there')
    .option('--label-source <name>', 'with --served: the source of labels, where several name the decided event')
    .option(
      '--labelled-event <field>',
      'with --served: field of labels that names the decided event (default: as its source does)',
    )
    .option(
      '--threshold <model=value>',
      'a threshold that was chosen before, whose cost is wanted; once for each',
      collect,
    )
    .option('--false-alarm-cost <amount>', 'what refusing an honest row costs (default: 10; without amounts 1)')
    .option('--cards-checked <number>', 'cards that are looked into on one day', '100')
    .option('--draws <number>', 'bootstrap draws for the intervals', '500')
    .option('--seed <number>', 'seed of the draws', '1')
    .requiredOption('--report <file>', 'HTML file to write')
    .option('--json <file>', 'the figures as JSON, too')
    .addOption(featuresOption())
    .addHelpText(
      'after',
      example(
        'evaluate --served s3://HISTORY/served_rows --labels s3://HISTORY/raw/labels --as-of 2026-12-31',
        '--champion boosted_trees@1 --report evaluation.html',
      ),
    )
    .action(async (options: Omit<EvaluateOptions, 'commandLine'>, command: Command) => {
      const summary = await evaluateModels({ ...options, commandLine: command.parent?.args ?? [] });
      terminal.print(`${evaluationText(summary)}\n  report  ${options.report}`);
    });
}

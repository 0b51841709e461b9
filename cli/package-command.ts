import { Command } from 'commander';
import { collect, example, featuresOption, probability, wholeNumber } from './options.ts';
import { type PackageOptions, packageModel } from './packaging/package-model.ts';
import { count, megabytes, type Terminal } from './terminal.ts';

export function packageCommand(terminal: Terminal): Command {
  return new Command('package')
    .description(
      'Makes a package of what a library trained: checks its inputs against the service, scores some rows, and writes one file.',
    )
    .requiredOption(
      '--model <file>',
      "what XGBoost writes by save_model('model.json'), LightGBM by save_model('model.txt'), or cli/python/export_sklearn.py " +
        'of a model of scikit-learn',
    )
    .requiredOption('--training-set <file>', 'Parquet file that "training-set" wrote, perhaps with more columns')
    .option('--manifest <file>', 'of the training set (default: the *.manifest.json beside it)')
    .option('--rows <column=value>', 'rows of the training set that the model learned from (default: all)')
    .requiredOption('--name <name>', 'of the model, snake_case')
    .requiredOption('--version <number>', 'of the model; a package never changes', wholeNumber(1))
    .requiredOption('--output <file>', 'the package to write')
    .option(
      '--inputs <names>',
      "where the model's file does not name its inputs: all of them, in order, as in amount,age",
    )
    .option(
      '--imputation <input=number>',
      'what stood for null in training, once for each input; a number alone is for all others (default: null is missing)',
      collect,
    )
    .option('--review <score>', 'above which score a transaction is reviewed', probability)
    .option('--block <score>', 'above which score it is blocked', probability)
    .option('--notes <text>', 'for people')
    .addOption(featuresOption())
    .addHelpText(
      'after',
      example(
        'model package --model model.json --training-set training.parquet --rows split=training',
        '--name my_model --version 1 --review 0.4 --block 0.9 --output my_model@1.json.gz',
      ),
    )
    .action(async (options: PackageOptions) => {
      const { loaded, bytes, scored } = await packageModel(options);
      const { service, inputs, reference } = loaded.document;
      terminal.print(
        `model ${loaded.key} of ${service}: ${inputs.length} inputs, ${megabytes(bytes)}\n` +
          `  scored   ${count(scored.rows)} of ${count(reference.rows)} rows: ${scored.lowest.toFixed(4)} to ${scored.highest.toFixed(4)}\n` +
          `  package  ${options.output}; "model push --file" puts it into the bucket`,
      );
      const empty = inputs.filter(({ feature }) => reference.features[feature]?.nulls === reference.rows);
      if (empty.length > 0)
        terminal.print(`note: null in every row: ${empty.map(({ feature }) => feature).join(', ')}`);
    });
}

import { Command } from 'commander';
import { previewText, summaryText } from './import/summary.ts';
import { type ImportOptions, importHistory, MAX_REJECTS_DEFAULT } from './import-history.ts';
import { collect, example, featuresOption } from './options.ts';
import { progressBar, type Terminal } from './terminal.ts';
import { UserError } from './user-error.ts';

export function importCommand(terminal: Terminal): Command {
  return new Command('import')
    .description(
      'Turns foreign files into history of a source. Rows that are no valid events are put aside with the reason.',
    )
    .requiredOption('--source <name>', 'the source whose events they are')
    .requiredOption(
      '--from <files...>',
      '.parquet, .csv, .tsv, .txt, .jsonl, .ndjson or .json (lines, or one array), the texts perhaps with .gz; a folder or a ' +
        'glob of them, also s3://BUCKET/PREFIX',
      collect,
    )
    .requiredOption('--to <folder>', 'folder of the history; each file keeps its name')
    .option(
      '--arrival <column>',
      'column that says when events arrived, or "event-time" if they were known at once (default: "arrived_at")',
    )
    .option('--map <field=column>', 'where a field has another name in the file; once for each', collect)
    .option(
      '--time-zone <offset>',
      'UTC or +01:00: the offset of text instants that do not say it; without it they are refused',
    )
    .option('--null <text>', 'a text that says that a value is missing, such as NA; once for each', collect)
    .option('--delimiter <character>', "of CSV: ';', '|' or '\\t' for a tab (default: a tab in .tsv, else ',')")
    .option('--quote <character>', 'of CSV; "" where quotes are plain text', '"')
    .option('--escape <character>', 'of quotes within quotes (default: the quote itself)')
    .option('--header <names>', 'of CSV without a header: the names of all its columns, as in id,card,amount')
    .option('--encoding <name>', 'of CSV and JSON, such as latin1 or utf-16le', 'utf-8')
    .option(
      '--max-rejects <count>',
      'how many rows, or what share of them, may be put aside; beyond it nothing is imported',
      MAX_REJECTS_DEFAULT,
    )
    .option('--dry-run', 'reads everything, writes nothing, and shows the first events')
    .addOption(featuresOption())
    .addHelpText(
      'after',
      example(
        "import --source transactions --from 'exports/*.csv.gz' --to history/transactions",
        '--map transaction_id=id --arrival event-time --time-zone +01:00 --max-rejects 1%',
      ),
    )
    .action(async (options: ImportOptions) => {
      const { dryRun = false } = options;
      const bar = progressBar('KB');
      const kilobytes = (bytes: number) => Math.ceil(bytes / 1_000);
      const summary = await importHistory({
        ...options,
        onProgress: ({ done, total }) => bar.show({ done: kilobytes(done), total: kilobytes(total) }),
      }).finally(bar.stop);
      if (dryRun) terminal.print(previewText(summary.preview));
      terminal.print(summaryText(summary));
      if (summary.failure !== undefined) throw new UserError(summary.failure);
    });
}

/**
 * The feature store on this machine: `npm run cli -- --help`.
 *
 * Exit codes: 0 done, 2 the request cannot be done as asked (one sentence says why), 1 a defect of ours, or an audit that
 * found differences without an explanation.
 */
import { SingleBar } from 'cli-progress';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { unexplainedCount } from '../shared/offline/audit/report.ts';
import { auditServed, auditTable } from './audit.ts';
import { type BackfillOptions, backfillText, runBackfill } from './backfill.ts';
import type { WithBucket } from './decision-bucket.ts';
import { configCommand, modelCommand } from './decision-commands.ts';
import { type EvaluateOptions, evaluateModels, evaluationText } from './evaluate.ts';
import { previewText, summaryText } from './import/summary.ts';
import { type ImportOptions, importHistory, MAX_REJECTS_DEFAULT } from './import-history.ts';
import { testCommand } from './test-create.ts';
import { makeTrainingSet, type TrainingSetOptions } from './training-set.ts';
import { isForUser, UserError } from './user-error.ts';

const EXIT_REFUSED = 2;
const EXIT_UNEXPLAINED = 1;

/** What is printed goes through here, so that tests read it. */
export interface Terminal {
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
}

function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** A bar on standard error, where that is a terminal. */
function progressBar(unit: string) {
  const bar = new SingleBar({ format: `{bar} {value}/{total} ${unit}, {eta_formatted} left`, clearOnComplete: true });
  return {
    show: ({ done, total }: { readonly done: number; readonly total: number | undefined }) => {
      if (!bar.isActive) bar.start(total ?? done, 0);
      bar.setTotal(total ?? done);
      bar.update(done);
    },
    stop: () => bar.stop(),
  };
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function trainingSetCommand(terminal: Terminal): Command {
  return new Command('training-set')
    .description('Writes the features of a service for the rows of a spine, as they were known at each row.')
    .requiredOption('--service <name[@version]>', 'the feature service; its newest version by default')
    .requiredOption(
      '--spine <file>',
      'Parquet file of join keys and "timestamp", perhaps "known_at", and any columns to keep',
    )
    .requiredOption(
      '--history <source=glob>',
      'Parquet files, a folder of them, or s3://BUCKET/PREFIX, of a source of the service; one for each',
      collect,
    )
    .requiredOption('--output <file>', 'Parquet file to write; its manifest is written beside it')
    .addOption(
      new Option('--mode <mode>', 'whether an event counts only once it had arrived, or as soon as it happened')
        .choices(['bitemporal', 'event-time'])
        .default('bitemporal'),
    )
    .option('--time-zone <offset>', 'UTC or +01:00: the offset of text instants that do not say it')
    .option(
      '--features <module>',
      'TypeScript or JavaScript module that exports "repository"; by default the features that ship',
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

function importCommand(terminal: Terminal): Command {
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
    .option(
      '--features <module>',
      'TypeScript or JavaScript module that exports "repository"; by default the features that ship',
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

/** @param onUnexplained is told when differences have no explanation. */
function auditCommand(terminal: Terminal, onUnexplained: () => void): Command {
  return new Command('audit')
    .description('Recomputes a sample of what was served from history, and says of each difference why it is there.')
    .requiredOption('--served <glob>', 'Parquet files, a folder of them, or s3://BUCKET/PREFIX, of served rows')
    .requiredOption(
      '--history <source=glob>',
      'Parquet files, a folder of them, or s3://BUCKET/PREFIX, of a source; one for each',
      collect,
    )
    .requiredOption('--from <instant>', 'what was served from then on: a date, or an instant in ISO 8601')
    .requiredOption('--to <instant>', 'and before then')
    .requiredOption('--report <file>', 'HTML file to write')
    .option('--json <file>', 'the same as JSON')
    .option('--sample <rows>', 'how many rows are compared', '1000')
    .option('--seed <text>', 'another seed is another sample', 'audit')
    .option('--in-flight <duration>', 'how long an event may be on its way from its arrival to being counted', '5min')
    .option(
      '--features <module>',
      'TypeScript or JavaScript module that exports "repository"; by default the features that ship',
    )
    .action(async (options) => {
      const bar = progressBar('rows');
      const report = await auditServed({ ...options, onProgress: bar.show }).finally(bar.stop);
      const unreadable = report.unreadable === 0 ? '' : `, ${count(report.unreadable)} could not be understood`;
      const unexplained = unexplainedCount(report);
      terminal.print(
        `${auditTable(report)}\n${count(report.rows)} rows compared${unreadable}; ${count(unexplained)} differences without an explanation\n  report  ${options.report}`,
      );
      if (report.rows === 0) {
        throw new UserError(`nothing was compared: no readable row was served from ${options.from} to ${options.to}`);
      }
      if (unexplained > 0) onUnexplained();
    });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('must be a whole number from 1');
}

function backfillCommand(terminal: Terminal): Command {
  return new Command('backfill')
    .description(
      'Merges into the items of a view what arrived before its "liveFrom", while the stream counts what arrives since. ' +
        'May be run again: what is done is left alone.',
    )
    .requiredOption('--view <name[@version]>', 'the view, which declares "liveFrom"; its newest version by default')
    .requiredOption(
      '--history <source=glob>',
      "Parquet files, a folder of them, or s3://BUCKET/PREFIX, of the view's source",
      collect,
    )
    .requiredOption('--table <name>', 'the online table')
    .option('--endpoint <url>', 'of DynamoDB; by default that of the AWS region')
    .option('--landing-delay <duration>', 'how long after its arrival an event is in history for certain', '15min')
    .option('--concurrency <count>', 'entities at a time', wholeNumber, 32)
    .option(
      '--features <module>',
      'TypeScript or JavaScript module that exports "repository"; by default the features that ship',
    )
    .action(async (options: BackfillOptions) => {
      const bar = progressBar('entities');
      const summary = await runBackfill({ ...options, onProgress: bar.show }, Date.now).finally(bar.stop);
      terminal.print(backfillText(summary));
      const left = summary.items.tooLarge + summary.items.refused + summary.items.failed;
      if (left > 0) throw new UserError(`${count(left)} items were left as they are; the summary says why`);
    });
}

function evaluateCommand(terminal: Terminal): Command {
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
    .action(async (options: EvaluateOptions) => {
      terminal.print(`${evaluationText(await evaluateModels(options))}\n  report  ${options.report}`);
    });
}

interface Ports {
  readonly withBucket?: WithBucket;
}

/** The program with all its commands. @param onUnexplained is told when an audit found differences without an explanation. */
export function featureStoreProgram(
  terminal: Terminal,
  ports: Ports = {},
  onUnexplained: () => void = () => {},
): Command {
  const program = new Command('feature-store')
    .description('Training sets, history, audits, backfill, models and decisions, from this machine.')
    // "config show --version 3" is another one.
    .enablePositionalOptions()
    .version(packageJson.version, '--version', 'print the version');
  const commands = [
    trainingSetCommand(terminal),
    importCommand(terminal),
    auditCommand(terminal, onUnexplained),
    backfillCommand(terminal),
    evaluateCommand(terminal),
    configCommand(terminal, ports.withBucket),
    modelCommand(terminal, ports.withBucket),
    testCommand(terminal),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands, ...commands.flatMap((command) => command.commands)]) {
    command.exitOverride();
    command.configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.printError(text.trimEnd()),
    });
  }
  return program;
}

/** Runs a command line without the program's name. @returns the exit code. */
export async function main(commandLine: readonly string[], terminal: Terminal, ports: Ports = {}): Promise<number> {
  let exitCode = 0;
  const program = featureStoreProgram(terminal, ports, () => {
    exitCode = EXIT_UNEXPLAINED;
  });
  try {
    await program.parseAsync(commandLine, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_REFUSED;
    if (!isForUser(error)) throw error;
    terminal.printError(`feature-store: ${error.message}`);
    return EXIT_REFUSED;
  }
}

import { Command } from 'commander';
import { unexplainedCount } from '../shared/offline/audit/report.ts';
import { auditServed, auditTable } from './audit.ts';
import { example, featuresOption, historyOption, wholeNumber } from './options.ts';
import { count, progressBar, type Terminal } from './terminal.ts';
import { UserError } from './user-error.ts';

/** @param onUnexplained is told when differences have no explanation. */
export function auditCommand(terminal: Terminal, onUnexplained: () => void): Command {
  return new Command('audit')
    .description('Recomputes a sample of what was served from history, and says of each difference why it is there.')
    .requiredOption('--served <glob>', 'Parquet files, a folder of them, or s3://BUCKET/PREFIX, of served rows')
    .addOption(historyOption('a source; one for each'))
    .requiredOption('--from <instant>', 'what was served from then on: a date, or an instant in ISO 8601')
    .requiredOption('--to <instant>', 'and before then')
    .requiredOption('--report <file>', 'HTML file to write')
    .option('--json <file>', 'the same as JSON')
    .option('--sample <rows>', 'how many rows are compared', wholeNumber(1), 1000)
    .option('--seed <text>', 'another seed is another sample', 'audit')
    .option('--in-flight <duration>', 'how long an event may be on its way from its arrival to being counted', '5min')
    .addOption(featuresOption())
    .addHelpText(
      'after',
      `${example(
        'audit --served s3://HISTORY/served_rows --from 2026-11-20 --to 2026-11-21',
        '--history transactions=s3://HISTORY/raw/transactions --history labels=s3://HISTORY/raw/labels',
        '--report audit.html',
      )}\n\nIt ends with code 1 if a difference has no explanation.`,
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

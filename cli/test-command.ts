import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { example, featuresOption, historyOption } from './options.ts';
import { count, type Terminal } from './terminal.ts';
import { createTest, type TestCreateOptions } from './test-create.ts';
import { UserError } from './user-error.ts';

const OWN_MODULES = new URL('../shared/registry/own-modules.ts', import.meta.url).href;

/** `test`: tests of declarations. */
export function testCommand(terminal: Terminal, onFailed: () => void): Command {
  return new Command('test')
    .description('Tests of declarations.')
    .addHelpText('after', example('test run tests/*.test.ts'))
    .addCommand(createCommand(terminal))
    .addCommand(runCommand(onFailed));
}

/**
 * Runs files by Node's own runner of tests, for which `fraud-feature-store` need not be installed beside them.
 * @param onFailed is told when one fails.
 */
function runCommand(onFailed: () => void): Command {
  return new Command('run')
    .description('Runs tests by "node --test", in folders that have this package not installed, too.')
    .argument('<files...>', 'such as tests/blocked.test.ts')
    .addHelpText('after', example('test run tests/blocked.test.ts'))
    .action(async (files: string[]) => {
      const missing = files.find((file) => !existsSync(file));
      if (missing !== undefined) throw new UserError(`there is no file ${missing}`);
      // Whether a folder has a package.json that says "module" is its own affair.
      const flags = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', '--import', OWN_MODULES, '--test'];
      // In tests of Node itself, it would leave out these and say that all is well.
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const child = spawn(process.execPath, [...flags, ...files], { stdio: 'inherit', env });
      const [exitCode] = await once(child, 'exit');
      if (exitCode !== 0) onFailed();
    });
}

function createCommand(terminal: Terminal): Command {
  return new Command('create')
    .description(
      'Writes a test for "node --test" from a decision that was served: it sends the events that had been counted, decides, and ' +
        'expects the same features, rules and decision. The events are written as they are, with ids and all.',
    )
    .requiredOption('--decision <event id>', 'id of the decided event')
    .requiredOption('--served <glob>', 'Parquet files, a folder of them, or s3://BUCKET/PREFIX, of served rows')
    .addOption(historyOption('a source; one for each'))
    .requiredOption('--output <file>', 'the test to write, such as tests/blocked.test.ts')
    .option('--service <name[@version]>', 'which service decided, where several did')
    .option(
      '--model <package>',
      'the package of the model that scored it; without it, neither score nor decision is expected',
    )
    .addOption(featuresOption())
    .addHelpText(
      'after',
      example(
        'test create --decision t-1042 --served history/served_rows',
        '--history transactions=history/raw/transactions --history labels=history/raw/labels --output tests/t-1042.test.ts',
      ),
    )
    .action(async (options: TestCreateOptions) => {
      const { service, events, unexpected } = await createTest(options);
      terminal.print(`a decision of ${service} after ${count(events)} events\n  test  ${options.output}`);
      if (unexpected !== undefined) terminal.print(`note: the decision itself is not expected: ${unexpected}`);
    });
}

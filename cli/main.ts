/**
 * The feature store on this machine: `npm run cli -- --help`.
 *
 * Exit codes: 0 done, 2 the request cannot be done as asked (one sentence says why), 1 a defect of ours, or an audit that
 * found differences without an explanation, or a test that failed.
 */
import { Command, CommanderError, Help } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { auditCommand } from './audit-command.ts';
import { backfillCommand } from './backfill-command.ts';
import type { WithBucket } from './decision-bucket.ts';
import { configCommand, modelCommand } from './decision-commands.ts';
import { toldOf, withCode } from './errors.ts';
import { evaluateCommand } from './evaluate-command.ts';
import { importCommand } from './import-command.ts';
import { example } from './options.ts';
import type { Terminal } from './terminal.ts';
import { testCommand } from './test-command.ts';
import { trainingSetCommand } from './training-set-command.ts';

export type { Terminal } from './terminal.ts';

const EXIT_CODES = `Exit codes:
  0  done
  1  a defect, told with a stack trace; of "audit": differences without an explanation; of "test run": a test failed
  2  cannot be done as asked: one sentence says why and what to do, its code in brackets is in docs/errors.md`;

const EXIT_REFUSED = 2;
const EXIT_FINDING = 1;

interface Ports {
  readonly withBucket?: WithBucket;
}

/** The program with all its commands. @param onFinding is told of differences without an explanation, and of tests that failed. */
export function featureStoreProgram(terminal: Terminal, ports: Ports = {}, onFinding: () => void = () => {}): Command {
  const program = new Command('feature-store')
    .description('Training sets, history, audits, backfill, models and decisions, from this machine.')
    // "config show --version 3" is another one.
    .enablePositionalOptions()
    .version(packageJson.version, '--version', 'print the version')
    .addHelpText('after', `${example('import --help')}\n\n${EXIT_CODES}`);
  const commands = [
    trainingSetCommand(terminal),
    importCommand(terminal),
    auditCommand(terminal, onFinding),
    backfillCommand(terminal),
    evaluateCommand(terminal),
    configCommand(terminal, ports.withBucket),
    modelCommand(terminal, ports.withBucket),
    testCommand(terminal, onFinding),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands, ...commands.flatMap((command) => command.commands)]) {
    showRequiredFirst(command);
    command.exitOverride();
    command.configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.printError(text.trimEnd()),
      outputError: (text, write) => write(`feature-store: ${usageOf(text)}`),
    });
  }
  return program;
}

function showRequiredFirst(command: Command): void {
  for (const option of command.options) if (option.mandatory) option.helpGroup('Required:');
  const help = new Help();
  command.configureHelp({
    visibleOptions: (shown) =>
      help.visibleOptions(shown).toSorted((left, right) => Number(right.mandatory) - Number(left.mandatory)),
    // Groups come in the order of what is shown, not of what was declared.
    groupItems: (_declared, shown, groupOf) => help.groupItems(shown, shown, groupOf),
  });
}

/** Commander's `error: …`, perhaps with a second line of what was meant. */
function usageOf(text: string): string {
  return withCode(
    text
      .replace(/^error: /, '')
      .trim()
      .replaceAll(/\s*\n/g, ' '),
    'usage',
  );
}

/** Runs a command line without the program's name. @returns the exit code. */
export async function main(commandLine: readonly string[], terminal: Terminal, ports: Ports = {}): Promise<number> {
  let exitCode = 0;
  const program = featureStoreProgram(terminal, ports, () => {
    exitCode = EXIT_FINDING;
  });
  try {
    await program.parseAsync(commandLine, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_REFUSED;
    const told = toldOf(error);
    if (told === undefined) throw error;
    terminal.printError(`feature-store: ${told}`);
    return EXIT_REFUSED;
  }
}

import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { featureStoreProgram } from '../../../cli/main.ts';

const program = featureStoreProgram({ print: () => {}, printError: () => {} });

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  const texts: string[] = [];
  command.configureOutput({ ...command.configureOutput(), writeOut: (text) => texts.push(text) });
  command.outputHelp();
  return texts.join('');
}

/** Command lines of a help, as words. */
function examplesOf(help: string): string[][] {
  const [, section = ''] = /^Examples?:\n((?: {2}.*\n?)+)/m.exec(help) ?? [];
  const lines = section.replaceAll(/\\\n/g, ' ').split('\n');
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? ''));
}

/** A program whose commands do nothing, and what they were given. */
function idleProgram() {
  const called: string[] = [];
  const idle = featureStoreProgram({ print: () => {}, printError: () => {} });
  for (const command of commandsOf(idle)) {
    if (command.commands.length === 0) command.action(() => void called.push(nameOf(command)));
  }
  return { idle, called };
}

describe.each(commandsOf(program).map((command) => [nameOf(command), command] as const))(
  '%s --help',
  (name, command) => {
    it('ends with an example that can be called', async () => {
      const examples = examplesOf(helpOf(command));
      expect(examples.length).toBeGreaterThan(0);
      for (const [first, ...words] of examples) {
        expect(first).toBe('feature-store');
        const { idle, called } = idleProgram();
        if (words.at(-1) === '--help') {
          await expect(idle.parseAsync(words, { from: 'user' })).rejects.toMatchObject({
            code: 'commander.helpDisplayed',
          });
          continue;
        }
        await idle.parseAsync(words, { from: 'user' });
        expect(called).toEqual([expect.stringMatching(new RegExp(`^${name}\\b`))]);
      }
    });

    it('puts what is required first', () => {
      const help = helpOf(command);
      for (const { long, mandatory } of command.options) {
        const isBefore = help.indexOf(`  ${long} `) < help.indexOf('\nOptions:');
        expect(isBefore, String(long)).toBe(mandatory);
      }
    });
  },
);

it('the program says its exit codes, and an example with an unknown option would not be one', async () => {
  expect(helpOf(program)).toMatch(/Exit codes:\n {2}0 {2}done\n {2}1 .*\n {2}2 .*docs\/errors\.md/);
  const { idle } = idleProgram();
  const words = ['model', 'list', '--bucket', 'x', '--buckets', 'y'];
  await expect(idle.parseAsync(words, { from: 'user' })).rejects.toMatchObject({ code: 'commander.unknownOption' });
});

/** What documents name of this project's commands: scripts of npm, verbs and flags. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { featureStoreProgram } from '../../cli/main.ts';
import { PROJECT_ROOT } from '../../localstack/child-process.ts';
import packageJson from '../../package.json' with { type: 'json' };

const SCRIPTS: Readonly<Record<string, string>> = packageJson.scripts;
const program = featureStoreProgram({ print: () => {}, printError: () => {} });

export interface Reference {
  readonly script: string;
  /** What it is called with, as far as a document says it. */
  readonly words: readonly string[];
}

const FLAG = /--[a-z][a-z-]*/g;

/** Calls of npm scripts in a text of commands. */
export function referencesIn(text: string): Reference[] {
  const calls = text.matchAll(/\bnpm (?:run (?:--silent )?([\w:-]+)|(start|test)\b)(?: -- ([^\n|>&;`]*))?/g);
  return [...calls].map(([, script, shortcut, rest = '']) => ({
    script: script ?? shortcut ?? '',
    words: rest.split(/\s+/).filter((word) => word !== '' && word !== '\\'),
  }));
}

/** Inline code and what is indented as code. A line of a block may go on after a backslash. */
export function codeOf(prose: string): string[] {
  const inline = [...prose.matchAll(/(?<!`)`([^`]+)`(?!`)/g)].map(([, code = '']) => code.replaceAll(/\s+/g, ' '));
  return [...inline, ...[...prose.matchAll(/^ {4}(\S.*)$/gm)].map(([, code = '']) => code)];
}

export function flagsIn(words: readonly string[]): string[] {
  return words.flatMap((word) => /^--[a-z][a-z-]*/.exec(word)?.[0] ?? []);
}

function flagsOf(command: Command): string[] {
  return [
    '--help',
    ...(command === program ? ['--version'] : []),
    ...command.options.flatMap(({ long }) => long ?? []),
  ];
}

/** The command that some words call, and the words that are none. */
function called(command: Command, words: readonly string[]): { command: Command; rest: readonly string[] } {
  const next = command.commands.find((one) => one.name() === words[0]);
  return next === undefined ? { command, rest: words } : called(next, words.slice(1));
}

function problemsOfProgram(words: readonly string[]): string[] {
  const { command, rest } = called(program, words);
  const verb = rest[0] ?? '';
  const isUnknown = command.commands.length > 0 && /^[a-z]/.test(verb);
  if (isUnknown) return [`${command.name()} has no command "${verb}"`];
  const known = flagsOf(command);
  return flagsIn(rest)
    .filter((flag) => !known.includes(flag))
    .map((flag) => `${command.name()} has no option ${flag}`);
}

const helpOf = new Map<string, Promise<string>>();

/** What a program says of itself, or of one of its commands. */
function help(file: string, verb: string | undefined): Promise<string> {
  const argumentList = [file, ...(verb === undefined ? [] : [verb]), '--help'];
  const key = argumentList.join(' ');
  const asked =
    helpOf.get(key) ??
    promisify(execFile)(process.execPath, argumentList, { cwd: PROJECT_ROOT }).then(
      ({ stdout }) => stdout,
      (error: unknown) => String(error),
    );
  helpOf.set(key, asked);
  return asked;
}

/** @returns why a reference leads nowhere. */
export async function problemsOf({ script, words }: Reference): Promise<string[]> {
  const commandLine = SCRIPTS[script];
  if (commandLine === undefined) return [`there is no script ${script}`];
  if (script === 'cli') return problemsOfProgram(words);
  const file = /\S+\.ts/.exec(commandLine)?.[0];
  // What follows `cdk` is its own affair.
  if (file === undefined || file === 'infra/cdk.ts' || words.length === 0) return [];
  const verb = /^[a-z]/.test(words[0] ?? '') ? words[0] : undefined;
  const text = await help(file, verb);
  const [usage = ''] = text.split('\n');
  if (!usage.startsWith('Usage: ') || (verb !== undefined && !usage.split(' ').includes(verb))) {
    return [`${script} does not know "${words[0]}"`];
  }
  const listed: readonly string[] = text.match(FLAG) ?? [];
  return flagsIn(words)
    .filter((flag) => !listed.includes(flag))
    .map((flag) => `${script} has no option ${flag}`);
}

/** Flags of our commands, and of those whose help was asked for before. */
export async function knownFlags(): Promise<ReadonlySet<string>> {
  const walk = (command: Command): string[] => [...flagsOf(command), ...command.commands.flatMap(walk)];
  const helps = await Promise.all(helpOf.values());
  return new Set([...walk(program), ...helps.flatMap((text) => text.match(FLAG) ?? [])]);
}

/** A span of code that begins with a command of ours, such as `config set …`. @returns why it leads nowhere. */
export function spanProblems(span: string): string[] {
  const words = span.replace(/^cli /, '').split(/\s+/);
  const [first] = words;
  const isOurs = span.startsWith('cli ') || (words.length > 1 && program.commands.some((one) => one.name() === first));
  return isOurs ? problemsOfProgram(words) : [];
}

/** Fenced blocks of the documents, and the commands of those that show a terminal. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT_ROOT } from '../../localstack/child-process.ts';

export interface Block {
  /** Path from the root of the project. */
  readonly document: string;
  /** Of its fence. */
  readonly line: number;
  /** `console`, `ts`, `sh` or nothing. */
  readonly language: string;
  readonly text: string;
}

export interface Command {
  readonly command: string;
  /** What the document says that it prints. */
  readonly output: string;
}

/** A document is not as it must be to be tried. The message says where. */
export class DocumentError extends Error {
  override readonly name = 'DocumentError';
}

export function documentPaths(): string[] {
  return ['README.md', ...globSync(['docs/*.md', 'examples/*/README.md'], { cwd: PROJECT_ROOT }).sort()];
}

export function readDocument(path: string): string {
  return readFileSync(join(PROJECT_ROOT, path), 'utf8');
}

/** @throws DocumentError for a fence that nothing closes. */
export function blocksOf(document: string, markdown: string): Block[] {
  const blocks: Block[] = [];
  let open: { fence: string; language: string; line: number; lines: string[] } | undefined;
  for (const [index, text] of markdown.split('\n').entries()) {
    const [, fence = '', language = ''] = /^ {0,3}(`{3,}|~{3,})\s*(\S*)/.exec(text) ?? [];
    if (open === undefined) {
      if (fence !== '') open = { fence, language, line: index + 1, lines: [] };
    } else if (fence.startsWith(open.fence) && language === '') {
      blocks.push({ document, line: open.line, language: open.language, text: open.lines.join('\n') });
      open = undefined;
    } else {
      open.lines.push(text);
    }
  }
  if (open !== undefined) throw new DocumentError(`${document}:${open.line}: nothing closes this fence`);
  return blocks;
}

/** A document without its fenced blocks: prose, tables and what is indented. */
export function proseOf(document: string, markdown: string): string {
  const lines: (string | undefined)[] = markdown.split('\n');
  for (const { line, text } of blocksOf(document, markdown)) {
    lines.fill(undefined, line - 1, line + 1 + text.split('\n').length);
  }
  return lines.filter((line) => line !== undefined).join('\n');
}

/** Lines with `$ ` are commands, which go on while a line ends with a backslash; all else is output. */
export function commandsOf({ document, line, text }: Block): Command[] {
  const commands: { command: string; output: string[] }[] = [];
  let continues = false;
  for (const current of text.split('\n')) {
    const last = commands.at(-1);
    if (continues && last !== undefined) {
      last.command += `\n${current}`;
    } else if (current.startsWith('$ ')) {
      commands.push({ command: current.slice(2), output: [] });
    } else if (last === undefined) {
      throw new DocumentError(`${document}:${line}: output comes before the first command ("$ …")`);
    } else {
      last.output.push(current);
      continue;
    }
    continues = current.endsWith('\\');
  }
  return commands.map(({ command, output }) => ({ command, output: output.join('\n') }));
}

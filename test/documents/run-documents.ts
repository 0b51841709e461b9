/** Runs the blocks of documents as they are printed, in a copy of the project with a product of its own. */

import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, sep } from 'node:path';
import { freePort, LOCAL_DIRECTORY, PROJECT_ROOT } from '../../localstack/child-process.ts';
import { installMiniStack } from '../../localstack/ministack.ts';
import { type Block, blocksOf, commandsOf, documentPaths, readDocument } from './blocks.ts';
import { NOT_RUN, type NotRun } from './not-run.ts';
import { Session } from './session.ts';
import { shapeDifference } from './shape.ts';

const NOT_COPIED = ['.git', '.local', 'node_modules', 'cdk.out', 'coverage'];
/** What was installed once, below `.local`. */
const INSTALLED = ['ministack', 'dynamodb-local', 'trino', 'train/python', 'handbook-models/python'];
/** It stays, for the commands that follow. */
const KEEPS_RUNNING = { command: 'npm start', until: 'Running until you press Ctrl-C.' };

/** A copy of the project as somebody has it who has just installed it. @returns its folder. */
export async function copyProject(): Promise<string> {
  await installMiniStack();
  const copy = await mkdtemp(join(tmpdir(), 'documents-'));
  await cp(PROJECT_ROOT, copy, {
    recursive: true,
    filter: (path) => !NOT_COPIED.includes(relative(PROJECT_ROOT, path).split(sep)[0] ?? ''),
  });
  await symlink(join(PROJECT_ROOT, 'node_modules'), join(copy, 'node_modules'));
  // Older than what is installed, so that nothing is installed anew into the folder that the copy shares.
  await utimes(join(copy, 'package-lock.json'), 0, 0);
  for (const tool of INSTALLED) {
    if (!existsSync(join(LOCAL_DIRECTORY, tool))) continue;
    await mkdir(dirname(join(copy, '.local', tool)), { recursive: true });
    await symlink(join(LOCAL_DIRECTORY, tool), join(copy, '.local', tool));
  }
  return copy;
}

export function allBlocks(): Block[] {
  return documentPaths().flatMap((document) => blocksOf(document, readDocument(document)));
}

export function entryOf(block: Block, table: readonly NotRun[] = NOT_RUN): NotRun | undefined {
  return table.find(({ document, starts }) => document === block.document && block.text.startsWith(starts));
}

/** One block in a shell. @returns what is wrong, each with its place. */
export async function runBlock(session: Session, block: Block): Promise<string[]> {
  const problems: string[] = [];
  for (const { command, output } of commandsOf(block)) {
    const place = `${block.document}:${block.line}: ${command.split('\n')[0]}`;
    const result = await (command === KEEPS_RUNNING.command
      ? session.start(command, KEEPS_RUNNING.until)
      : session.run(command));
    if (result.exitCode !== 0) {
      problems.push(`${place}\n  ended with ${result.exitCode}: ${result.output.trim().slice(-1_000)}`);
      continue;
    }
    const difference = shapeDifference(output, result.output, command);
    if (difference !== undefined) problems.push(`${place}\n  ${difference}`);
  }
  return problems;
}

/**
 * The `console` blocks of all documents, each document in a shell of its own. What the README has started runs until the end.
 * @param options.tries also those that take minutes.
 */
export async function runDocuments(options: { readonly copy: string; readonly tries: boolean }) {
  const port = await freePort();
  const byDocument = Map.groupBy(
    allBlocks().filter((block) => {
      const entry = entryOf(block);
      return block.language === 'console' && (entry === undefined || (entry.isTried && options.tries));
    }),
    ({ document }) => document,
  );
  const sessions: Session[] = [];
  const problems: string[] = [];
  const ran: string[] = [];
  try {
    for (const [document, blocks] of byDocument) {
      const session = new Session({
        directory: options.copy,
        // Somebody else may have the usual port. The block stays as it is printed.
        prelude: `npm() { if [ "$1" = start ]; then command npm start -- --port ${port}; else command npm "$@"; fi; }`,
      });
      sessions.push(session);
      for (const block of blocks) {
        problems.push(...(await runBlock(session, block)));
        ran.push(`${basename(document)}:${block.line}`);
      }
    }
  } finally {
    await Promise.all(sessions.map((session) => session.end()));
  }
  return { problems, ran };
}

export async function removeCopy(copy: string): Promise<void> {
  // Links are removed, and not what they lead to.
  await rm(copy, { recursive: true, force: true });
}

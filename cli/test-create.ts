import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { loadRepository } from '../shared/registry/load-repository.ts';
import { RESERVED_ID_PREFIX } from '../shared/reserved-ids.ts';
import type { Terminal } from './main.ts';
import { withDownloads } from './s3.ts';
import { replayOf } from './test-create/replay.ts';
import { readServedDecision } from './test-create/served-decision.ts';
import { testFileText } from './test-create/test-file.ts';
import { globOf, historyOf } from './training-set.ts';
import { UserError } from './user-error.ts';

export interface TestCreateOptions {
  /** Id of the decided event. */
  readonly decision: string;
  /** Parquet files of served rows, or a folder of them. */
  readonly served: string;
  /** `source=GLOB` each. */
  readonly history: readonly string[];
  readonly service?: string;
  /** Package of the model that scored the decision. */
  readonly model?: string;
  readonly features?: string;
  readonly output: string;
}

export interface TestCreated {
  readonly service: string;
  /** How many events the test sends before it decides. */
  readonly events: number;
  /** Why the decision itself is not expected. */
  readonly unexpected: string | undefined;
}

/** Writes a test that makes a served decision again. @throws UserError */
export async function createTest(options: TestCreateOptions): Promise<TestCreated> {
  const { decision: eventId, service, model, features, output } = options;
  if (existsSync(output)) throw new UserError(`--output ${output} is there already; remove it, or choose another name`);
  if (eventId.startsWith(RESERVED_ID_PREFIX)) {
    throw new UserError(`--decision ${eventId} was forced by its id; choose one that was made`);
  }
  const repository = await loadRepository(features);
  const served = await withDownloads(async (download) =>
    readServedDecision(
      { served: await globOf(options.served, download), history: await historyOf(options.history, download) },
      repository,
      { eventId, service },
    ),
  );
  const replay = await replayOf(repository, served, model);
  await mkdir(dirname(output), { recursive: true });
  await writeFile(output, testFileText(replay, { output, features, model }));
  return { service: replay.service, events: replay.sent.length, unexpected: replay.unexpected };
}

function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** `test`: tests of declarations. */
export function testCommand(terminal: Terminal): Command {
  const create = new Command('create')
    .description(
      'Writes a test for "node --test" from a decision that was served: it sends the events that had been counted, decides, and ' +
        'expects the same features, rules and decision. The events are written as they are, with ids and all.',
    )
    .requiredOption('--decision <event id>', 'id of the decided event')
    .requiredOption('--served <glob>', 'Parquet files, a folder of them, or s3://BUCKET/PREFIX, of served rows')
    .requiredOption(
      '--history <source=glob>',
      'Parquet files, a folder of them, or s3://BUCKET/PREFIX, of a source; one for each',
      collect,
    )
    .requiredOption('--output <file>', 'the test to write, such as tests/blocked.test.ts')
    .option('--service <name[@version]>', 'which service decided, where several did')
    .option(
      '--model <package>',
      'the package of the model that scored it; without it, neither score nor decision is expected',
    )
    .option(
      '--features <module>',
      'TypeScript or JavaScript module that exports "repository"; by default the features that ship',
    )
    .addHelpText(
      'after',
      `
Example:
  feature-store test create --decision t-1042 --served history/served_rows \\
    --history transactions=history/raw/transactions --history labels=history/raw/labels --output tests/t-1042.test.ts
  node --test tests/t-1042.test.ts`,
    )
    .action(async (options: TestCreateOptions) => {
      const { service, events, unexpected } = await createTest(options);
      terminal.print(
        `a decision of ${service} after ${events.toLocaleString('en-US')} events\n  test  ${options.output}`,
      );
      if (unexpected !== undefined) terminal.print(`note: the decision itself is not expected: ${unexpected}`);
    });
  return new Command('test').description('Tests of declarations.').addCommand(create);
}

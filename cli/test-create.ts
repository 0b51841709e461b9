import { existsSync } from 'node:fs';
import { loadRepository } from '../shared/registry/load-repository.ts';
import { RESERVED_ID_PREFIX } from '../shared/reserved-ids.ts';
import { featuresModuleOf } from './repository.ts';
import { withDownloads } from './s3.ts';
import { replayOf } from './test-create/replay.ts';
import { readServedDecision } from './test-create/served-decision.ts';
import { testFileText } from './test-create/test-file.ts';
import { globOf, historyOf } from './training-set.ts';
import { UserError } from './user-error.ts';
import { writeOutput } from './write-output.ts';

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
  const { decision: eventId, service, model, output } = options;
  if (existsSync(output)) throw new UserError(`--output ${output} is there already; remove it, or choose another name`);
  if (eventId.startsWith(RESERVED_ID_PREFIX)) {
    throw new UserError(`--decision ${eventId} was forced by its id; choose one that was made`);
  }
  const features = await featuresModuleOf(options);
  const repository = await loadRepository(features);
  const served = await withDownloads(async (download) =>
    readServedDecision(
      { served: await globOf(options.served, download), history: await historyOf(options.history, download) },
      repository,
      { eventId, service },
    ),
  );
  const replay = await replayOf(repository, served, model);
  await writeOutput(output, testFileText(replay, { output, features, model }));
  return { service: replay.service, events: replay.sent.length, unexpected: replay.unexpected };
}

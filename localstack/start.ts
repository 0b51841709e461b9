/**
 * `npm start`: a feature store on this machine, from nothing to proven decisions.
 *
 * 1. Start an AWS endpoint and deploy both stacks to it with `cdk`.
 * 2. Stream traffic through Kinesis and the deployed consumers, by a poller with Lambda's failure rules.
 * 3. Read features back, decide events, and compare every feature with the naive oracle.
 * 4. Everything that was sent and answered lands as history; training sets of it must equal the oracle, too.
 * 5. Until Ctrl-C: what is edited in the declarations is deployed, and tried, within seconds.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { toldOf } from '../cli/errors.ts';
import { wireNameOf } from '../shared/definitions/decode-event.ts';
import { checkTypes } from '../shared/registry/check-types.ts';
import { loadRepository } from '../shared/registry/load-repository.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import { WORKING_DIRECTORY } from '../shared/registry/working-directory.ts';
import { beforeEnd, LocalEnvironmentError, type LocalServer, messageOf } from './child-process.ts';
import { deployLocally, EXAMPLE } from './deploy.ts';
import { envFileIn, sourceLine, writeEnvFile } from './env-file.ts';
import { type LocalHistory, openLocalHistory } from './history/local-history.ts';
import { measureCalls } from './latency.ts';
import { isMiniStackInstalled, startMiniStack } from './ministack.ts';
import { curlLine, latencySentence, shownPath, step } from './report.ts';
import { holdDirectory } from './run-directory.ts';
import { changesOf } from './start/changes.ts';
import { examplePlay, isExample } from './start/example.ts';
import { type Options, parseOptions } from './start/options.ts';
import { generatedPlay, type Play, type Shown } from './start/play.ts';
import { ProofFailedError } from './start/proof.ts';
import { proveLanded, proveOnline, proveTrainingSets } from './start/prove.ts';
import { Session } from './start/session.ts';
import { textOfDeclarations, watchModule } from './start/watch.ts';
import { type Streams, startStreams } from './streams.ts';

/** So long a run that a signal ends waits for batches in flight, of the time that it has. */
const LAST_READ_MILLIS = 2_000;
/** Sent to try what was edited. */
const EVENTS_AFTER_EDIT = 200;

/** What lasts as long as the process. */
interface Run {
  readonly options: Options;
  readonly endpoint: string;
  readonly logFile: string;
  readonly history: LocalHistory | undefined;
  streams?: Streams;
}

async function main(options: Options): Promise<void> {
  const { directory, features } = options;
  const repository = await declarationsOf(features);
  // Before anything is written: the endpoint's log would be the first.
  const release = await holdDirectory(directory);
  await writeFile(join(directory, '.gitignore'), '*\n');
  const server = options.endpoint === undefined ? await startEndpoint(options) : undefined;
  if (existsSync(join(directory, 'history', 'raw'))) {
    console.log(
      `What landed below ${shownPath(join(directory, 'history'))} is of an earlier run, and is replaced now.`,
    );
  }
  // Functions of an endpoint that somebody else started may run where this process cannot be reached.
  const history = server && (await openLocalHistory({ directory, repository, onError: warnOfLanding }));
  const endpoint = options.endpoint ?? server?.endpoint ?? '';
  const run: Run = { options, endpoint, logFile: `${directory}/ministack.log`, history };
  const forget = beforeEnd({
    work: async () => {
      // What is read from now on would be counted and land nowhere. Batches in flight may take longer than a signal waits.
      await Promise.race([run.streams?.stop().catch(() => {}), delay(LAST_READ_MILLIS)]);
      await history?.close();
    },
    unfinished: () =>
      `${history?.unlanded() ?? 'The history may lack its last rows'}: the run ended before they landed`,
  });
  try {
    await live(run, repository);
  } finally {
    // It must not hide why the run failed, if it did.
    await history?.close().catch(tellLoss);
    forget();
    await server?.stop();
    release();
  }
}

/** @throws FeaturesModuleError or DefinitionError that says what is wrong. */
async function declarationsOf(features: string): Promise<FeatureRepository> {
  await checkTypes([features]);
  return loadRepository(features);
}

function tellLoss(error: unknown): void {
  console.error(`\n${messageOf(error)}`);
  process.exitCode = 1;
}

function warnOfLanding(error: unknown): void {
  console.error(`Rows of the history could not be landed, and wait: ${String(error)}`);
}

async function live(run: Run, repository: FeatureRepository): Promise<void> {
  const { options, history } = run;
  // An endpoint that was there before may know the entities of earlier runs.
  const prefix = options.endpoint === undefined ? '' : `${Date.now().toString(36)}-`;
  const play =
    options.features === EXAMPLE && isExample(repository) ? examplePlay(repository) : generatedPlay(repository);
  const session = await deploy(run, repository, { prefix, isEdit: false });
  session.answers += await play.begin(session.deployment);
  const shown = await tryOut(session, play, options);
  if (history !== undefined) {
    await proveLanded(history, session);
    await proveTrainingSets(session);
  }
  const calls = shown();
  if (options.once) {
    await run.streams?.stop();
    return;
  }
  // The run is a success from here on; Ctrl-C ends it.
  process.exitCode = 0;
  await invite(run, session, calls);
  await Promise.race([run.streams?.untilAnyEnds(), redeployEdits(run, session)]);
}

/** Deploys declarations, in place of others if there are any, and reads their streams. */
async function deploy(
  run: Run,
  repository: FeatureRepository,
  options: Pick<Session, 'prefix' | 'isEdit'>,
): Promise<Session> {
  const { endpoint, history, logFile } = run;
  const { directory, features } = run.options;
  const deployment = await step({
    label: 'Deploy',
    work: async (onProgress) => {
      await run.streams?.release(repository);
      await history?.declare(repository);
      const landing = history && { landerUrl: history.url };
      const isBootstrapped = run.streams !== undefined;
      return deployLocally({ endpoint, directory, features, onProgress, isBootstrapped, ...landing });
    },
    summary: ({ registryVersion }) => `both stacks, registry version ${registryVersion}`,
  });
  history?.publishTo(deployment);
  await writeEnvFile(deployment, { directory, historyFolder: history?.folder });
  await run.streams?.follow(deployment, repository);
  run.streams ??= await startStreams({
    deployment,
    repository,
    logFile,
    onRead: (source, records) => history?.landStreamed(source, records),
  });
  return new Session({ repository, deployment, streams: run.streams, ...options });
}

/** Sends traffic, reads, decides. @returns what shows some of it. */
async function tryOut(
  session: Session,
  play: Play,
  { events, seed }: Pick<Options, 'events' | 'seed'>,
): Promise<() => readonly Shown[]> {
  const { prefix } = session;
  for (const [source, deliveries] of play.deliveries({ events, seed, prefix })) await session.send(source, deliveries);
  const results = await proveOnline(session);
  await play.decide(session, { events, seed, prefix });
  return () => play.show(results, session);
}

async function startEndpoint({ port, directory }: Options): Promise<LocalServer> {
  return step({
    label: 'Endpoint',
    work: async (update) => {
      update(isMiniStackInstalled() ? 'starting MiniStack' : 'installing MiniStack into .local (once, about 20 s)');
      return startMiniStack({ port, directory });
    },
    summary: ({ endpoint }) => `MiniStack on ${endpoint}`,
  });
}

/** Says how to call what stays, and what does not. */
async function invite({ options, history }: Run, { deployment }: Session, calls: readonly Shown[]): Promise<void> {
  const { apiUrl } = deployment;
  const [measured] = calls.flatMap(({ path, event }) => (path && event ? [{ path, event }] : []));
  if (measured) console.log(`\n${latencySentence(await measureCalls(apiUrl, measured.path, measured.event))}.`);
  console.log(
    `\nAPI  ${apiUrl}\n\nTry, in another terminal\n${sourceLine(envFileIn(options.directory), WORKING_DIRECTORY)}`,
  );
  showCalls(calls);
  const kept = history ? `; what landed stays below ${shownPath(history.folder)} until then` : '';
  console.log(
    `\nEdits of ${shownPath(options.features)} are deployed when they are saved.` +
      `\nDeployment and data end with this run, and the next one begins empty${kept}.` +
      '\nRunning until you press Ctrl-C.',
  );
}

function showCalls(calls: readonly Shown[]): void {
  for (const { service, entity, path, event } of calls) {
    console.log(curlLine('/features', { service: service.key, entities: [entity] }));
    if (path === undefined || event === undefined) continue;
    const { decides } = service;
    console.log(curlLine(path, event, decides && wireNameOf(decides, decides.eventTime)));
  }
}

/** Until the process ends. A fault is told, and what was deployed before stays. */
async function redeployEdits(run: Run, first: Session): Promise<never> {
  let session = first;
  let deployed: string | undefined = await textOfDeclarations();
  for await (const savedAtMillis of watchModule(run.options.features)) {
    try {
      const repository = await declarationsOf(run.options.features);
      const text = await textOfDeclarations();
      if (text === deployed) {
        console.log('\nThe declarations are those that are deployed.');
        continue;
      }
      console.log(`\n${changesOf(session.repository, repository).join('\n')}`);
      // Until it is known to be deployed, the same text is worth another try.
      deployed = undefined;
      session = await deploy(run, repository, { prefix: `${Date.now().toString(36)}-`, isEdit: true });
      deployed = text;
      console.log(`  live ${((Date.now() - savedAtMillis) / 1_000).toFixed(1)} s after it was saved`);
      const shown = await tryOut(session, generatedPlay(repository), { ...run.options, events: EVENTS_AFTER_EDIT });
      showCalls(shown());
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      console.error(
        `\n${reason}\n  What was deployed before goes on. Edit ${shownPath(run.options.features)}, and it is deployed when it is saved.`,
      );
      // A deployment that failed may have let go of streams that it was to remove.
      await run.history?.declare(session.repository);
      await run.streams?.follow(session.deployment, session.repository);
    }
  }
  throw new LocalEnvironmentError(`${run.options.features} can no longer be watched`);
}

/** One sentence, where there is one that says what to do. */
function reasonOf(error: unknown): string | undefined {
  const isOurs = error instanceof LocalEnvironmentError || error instanceof ProofFailedError;
  return isOurs ? error.message : toldOf(error);
}

try {
  await main(await parseOptions());
  process.exit();
} catch (error) {
  const told = reasonOf(error);
  console.error(told === undefined ? error : `\n${told}`);
  process.exit(1);
}

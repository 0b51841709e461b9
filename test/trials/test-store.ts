/**
 * `testStore` against a deployment, one declaration after the other: the same events through the stream, the same decisions
 * and reads through the API, at the same instants.
 *
 * 1. Most events are of the past, so that nothing in the answers hangs on how long the emulator takes.
 * 2. The last ones happen when they are sent, some with ids that force an outcome. How long a view is remembered hangs on
 *    the clock of the deployment, so testStore's clock is moved to what its answer says.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SLOW_ANSWER_MILLIS } from '../../functions/serve/constants.ts';
import { type TestStore, testStore } from '../../functions/testing/index.ts';
import { activateModel, SHIPPED_MODEL } from '../../localstack/activate-model.ts';
import { freePort, PROJECT_ROOT } from '../../localstack/child-process.ts';
import { deployLocally } from '../../localstack/deploy.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { type Streams, startStreams } from '../../localstack/streams.ts';
import { repository as shipped } from '../../shared/features/index.ts';
import { FORCED_OUTCOMES } from '../../shared/reserved-ids.ts';
import { Random } from '../simulation/random.ts';
import { SCENES, type Scene, type Step, stepsOf } from '../support/store-play.ts';
import type { Trial } from './trial.ts';

const STEPS = 1_000;
const SHARE_OF_NOW = 0.2;
const HOUR = 3_600_000;
/** Before now the past ends: further away than any view is remembered. */
const PAST_ENDS_MILLIS = 10 * 60_000;
const SHOWN = 5;

type Json = Readonly<Record<string, unknown>>;

/** A deployment and a test store of the same declarations. */
interface Pair {
  readonly scene: Scene;
  readonly apiUrl: string;
  readonly streams: Streams;
  readonly store: TestStore;
  readonly found: string[];
  compared: number;
}

function progress(text: string): void {
  process.stderr.write(`test-store: ${text}\n`);
}

async function post(url: string, body: unknown): Promise<Json> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** What must be the same: all but how long it took, and when events arrived in each stream. */
function comparable({ latency_ms: _latency, views, ...answer }: Json): string {
  const states = Object.entries(views as Readonly<Record<string, Json>>).map(
    ([view, { updated_at: _updated, age_seconds: _age, ...state }]) => [view, state],
  );
  return JSON.stringify({ ...answer, views: Object.fromEntries(states) });
}

function compare(pair: Pair, step: unknown, deployed: Json, inMemory: Json): void {
  pair.compared++;
  const [expected, actual] = [comparable(deployed), comparable(inMemory)];
  if (expected === actual) return;
  pair.found.push(`${pair.scene.name} ${JSON.stringify(step)}: deployed ${expected}, testStore ${actual}`);
}

/** Where the views of an answer were read, if that was after an instant. */
function readAtMillis(sinceMillis: number, { views }: Json): number {
  const instants = Object.values(views as Readonly<Record<string, { readonly as_of: string }>>);
  return Math.max(sinceMillis, ...instants.map((view) => Date.parse(view.as_of)));
}

async function play(pair: Pair, step: Step): Promise<void> {
  const { scene, apiUrl, streams, store } = pair;
  const sinceMillis = Date.now();
  switch (step.kind) {
    case 'send': {
      const source = scene.repository.sources.find(({ name }) => name === step.source);
      if (source === undefined) throw new Error(`no source ${step.source}`);
      const keyed = step.events.map((event) => ({ event, partitionKey: String(event[source.partitionKey]) }));
      await streams.send(source, keyed);
      store.advanceTo(sinceMillis);
      await store.send(step.source, step.events);
      return;
    }
    case 'decide': {
      const answer = await post(`${apiUrl}/services/${step.service}/decide`, step.event);
      store.advanceTo(readAtMillis(sinceMillis, answer));
      compare(pair, step, answer, await store.decide(step.service, step.event));
      return;
    }
    case 'features': {
      const body = { service: step.service, entities: [step.entity], at: step.atMillis };
      const { results } = await post(`${apiUrl}/features`, body);
      const [answer] = results as readonly Json[];
      store.advanceTo(sinceMillis);
      const inMemory = await store.features(step.service, step.entity, { at: step.atMillis });
      compare(pair, step, answer ?? {}, inMemory);
    }
  }
}

/** Steps that end before now. */
function pastSteps(scene: Scene, seed: number, count: number, nowMillis: number): Step[] {
  const from = (startMillis: number) => stepsOf(scene, new Random(seed), count, startMillis);
  const startMillis = Math.floor(nowMillis / HOUR) * HOUR;
  const lasted = (from(startMillis).at(-1)?.clockMillis ?? startMillis) - startMillis;
  // By whole hours, so that times that are rounded to hours are the same.
  return from(startMillis - Math.ceil((lasted + PAST_ENDS_MILLIS) / HOUR) * HOUR);
}

/** Decisions over events that happen now. Every other one forces an outcome. */
async function playNow(pair: Pair, random: Random, count: number): Promise<void> {
  const deciding = pair.scene.repository.services.flatMap(({ name, decides }) => (decides ? [{ name, decides }] : []));
  for (let index = 0; index < count; index++) {
    const { name, decides } = random.pick(deciding);
    const ordinary = FORCED_OUTCOMES.filter((outcome) => outcome !== 'slow');
    const forced = index === 0 ? 'slow' : index % 2 === 0 ? random.pick(ordinary) : undefined;
    const id = forced === undefined ? `now-${index}` : `feature-store-test:${forced}:${index}`;
    const began = Date.now();
    const event = {
      ...pair.scene.fieldsOf(decides.name, random),
      [decides.eventId]: id,
      [decides.eventTime]: began,
    };
    await play(pair, { kind: 'decide', clockMillis: began, service: name, event });
    const lasted = Date.now() - began;
    if (forced === 'slow' && lasted < SLOW_ANSWER_MILLIS) pair.found.push(`a slow answer took ${lasted} ms`);
  }
}

/** The first answers may come before the store of configurations has been asked. */
async function untilConfigured(pair: Pair): Promise<void> {
  const service = pair.scene.repository.services.find(({ decides }) => decides !== undefined);
  const source = service?.decides;
  if (service === undefined || source === undefined) throw new Error('nothing decides');
  const fields = pair.scene.fieldsOf(source.name, new Random(1));
  for (let tries = 0; tries < 60; tries++) {
    const event = { ...fields, [source.eventId]: 'first', [source.eventTime]: Date.now() - HOUR, mode: 'read-only' };
    const { degraded, configuration_version: version } = await post(
      `${pair.apiUrl}/services/${service.name}/decide`,
      event,
    );
    const isReady = version === (pair.scene.repository === shipped ? 1 : 0) && JSON.stringify(degraded) === '[]';
    if (isReady) return;
    await delay(500);
  }
  throw new Error(`${pair.scene.name} does not decide by its configuration`);
}

async function playScene(scene: Scene, count: number, seed: number): Promise<Pick<Pair, 'found' | 'compared'>> {
  const directory = await mkdtemp(join(tmpdir(), `test-store-${scene.name}-`));
  const server = await startMiniStack({ port: await freePort(), directory });
  let streams: Streams | undefined;
  try {
    progress(`deploying ${scene.name}`);
    const deployment = await deployLocally({
      endpoint: server.endpoint,
      directory,
      onProgress: () => {},
      ...(scene.features !== undefined && { features: join(PROJECT_ROOT, scene.features) }),
    });
    const { repository } = scene;
    const model = repository === shipped ? SHIPPED_MODEL : undefined;
    if (model !== undefined) await activateModel({ deployment, repository, file: model });
    streams = await startStreams({ deployment, repository, logFile: server.logFile });
    const store = testStore(repository, { clock: Date.now(), ...(model !== undefined && { model }) });
    const pair: Pair = { scene, apiUrl: deployment.apiUrl, streams, store, found: [], compared: 0 };
    await untilConfigured(pair);
    progress(`playing ${scene.name}`);
    const now = Math.ceil(count * SHARE_OF_NOW);
    for (const step of pastSteps(scene, seed, count - now, Date.now())) await play(pair, step);
    await playNow(pair, new Random(seed + 1), now);
    return pair;
  } finally {
    await streams?.stop();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

export const testStoreTrial: Trial = {
  name: 'test-store',
  proves: 'testStore answers over random events and instants what a deployment of the same declarations answers.',
  async run({ trials = STEPS, seed = 1 }) {
    const found: string[] = [];
    const compared: Record<string, number> = {};
    const count = Math.ceil(trials / SCENES.length);
    for (const scene of SCENES) {
      const played = await playScene(scene, count, seed);
      found.push(...played.found);
      compared[scene.name] = played.compared;
    }
    for (const text of found.slice(0, SHOWN)) progress(text);
    return {
      json: { steps: count * SCENES.length, compared, failures: found.length },
      ok: found.length === 0 && Object.values(compared).every((answers) => answers > 0),
    };
  },
};

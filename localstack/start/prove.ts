/** Whether what a deployment answers, and what has landed of it, is what the oracle says. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type DecidingService, decidingServices } from '../../functions/routes.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import { featureReference, type WindowedView } from '../../shared/definitions/view.ts';
import {
  decidedDelivery,
  decidedSources,
  type HistoryDelivery,
  rowLogDelivery,
  streamDelivery,
} from '../../shared/offline/deliveries.ts';
import { queryRows, withDuckDb } from '../../shared/offline/embedded/duckdb.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import { type FeaturesResult, makeTrainingSet, readFeatures } from '../api-client.ts';
import type { LocalHistory } from '../history/local-history.ts';
import { differences, type Value } from '../referee.ts';
import { count, shownPath, step } from '../report.ts';
import { ProofFailedError, requireEqual } from './proof.ts';
import { asOfIn, entityRows, type Session } from './session.ts';

const ENTITIES_MAX = 60;
const SPINE_ROWS_MAX = 40;
const LANDED_WITHIN_MILLIS = 30_000;

type Asked = Pick<FeatureService, 'key' | 'views' | 'features'>;

/**
 * Reads the features of every service, and of the views that belong to none, for entities that had events.
 * @returns the answers by the key of the service. @throws ProofFailedError with examples of what differs.
 */
export async function proveOnline(session: Session): Promise<ReadonlyMap<string, readonly FeaturesResult[]>> {
  const { results } = await step({
    label: 'Verify',
    work: async () => {
      const results = new Map<string, readonly FeaturesResult[]>();
      let compared = 0;
      for (const asked of everythingAsked(session)) {
        const read = await proveService(session, asked);
        compared += read.compared;
        results.set(asked.key, read.results);
      }
      if (compared === 0 && !session.isEdit)
        throw new ProofFailedError('No feature was compared: no event has join keys of a view that are of this run');
      return { results, compared };
    },
    summary: ({ results, compared }) => {
      const entities = [...results.values()].reduce((sum, { length }) => sum + length, 0);
      return `${count(compared)} features of ${count(entities)} entities equal the oracle's`;
    },
  });
  const silent = session.repository.views.filter(({ key }) => !session.telling.has(key)).map(({ key }) => key);
  if (silent.length > 0 && !session.isEdit) {
    console.log(`  every feature of ${silent.join(', ')} was 0 or null: no generated event is counted there`);
  }
  return results;
}

function saysSomething(value: Value | undefined): boolean {
  return value !== undefined && value !== null && value !== 0;
}

/** Services, and each view that is in none of them. */
function everythingAsked({ repository: { services, views } }: Session): Asked[] {
  const alone = views.filter((view) => !services.some((service) => service.views.includes(view)));
  return [...services, ...alone.map(viewAlone)];
}

function viewAlone(view: WindowedView): Asked {
  const features = view.features.map((feature, index) => ({ ...feature, view, index }));
  return { key: view.key, views: [view], features };
}

async function proveService(session: Session, { key, views, features }: Asked) {
  const entities = entityRows(session, views, ENTITIES_MAX);
  const isService = session.repository.services.some((service) => service.key === key);
  const asked = isService
    ? { service: key }
    : { features: features.map(({ view, name }) => featureReference(view, name)) };
  const askedAtMillis = Date.now();
  const results = await readFeatures(session.deployment.apiUrl, asked, entities);
  session.answers += results.length;
  if (results.length !== entities.length)
    throw new ProofFailedError(`${results.length} entities were answered instead of ${entities.length}`);
  let compared = 0;
  const found = results.flatMap((result, index) => {
    const row = entities[index] ?? {};
    const known = session.comparable(features, row);
    compared += known.length;
    const expected = session.referee.expected({ features: known, derived: [] }, row, asOfIn(result, askedAtMillis));
    for (const { view, name } of known) if (saysSomething(expected[name]?.value)) session.telling.add(view.key);
    return differences(`${key} of ${JSON.stringify(row)}`, expected, result.features);
  });
  if (found.length > 0) requireEqual(found, compared);
  return { results, compared };
}

/** @throws ProofFailedError when rows are missing, or are there more than once. */
export async function proveLanded(history: LocalHistory, session: Session): Promise<void> {
  const { repository, streamed, decided, answers } = session;
  const wanted: [HistoryDelivery, number][] = [
    ...repository.sources.map(
      (source) => [streamDelivery(source), streamed.get(source.name) ?? 0] as [HistoryDelivery, number],
    ),
    ...decidedSources(repository).map(
      (source) => [decidedDelivery(source), decided.get(source.name)?.length ?? 0] as [HistoryDelivery, number],
    ),
    [rowLogDelivery(ROW_LOGS.served), answers],
  ];
  await step({
    label: 'History',
    work: async () => {
      const untilMillis = Date.now() + LANDED_WITHIN_MILLIS;
      for (;;) {
        await history.flush();
        const missing: string[] = [];
        for (const [delivery, rows] of wanted) {
          const landed = await landedRows(history.folder, delivery);
          if (landed !== rows)
            missing.push(`${landed} of ${rows} rows ${delivery.fileNameBeginning}… below ${delivery.prefix}`);
        }
        if (missing.length === 0) return;
        if (Date.now() > untilMillis) throw new ProofFailedError(`Not everything has landed: ${missing.join(', ')}`);
        await delay(500);
      }
    },
    summary: () => {
      const rows = wanted.reduce((sum, [, wantedRows]) => sum + wantedRows, 0);
      return `${count(rows - answers)} events and ${count(answers)} answers landed as Parquet, below ${shownPath(history.folder)}`;
    },
  });
}

/** Rows in the files of a delivery. */
export async function landedRows(folder: string, { prefix, fileNameBeginning }: HistoryDelivery): Promise<number> {
  const files = join(folder, prefix, '**', `${fileNameBeginning}*.parquet`);
  return withDuckDb({}, async (connect) => {
    const connection = await connect();
    const [[found] = []] = await queryRows(connection, 'SELECT count(*) FROM glob($1)', [files]);
    if (Number(found) === 0) return 0;
    const [[rows] = []] = await queryRows(connection, 'SELECT count(*) FROM read_parquet($1)', [files]);
    return Number(rows);
  });
}

/**
 * A training set of every service that decides: the newest events of each, with all of their features as everything is known
 * now. @throws ProofFailedError with examples.
 */
export async function proveTrainingSets(session: Session): Promise<void> {
  const services = decidingServices(session.repository.services);
  if (services.length === 0) return;
  await step({
    label: 'Training',
    work: async () => {
      let rows = 0;
      let features = 0;
      for (const deciding of services) {
        const made = await proveTrainingSet(session, deciding);
        rows += made.rows;
        features += made.compared;
      }
      return { rows, features };
    },
    summary: ({ rows, features }) =>
      `${count(rows)} rows with ${count(features)} features by POST /training-sets equal the oracle's`,
  });
}

async function proveTrainingSet(session: Session, { service, source }: DecidingService) {
  const knownAt = Date.now();
  const newest = [...(session.known.get(source.name)?.values() ?? [])].slice(-SPINE_ROWS_MAX);
  const spine = newest.map(({ values, timeMillis }) => ({ ...values, timestamp: timeMillis, known_at: knownAt }));
  const made = await rowsOf(await makeTrainingSet(session.deployment.apiUrl, service.key, spine));
  if (made.length !== spine.length)
    throw new ProofFailedError(`The training set has ${made.length} rows instead of ${spine.length}`);
  let compared = 0;
  const found = newest.flatMap((event, index) => {
    const features = session.comparable(service.features, event.values);
    const expected = session.referee.expectedInHistory({ ...service, features }, event);
    compared += Object.keys(expected).length;
    return differences(`${service.key} trained at ${event.id}`, expected, made[index] ?? {});
  });
  requireEqual(found, compared);
  return { rows: spine.length, compared };
}

/** The rows of a small Parquet file, in its order. */
async function rowsOf(content: Uint8Array): Promise<Record<string, Value>[]> {
  const folder = await mkdtemp(join(tmpdir(), 'training-set-'));
  try {
    const file = join(folder, 'rows.parquet');
    await writeFile(file, content);
    return await withDuckDb({}, async (connect) => {
      const read = await (await connect()).runAndReadAll('SELECT * FROM read_parquet($1)', [file]);
      return read.getRowObjects().map((row) => {
        const values = Object.entries(row).map(([name, value]) => [name, plain(value)]);
        return Object.fromEntries(values);
      });
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function plain(value: unknown): Value {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return value;
  // Features have no other types.
  return null;
}

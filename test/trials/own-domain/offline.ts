/** What becomes of history: training sets, audits, evaluations, by the commands and by the API. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Json } from '@duckdb/node-api';
import * as z from 'zod';
import type { Evaluation } from '../../../cli/evaluation/evaluate.ts';
import type { SkewReport } from '../../../shared/offline/audit/report.ts';
import { queryRows, withDuckDb } from '../../../shared/offline/embedded/duckdb.ts';
import { evaluationDifferences, middleScore, type ScoredDecision } from '../../support/landed-day.ts';
import { readParquet, writeParquet } from '../../support/parquet.ts';
import { API_MANIFEST, MODEL, TRAINING_SET } from './names.ts';
import { untilHolds } from './user.ts';
import type { World } from './world.ts';

/** Of every source, as commands take them. */
export const HISTORY_FLAGS = '--history logins="$HISTORY/raw/logins" --history cases="$HISTORY/raw/cases"';
const SHOWN_MAX = 5;
const POLL_MILLIS = 500;

export function landed(world: World, files: string): string {
  return join(world.user.folder, '.local', 'history', files, '**', '*.parquet');
}

/** Waits until rows of these ids have landed, each at least once. */
export async function untilLanded(world: World, files: string, column: string, ids: readonly string[]): Promise<void> {
  const isThere = await untilHolds(async () => {
    const found = await withDuckDb({}, async (connect) =>
      queryRows(await connect(), `SELECT DISTINCT "${column}" FROM read_parquet($1, union_by_name = true)`, [
        landed(world, files),
      ]),
    );
    const known = new Set(found.map(([id]) => String(id)));
    return ids.every((id) => known.has(id));
  });
  world.checks.that(isThere, `all of ${files} has landed`);
}

/** Waits until everything has landed that a decision or its case was. */
export async function untilAllLanded(world: World): Promise<void> {
  const ids = [...world.decided, ...world.scored].map(({ event }) => String(event.login_id));
  await untilLanded(world, 'served_rows', 'event_id', ids);
  await untilLanded(world, 'raw/logins', 'login_id', ids);
  await untilLanded(world, 'raw/cases', 'login_id', ids);
}

/** The decided logins as a spine, as somebody makes it of what landed; then its training set must be what was served. */
export async function makeTrainingSets(world: World): Promise<void> {
  const { user, checks } = world;
  await untilAllLanded(world);
  const inOrder = `
    SELECT s.event_id AS login_id, s.event->>'$.account_id' AS account_id, s.event->>'$.device_id' AS device_id,
      s.event->>'$.country' AS country, CAST(s.event->>'$.is_success' AS BOOLEAN) AS is_success,
      CAST(s.event->>'$.typing_ms' AS INTEGER) AS typing_ms, CAST(s.event->>'$.at' AS BIGINT) AS "timestamp",
      s.served_at AS known_at, c.is_takeover
    FROM read_parquet('${landed(world, 'served_rows')}') s JOIN read_parquet('${landed(world, 'raw/cases')}') c ON c.login_id = s.event_id
    WHERE s.service = 'login_check@1' AND s.event_status = 'applied' AND s.event_id LIKE 'own-%'
    ORDER BY s.served_at`;
  await writeParquet(join(user.folder, 'spine.parquet'), inOrder);
  await user.run(
    `feature-store training-set --service login_check --spine spine.parquet ${HISTORY_FLAGS} --output ${TRAINING_SET}`,
  );
  compareRows(world, await readParquet(join(user.folder, TRAINING_SET)), 'training-set');
  const manifest = Manifest.parse(JSON.parse(await readFile(join(user.folder, 'training.manifest.json'), 'utf8')));

  const spine = (await readParquet(join(user.folder, 'spine.parquet'))).map((row) => ({
    ...row,
    timestamp: Number(row.timestamp),
    known_at: Number(row.known_at),
  }));
  const made = await trainingSetOfApi(world, spine);
  compareRows(world, made.rows, 'POST /training-sets');
  checks.equal(made.manifest.definitions, manifest.definitions, 'by which definitions the API computed features');
  checks.equal(made.manifest.registryVersion, manifest.registryVersion, 'of which declarations the API made it');
  await writeFile(join(user.folder, API_MANIFEST), JSON.stringify(made.manifest));
}

const Manifest = z.looseObject({ registryVersion: z.string(), definitions: z.record(z.string(), z.string()) });
const Queued = z.object({ id: z.string() });
const Made = z.object({ state: z.string(), download_url: z.string().optional(), manifest: Manifest.optional() });

async function trainingSetOfApi({ client, user }: World, spine: readonly object[]) {
  const { id } = Queued.parse((await client.call('POST', '/training-sets', { service: 'login_check', spine })).body);
  for (;;) {
    const {
      state,
      download_url: url,
      manifest,
      ...answer
    } = Made.parse((await client.call('GET', `/training-sets/${id}`)).body);
    if (state === 'succeeded' && url !== undefined && manifest !== undefined) {
      const file = join(user.folder, 'api.parquet');
      await writeFile(file, new Uint8Array(await (await fetch(url)).arrayBuffer()));
      return { rows: await readParquet(file), manifest };
    }
    if (state === 'failed') throw new Error(`the training set failed: ${JSON.stringify(answer)}`);
    await delay(POLL_MILLIS);
  }
}

function compareRows({ checks, decided }: World, rows: readonly Record<string, Json>[], what: string): void {
  checks.equal(rows.length, decided.length, `${what}: rows`);
  const byId = new Map(rows.map((row) => [row.login_id, row]));
  let compared = 0;
  const differences = decided.flatMap(({ event, answer }) =>
    Object.entries(answer.features).flatMap(([feature, served]) => {
      compared++;
      const found = byId.get(String(event.login_id))?.[feature];
      const trained = typeof served === 'number' ? Number(found) : found;
      return trained === served
        ? []
        : [`${String(event.login_id)} ${feature} is ${JSON.stringify(found)}, and was served as ${served}`];
    }),
  );
  checks.none(differences.slice(0, SHOWN_MAX), compared, `${what} has what was served`);
}

/** Whatever differs was on its way through the stream when it was served, or has its reason in the declarations. */
export async function auditServed(world: World): Promise<void> {
  const { user, checks } = world;
  await untilAllLanded(world);
  const from = new Date(world.backfilledAtMillis ?? 0).toISOString();
  const bounds = `--from ${from} --to ${new Date(Date.now() + 1_000).toISOString()} --sample 100000`;
  const { code, stderr, stdout } = await user.shell(
    `. .local/env\nfeature-store audit --served "$HISTORY/served_rows" ${HISTORY_FLAGS} ${bounds} --report audit.html --json audit.json`,
  );
  checks.equal(code, 0, `audit: exit code (${stderr.trim()} ${stdout.slice(-500)})`);
  const report: SkewReport = JSON.parse(await readFile(join(user.folder, 'audit.json'), 'utf8'));
  checks.that(report.rows > 0, 'audit compares rows');
  checks.equal(report.unreadable, 0, 'audit: rows that cannot be understood');
  for (const { feature, rows, equal, otherDefinition, unexplained } of report.features) {
    checks.equal(unexplained, 0, `audit: differences of ${feature} without an explanation`);
    const sentence = `audit: ${feature} is equal in ${equal} of ${rows} rows, and ${otherDefinition} were defined otherwise`;
    checks.that(equal + otherDefinition > rows / 2, sentence);
  }
}

const Scores = z.record(z.string(), z.number());

/** Measures by labels of a schema of its own, and as a naive count does. */
export async function evaluateServed(world: World): Promise<void> {
  const { user, checks } = world;
  await untilAllLanded(world);
  const asOf = new Date(Date.now() + 1_000).toISOString();
  const scored = await scoredDecisions(world);
  const threshold = middleScore(scored);
  await user.run(
    `feature-store evaluate --served "$HISTORY/served_rows" --labels "$HISTORY/raw/cases" --as-of ${asOf} --maturity 1ms ` +
      `--champion ${MODEL} --threshold ${MODEL}=${threshold} --draws 10 --report evaluation.html --json evaluation.json`,
  );
  const evaluation: Evaluation = JSON.parse(await readFile(join(user.folder, 'evaluation.json'), 'utf8'));
  checks.none(evaluationDifferences(evaluation, scored, threshold), 5, 'evaluate');
  checks.that(evaluation.frauds > 0, 'evaluate knows takeovers');
}

async function scoredDecisions(world: World): Promise<ScoredDecision[]> {
  const served = (await readParquet(landed(world, 'served_rows'))).toSorted(
    (left, right) => Number(left.served_at) - Number(right.served_at),
  );
  const said = new Map(
    (await readParquet(landed(world, 'raw/cases')))
      .toSorted((left, right) => Number(left.closed_at) - Number(right.closed_at))
      .map((row) => [row.login_id, row.is_takeover === true]),
  );
  const first = new Map<Json | undefined, number>();
  for (const { event_id: id, scores } of served) {
    const score = typeof scores === 'string' ? Scores.parse(JSON.parse(scores))[MODEL] : undefined;
    if (score !== undefined && !first.has(id)) first.set(id, score);
  }
  return [...first].map(([id, score]) => ({ score, isFraud: said.get(id ?? null) ?? false }));
}

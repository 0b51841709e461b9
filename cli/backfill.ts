import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { clientConfiguration } from '../functions/aws-clients.ts';
import { type Duration, parseDuration } from '../shared/definitions/duration.ts';
import type { WindowedView } from '../shared/definitions/view.ts';
import { withBackfillHistory } from '../shared/offline/embedded/backfill-history.ts';
import { type BackfillOutcome, backfillView } from '../shared/online/backfill.ts';
import { DynamoDbOnlineStore } from '../shared/online/dynamodb/dynamodb-store.ts';
import { withRetries } from '../shared/online/retry.ts';
import type { OnlineStore } from '../shared/online/store.ts';
import { explainAws } from './explain-aws.ts';
import { findView, repositoryOf } from './repository.ts';
import { type Download, withDownloads } from './s3.ts';
import { count } from './terminal.ts';
import { historyOf } from './training-set.ts';
import { UserError } from './user-error.ts';

export interface BackfillOptions {
  readonly view: string;
  /** `source=GLOB`, of the view's source. */
  readonly history: readonly string[];
  readonly table: string;
  readonly endpoint?: string;
  readonly features?: string;
  /** How long after its arrival an event is in history for certain. */
  readonly landingDelay: Duration;
  readonly concurrency: number;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface BackfillSummary {
  readonly entities: number;
  /** Of what was written. */
  readonly events: number;
  readonly items: Readonly<Record<BackfillOutcome, number>>;
  readonly seconds: number;
  readonly writeUnits: number;
  /** The first error of an item that failed or was refused; its message names no entity. */
  readonly error: unknown;
}

/** One call of the store, repeated. What is not done by then is reported, and done by the next run. */
const RETRY_MILLIS = 60_000;
const PROBE_MILLIS = 5_000;
const REQUEST_TIMEOUT_MILLIS = 5_000;

/**
 * Merges the history of a view into its items while the stream runs.
 * @throws UserError, HistoryError when that cannot be done as asked; nothing was written then.
 */
export async function runBackfill(options: BackfillOptions, clock: () => number): Promise<BackfillSummary> {
  const startedAt = performance.now();
  const view = findView(await repositoryOf(options), options.view);
  refuseTooEarly(view, parseDuration('--landing-delay', options.landingDelay), clock());
  return withDownloads(async (download) => {
    const path = await pathOf(view, options.history, download);
    const summary = await backfillTable(view, path, options, clock);
    return { ...summary, seconds: (performance.now() - startedAt) / 1_000 };
  });
}

async function backfillTable(
  view: WindowedView,
  path: string,
  options: BackfillOptions,
  clock: () => number,
): Promise<Omit<BackfillSummary, 'seconds'>> {
  const consumed = { writeUnits: 0 };
  const client = new DynamoDBClient({
    ...clientConfiguration({ requestTimeoutMillis: REQUEST_TIMEOUT_MILLIS }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
  });
  try {
    const store = new DynamoDbOnlineStore({
      client,
      tableName: options.table,
      onConsumedCapacity: ({ writeUnits }) => {
        consumed.writeUnits += writeUnits;
      },
    });
    await requireUsable(store, options.table);
    const summary = await backfillFromFiles(view, path, options, { store: retrying(store), clock });
    return { ...summary, writeUnits: consumed.writeUnits };
  } finally {
    client.destroy();
  }
}

function refuseTooEarly({ key, layout: { liveFromMillis } }: WindowedView, landingMillis: number, now: number): void {
  if (liveFromMillis === undefined) {
    throw new UserError(
      `view ${key} counts all that arrives, so its history would be counted twice; declare liveFrom in a new version of ` +
        'it, deploy that before the instant has come, and backfill after it',
    );
  }
  const wait = liveFromMillis + landingMillis;
  if (now >= wait) return;
  const instant = (millis: number) => new Date(millis).toISOString();
  throw new UserError(
    `view ${key} is live from ${instant(liveFromMillis)}, and what arrives before then may not be in history until ` +
      `${instant(wait)}; try again then, or shorten --landing-delay if all of it has landed`,
  );
}

async function pathOf(view: WindowedView, entries: readonly string[], download: Download): Promise<string> {
  const history = await historyOf(entries, download);
  const path = history[view.source.name];
  const names = Object.keys(history);
  if (path !== undefined && names.length === 1) return path;
  throw new UserError(
    `--history: view ${view.key} takes the history of ${view.source.name} alone, not ${names.join(', ')}`,
  );
}

/** Finds out before any work is done that there is no such table, no connection or no permission. */
async function requireUsable(store: OnlineStore, table: string): Promise<void> {
  try {
    await withRetries(store, { signal: AbortSignal.timeout(PROBE_MILLIS) }).get(['backfill']);
  } catch (error) {
    throw explainAws(error, `the table ${table}`) ?? error;
  }
}

function retrying(store: OnlineStore): OnlineStore {
  const patient = () => withRetries(store, { signal: AbortSignal.timeout(RETRY_MILLIS) });
  return {
    update: (key, update, updateOptions) => patient().update(key, update, updateOptions),
    get: (keys, getOptions) => patient().get(keys, getOptions),
  };
}

async function backfillFromFiles(
  view: WindowedView,
  path: string,
  { concurrency, onProgress }: BackfillOptions,
  ports: Parameters<typeof backfillView>[0],
): Promise<Pick<BackfillSummary, 'entities' | 'events' | 'items' | 'error'>> {
  return withBackfillHistory(view, path, {}, async ({ entityCount, entities }) => {
    const items = { written: 0, done: 0, expired: 0, tooLarge: 0, refused: 0, failed: 0 };
    let done = 0;
    let events = 0;
    let firstError: unknown;
    for await (const ofEntity of backfillView(ports, view, entities, concurrency)) {
      for (const item of ofEntity) {
        items[item.outcome]++;
        if (item.outcome === 'written') events += item.events;
        if (item.outcome === 'failed' || item.outcome === 'refused') firstError ??= item.error;
      }
      done++;
      onProgress?.({ done, total: entityCount });
    }
    return { entities: done, events, items, error: firstError };
  });
}

/** The summary as it is printed. */
export function backfillText({ items, entities, events, seconds, writeUnits, error }: BackfillSummary): string {
  const reason = error instanceof Error ? `: ${(explainAws(error) ?? error).message}` : '';
  const others = [
    [items.done, 'done before'],
    [items.expired, 'so old that they would have expired'],
    [items.tooLarge, 'too large for an item: give the view lanes, in a new version'],
    [items.refused, `refused by the store, and again the next time${reason}`],
    [items.failed, `failed, run it again${reason}`],
  ] as const;
  return [
    `${count(items.written)} items written, with ${count(events)} events; ${count(entities)} entities in history; ` +
      `${seconds.toFixed(1)} s, ${count(writeUnits)} write units`,
    ...others.filter(([number]) => number > 0).map(([number, what]) => `  ${count(number)} ${what}`),
  ].join('\n');
}

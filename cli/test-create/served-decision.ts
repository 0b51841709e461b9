/** One decision as it was served, and the events by which it was made, out of Parquet files. */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import { namesEntity } from '../../shared/definitions/entity.ts';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { WindowedView } from '../../shared/definitions/view.ts';
import {
  parseServedRecord,
  SERVED_RECORD_COLUMNS,
  type ServedRecord,
  type StoredRow,
} from '../../shared/offline/audit/served-record.ts';
import { eventsOfDeliveries } from '../../shared/offline/audit/stored-events.ts';
import { parquetFiles, queryRows, quoted, withDuckDb } from '../../shared/offline/embedded/duckdb.ts';
import { typedHistory } from '../../shared/offline/embedded/history.ts';
import { reasonOfLibrary } from '../../shared/offline/library-reason.ts';
import { ARRIVED_AT } from '../../shared/offline/offline-store.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import { reachMillis } from '../../shared/windows/layout.ts';
import { findService } from '../repository.ts';
import { UserError } from '../user-error.ts';

export interface DecisionFiles {
  /** Parquet files of served rows, as a glob. */
  readonly served: string;
  /** Parquet files of the history of sources, each as a glob. */
  readonly history: Readonly<Record<string, string>>;
}

export interface ServedDecision {
  readonly service: FeatureService;
  readonly source: EventSource;
  readonly record: ServedRecord & { readonly event: NonNullable<ServedRecord['event']> };
  readonly decision: string;
  /** `name@version` of the model that decided; null where rules alone did. */
  readonly model: string | null;
  readonly score: number | null;
  /** That had arrived when it was decided, of the entities that the decided event names, as far back as windows reach. */
  readonly events: readonly SourceEvent[];
  /** Ids of events of which an answer says that they were decided: those do not wait for a consumer. */
  readonly decidedIds: ReadonlySet<string>;
}

export interface SourceEvent {
  readonly source: EventSource;
  readonly event: WindowEvent;
}

const COLUMNS = [...SERVED_RECORD_COLUMNS, 'decision', 'model', 'scores'] as const;

/** @throws UserError when there is no such decision, several services made one, or its history is not given. */
export async function readServedDecision(
  files: DecisionFiles,
  repository: FeatureRepository,
  wanted: { readonly eventId: string; readonly service?: string | undefined },
): Promise<ServedDecision> {
  return withDuckDb({}, async (connect) => {
    const connection = await connect();
    const rows = await servedRows(connection, files.served, wanted.eventId);
    const row = decisionOf(rows, repository, wanted);
    const record = parseServedRecord(row);
    if (record?.event == null) throw new UserError(`the served row of ${wanted.eventId} cannot be understood`);
    const service = findService(repository, record.service ?? '');
    if (service.decides === undefined) throw new UserError(`the service ${service.key} no longer decides`);
    const { event } = record;
    const found = new Map<string, SourceEvent>();
    for (const view of service.views) {
      if (!namesEntity(view.entity, event.values)) continue;
      const asOfMillis = record.views[view.key]?.as_of ?? record.servedAtMillis;
      const until = {
        asOfMillis,
        arrivedMillis: isRemembered(view, service, record) ? asOfMillis : record.servedAtMillis,
      };
      for (const one of await eventsOf(connection, view, files, event.values, until)) {
        found.set(`${view.source.name} ${one.id}`, { source: view.source, event: one });
      }
    }
    const events = [...found.values()].sort(
      ({ event: left }, { event: right }) =>
        left.arrivedAtMillis - right.arrivedAtMillis || left.timeMillis - right.timeMillis,
    );
    return {
      service,
      source: service.decides,
      record: { ...record, event },
      decision: row.decision ?? '',
      model: row.model ?? null,
      score: scoreOf(row),
      events,
      decidedIds: await decidedIdsOf(connection, files.served, events),
    };
  });
}

function storedRow(columns: readonly string[], row: readonly DuckDBValue[]): StoredRow {
  return Object.fromEntries(columns.map((name, index) => [name, row[index] == null ? null : String(row[index])]));
}

async function servedRows(connection: DuckDBConnection, served: string, eventId: string): Promise<StoredRow[]> {
  const selected = COLUMNS.map((name) => `CAST(${quoted(name)} AS VARCHAR)`).join(', ');
  try {
    const rows = await queryRows(
      connection,
      `SELECT ${selected} FROM ${parquetFiles(served)} WHERE "event_id" = $1 ORDER BY "served_at"`,
      [eventId],
    );
    return rows.map((row) => storedRow(COLUMNS, row));
  } catch (error) {
    throw new UserError(`served rows, ${served}, cannot be read: ${reasonOfLibrary(error)}`, { cause: error });
  }
}

/** The first answer: later ones are of an event that was decided before. */
function decisionOf(
  rows: readonly StoredRow[],
  repository: FeatureRepository,
  { eventId, service }: { readonly eventId: string; readonly service?: string | undefined },
): StoredRow {
  const key = service === undefined ? undefined : findService(repository, service).key;
  const found = rows.filter((row) => key === undefined || row.service === key);
  const services = [...new Set(found.map((row) => row.service))];
  if (services.length > 1) {
    throw new UserError(`--decision ${eventId} was decided by ${services.join(' and ')}; choose one with --service`);
  }
  const [first] = found;
  if (first !== undefined) return first;
  const bySome = key === undefined ? '' : ` by ${key}`;
  throw new UserError(`--decision ${eventId}: nothing was served${bySome} for an event of this id; look at --served`);
}

/** Whether the view may have been answered from memory, which knew nothing of what came after its `as_of`. */
function isRemembered(
  view: WindowedView,
  { decides }: FeatureService,
  { event, servedAtMillis }: ServedRecord,
): boolean {
  const { cacheForMillis, source } = view;
  if (cacheForMillis === undefined || source === decides) return false;
  return Math.abs(Number(event?.values[decides?.eventTime ?? '']) - servedAtMillis) <= cacheForMillis;
}

function scoreOf({ model, scores }: StoredRow): number | null {
  const score: unknown = model == null ? null : JSON.parse(scores ?? '{}')[model];
  return typeof score === 'number' ? score : null;
}

/** What the windows of a view may hold of an entity: each event once, as it arrived first. */
async function eventsOf(
  connection: DuckDBConnection,
  view: WindowedView,
  { history }: DecisionFiles,
  entity: Readonly<Record<string, FieldValue>>,
  { asOfMillis, arrivedMillis }: { readonly asOfMillis: number; readonly arrivedMillis: number },
): Promise<WindowEvent[]> {
  const { source, layout } = view;
  const glob = history[source.name];
  if (glob === undefined) {
    throw new UserError(`the history of source ${source.name} is not given; add --history ${source.name}=GLOB`);
  }
  const fields = Object.keys(source.fields);
  const relation = await typedHistory(connection, source, glob, { fields });
  const reach = Math.max(...layout.windows.map((window) => reachMillis(window, layout.allowedLatenessMillis)));
  const columns = [...fields, ARRIVED_AT];
  const { joinKeys } = view.entity;
  const isOfEntity = joinKeys.map((joinKey, index) => `CAST(${quoted(joinKey)} AS VARCHAR) = $${index + 1}`);
  const rows = await queryRows(
    connection,
    `SELECT ${columns.map((name) => `CAST(${quoted(name)} AS VARCHAR)`).join(', ')} FROM ${relation}
     WHERE ${isOfEntity.join(' AND ')} AND ${quoted(source.eventTime)} >= ${asOfMillis - reach}
       AND ${quoted(ARRIVED_AT)} <= ${arrivedMillis}`,
    joinKeys.map((joinKey) => String(entity[joinKey])),
  );
  return eventsOfDeliveries(
    source,
    rows.map((row) => storedRow(columns, row)),
  );
}

async function decidedIdsOf(
  connection: DuckDBConnection,
  served: string,
  events: readonly SourceEvent[],
): Promise<ReadonlySet<string>> {
  const ids = new Set(events.map(({ event }) => event.id));
  const rows = await queryRows(
    connection,
    `SELECT DISTINCT "event_id" FROM ${parquetFiles(served)} WHERE "event_id" IN (SELECT unnest(json_extract_string($1, '$[*]')))`,
    [JSON.stringify([...ids])],
  );
  return new Set(rows.map(([id]) => String(id)));
}

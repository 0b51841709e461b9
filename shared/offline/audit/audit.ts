import { hash } from 'node:crypto';
import { entityKeyOf } from '../../definitions/entity.ts';
import type { FieldValue } from '../../definitions/fields.ts';
import type { WindowedView } from '../../definitions/view.ts';
import { LIMITS } from '../../limits.ts';
import { definitionVersions, type FeatureRepository } from '../../registry/manifest.ts';
import type { WindowEvent } from '../../windows/event.ts';
import { reachMillis } from '../../windows/layout.ts';
import type { AuditSample, AuditSource, SampleHistory } from './audit-source.ts';
import { type Declared, type EntityHistory, examineRow, UnreadableRowError } from './examine-row.ts';
import { AuditTally, type SkewReport } from './report.ts';
import { parseServedRecord, type ServedRecord, type StoredRow } from './served-record.ts';
import { eventsOfDeliveries } from './stored-events.ts';

export interface AuditOptions {
  readonly source: AuditSource;
  readonly repository: FeatureRepository;
  readonly sample: AuditSample;
  /** How long an event may be on its way, between arriving in the stream and being counted. */
  readonly inFlightMillis: number;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** Five minutes: what the alarm for stale features allows. */
export const IN_FLIGHT_MILLIS = 5 * 60_000;

/** For longer work in one go, others would wait. */
const ROWS_PER_TURN = 50;

/**
 * Recomputes a sample of what was served from history, and says for each feature how much of it is the same, and why the
 * rest is not.
 */
export async function audit(options: AuditOptions): Promise<SkewReport> {
  const { source, repository, sample, inFlightMillis } = options;
  const declared: Declared = { repository, versions: definitionVersions(repository) };
  const rows = withoutCopies(await source.servedRows(sample));
  // In the order of time: what one row of an entity lacked for good, the later ones lack too.
  const records = rows
    .map(parseServedRecord)
    .filter((record) => record !== undefined)
    .sort((left, right) => left.servedAtMillis - right.servedAtMillis);
  const tally = new AuditTally();
  for (let unreadable = records.length; unreadable < rows.length; unreadable++) tally.addUnreadable();
  const histories = await readHistories(options, records);
  const decided = new Set<string>();
  for (const [index, record] of records.entries()) {
    if (record.event && isCounted(record)) decided.add(record.event.id);
    try {
      const history = (view: WindowedView) => ({ ...historyOf(view, record, histories), decided });
      const findings = examineRow(record, declared, history, inFlightMillis);
      tally.add({ record, entityHash: entityHashOf(record), findings });
    } catch (error) {
      if (!(error instanceof UnreadableRowError)) throw error;
      tally.addUnreadable();
    }
    if ((index + 1) % ROWS_PER_TURN === 0) {
      options.onProgress?.({ done: index + 1, total: records.length });
      await new Promise(setImmediate);
    }
  }
  return tally.report({ ...sample, inFlightMillis, registryVersion: repository.registryVersion });
}

function isCounted({ eventStatus }: ServedRecord): boolean {
  return eventStatus === 'applied' || eventStatus === 'duplicate' || eventStatus === 'skewed';
}

/** A row may land twice; both copies are the same. */
function withoutCopies(rows: readonly StoredRow[]): StoredRow[] {
  return [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()];
}

/** What tells entities apart in a report without naming them. */
function entityHashOf({ entity }: ServedRecord): string {
  return hash('sha256', JSON.stringify(entity)).slice(0, 8);
}

/** Events of the sample's entities by source and entity, as all views of both see them. */
type Histories = ReadonlyMap<string, ReadHistory>;

interface ReadHistory {
  readonly completeFromMillis: number;
  readonly eventsByEntity: ReadonlyMap<string, readonly WindowEvent[]>;
  /** By view and entity. */
  readonly neverCounted: Map<string, Set<string>>;
}

function historyKeyOf({ source, entity }: WindowedView): string {
  return [source.name, ...entity.joinKeys].join(' ');
}

async function readHistories(options: AuditOptions, records: readonly ServedRecord[]): Promise<Histories> {
  const { source, repository, sample } = options;
  const served = repository.views.filter(({ key }) => records.some(({ views }) => views[key] !== undefined));
  const histories = new Map<string, ReadHistory>();
  for (const [key, views] of Map.groupBy(served, historyKeyOf)) {
    const [view] = views;
    const wanted = historyWanted(views, records);
    if (view === undefined || wanted === undefined) continue;
    const deliveries = await source.deliveries(sample, wanted);
    histories.set(key, {
      completeFromMillis: wanted.earliestMillis,
      eventsByEntity: Map.groupBy(eventsOfDeliveries(view.source, deliveries), ({ values }) =>
        entityText(view, values),
      ),
      neverCounted: new Map(),
    });
  }
  return histories;
}

/** From where the longest window of the earliest row begins, until what had arrived when the latest row was served. */
function historyWanted(views: readonly WindowedView[], records: readonly ServedRecord[]): SampleHistory | undefined {
  const [view] = views;
  if (view === undefined) return undefined;
  const reach = Math.max(
    ...views.flatMap(({ layout }) => layout.windows.map((window) => reachMillis(window, layout.allowedLatenessMillis))),
  );
  let earliest = Number.POSITIVE_INFINITY;
  let latest = Number.NEGATIVE_INFINITY;
  for (const record of records) {
    for (const { key } of views) earliest = Math.min(earliest, record.views[key]?.as_of ?? earliest);
    latest = Math.max(latest, record.servedAtMillis);
  }
  return {
    source: view.source,
    joinKeys: view.entity.joinKeys,
    earliestMillis: earliest - reach,
    latestMillis: latest + LIMITS.futureToleranceMillis,
  };
}

/** What is no key of an entity finds no events. */
function entityText({ entity }: WindowedView, values: Readonly<Record<string, FieldValue>>): string {
  const isNamed = entity.joinKeys.every((joinKey) => (values[joinKey] ?? '') !== '');
  return isNamed ? entityKeyOf(entity, values) : '';
}

function historyOf(view: WindowedView, record: ServedRecord, histories: Histories): Omit<EntityHistory, 'decided'> {
  const history = histories.get(historyKeyOf(view));
  const entity = entityText(view, record.entity);
  const events = entity === '' ? [] : (history?.eventsByEntity.get(entity) ?? []);
  const place = `${view.key} ${entity}`;
  const neverCounted = history?.neverCounted.get(place) ?? new Set<string>();
  history?.neverCounted.set(place, neverCounted);
  return {
    events: events.filter(({ values }) => view.includes(values)),
    completeFromMillis: history?.completeFromMillis ?? 0,
    neverCounted,
  };
}

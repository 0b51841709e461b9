import pMap from 'p-map';
import { type DecodedEvent, decodeEventBytes, type EventProblem } from '../../shared/definitions/decode-event.ts';
import { EntityKeyError, entityKeyOf } from '../../shared/definitions/entity.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { WindowedView } from '../../shared/definitions/view.ts';
import { type Applied, applyEvents, type MaintenancePolicy } from '../../shared/online/apply-events.ts';
import { countsOnline } from '../../shared/online/counts-online.ts';
import { type OnlineStore, OnlineStoreItemRefusedError } from '../../shared/online/store.ts';
import { withoutRefusedIds } from '../../shared/reserved-ids.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import type { EventOutcome } from '../../shared/windows/plan.ts';
import { takenApart } from '../kinesis-aggregation.ts';
import type { FeatureLog } from './feature-rows.ts';
import type { Quarantine, QuarantinedRecord } from './quarantine.ts';

/** One record of the stream, as it was delivered, or one of those of which an aggregated record is made. */
export interface StreamRecord {
  readonly sequenceNumber: string;
  /** Place in the aggregated record that has the sequence number, from 0; of any other record undefined. */
  readonly subSequenceNumber?: number;
  readonly partitionKey: string;
  readonly data: Uint8Array;
  /** When the stream took it in, milliseconds. */
  readonly arrivedAtMillis: number;
  /** What went wrong on the way here. Such a record is quarantined, whatever its data look like. */
  readonly deliveryProblem?: string;
}

export interface UpdateWindowsPorts {
  readonly source: EventSource;
  /** The views of `source`. */
  readonly views: readonly WindowedView[];
  /** Retries are its business (`withRetries`): what it throws is taken as its last word. */
  readonly store: OnlineStore;
  readonly quarantine: Quarantine;
  /** Milliseconds since 1970. Without it, freshness is not measured. */
  readonly now?: () => number;
  /** Where the features that an update leaves behind are kept; without it, they are not. */
  readonly featureLog?: FeatureLog;
  /** Ids that force an outcome are quarantined. Default true. */
  readonly production?: boolean;
  /** Default `DEFAULT_MAINTENANCE`. */
  readonly maintenance?: MaintenancePolicy;
  /** How many entities are updated at a time. Default `DEFAULT_CONCURRENCY`. */
  readonly concurrency?: number;
}

/** What became of the events in one view. One event counts once in each of the source's views. */
export interface ViewResult {
  readonly view: WindowedView;
  /** Counted now. */
  readonly applied: number;
  /** Counted before. */
  readonly duplicate: number;
  /** Too far behind the entity's newest event to be counted. */
  readonly late: number;
  /** Not of this view: its `where` is not true of them, they lack its entity, or they are left to backfill. */
  readonly excluded: number;
  /** Per applied event, milliseconds from its arrival to its visibility; empty without `now`. */
  readonly freshnessMillis: readonly number[];
}

/**
 * `received`, `quarantined` and `failed` count events, or what should have been one, and none is both of the latter. An
 * aggregated record counts as the events in it, and as one if it cannot be taken apart. The others are sums over the views. Every
 * event that is neither quarantined nor failed is in each view exactly one of applied, duplicate, late and excluded; so with one
 * view, and unless a view took an event that another one refused,
 * `received = applied + duplicate + late + excluded + quarantined + failed`.
 */
export interface BatchCounts {
  readonly received: number;
  readonly applied: number;
  readonly duplicate: number;
  readonly late: number;
  readonly excluded: number;
  readonly quarantined: number;
  readonly failed: number;
}

export interface BatchResult {
  /**
   * Records to be delivered again, in their order, each once; of an aggregated record with all its events. Whatever of them
   * was counted already will be a duplicate then.
   */
  readonly failedSequenceNumbers: readonly string[];
  readonly counts: BatchCounts;
  /** Fields of the events that their source does not declare and ignores. */
  readonly ignoredFields: number;
  /** In the order of `ports.views`. */
  readonly views: readonly ViewResult[];
  /** What lies in quarantine now. */
  readonly quarantined: readonly QuarantinedRecord[];
  /** Why records failed, one error per failed group, or had no row of their features. They may quote data, so nothing but their names may be logged. */
  readonly errors: readonly unknown[];
}

/** Enough to hide a store's round trips, and half of the connections that its client keeps open. */
export const DEFAULT_CONCURRENCY = 32;

/** The events of one entity for one view, in order of arrival, and the record of each. */
interface EntityGroup {
  readonly tally: ViewTally;
  readonly entityKey: string;
  readonly events: readonly WindowEvent[];
  /** Index of the record of the event at the same place. */
  readonly recordIndexes: readonly number[];
}

/** Counts of a view, while they grow. */
interface ViewTally extends Record<EventOutcome | 'excluded', number> {
  readonly view: WindowedView;
  readonly freshnessMillis: number[];
}

/** What is known of records that did not simply succeed, by index. */
interface Troubles {
  readonly refused: Map<number, readonly EventProblem[]>;
  readonly failed: Set<number>;
  readonly errors: unknown[];
}

/**
 * Folds a batch of records into the features of every view of their source. Never throws: each record ends as counted,
 * quarantined or failed, so nothing is lost without a trace.
 *
 * 1. Take aggregated records apart. From here on, a record is one event, and several may have one sequence number.
 * 2. Decode: a record becomes an event, or a list of problems.
 * 3. Group: `view → entity key → events in order of arrival, those of one instant in order of time`. Groups meet different items, so they run concurrently.
 * 4. Apply each group. What fails takes only its own records along.
 * 5. Quarantine the records that no repetition can help; report the failed ones, so that they are delivered again.
 */
export async function updateWindows(
  delivered: readonly StreamRecord[],
  ports: UpdateWindowsPorts,
): Promise<BatchResult> {
  const records = takenApart(delivered);
  const troubles: Troubles = { refused: new Map(), failed: new Set(), errors: [] };
  const tallies = ports.views.map(newTally);
  const { groups, ignoredFields } = groupEvents(records, ports, tallies, troubles);
  await pMap(groups, (group) => applyGroup(group, ports, troubles), {
    concurrency: ports.concurrency ?? DEFAULT_CONCURRENCY,
  });
  const quarantined = await quarantineRefused(records, ports.quarantine, troubles);
  return {
    failedSequenceNumbers: sequenceNumbersOf(records, troubles.failed),
    counts: countsOf(records.length, tallies, quarantined.length, troubles.failed.size),
    ignoredFields,
    views: tallies,
    quarantined,
    errors: troubles.errors,
  };
}

function newTally(view: WindowedView): ViewTally {
  return { view, applied: 0, duplicate: 0, late: 0, excluded: 0, freshnessMillis: [] };
}

function groupEvents(
  records: readonly StreamRecord[],
  ports: Pick<UpdateWindowsPorts, 'source' | 'production'>,
  tallies: readonly ViewTally[],
  troubles: Troubles,
): { readonly groups: EntityGroup[]; readonly ignoredFields: number } {
  let ignoredFields = 0;
  const decodedEvents: { readonly event: WindowEvent; readonly index: number }[] = [];
  records.forEach((record, index) => {
    guarded(troubles, index, () => {
      const decoded = decodeRecord(ports, record);
      if (!decoded.ok) return refuse(troubles, index, decoded.problems);
      ignoredFields += decoded.ignoredFields;
      decodedEvents.push({ event: decoded.event, index });
    });
  });
  const groups: EntityGroup[] = [];
  const groupers = tallies.map((tally) => newGrouper(tally, groups));
  // What arrives at one instant, as a batch of a producer does, makes nothing of it late: the older ones are counted first.
  decodedEvents.sort(
    ({ event: left }, { event: right }) =>
      left.arrivedAtMillis - right.arrivedAtMillis || left.timeMillis - right.timeMillis,
  );
  for (const { event, index } of decodedEvents) {
    for (const take of groupers) guarded(troubles, index, () => take(event, index));
  }
  return { groups, ignoredFields };
}

/** One record's defect must not keep its neighbours from being counted, nor one view's the other views. */
function guarded(troubles: Troubles, recordIndex: number, step: () => void): void {
  try {
    step();
  } catch (error) {
    if (error instanceof EntityKeyError) {
      refuse(troubles, recordIndex, [{ field: error.field, problem: error.message }]);
    } else fail(troubles, [recordIndex], error);
  }
}

function decodeRecord(
  { source, production = true }: Pick<UpdateWindowsPorts, 'source' | 'production'>,
  { data, arrivedAtMillis, deliveryProblem }: StreamRecord,
): DecodedEvent {
  if (deliveryProblem !== undefined) return { ok: false, problems: [{ field: '', problem: deliveryProblem }] };
  return withoutRefusedIds(source, decodeEventBytes(source, data, arrivedAtMillis), { production });
}

/** Puts events of one view into the group of their entity, which it adds to `groups` when it is new. */
function newGrouper(tally: ViewTally, groups: EntityGroup[]): (event: WindowEvent, recordIndex: number) => void {
  const { view } = tally;
  const known = new Map<string, { readonly events: WindowEvent[]; readonly recordIndexes: number[] }>();
  return (event, recordIndex) => {
    if (!countsOnline(view, event)) {
      tally.excluded++;
      return;
    }
    const entityKey = entityKeyOf(view.entity, event.values);
    let group = known.get(entityKey);
    if (group === undefined) {
      group = { events: [], recordIndexes: [] };
      known.set(entityKey, group);
      groups.push({ tally, entityKey, ...group });
    }
    group.events.push(event);
    group.recordIndexes.push(recordIndex);
  };
}

async function applyGroup(group: EntityGroup, ports: UpdateWindowsPorts, troubles: Troubles): Promise<void> {
  const { tally, entityKey, events, recordIndexes } = group;
  try {
    const applied = await applyEvents(ports.store, tally.view, entityKey, events, ports.maintenance);
    const visibleAtMillis = ports.now?.();
    for (const event of events) count(tally, event, applied.outcomes.get(event), visibleAtMillis);
    logFeatures(group, applied, ports, troubles);
  } catch (error) {
    if (!(error instanceof OnlineStoreItemRefusedError)) fail(troubles, recordIndexes, error);
    else if (events.length > 1) await applyEachAlone(group, ports, troubles);
    else refuseEvent(group, error, troubles);
  }
}

/** The events are counted by now, whatever comes of their rows. */
function logFeatures(
  { tally, events }: EntityGroup,
  { outcomes, items }: Applied,
  { featureLog }: UpdateWindowsPorts,
  { errors }: Troubles,
): void {
  const counted = events.find((event) => outcomes.get(event) === 'applied');
  if (featureLog === undefined || counted === undefined) return;
  try {
    for (const item of items.values()) featureLog.updated(tally.view, counted, item);
  } catch (error) {
    errors.push(error);
  }
}

function count(
  tally: ViewTally,
  event: WindowEvent,
  outcome: EventOutcome | undefined,
  visibleAtMillis: number | undefined,
): void {
  if (outcome === undefined) throw new Error(`view ${tally.view.key}: an event was applied without an outcome`);
  tally[outcome]++;
  if (outcome === 'applied' && visibleAtMillis !== undefined) {
    tally.freshnessMillis.push(visibleAtMillis - event.arrivedAtMillis);
  }
}

/**
 * Part of a group that the store cannot hold may fit, or may have been stored before the refusal. One by one, only
 * events that are not counted end in quarantine; those stored before are duplicates now.
 */
async function applyEachAlone(group: EntityGroup, ports: UpdateWindowsPorts, troubles: Troubles): Promise<void> {
  for (const [index, event] of group.events.entries()) {
    const recordIndexes = group.recordIndexes.slice(index, index + 1);
    await applyGroup({ ...group, events: [event], recordIndexes }, ports, troubles);
  }
}

function refuseEvent(group: EntityGroup, error: Error, troubles: Troubles): void {
  const { key, entity } = group.tally.view;
  const problems = entity.joinKeys.map((field) => ({ field, problem: `view ${key}: ${error.message}` }));
  for (const index of group.recordIndexes) refuse(troubles, index, problems);
}

function refuse({ refused }: Troubles, recordIndex: number, problems: readonly EventProblem[]): void {
  refused.set(recordIndex, [...(refused.get(recordIndex) ?? []), ...problems]);
}

function fail({ failed, errors }: Troubles, recordIndexes: readonly number[], error: unknown): void {
  for (const index of recordIndexes) failed.add(index);
  errors.push(error);
}

/**
 * A failed record is not quarantined: it comes again, and if it is still refused then, it is quarantined then. So is what was
 * aggregated with it, which comes with it and counts as failed until then: nothing of a record is quarantined twice.
 */
async function quarantineRefused(
  records: readonly StreamRecord[],
  quarantine: Quarantine,
  troubles: Troubles,
): Promise<readonly QuarantinedRecord[]> {
  const { refused, failed } = troubles;
  if (refused.size === 0) return [];
  const comingAgain = new Set(sequenceNumbersOf(records, failed));
  const quarantined: QuarantinedRecord[] = [];
  const indexes: number[] = [];
  records.forEach((record, index) => {
    const problems = refused.get(index);
    if (problems === undefined) return;
    if (comingAgain.has(record.sequenceNumber)) {
      failed.add(index);
      return;
    }
    quarantined.push({ ...record, problems });
    indexes.push(index);
  });
  if (quarantined.length === 0) return [];
  try {
    await quarantine.put(quarantined);
    return quarantined;
  } catch (error) {
    fail(troubles, indexes, error);
    return [];
  }
}

function sequenceNumbersOf(records: readonly StreamRecord[], indexes: ReadonlySet<number>): string[] {
  const sequenceNumbers = records.filter((_, index) => indexes.has(index)).map(({ sequenceNumber }) => sequenceNumber);
  return [...new Set(sequenceNumbers)];
}

function countsOf(received: number, tallies: readonly ViewTally[], quarantined: number, failed: number): BatchCounts {
  const total = (outcome: EventOutcome | 'excluded') => tallies.reduce((sum, tally) => sum + tally[outcome], 0);
  return {
    received,
    applied: total('applied'),
    duplicate: total('duplicate'),
    late: total('late'),
    excluded: total('excluded'),
    quarantined,
    failed,
  };
}

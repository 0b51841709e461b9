/** The features of a decided event: counted into the views that it changes, read from the others. */
import { entityKeyOf, namesEntity } from '../../shared/definitions/entity.ts';
import type { EventStatus, FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { WindowedView } from '../../shared/definitions/view.ts';
import { LIMITS } from '../../shared/limits.ts';
import { applyDecidedEvent, type MaintenancePolicy, standingOf } from '../../shared/online/apply-events.ts';
import { countsOnline } from '../../shared/online/counts-online.ts';
import { itemKeyOf, itemKeysOf, laneOf } from '../../shared/online/item-key.ts';
import type { ViewReadings } from '../../shared/online/read-features.ts';
import { type OnlineStore, OnlineStoreError } from '../../shared/online/store.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import type { Item } from '../../shared/windows/item.ts';
import { planUpdate } from '../../shared/windows/plan.ts';
import { readWindows, type WindowReading } from '../../shared/windows/read.ts';
import type { ScoredEvent } from '../../shared/windows/scored.ts';
import type { CachedViews } from './cached-views.ts';

/**
 * The caller waits for maintenance, so it is rare here and worth its write many times over. The stream consumer, which
 * sees the same events, does the bulk of it.
 */
const MAINTENANCE: MaintenancePolicy = { everyEvents: 64, minimumBytesFreed: 8 * 1024 };

export interface DecidedFeatures {
  /** Of the views that answered, in the order of the service. */
  readonly readings: ViewReadings;
  /** Views of `readings` that the event did not change. */
  readonly unchanged: readonly WindowedView[];
  /** Views that the store did not answer for, and why. Those in `readings` all the same were answered from memory. */
  readonly failures: ReadonlyMap<WindowedView, OnlineStoreError>;
  readonly eventStatus: EventStatus;
}

type Standing = ScoredEvent['standing'];

/** What became of one view. */
type Outcome =
  | { readonly view: WindowedView; readonly standing: Standing | undefined; readonly reading: WindowReading }
  | {
      readonly view: WindowedView;
      readonly isCounting: boolean;
      readonly failure: OnlineStoreError;
      readonly remembered: WindowReading | undefined;
    };

/**
 * 1. Views that count such events fold it in with one conditional update each, and are read from the item that it met,
 *    so that no two calls see the same state; the event itself is inside its windows, or outside of those that exclude
 *    it. Read-only, the same is read of the item as it is.
 * 2. The other views of the service are read for the entities that the event names, from memory where they allow it.
 * 3. A view that the store does not answer for in time is answered from memory, if it is slow-moving and was read before,
 *    and else missing. Whether a missing view counts the event is not known: the update may have happened, and the
 *    event's copy on the stream settles it, for nothing is counted twice.
 */
export async function featuresOfDecided(options: {
  readonly store: OnlineStore;
  readonly cachedViews: CachedViews;
  readonly service: FeatureService;
  readonly source: EventSource;
  readonly event: WindowEvent;
  readonly mode: 'apply' | 'read-only';
}): Promise<DecidedFeatures> {
  const { store, cachedViews, service, source, event, mode } = options;
  const count = mode === 'apply' ? applyToView : applyVirtually;
  const outcomes = await Promise.all(
    service.views.map((view): Promise<Outcome> => {
      const isCounting = view.source === source && countsOnline(view, event);
      const work = isCounting ? count(store, view, event) : readOtherView(store, cachedViews, view, event);
      return work.catch((error: unknown) => {
        if (!(error instanceof OnlineStoreError)) throw error;
        const remembered = isCounting ? undefined : cachedViews.peek({ view, row: event.values });
        return { view, isCounting, failure: error, remembered };
      });
    }),
  );
  const answered = outcomes.filter((one) => 'reading' in one);
  const failed = outcomes.filter((one) => 'failure' in one);
  return {
    readings: new Map(
      outcomes.flatMap((one) => {
        const reading = 'reading' in one ? one.reading : one.remembered;
        return reading ? [[one.view, reading] as const] : [];
      }),
    ),
    unchanged: answered.filter(({ standing }) => standing === undefined).map(({ view }) => view),
    failures: new Map(failed.map(({ view, failure }) => [view, failure])),
    eventStatus: eventStatusOf(event, source, outcomes),
  };
}

async function applyToView(store: OnlineStore, view: WindowedView, event: WindowEvent) {
  const entityKey = entityKeyOf(view.entity, event.values);
  const { itemKey, item, scored } = await applyDecidedEvent(store, view, entityKey, event, MAINTENANCE);
  // The update answered with the lane that it changed.
  const otherLanes = itemKeysOf(view, entityKey).filter((key) => key !== itemKey);
  const others = otherLanes.length > 0 ? (await store.get(otherLanes)).filter(isItem) : [];
  const reading = readWindows(view.layout, [item, ...others], event.timeMillis, scored);
  return {
    view,
    standing: scored.standing,
    reading: scored.standing === 'next' ? countedInto(reading, event) : reading,
  };
}

/** As `applyToView`, without an update. Freshness is that of what is stored. */
async function applyVirtually(store: OnlineStore, view: WindowedView, event: WindowEvent) {
  const entityKey = entityKeyOf(view.entity, event.values);
  const keys = itemKeysOf(view, entityKey);
  const items = await store.get(keys);
  const own = items[keys.indexOf(itemKeyOf(view, entityKey, laneOf(view, event)))] ?? {};
  const standing = standingOf(planUpdate(view.layout, [event], own).outcomes, event);
  const reading = readWindows(view.layout, items.filter(isItem), event.timeMillis, { event, standing });
  return { view, standing, reading };
}

/** The freshness of a reading whose items were changed by the event that it was made for. */
function countedInto(reading: WindowReading, { timeMillis, arrivedAtMillis }: WindowEvent): WindowReading {
  return {
    ...reading,
    found: true,
    highWaterMillis: Math.max(timeMillis, reading.highWaterMillis ?? timeMillis),
    arrivedAtMillis: Math.max(arrivedAtMillis, reading.arrivedAtMillis ?? arrivedAtMillis),
  };
}

/** A view that this event does not change. Where it does not name the view's entity, that is an unknown one. */
async function readOtherView(store: OnlineStore, cachedViews: CachedViews, view: WindowedView, event: WindowEvent) {
  const { values: row, timeMillis: instantMillis } = event;
  const reading = namesEntity(view.entity, row)
    ? await cachedViews.read({ store, view, row, instantMillis })
    : readWindows(view.layout, [], instantMillis);
  return { view, standing: undefined, reading };
}

const STATUSES = { next: 'applied', counted: 'applied', repeat: 'duplicate', late: 'late' } as const;

/** What rules are told: the gravest that is true. A time that is not believed is so whether or not a view counts the event. */
function eventStatusOf(event: WindowEvent, source: EventSource, outcomes: readonly Outcome[]): EventStatus {
  if (outcomes.some((one) => 'failure' in one && one.isCounting)) return 'unknown';
  const statuses = outcomes.flatMap((one) => ('standing' in one && one.standing ? [STATUSES[one.standing]] : []));
  if (statuses.includes('late')) return 'late';
  const skewMillis = Math.abs(event.timeMillis - event.arrivedAtMillis);
  if (skewMillis > Math.max(LIMITS.skewToleranceMillis, source.allowedLatenessMillis)) return 'skewed';
  if (statuses.length === 0) return 'unrelated';
  return statuses.includes('duplicate') ? 'duplicate' : 'applied';
}

const isItem = (item: Item | undefined): item is Item => item !== undefined;

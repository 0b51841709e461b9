/** The features of a decided event: counted into the views that it changes, read from the others. */
import { entityKeyOf } from '../../shared/definitions/entity.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { WindowedView } from '../../shared/definitions/view.ts';
import { applyEvents, type MaintenancePolicy } from '../../shared/online/apply-events.ts';
import { countsOnline } from '../../shared/online/counts-online.ts';
import { itemKeyOf, itemKeysOf, laneOf } from '../../shared/online/item-key.ts';
import type { ViewReadings } from '../../shared/online/read-features.ts';
import { type OnlineStore, OnlineStoreError } from '../../shared/online/store.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import type { Item } from '../../shared/windows/item.ts';
import { type EventOutcome, planUpdate } from '../../shared/windows/plan.ts';
import { readWindows, type WindowReading } from '../../shared/windows/read.ts';
import { applyToItem } from '../../shared/windows/update-builder.ts';
import type { CachedViews } from './cached-views.ts';
import type { PredictAnswer } from './schemas.ts';

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
  readonly eventStatus: PredictAnswer['event_status'];
}

/** What became of one view. */
type Outcome =
  | { readonly view: WindowedView; readonly outcome: EventOutcome | undefined; readonly reading: WindowReading }
  | {
      readonly view: WindowedView;
      readonly isCounting: boolean;
      readonly failure: OnlineStoreError;
      readonly remembered: WindowReading | undefined;
    };

/**
 * 1. Views that count such events fold it in with one conditional update each, and are read from the item it returns,
 *    so that no two calls see the same state. Read-only, the same happens to a copy.
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
    unchanged: answered.filter(({ outcome }) => outcome === undefined).map(({ view }) => view),
    failures: new Map(failed.map(({ view, failure }) => [view, failure])),
    eventStatus: mode === 'read-only' ? 'read-only' : eventStatusOf(answered, failed),
  };
}

async function applyToView(store: OnlineStore, view: WindowedView, event: WindowEvent) {
  const entityKey = entityKeyOf(view.entity, event.values);
  const { outcomes, items } = await applyEvents(store, view, entityKey, [event], MAINTENANCE);
  const outcome = outcomeIn(outcomes, event);
  // The update answered with the lane that it changed.
  const otherLanes = itemKeysOf(view, entityKey).filter((key) => !items.has(key));
  const others = otherLanes.length > 0 ? await existing(store, otherLanes) : [];
  const scored = { event, counted: outcome !== 'late' };
  const reading = readWindows(view.layout, [...items.values(), ...others], event.timeMillis, scored);
  return { view, outcome, reading };
}

/** As `applyToView`, to a copy of the item. Freshness is that of what is stored. */
async function applyVirtually(store: OnlineStore, view: WindowedView, event: WindowEvent) {
  const entityKey = entityKeyOf(view.entity, event.values);
  const keys = itemKeysOf(view, entityKey);
  const items = await store.get(keys);
  const changed = keys.indexOf(itemKeyOf(view, entityKey, laneOf(view, event)));
  const before = items[changed] ?? {};
  const { update, outcomes } = planUpdate(view.layout, [event], before);
  const outcome = outcomeIn(outcomes, event);
  const after = update ? applyToItem(before, update) : before;
  const scored = { event, counted: outcome !== 'late' };
  const virtual = readWindows(view.layout, items.with(changed, after).filter(isItem), event.timeMillis, scored);
  const stored = readWindows(view.layout, items.filter(isItem), event.timeMillis);
  return { view, outcome, reading: { ...stored, asOfMillis: virtual.asOfMillis, values: virtual.values } };
}

/** A view that this event does not change. Where it does not name the view's entity, that is an unknown one. */
async function readOtherView(store: OnlineStore, cachedViews: CachedViews, view: WindowedView, event: WindowEvent) {
  const { values: row, timeMillis: instantMillis } = event;
  const isNamed = view.entity.joinKeys.every((key) => (row[key] ?? '') !== '');
  const reading = isNamed
    ? await cachedViews.read({ store, view, row, instantMillis })
    : readWindows(view.layout, [], instantMillis);
  return { view, outcome: undefined, reading };
}

function outcomeIn(outcomes: ReadonlyMap<WindowEvent, EventOutcome>, event: WindowEvent): EventOutcome {
  const outcome = outcomes.get(event);
  if (outcome === undefined) throw new Error('An update left out the outcome of its event.');
  return outcome;
}

function eventStatusOf(
  answered: readonly { readonly outcome: EventOutcome | undefined }[],
  failed: readonly { readonly isCounting: boolean }[],
): PredictAnswer['event_status'] {
  if (failed.some(({ isCounting }) => isCounting)) return 'unknown';
  const outcomes = answered.map(({ outcome }) => outcome).filter((outcome) => outcome !== undefined);
  if (outcomes.length === 0) return 'unrelated';
  return outcomes.find((outcome) => outcome !== 'applied') ?? 'applied';
}

const isItem = (item: Item | undefined): item is Item => item !== undefined;

async function existing(store: OnlineStore, keys: readonly string[]): Promise<Item[]> {
  return (await store.get(keys)).filter(isItem);
}

import type { WindowedView } from '../definitions/view.ts';
import { LIMITS } from '../limits.ts';
import type { WindowEvent } from '../windows/event.ts';
import type { Item, ItemUpdate } from '../windows/item.ts';
import { planMaintenance } from '../windows/maintain.ts';
import { arrivedAtOf, type EventOutcome, planUpdate } from '../windows/plan.ts';
import type { ScoredEvent } from '../windows/scored.ts';
import { applyToItem } from '../windows/update-builder.ts';
import { itemKeyOf, laneOf } from './item-key.ts';
import {
  type OnlineStore,
  OnlineStoreContentionError,
  OnlineStoreError,
  OnlineStoreItemRefusedError,
  OnlineStoreItemTooLargeError,
  type UpdateOptions,
  type UpdateResult,
} from './store.ts';

export interface Applied {
  /** What became of each event. */
  readonly outcomes: ReadonlyMap<WindowEvent, EventOutcome>;
  /** The entity's items that hold these events, as they stand after them; one unless the view has lanes. */
  readonly items: ReadonlyMap<string, Item>;
  /**
   * Events of `outcomes` that are `applied` though their update was refused: its first answer was lost, and the item
   * already holds them, each at exactly its own time.
   */
  readonly ownLost: ReadonlySet<WindowEvent>;
}

/** How often, and from how many bytes on, an update is followed by maintenance of its item. */
export interface MaintenancePolicy {
  /** One of so many events has its update look whether maintenance is worth it: items grow by events, not by updates. */
  readonly everyEvents: number;
  readonly minimumBytesFreed: number;
}

export const DEFAULT_MAINTENANCE: MaintenancePolicy = {
  everyEvents: 4,
  minimumBytesFreed: LIMITS.maintenanceBytesFreed,
};

/**
 * Folds events of one entity into its item: each is counted exactly once, whoever else writes, however often it comes.
 *
 * 1. Plan an update without having read the item; the store makes it if the plan's conditions hold.
 * 2. If not, it answers with the item as it is, and the plan is made again with that.
 * 3. Now and then, shrink the item.
 *
 * @param events in order of arrival.
 * @throws OnlineStoreError what the store throws, and OnlineStoreContentionError when competing writers win every time.
 */
export async function applyEvents(
  store: OnlineStore,
  view: WindowedView,
  entityKey: string,
  events: readonly WindowEvent[],
  maintenance: MaintenancePolicy = DEFAULT_MAINTENANCE,
): Promise<Applied> {
  const items = new Map<string, Item>();
  const outcomes = new Map<WindowEvent, EventOutcome>();
  const ownLost = new Set<WindowEvent>();
  const eventsByItem = Map.groupBy(events, (event) => itemKeyOf(view, entityKey, laneOf(view, event)));
  for (const [key, own] of eventsByItem) {
    for (let first = 0; first < own.length; first += view.layout.eventsPerUpdate) {
      const chunk = own.slice(first, first + view.layout.eventsPerUpdate);
      const applied = await applyToOneItem(store, view, key, chunk, items.get(key));
      items.set(key, applied.item);
      for (const [event, outcome] of applied.outcomes) outcomes.set(event, outcome);
      for (const event of applied.ownLost) ownLost.add(event);
      if (isDue(chunk, maintenance)) await maintain(store, view, key, applied.item, maintenance);
    }
  }
  return { outcomes, items, ownLost };
}

/** One event that was folded in, with the item of its lane as it was before, or as it is where it was not changed. */
export interface AppliedEvent {
  readonly itemKey: string;
  readonly item: Item;
  readonly scored: ScoredEvent;
}

/** As `applyEvents`, for one event that is being decided: what is read of the item can then include or exclude it. */
export async function applyDecidedEvent(
  store: OnlineStore,
  view: WindowedView,
  entityKey: string,
  event: WindowEvent,
  maintenance: MaintenancePolicy,
): Promise<AppliedEvent> {
  const itemKey = itemKeyOf(view, entityKey, laneOf(view, event));
  const options = { returns: 'before' } as const;
  const { outcomes, ownLost, item, update } = await applyToOneItem(store, view, itemKey, [event], undefined, options);
  if (update && isDue([event], maintenance)) {
    await maintain(store, view, itemKey, applyToItem(item, update), maintenance);
  }
  return { itemKey, item, scored: { event, standing: ownLost.has(event) ? 'counted' : standingOf(outcomes, event) } };
}

/** What an item that was not changed yet holds of an event, by its outcome. */
export function standingOf(outcomes: Applied['outcomes'], event: WindowEvent): ScoredEvent['standing'] {
  const outcome = outcomes.get(event);
  if (outcome === undefined) throw new Error('An update left out the outcome of its event.');
  return outcome === 'applied' ? 'next' : outcome === 'duplicate' ? 'repeat' : 'late';
}

/** @returns `update` where one was made; the item is then the one that `options` asks for. */
async function applyToOneItem(
  store: OnlineStore,
  view: WindowedView,
  key: string,
  events: readonly WindowEvent[],
  lastSeen: Item | undefined,
  options?: UpdateOptions,
): Promise<Pick<Applied, 'outcomes' | 'ownLost'> & { readonly item: Item; readonly update: ItemUpdate | undefined }> {
  let seen = lastSeen;
  let ownLost: ReadonlySet<WindowEvent> = new Set();
  let maybeIn: readonly WindowEvent[] = [];
  for (let attempt = 0; attempt < LIMITS.updateAttempts; attempt++) {
    const plan = planUpdate(view.layout, events, seen);
    // An update is made as a whole, so one whose answer was lost was made only if all of its events are in, and was the
    // last one if the item has its arrival: a repeat arrives later. Where that cannot be told, events are duplicates.
    if (maybeIn.length > 0 && maybeIn.every((event) => plan.outcomes.get(event) === 'duplicate')) {
      ownLost = new Set([...ownLost, ...maybeIn]);
    }
    const outcomes = withApplied(plan.outcomes, ownLost);
    // Without anything to count, the plan rests on an item that some answer showed.
    if (plan.update === undefined) return { outcomes, ownLost, item: seen ?? {}, update: undefined };
    const result = await updateMakingRoom(store, view, key, plan.update, options);
    if (result.applied) return { outcomes, ownLost, item: result.item, update: plan.update };
    seen = result.item;
    const isOwn = result.mayBeOwn && arrivedAtOf(seen) === arrivedAtOf(plan.update.set);
    maybeIn = isOwn ? events.filter((event) => plan.outcomes.get(event) === 'applied') : [];
  }
  throw new OnlineStoreContentionError(
    `other writers of view ${view.key} won ${LIMITS.updateAttempts} times in a row; give the view lanes`,
  );
}

function withApplied(outcomes: Applied['outcomes'], events: ReadonlySet<WindowEvent>): Applied['outcomes'] {
  if (events.size === 0) return outcomes;
  return new Map([...outcomes, ...[...events].map((event) => [event, 'applied'] as const)]);
}

/** An item that is full is not changed, so its maintenance never comes due: it is done first, once. */
async function updateMakingRoom(
  store: OnlineStore,
  view: WindowedView,
  key: string,
  update: ItemUpdate,
  options: UpdateOptions | undefined,
): Promise<UpdateResult> {
  try {
    return await store.update(key, update, options);
  } catch (error) {
    if (!(error instanceof OnlineStoreItemTooLargeError)) throw error;
    const [item = {}] = await store.get([key]);
    const maintenance = planMaintenance(view.layout, item);
    if (maintenance === undefined || maintenance.bytesFreed <= 0) throw error;
    await store.update(key, maintenance.update);
    return store.update(key, update, options);
  }
}

async function maintain(
  store: OnlineStore,
  view: WindowedView,
  key: string,
  item: Item,
  policy: MaintenancePolicy,
): Promise<void> {
  const planned = planMaintenance(view.layout, item);
  if (planned === undefined || planned.bytesFreed < policy.minimumBytesFreed) return;
  try {
    await store.update(key, planned.update);
  } catch (error) {
    // Items are right without maintenance, and a later update tries again; a defect is still to be heard of. The events
    // are counted, so nothing that the store refuses of this item may have them quarantined.
    if (error instanceof OnlineStoreItemRefusedError) return;
    if (!(error instanceof OnlineStoreError && error.retryable)) throw error;
  }
}

/** Chosen by the ids of events: a sample that needs no state, falls on every entity, and repeats when replayed. */
function isDue(events: readonly WindowEvent[], { everyEvents }: MaintenancePolicy): boolean {
  return events.some(({ idHash }) => Buffer.from(idHash, 'base64url').readUInt32BE(0) % everyEvents === 0);
}

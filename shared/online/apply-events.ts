import type { WindowedView } from '../definitions/view.ts';
import { LIMITS } from '../limits.ts';
import type { WindowEvent } from '../windows/event.ts';
import type { Item, ItemUpdate } from '../windows/item.ts';
import { planMaintenance } from '../windows/maintain.ts';
import { type EventOutcome, planUpdate, type UpdatePlan } from '../windows/plan.ts';
import type { ScoredEvent } from '../windows/scored.ts';
import { applyToItem } from '../windows/update-builder.ts';
import { itemKeyOf, laneOf } from './item-key.ts';
import {
  type OnlineStore,
  OnlineStoreContentionError,
  OnlineStoreError,
  OnlineStoreItemTooLargeError,
  type UpdateOptions,
  type UpdateResult,
} from './store.ts';

export interface Applied {
  /** What became of each event. */
  readonly outcomes: ReadonlyMap<WindowEvent, EventOutcome>;
  /** The entity's items that hold these events, as they stand after them; one unless the view has lanes. */
  readonly items: ReadonlyMap<string, Item>;
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
  const eventsByItem = Map.groupBy(events, (event) => itemKeyOf(view, entityKey, laneOf(view, event)));
  for (const [key, own] of eventsByItem) {
    for (let first = 0; first < own.length; first += view.layout.eventsPerUpdate) {
      const chunk = own.slice(first, first + view.layout.eventsPerUpdate);
      const applied = await applyToOneItem(store, view, key, chunk, items.get(key));
      items.set(key, applied.item);
      for (const [event, outcome] of applied.outcomes) outcomes.set(event, outcome);
      if (isDue(chunk, maintenance)) await maintain(store, view, key, applied.item, maintenance);
    }
  }
  return { outcomes, items };
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
  const { outcomes, item, update } = await applyToOneItem(store, view, itemKey, [event], undefined, {
    returns: 'before',
  });
  if (update && isDue([event], maintenance)) {
    await maintain(store, view, itemKey, applyToItem(item, update), maintenance);
  }
  return { itemKey, item, scored: { event, standing: standingOf(outcomes, event) } };
}

/** What an item that was not changed yet holds of an event, by its outcome. */
export function standingOf(outcomes: UpdatePlan['outcomes'], event: WindowEvent): ScoredEvent['standing'] {
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
): Promise<{
  readonly outcomes: UpdatePlan['outcomes'];
  readonly item: Item;
  readonly update: ItemUpdate | undefined;
}> {
  let seen = lastSeen;
  for (let attempt = 0; attempt < LIMITS.updateAttempts; attempt++) {
    const { update, outcomes } = planUpdate(view.layout, events, seen);
    // Without anything to count, the plan rests on an item that some answer showed.
    if (update === undefined) return { outcomes, item: seen ?? {}, update };
    const result = await updateMakingRoom(store, view, key, update, options);
    if (result.applied) return { outcomes, item: result.item, update };
    seen = result.item;
  }
  throw new OnlineStoreContentionError(
    `other writers of view ${view.key} won ${LIMITS.updateAttempts} times in a row; give the view lanes`,
  );
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
    // Items are right without maintenance, and a later update tries again; a defect is still to be heard of.
    if (!(error instanceof OnlineStoreError && error.retryable)) throw error;
  }
}

/** Chosen by the ids of events: a sample that needs no state, falls on every entity, and repeats when replayed. */
function isDue(events: readonly WindowEvent[], { everyEvents }: MaintenancePolicy): boolean {
  return events.some(({ idHash }) => Buffer.from(idHash, 'base64url').readUInt32BE(0) % everyEvents === 0);
}

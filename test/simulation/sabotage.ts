import type { WindowedView } from '../../shared/definitions/index.ts';
import { codeOfAttribute, EVENT_IDS_CODE, HEADER, startOfAttribute } from '../../shared/windows/bucket.ts';
import type { ItemUpdate } from '../../shared/windows/item.ts';
import { highWaterOf } from '../../shared/windows/plan.ts';
import type { Sabotage } from './actor-store.ts';

/** Defects that can be planted, to show that the simulator finds them. */
export const BREAKS = [
  'dedup',
  'lateness',
  'prune',
  'max',
  'backfill-ids',
  'backfill-lock',
  'backfill-forget',
] as const;
export type Break = (typeof BREAKS)[number];

const untouched: Sabotage = { update: (update) => update, item: (item) => item };

/** The guard against counting an event twice does not hold. */
const dedup: Sabotage = {
  update: (update) => ({ ...update, conditions: update.conditions.filter(({ kind }) => kind !== 'lacksMember') }),
  item: (item) => Object.fromEntries(Object.entries(item).filter(([name]) => codeOfAttribute(name) !== EVENT_IDS_CODE)),
};

/** The guard of minima and maxima does not hold: the last writer wins. */
const max: Sabotage = {
  ...untouched,
  update: (update) => ({
    ...update,
    conditions: update.conditions.filter(
      ({ kind, name }) => name === HEADER.highWater || !['absentOrAtMost', 'absentOrAtLeast'].includes(kind),
    ),
  }),
};

/** Maintenance removes what the longest window still reaches, and whatever it should have packed. */
function prune(view: WindowedView): Sabotage {
  const keptMillis = Math.max(...view.layout.windows.map(({ lengthMillis }) => lengthMillis)) / 2;
  return {
    ...untouched,
    update: (update, before) => {
      if (!(HEADER.maintenance in update.set)) return update;
      const tooOld = Object.keys(before).filter((name) => {
        const start = startOfAttribute(name);
        return start >= 0 && start < (highWaterOf(before) ?? 0) - keptMillis;
      });
      return removing(update, [...tooOld, HEADER.packed]);
    },
  };
}

function without(update: ItemUpdate, isDropped: (condition: ItemUpdate['conditions'][number]) => boolean): ItemUpdate {
  return { ...update, conditions: update.conditions.filter((condition) => !isDropped(condition)) };
}

const isOfIds = (name: string) => codeOfAttribute(name) === EVENT_IDS_CODE;

/** Backfill does not look at the ids that an item has. */
const backfillIds: Sabotage = {
  update: (update) => without(update, ({ name }) => isOfIds(name)),
  item: (item) => Object.fromEntries(Object.entries(item).filter(([name]) => !isOfIds(name))),
};

/** Backfill happens whatever was counted since it looked at the item. */
const backfillLock: Sabotage = {
  ...untouched,
  update: (update) => without(update, ({ name }) => name === HEADER.highWater || isOfIds(name)),
};

/** Maintenance forgets ids as if there were no history to come. */
function backfillForget(view: WindowedView): Sabotage {
  const { eventIdRetentionMillis, eventIdSpanMillis } = view.layout;
  return {
    ...untouched,
    update: (update, before) => {
      if (!(HEADER.maintenance in update.set) || HEADER.backfilled in update.set) return update;
      const keptFrom = (highWaterOf(before) ?? 0) - eventIdRetentionMillis - eventIdSpanMillis;
      return removing(
        update,
        Object.keys(before).filter((name) => isOfIds(name) && startOfAttribute(name) < keptFrom),
      );
    },
  };
}

function removing(update: ItemUpdate, names: readonly string[]): ItemUpdate {
  const set = Object.fromEntries(Object.entries(update.set).filter(([name]) => !names.includes(name)));
  return { ...update, set, remove: [...new Set([...update.remove, ...names])] };
}

/** What a planted defect does to the store's requests and answers. */
export function sabotageOf(planted: Break | undefined, view: WindowedView): Sabotage | undefined {
  if (planted === 'dedup') return dedup;
  if (planted === 'max') return max;
  if (planted === 'prune') return prune(view);
  return planted === 'backfill-forget' ? backfillForget(view) : undefined;
}

/** What a planted defect does to those of backfill. */
export function backfillSabotageOf(planted: Break | undefined, view: WindowedView): Sabotage | undefined {
  if (planted === 'backfill-ids') return backfillIds;
  if (planted === 'backfill-lock') return backfillLock;
  // Without ids to see, backfill would wait for ever for them to be as it saw them.
  return planted === 'dedup' ? undefined : sabotageOf(planted, view);
}

/** The view as a product with the defect would see it: `lateness` lets events be counted however late they are. */
export function sabotagedView<View extends WindowedView>(planted: Break | undefined, view: View): View {
  if (planted !== 'lateness') return view;
  const allowedLatenessMillis = 365 * 24 * 3_600_000;
  return { ...view, layout: { ...view.layout, allowedLatenessMillis, eventIdSpanMillis: 2 * allowedLatenessMillis } };
}

import { entityKeyOf, namesEntity } from '../definitions/entity.ts';
import type { FieldValue } from '../definitions/fields.ts';
import type { FeatureService, ServiceFeature } from '../definitions/service.ts';
import type { WindowedView } from '../definitions/view.ts';
import type { FeatureValue } from '../windows/aggregate.ts';
import type { Item } from '../windows/item.ts';
import { readWindows, type WindowReading } from '../windows/read.ts';
import { itemKeysOf } from './item-key.ts';
import type { OnlineStore } from './store.ts';

/** The join keys of one entity, and possibly more, which is passed over. */
export type EntityRow = Readonly<Record<string, FieldValue>>;

/** What is read for one entity row: the reading of each view. */
export type ViewReadings = ReadonlyMap<WindowedView, WindowReading>;

/**
 * Reads views for entity rows, all in one call of the store.
 * @param instantMillis for which instant; a reading is for the entity's newest event if that is later.
 * @returns per row, in order, the reading of each view. An entity that the store does not know, or that the row does not name,
 * has empty values.
 * @throws EntityKeyError naming the join key that cannot be one.
 */
export async function readViews(
  store: OnlineStore,
  views: readonly WindowedView[],
  rows: readonly EntityRow[],
  instantMillis: number,
): Promise<ViewReadings[]> {
  const lookups = rows.map((row) =>
    views.map((view) => ({
      view,
      keys: namesEntity(view.entity, row) ? itemKeysOf(view, entityKeyOf(view.entity, row)) : [],
    })),
  );
  const keys = lookups.flatMap((ofRow) => ofRow.flatMap((lookup) => lookup.keys));
  const found = await store.get(keys);
  const items = new Map(keys.map((key, index) => [key, found[index]]));
  return lookups.map(
    (ofRow) =>
      new Map(ofRow.map(({ view, keys: own }) => [view, readWindows(view.layout, present(own, items), instantMillis)])),
  );
}

function present(keys: readonly string[], items: ReadonlyMap<string, Item | undefined>): Item[] {
  return keys.map((key) => items.get(key)).filter((item) => item !== undefined);
}

/** Picks features out of readings: name → value, in the order of the list. */
export function featureValues(
  features: readonly ServiceFeature[],
  readings: ViewReadings,
): Record<string, FeatureValue> {
  const values: Record<string, FeatureValue> = {};
  for (const { name, view, index } of features) values[name] = readings.get(view)?.values[index] ?? null;
  return values;
}

/** The views that a list of features comes from. */
export function viewsOf(features: readonly ServiceFeature[]): WindowedView[] {
  return [...new Set(features.map(({ view }) => view))];
}

/** Derived features over window features and, for a decision, the fields of the event. */
export function derivedValues(
  service: FeatureService,
  row: Readonly<Record<string, FieldValue>>,
): Record<string, FeatureValue> {
  return Object.fromEntries(service.derived.map(({ name, evaluate }) => [name, evaluate(row)]));
}

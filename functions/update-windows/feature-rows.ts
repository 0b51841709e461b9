/** Rows of what features have become by each update, for the history. */
import type { WindowedView } from '../../shared/definitions/view.ts';
import { deliveredFeatureRow, featureRow, ROW_LOGS, type ServedFeatures } from '../../shared/offline/row-logs.ts';
import { definitionVersions, type FeatureRepository } from '../../shared/registry/manifest.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import type { Item } from '../../shared/windows/item.ts';
import { highWaterOf } from '../../shared/windows/plan.ts';
import { readWindows } from '../../shared/windows/read.ts';
import type { RowSink } from '../row-sink.ts';

/** Takes an entity's item after an update. */
export interface FeatureLog {
  /** @param event any of those that the update counted: it names the entity. */
  updated(view: WindowedView, event: WindowEvent, item: Item): void;
}

/**
 * Reads features from the very item that the update returned, so a row costs no request.
 *
 * Of a view with lanes an update returns one lane, and one lane's item is not the entity; such views have no rows.
 */
export class FeatureRows implements FeatureLog {
  readonly #sink: RowSink;
  readonly #now: () => number;
  readonly #registryVersion: string;
  readonly #versions: Readonly<Record<string, string>>;

  constructor(parts: { readonly repository: FeatureRepository; readonly sink: RowSink; readonly now: () => number }) {
    this.#sink = parts.sink;
    this.#now = parts.now;
    this.#registryVersion = parts.repository.registryVersion;
    this.#versions = definitionVersions(parts.repository);
  }

  updated(view: WindowedView, event: WindowEvent, item: Item): void {
    const asOfMillis = highWaterOf(item);
    if (view.lanes > 1 || asOfMillis === undefined) return;
    const emittedAtMillis = this.#now();
    const { values, arrivedAtMillis } = readWindows(view.layout, [item], asOfMillis);
    const features: Record<string, ServedFeatures[string]> = {};
    view.features.forEach(({ name }, index) => {
      features[name] = values[index] ?? null;
    });
    const row = featureRow({
      emitted_at: emittedAtMillis,
      registry_version: this.#registryVersion,
      view: view.key,
      definition: this.#versions[view.key] ?? '',
      entity: Object.fromEntries(view.entity.joinKeys.map((joinKey) => [joinKey, event.values[joinKey]])),
      as_of: asOfMillis,
      arrived_at: arrivedAtMillis ?? emittedAtMillis,
      features,
    });
    this.#sink.add(ROW_LOGS.features.schema.tableName, deliveredFeatureRow(row));
  }
}

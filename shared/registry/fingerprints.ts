/**
 * The version of a definition: what exactly computes one input of a model, and nothing else. Other features, words, rules
 * and times to live may change, and a fingerprint stays; whatever could change a value changes it.
 */
import { hash } from 'node:crypto';
import { type Field, fieldNamed } from '../definitions/fields.ts';
import type { FeatureService } from '../definitions/service.ts';
import type { WindowedView } from '../definitions/view.ts';
import { columnsOf } from '../expressions/index.ts';
import type { WindowFeature } from '../windows/layout.ts';
import { canonicalJson } from './canonical.ts';

/**
 * By what each input that a service offers is computed, by the input's name: 16 hexadecimal digits. Inputs are the fields
 * of the decided event, the features and the derived features.
 */
export function definitionFingerprints(service: FeatureService): ReadonlyMap<string, string> {
  const fingerprints = new Map<string, string>();
  for (const [name, field] of Object.entries(service.decides?.fields ?? {})) {
    fingerprints.set(name, fingerprintOf({ field }));
  }
  for (const { name, view, index } of service.features) {
    const feature = view.layout.features[index];
    if (feature !== undefined) fingerprints.set(name, fingerprintOf(windowFeatureParts(service, view, feature)));
  }
  // Derived features read no derived ones, so that what they read is known by now.
  const derived = service.derived.map(({ name, expression }) => {
    const inputs = [...columnsOf(expression)].map((input) => [input, fingerprints.get(input)]);
    return [name, fingerprintOf({ expression, inputs: Object.fromEntries(inputs) })] as const;
  });
  return new Map([...fingerprints, ...derived]);
}

function fingerprintOf(parts: object): string {
  return hash('sha256', canonicalJson(parts)).slice(0, 16);
}

/** All that a window feature's value depends on, beside the events themselves. */
function windowFeatureParts(
  { decides }: FeatureService,
  view: WindowedView,
  { aggregate, input, window, excludesCurrent }: WindowFeature,
): object {
  const { source, entity, where, lanes } = view;
  return {
    view: view.key,
    aggregate: aggregate.name,
    field: input.fieldName === undefined ? null : { name: input.fieldName, ...input.field },
    quantile: input.quantile ?? null,
    window: { length: window.lengthMillis, hop: window.hopMillis, offset: window.offsetMillis },
    // There is something to leave out only where the service decides events of this source.
    ...(excludesCurrent && source === decides && { excludesCurrent }),
    where: where === undefined ? null : { expression: where, fields: fieldsNamed(view, columnsOf(where)) },
    lanes,
    entity: entity.joinKeys.map((joinKey) => ({ name: joinKey, ...fieldNamed(source.fields, joinKey) })),
    source: {
      name: source.name,
      eventId: source.eventId,
      eventTime: source.eventTime,
      allowedLateness: source.allowedLatenessMillis,
      timeResolution: source.timeResolutionMillis,
    },
  };
}

function fieldsNamed(view: WindowedView, names: Iterable<string>): Record<string, Field | undefined> {
  return Object.fromEntries([...names].map((name) => [name, fieldNamed(view.source.fields, name)]));
}

/** What values mean, in words made of their declarations: for whoever reads the API's document. */
import { formatDuration } from '../../shared/definitions/duration.ts';
import type { FieldType } from '../../shared/definitions/fields.ts';
import type { DerivedFeature, ServiceFeature } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { describe } from '../../shared/expressions/describe.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';

/** A field of an event whose declaration does not describe it. */
export function describeField(
  name: string,
  source: EventSource,
  { views }: Pick<FeatureRepository, 'views'>,
): string | undefined {
  const field = source.fields[name];
  if (field === undefined) return undefined;
  const named = views.find((view) => view.source === source && view.entity.joinKeys.includes(name))?.entity;
  const role =
    name === source.eventId
      ? 'Identifies the event: sent again, it counts once. '
      : name === source.eventTime
        ? 'When it happened. '
        : named === undefined
          ? ''
          : `Join key of ${named.name}. `;
  const resolution = name === source.eventTime ? source.timeResolutionMillis : 1;
  return role + describeType(field.type) + (resolution > 1 ? `, a multiple of ${formatDuration(resolution)}` : '');
}

function describeType(type: FieldType): string {
  switch (type.kind) {
    case 'text':
      return 'Text; of a whole number, its digits';
    case 'boolean':
      return 'True or false';
    case 'integer':
      return 'A whole number';
    case 'decimal':
      return `An exact number with ${type.rounding === undefined ? 'at most ' : ''}${type.scale} digits after the point${type.rounding === undefined ? '' : ', rounded half to even'}`;
    case 'double':
      return 'A number';
    case 'timestamp':
      return 'ISO 8601 with an offset, or milliseconds since 1970 UTC (micro- and nanoseconds are known by their size)';
  }
}

/** A feature of a window: `mean of amount over 1h of transactions (user_transactions@1); null without any`. */
export function describeFeature({
  aggregate,
  field,
  window,
  view,
  excludesCurrent,
  emptyValue,
}: ServiceFeature): string {
  const { lengthMillis = 0, offsetMillis = 0 } = view.layout.windows.find(({ name }) => name === window) ?? {};
  const offset = offsetMillis === 0 ? '' : `, as of ${formatDuration(offsetMillis)} before`;
  return (
    `${aggregate}${field === undefined ? '' : ` of ${field}`} over ${formatDuration(lengthMillis)} of ${view.source.name}` +
    `${offset}${excludesCurrent ? ', without the decided one' : ''} (${view.key}); ${emptyValue === null ? 'null' : emptyValue} without any`
  );
}

export function describeDerived({ expression }: DerivedFeature): string {
  return `${describe(expression)}; null where an input is missing`;
}

import type { Field, FieldValue } from '../../shared/definitions/fields.ts';
import type { FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';

/** An event such as the source could send: one plausible value per field, by its type. */
export function exampleEvent(source: EventSource): Record<string, FieldValue> {
  return Object.fromEntries(Object.entries(source.fields).map(([name, field]) => [name, exampleValue(name, field)]));
}

/** The join keys of an entity that the service has features of. */
export function exampleEntity({ views }: FeatureService): Record<string, FieldValue> {
  return Object.fromEntries(
    views.flatMap(({ entity, source }) =>
      entity.joinKeys.map((joinKey) => {
        const field = source.fields[joinKey];
        return [joinKey, field && exampleValue(joinKey, field)] as const;
      }),
    ),
  );
}

function exampleValue(name: string, { type }: Field): FieldValue {
  switch (type.kind) {
    case 'text':
      return `${name.replace(/_id$/, '')}-1`;
    case 'boolean':
      return true;
    case 'integer':
      return 1;
    case 'decimal':
      return type.scale > 0 ? 12.5 : 12;
    case 'double':
      return 0.5;
    case 'timestamp':
      return '2026-01-31T12:00:00.000Z';
  }
}

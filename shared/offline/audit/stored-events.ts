import type { Field, FieldValue } from '../../definitions/fields.ts';
import type { EventSource } from '../../definitions/source.ts';
import { idHashOf, type WindowEvent } from '../../windows/event.ts';
import { ARRIVED_AT } from '../offline-store.ts';
import type { StoredRow } from './served-record.ts';

/** Events out of their deliveries: each once, as it arrived first. */
export function eventsOfDeliveries(source: EventSource, deliveries: readonly StoredRow[]): WindowEvent[] {
  const events = new Map<string, WindowEvent>();
  for (const delivery of deliveries) {
    const event = eventOf(source, delivery);
    const known = events.get(event.id);
    if (known === undefined || event.arrivedAtMillis < known.arrivedAtMillis) events.set(event.id, event);
  }
  return [...events.values()];
}

function eventOf(source: EventSource, row: StoredRow): WindowEvent {
  const values = Object.fromEntries(
    Object.entries(source.fields).map(([name, field]) => [name, fieldValueOf(field, row[name] ?? null)]),
  );
  const id = String(values[source.eventId]);
  return {
    id,
    idHash: idHashOf(id),
    timeMillis: Number(values[source.eventTime]),
    arrivedAtMillis: Number(row[ARRIVED_AT]),
    values,
  };
}

function fieldValueOf({ type }: Field, text: string | null): FieldValue {
  if (text === null || type.kind === 'text') return text;
  return type.kind === 'boolean' ? text === 'true' : Number(text);
}

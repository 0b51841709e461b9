import * as z from 'zod';
import type { FieldValue } from '../../definitions/fields.ts';
import { jsonText } from '../../definitions/json-text.ts';
import type { FeatureValue } from '../../windows/aggregate.ts';
import type { ServedRow, ServedView } from '../row-logs.ts';

/** A row of a table as any engine can hand it over: every value as text. */
export type StoredRow = Readonly<Record<string, string | null>>;

/** What an audit needs of a served row, parsed. Instants are milliseconds. */
export interface ServedRecord {
  readonly servedAtMillis: number;
  readonly service: string | null;
  readonly entity: Readonly<Record<string, FieldValue>>;
  /** The decided event; null for reads. */
  readonly event: { readonly id: string; readonly values: Readonly<Record<string, FieldValue>> } | null;
  readonly eventStatus: string | null;
  readonly views: Readonly<Record<string, ServedView>>;
  readonly definitions: Readonly<Record<string, string>>;
  readonly features: Readonly<Record<string, FeatureValue>>;
}

/** The columns from which a record is made. */
export const SERVED_RECORD_COLUMNS = [
  'served_at',
  'service',
  'entity',
  'event_id',
  'event',
  'event_status',
  'views',
  'definitions',
  'features',
] as const satisfies readonly (keyof ServedRow)[];

const instant = z.int().nonnegative();
const value = z.union([z.number(), z.string(), z.boolean(), z.null()]);

const storedRecord = z.object({
  served_at: z.string().transform(Number).pipe(instant),
  service: z.string().nullable(),
  entity: jsonText(z.record(z.string(), value)),
  event_id: z.string().nullable(),
  event: jsonText(z.record(z.string(), value)).nullable(),
  event_status: z.string().nullable(),
  views: jsonText(
    z.record(
      z.string(),
      z.object({ as_of: instant, high_water: instant.nullable(), untold: z.array(z.string()).optional() }),
    ),
  ),
  definitions: jsonText(z.record(z.string(), z.string())),
  features: jsonText(z.record(z.string(), value)),
});

/** The record of a stored row; `undefined` where it cannot be understood. */
export function parseServedRecord(row: StoredRow): ServedRecord | undefined {
  const parsed = storedRecord.safeParse(row);
  if (!parsed.success) return undefined;
  const { event, event_id: id, ...stored } = parsed.data;
  if ((event === null) !== (id === null)) return undefined;
  return {
    servedAtMillis: stored.served_at,
    service: stored.service,
    entity: stored.entity,
    event: event !== null && id !== null ? { id, values: event } : null,
    eventStatus: stored.event_status,
    views: stored.views,
    definitions: stored.definitions,
    features: stored.features,
  };
}

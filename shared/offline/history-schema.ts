/**
 * How events become rows of history: the columns of a source's table, the row of an event, and where the row lies.
 *
 * Three copies must agree on it, and all follow from here: the table that queries read, the function that lands events,
 * and the delivery that writes what that function returns.
 */
import { DefinitionError } from '../definitions/error.ts';
import type { Field, FieldValue } from '../definitions/fields.ts';
import { hiveTypeOf } from '../definitions/forms.ts';
import type { EventSource } from '../definitions/source.ts';
import type { WindowEvent } from '../windows/event.ts';
import { ARRIVED_AT } from './offline-store.ts';

/** A column as Hive, and with it Glue and Athena, knows it. */
export interface HistoryColumn {
  readonly name: string;
  readonly hiveType: string;
}

export interface HistorySchema {
  /** Name of the table: `raw_<source>`. */
  readonly tableName: string;
  /** Columns inside the files: the fields in the order of their declaration, then `arrived_at`. */
  readonly columns: readonly HistoryColumn[];
  /** Columns that are in the paths of files alone. */
  readonly partitionColumns: readonly HistoryColumn[];
}

/** Columns by which files are kept apart: day and hour of the event time, UTC. */
export const PARTITION = { date: 'event_date', hour: 'event_hour' } as const;

/** Values of the partition columns, by their names. */
export type HistoryPartition = Readonly<Record<(typeof PARTITION)[keyof typeof PARTITION], string>>;

/** One row as JSON holds it. Decimals are text; all other values are as they were decoded. */
export type HistoryRow = Readonly<Record<string, string | number | boolean | null>>;

const OWN_COLUMNS: readonly string[] = [ARRIVED_AT, ...Object.values(PARTITION)];

/** The table of a source's events. @throws DefinitionError when a field has the name of a column of ours. */
export function historySchema(source: EventSource): HistorySchema {
  const columns = Object.entries(source.fields).map(([name, { type }]) => {
    if (OWN_COLUMNS.includes(name)) {
      throw new DefinitionError(
        `source ${source.name}`,
        `field "${name}" has the name of a column that history adds; rename it (${OWN_COLUMNS.join(', ')} are taken)`,
      );
    }
    return { name, hiveType: hiveTypeOf(type) };
  });
  return {
    tableName: `raw_${source.name}`,
    columns: [...columns, { name: ARRIVED_AT, hiveType: 'bigint' }],
    partitionColumns: Object.values(PARTITION).map((name) => ({ name, hiveType: 'string' })),
  };
}

/** Everything that was landed lies below this prefix. */
export const HISTORY_PREFIX = 'raw/';

/** Everything that could not be landed lies below this one. */
export const HISTORY_ERRORS_PREFIX = 'errors/';

/** Where the files of a source lie in the bucket of history, with a slash at the end. */
export function historyPrefixOf({ name }: EventSource): string {
  return `${HISTORY_PREFIX}${name}/`;
}

/** Where records lie that could not be landed, below one prefix per kind of failure, with a slash at the end. */
export function historyErrorPrefixOf({ name }: EventSource): string {
  return `${HISTORY_ERRORS_PREFIX}${HISTORY_PREFIX}${name}/`;
}

/** The row of an event: every field of its source, null where the event has none. */
export function historyRow(source: EventSource, event: WindowEvent): HistoryRow {
  const fields = Object.entries(source.fields).map(([name, field]) => [name, cellOf(field, event.values[name])]);
  return { ...Object.fromEntries(fields), [ARRIVED_AT]: event.arrivedAtMillis };
}

function cellOf({ type }: Field, value: FieldValue): string | number | boolean | null {
  if (value === undefined || value === null) return null;
  // As text, no reader on the way makes a double of it. A double holds 15 digits faithfully, so all of these are right.
  if (type.kind === 'decimal' && typeof value === 'number') return value.toFixed(type.scale);
  return value;
}

/** The partition of an event, or of anything else that has an instant. */
export function historyPartition({ timeMillis }: Pick<WindowEvent, 'timeMillis'>): HistoryPartition {
  const text = new Date(timeMillis).toISOString();
  return { event_date: text.slice(0, 10), event_hour: text.slice(11, 13) };
}

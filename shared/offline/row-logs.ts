/**
 * What the product says, kept: a row for every answer (`served_rows`) and for every update (`feature_rows`).
 *
 * One table each, whatever is declared: what differs between services and views is JSON text in a column. So a new
 * service needs no new table, and what an old one answered stays readable when it is gone. Who writes, who lands and who
 * reads these rows all take their columns from here.
 */
import type { FieldValue } from '../definitions/fields.ts';
import type { FeatureValue } from '../windows/aggregate.ts';
import {
  HISTORY_ERRORS_PREFIX,
  type HistoryColumn,
  type HistoryPartition,
  type HistorySchema,
  historyPartition,
  PARTITION,
} from './history-schema.ts';

/** JSON text of an object; `null` where there is none. */
type JsonText = string;

/** What an answer said about one view. Instants are milliseconds since 1970 UTC. */
export interface ServedView {
  /** The instant for which its features were computed. */
  readonly as_of: number;
  /** Newest event time that the item counted; null without an item. */
  readonly high_water: number | null;
  /** Features that could not be told because the decided event is a repeat; they stand as null. Absent where there are none. */
  readonly untold?: readonly string[] | undefined;
}

/** One entity of one answer. */
export interface ServedRow {
  /** When the features had been read: whatever they count had arrived by then. */
  readonly served_at: number;
  readonly route: 'features' | 'predict_fraud';
  readonly request_id: string | null;
  /** Principal that signed the request; null where nobody signs. */
  readonly caller: string | null;
  readonly registry_version: string;
  /** `name@version`; null where single features were asked for. */
  readonly service: string | null;
  /** `{"user_id":"u1"}`: join keys of the entity. */
  readonly entity: JsonText;
  /** The decided event: id, fields as its source decoded them, and what became of it; null for reads. */
  readonly event_id: string | null;
  readonly event: JsonText | null;
  readonly event_status: string | null;
  readonly decision: string | null;
  /** `name@version` of the model that decided; null where rules alone did. */
  readonly model: string | null;
  /** `{"boosted_trees@3":0.02,"rival@1":0.4}`: probabilities of fraud, of the model that decided and of its challengers. */
  readonly scores: JsonText | null;
  /** Number of the configuration by which it was decided. */
  readonly configuration_version: number | null;
  /** `{"user_transactions@1":{"as_of":…,"high_water":…}}` */
  readonly views: JsonText;
  /** `{"user_transactions@1":"9c0d…","fraud_detection@1 derived":"51aa…"}`: what was declared, by `definitionVersions`. */
  readonly definitions: JsonText;
  /** `{"tx_count_1min":3,…}`: window features and derived ones, as they were answered. */
  readonly features: JsonText;
}

/** One entity of one view after an update, read from the item that the update returned. */
export interface FeatureRow {
  /** When the row was made. */
  readonly emitted_at: number;
  readonly registry_version: string;
  /** `name@version` */
  readonly view: string;
  readonly definition: string;
  readonly entity: JsonText;
  /** Newest event time that the item counts: the instant for which the features hold. */
  readonly as_of: number;
  /** When the newest counted update's events arrived. */
  readonly arrived_at: number;
  readonly features: JsonText;
}

export type ServedViews = Readonly<Record<string, ServedView>>;
export type ServedFeatures = Readonly<Record<string, FeatureValue>>;
export type ServedEvent = Readonly<Record<string, FieldValue>>;

/** Join keys of an entity by their names; null where a decided event does not name it. */
export type ServedEntity = Readonly<Record<string, FieldValue>>;

type TextColumns = 'entity' | 'event' | 'scores' | 'views' | 'definitions' | 'features';

/** A row of an answer, out of the objects whose JSON text it holds. */
export function servedRow(
  row: Omit<ServedRow, TextColumns> & {
    readonly entity: ServedEntity;
    readonly event: ServedEvent | null;
    readonly scores: Readonly<Record<string, number>> | null;
    readonly views: ServedViews;
    /** As JSON text, which is the same for all rows of a service. */
    readonly definitions: JsonText;
    readonly features: ServedFeatures;
  },
): ServedRow {
  const { entity, event, scores, views, features } = row;
  return {
    ...row,
    entity: JSON.stringify(entity),
    event: event && JSON.stringify(event),
    scores: scores && JSON.stringify(scores),
    views: JSON.stringify(views),
    features: JSON.stringify(features),
  };
}

/** A row of an update, out of the objects whose JSON text it holds. */
export function featureRow(
  row: Omit<FeatureRow, 'entity' | 'features'> & { readonly entity: ServedEntity; readonly features: ServedFeatures },
): FeatureRow {
  return { ...row, entity: JSON.stringify(row.entity), features: JSON.stringify(row.features) };
}

/**
 * A row as it is handed to delivery: with the partition columns, which delivery takes out of it to find its place. Files
 * hold the columns of the table alone.
 */
export type DeliveredRow = object & HistoryPartition;

export function deliveredServedRow(row: ServedRow): DeliveredRow {
  return { ...row, ...historyPartition({ timeMillis: row.served_at }) };
}

export function deliveredFeatureRow(row: FeatureRow): DeliveredRow {
  return { ...row, ...historyPartition({ timeMillis: row.emitted_at }) };
}

const PARTITION_COLUMNS: readonly HistoryColumn[] = Object.values(PARTITION).map((name) => ({
  name,
  hiveType: 'string',
}));

function schemaOf(tableName: string, types: Readonly<Record<string, 'string' | 'bigint'>>): HistorySchema {
  const columns = Object.entries(types).map(([name, hiveType]) => ({ name, hiveType }));
  return { tableName, columns, partitionColumns: PARTITION_COLUMNS };
}

const SERVED_COLUMNS = {
  served_at: 'bigint',
  route: 'string',
  request_id: 'string',
  caller: 'string',
  registry_version: 'string',
  service: 'string',
  entity: 'string',
  event_id: 'string',
  event: 'string',
  event_status: 'string',
  decision: 'string',
  model: 'string',
  scores: 'string',
  configuration_version: 'bigint',
  views: 'string',
  definitions: 'string',
  features: 'string',
} as const satisfies Record<keyof ServedRow, string>;

const FEATURE_COLUMNS = {
  emitted_at: 'bigint',
  registry_version: 'string',
  view: 'string',
  definition: 'string',
  entity: 'string',
  as_of: 'bigint',
  arrived_at: 'bigint',
  features: 'string',
} as const satisfies Record<keyof FeatureRow, string>;

/** A log of rows: its table, where its files lie in the bucket of history, and the column by whose day and hour. */
export interface RowLog {
  readonly schema: HistorySchema;
  /** With a slash at the end. */
  readonly prefix: string;
  readonly timeColumn: string;
}

export const ROW_LOGS = {
  served: { schema: schemaOf('served_rows', SERVED_COLUMNS), prefix: 'served_rows/', timeColumn: 'served_at' },
  features: { schema: schemaOf('feature_rows', FEATURE_COLUMNS), prefix: 'feature_rows/', timeColumn: 'emitted_at' },
} as const satisfies Record<string, RowLog>;

export type RowLogName = keyof typeof ROW_LOGS;

/** Where rows lie that could not be landed, below one prefix per kind of failure, with a slash at the end. */
export function rowErrorPrefixOf({ prefix }: RowLog): string {
  return `${HISTORY_ERRORS_PREFIX}${prefix}`;
}

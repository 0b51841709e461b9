/** Decisions as they were served, with what became of them. */
import type { DuckDBConnection } from '@duckdb/node-api';
import * as z from 'zod';
import { jsonText } from '../../shared/definitions/json-text.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { parquetFiles, queryRows, quoted, withDuckDb } from '../../shared/offline/embedded/duckdb.ts';
import { typedHistory } from '../../shared/offline/embedded/history.ts';
import {
  type LabelHistory,
  latestLabelsSql,
  type Maturity,
  maturedRowsSql,
} from '../../shared/offline/embedded/matured-labels.ts';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { RESERVED_ID_PREFIX } from '../../shared/reserved-ids.ts';
import { findService, findSource } from '../repository.ts';
import { UserError } from '../user-error.ts';
import {
  AMOUNT,
  type Compared,
  columnsOf,
  comparedModels,
  listOf,
  type ReadRows,
  requireColumn,
  rowsText,
  scoredByAll,
} from './read-rows.ts';
import type { ScoredRow } from './scored-rows.ts';

/** Names of declarations and of their fields. */
export interface ServedNames {
  /** The service whose decisions are meant; default: those that are there. */
  readonly service: string | undefined;
  /** Source of labels. Default: the only other one with a field that names the decided event. */
  readonly labelSource: string | undefined;
  /** Its field that names the decided event. Default: named as the id of the decided event is. */
  readonly labelledEvent: string | undefined;
  /** Its field of the outcome. Default: the only boolean, or whole number. */
  readonly label: string | undefined;
  /** Fields of the decided event. Default: its partition key, its time, and `amount` where it has one. */
  readonly card: string | undefined;
  readonly time: string | undefined;
  readonly amount: string | undefined;
}

interface ServedFiles {
  /** Parquet files of served rows, as a glob. */
  readonly served: string;
  /** Parquet files of the history of labels, as a glob. */
  readonly labels: string;
}

const NEEDED = ['event_id', 'event', 'scores', 'served_at', 'service'];
const IS_SCORED = `event_id IS NOT NULL AND NOT starts_with(event_id, '${RESERVED_ID_PREFIX}') AND scores IS NOT NULL AND scores <> '{}'`;

/**
 * Of an event that was decided twice, the first decision counts. An event is as old as its answer.
 * @throws UserError, HistoryError
 */
export async function readServed(
  files: ServedFiles,
  repository: FeatureRepository,
  {
    names,
    compared,
    maturity,
  }: { readonly names: ServedNames; readonly compared: Compared; readonly maturity: Maturity },
): Promise<ReadRows> {
  return withDuckDb({}, async (connect) => {
    const connection = await connect();
    const columns = await columnsOf(connection, files.served);
    for (const name of NEEDED) requireColumn(files.served, columns, name, 'give what the store landed as served_rows');
    const decided = await decidedSource(connection, files.served, repository, names.service);
    const fields = eventFields(decided.source, names);
    const labels = await labelHistory(connection, files.labels, labelColumns(repository, decided.source, names));
    const rows = await maturedRows(connection, files.served, { decided, labels, maturity });
    const known = rows.filter(([, , outcome]) => outcome !== null);
    const scored = known.map(
      ([event, scores, outcome]): ScoredRow => ({
        ...eventOf(event, fields),
        isFraud: outcome === 1,
        scores: parsed(Scores, scores, 'scores'),
      }),
    );
    const every = [...new Set(scored.flatMap(({ scores }) => Object.keys(scores)))];
    const models = comparedModels(files.served, compared, { every, byDefault: every });
    const open = rows.length - known.length;
    const { rows: comparable, notes } = scoredByAll(scored, models);
    return {
      rows: comparable,
      models,
      names: { label: labels.outcome, card: fields.card, amount: fields.amount },
      notes: [...(open === 0 ? [] : [`left out: ${rowsText(open)} whose ${labels.outcome} is open again`]), ...notes],
    };
  });
}

interface Decided {
  readonly source: EventSource;
  /** Keys of the services whose decisions count. */
  readonly services: readonly string[];
}

/** Whose events were decided. */
async function decidedSource(
  connection: DuckDBConnection,
  served: string,
  repository: FeatureRepository,
  wanted: string | undefined,
): Promise<Decided> {
  const found = await queryRows(
    connection,
    `SELECT DISTINCT service FROM ${parquetFiles(served)} WHERE ${IS_SCORED} AND service IS NOT NULL ORDER BY 1`,
  );
  const keys = found.map(([key]) => String(key));
  if (keys.length === 0) throw new UserError(`${served} has no row with a score: no model decided`);
  const services = wanted === undefined ? keys : keys.filter((key) => key === wanted || key.split('@')[0] === wanted);
  if (services.length === 0)
    throw new UserError(`nothing was scored by a service ${wanted}, but by ${keys.join(', ')}`);
  const unknown = services.find((key) => !repository.services.some((service) => service.key === key));
  if (unknown !== undefined) {
    throw new UserError(
      `rows were served by ${unknown}, which is not declared: name its module with --features, or another --service; declared ` +
        `is ${listOf(repository.services.map(({ key }) => key))}`,
    );
  }
  const sources = new Set(services.flatMap((key) => findService(repository, key).decides ?? []));
  const [source] = sources;
  if (source !== undefined && sources.size === 1) return { source, services };
  throw new UserError(`events of several sources were decided: name one of ${services.join(', ')} with --service`);
}

interface EventFields {
  readonly card: string;
  readonly time: string;
  readonly amount: string | undefined;
}

function eventFields(decided: EventSource, names: ServedNames): EventFields {
  const { card = decided.partitionKey, time = decided.eventTime } = names;
  const isNumber = ['decimal', 'double', 'integer'].includes(decided.fields[AMOUNT]?.type.kind ?? '');
  const amount = names.amount ?? (isNumber ? AMOUNT : undefined);
  requireField(decided, card, '--card');
  requireField(decided, time, '--time');
  if (amount !== undefined) requireField(decided, amount, '--amount');
  return { card, time, amount };
}

interface LabelColumns {
  readonly source: EventSource;
  readonly eventId: string;
  readonly outcome: string;
}

function labelColumns(repository: FeatureRepository, decided: EventSource, names: ServedNames): LabelColumns {
  const eventId = names.labelledEvent ?? decided.eventId;
  const source =
    names.labelSource === undefined
      ? onlyLabelSource(repository, decided, eventId)
      : findSource(repository, names.labelSource);
  requireField(source, eventId, '--labelled-event');
  return {
    source,
    eventId,
    outcome: outcomeField(source, [source.eventId, eventId, source.partitionKey], names.label),
  };
}

function onlyLabelSource({ sources }: FeatureRepository, decided: EventSource, eventId: string): EventSource {
  const others = sources.filter(({ name }) => name !== decided.name);
  const found = others.filter(({ fields }) => Object.hasOwn(fields, eventId));
  const [source] = found;
  if (source !== undefined && found.length === 1) return source;
  if (source !== undefined) {
    const names = found.map(({ name }) => name).join(', ');
    throw new UserError(
      `several sources have a field "${eventId}": name that of the labels with --label-source: ${names}`,
    );
  }
  throw new UserError(
    `no other source has a field "${eventId}", which would name the event that a label is about: name the source with ` +
      `--label-source and the field with --labelled-event; there is ${listOf(sources.map(({ name }) => name))}`,
  );
}

function outcomeField(source: EventSource, keys: readonly string[], wanted: string | undefined): string {
  const isOutcome = (name: string) => ['boolean', 'integer'].includes(source.fields[name]?.type.kind ?? '');
  const possible = Object.keys(source.fields).filter((name) => isOutcome(name) && !keys.includes(name));
  const name = wanted ?? possible[0];
  if (name !== undefined && isOutcome(name) && (wanted !== undefined || possible.length === 1)) return name;
  throw new UserError(
    `${wanted === undefined ? `name the outcome in source ${source.name} with --label` : `--label ${wanted}: source ${source.name} has no such outcome`}` +
      `; true or false, or whole numbers, are ${listOf(possible)}`,
  );
}

function requireField({ name: source, fields }: EventSource, name: string, option: string): void {
  if (Object.hasOwn(fields, name)) return;
  throw new UserError(
    `source ${source} has no field "${name}"; name it with ${option}; it has ${Object.keys(fields).join(', ')}`,
  );
}

async function labelHistory(
  connection: DuckDBConnection,
  path: string,
  { source, eventId, outcome }: LabelColumns,
): Promise<LabelHistory> {
  const history = await typedHistory(connection, source, path, { fields: [source.eventId, eventId, outcome] });
  // Ids of served rows are text.
  const relation = `(SELECT * REPLACE (CAST(${quoted(eventId)} AS VARCHAR) AS ${quoted(eventId)}, CAST(${quoted(outcome)} AS INTEGER) AS ${quoted(outcome)}) FROM ${history})`;
  const [[others] = []] = await queryRows(
    connection,
    `SELECT count(*) FROM ${relation} WHERE ${quoted(outcome)} NOT IN (0, 1)`,
  );
  if (Number(others) > 0) {
    throw new UserError(
      `the history of ${source.name}: "${outcome}" must be 1 or 0, or true or false; ${rowsText(Number(others))} say something else`,
    );
  }
  return { relation, labelId: source.eventId, eventId, outcome, knownAt: source.eventTime };
}

/** Event, scores and outcome of each decided event that is old enough. */
async function maturedRows(
  connection: DuckDBConnection,
  served: string,
  options: { readonly decided: Decided; readonly labels: LabelHistory; readonly maturity: Maturity },
) {
  const { decided, labels, maturity } = options;
  const services = decided.services.map(textLiteral).join(', ');
  const eventId = quoted(labels.eventId);
  const firsts = `SELECT event_id AS ${eventId}, served_at AS "timestamp", event AS decided_event, scores AS decided_scores
    FROM ${parquetFiles(served)} WHERE ${IS_SCORED} AND service IN (${services})
    QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY served_at) = 1`;
  const matured = maturedRowsSql(firsts, labels, maturity);
  const rows = await queryRows(
    connection,
    `SELECT decided_event, decided_scores, ${quoted(labels.outcome)} FROM (${matured})`,
  );
  if (rows.length === 0) {
    throw new UserError('no decision is old enough: give a later --as-of, or a shorter --maturity');
  }
  const [[labelled] = []] = await queryRows(
    connection,
    `SELECT count(*) FROM (${firsts}) JOIN (${latestLabelsSql(labels, maturity)}) USING (${eventId})`,
  );
  if (Number(labelled) === 0) {
    throw new UserError(
      `no label that was known by --as-of is about one of the ${rows.length.toLocaleString('en-US')} events that were decided`,
    );
  }
  return rows;
}

const Scores = jsonText(z.record(z.string(), z.number().min(0).max(1)));

function eventOf(
  text: unknown,
  { card, time, amount }: EventFields,
): Pick<ScoredRow, 'card' | 'timeMillis' | 'amount'> {
  const fields = z.object({
    [card]: z.union([z.string(), z.number()]),
    [time]: z.number(),
    ...(amount !== undefined && { [amount]: z.number() }),
  });
  const event = parsed(jsonText(fields), text, 'event');
  return {
    card: String(event[card]),
    timeMillis: Number(event[time]),
    amount: amount === undefined ? 1 : Number(event[amount]),
  };
}

function parsed<Schema extends z.ZodType>(schema: Schema, text: unknown, column: string): z.output<Schema> {
  const result = schema.safeParse(text);
  if (result.success) return result.data;
  // Values are not quoted: they are somebody's events.
  const [issue] = result.error.issues;
  throw new UserError(
    `a served row's ${column} cannot be read: ${issue?.path.join('.')} ${issue?.message}; ` +
      'name fields with --card, --time and --amount',
  );
}

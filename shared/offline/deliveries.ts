/** What lands in the history and where, whoever lands it: delivery streams of AWS, or the lander of a local run. */
import type { EventSource } from '../definitions/source.ts';
import type { FeatureRepository } from '../registry/manifest.ts';
import { type HistorySchema, historyErrorPrefixOf, historyPrefixOf, historySchema } from './history-schema.ts';
import { ROW_LOGS, type RowLog, rowErrorPrefixOf } from './row-logs.ts';

/** Rows of one kind on their way into a table. */
export interface HistoryDelivery {
  readonly schema: HistorySchema;
  /** Where the files of the table lie in the bucket of history, with a slash at the end. */
  readonly prefix: string;
  /** Where rows lie that could not be landed, below one prefix per kind of failure, with a slash at the end. */
  readonly errorPrefix: string;
  /** What its files are called, beside those of others in the same place. */
  readonly fileNameBeginning: 'landed-' | 'decided-';
}

/** Events of a source's stream. */
export function streamDelivery(source: EventSource): HistoryDelivery {
  return {
    schema: historySchema(source),
    prefix: historyPrefixOf(source),
    errorPrefix: historyErrorPrefixOf(source),
    fileNameBeginning: 'landed-',
  };
}

/** Events that a service decided at once, to the same table to which the stream lands. */
export function decidedDelivery(source: EventSource): HistoryDelivery {
  return { ...streamDelivery(source), fileNameBeginning: 'decided-' };
}

/** Rows of what the product says. */
export function rowLogDelivery(log: RowLog): HistoryDelivery {
  return { schema: log.schema, prefix: log.prefix, errorPrefix: rowErrorPrefixOf(log), fileNameBeginning: 'landed-' };
}

/** The sources whose events some service decides, in the order of the repository. */
export function decidedSources({ sources, services }: Pick<FeatureRepository, 'sources' | 'services'>): EventSource[] {
  return sources.filter((source) => services.some(({ decides }) => decides === source));
}

/** Everything that functions hand over themselves. The names of the tables differ. */
export function functionDeliveries(repository: Pick<FeatureRepository, 'sources' | 'services'>): HistoryDelivery[] {
  return [...Object.values(ROW_LOGS).map(rowLogDelivery), ...decidedSources(repository).map(decidedDelivery)];
}

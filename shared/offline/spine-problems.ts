/** What is wrong with a spine, in the same words whichever engine finds it. */
import type { FeatureService } from '../definitions/service.ts';
import type { EventSource } from '../definitions/source.ts';
import type { WindowedView } from '../definitions/view.ts';
import type { DecidedEvents } from './decided-events.ts';
import { SPINE, SpineError } from './offline-store.ts';

/** What an instant may be, for messages. */
export const INSTANT_TYPES = 'whole milliseconds (BIGINT), TIMESTAMP, or ISO 8601 text';

export function noTimestamp(columns: readonly string[]): SpineError {
  return new SpineError(
    `the spine has no column "${SPINE.timestamp}", the instant for which features are wanted; it has ${columns.join(', ')}`,
  );
}

export function noJoinKey(joinKey: string, { entity }: WindowedView, columns: readonly string[]): SpineError {
  return new SpineError(
    `the spine has no column "${joinKey}", which identifies the ${entity.name}; it has ${columns.join(', ')}`,
  );
}

export function noDecidedEvent({ source, features: [first = '', ...others] }: DecidedEvents): SpineError {
  const leaving =
    others.length === 0
      ? `${first} leaves`
      : `${first} and ${others.length} other ${others.length === 1 ? 'feature' : 'features'} leave`;
  return new SpineError(
    `the spine has no column "${source.eventId}"; it names the decided event, which ${leaving} out: ` +
      'add it (null where nothing was decided)',
  );
}

export function namedLikeFeature(column: string, service: FeatureService): SpineError {
  return new SpineError(`the spine has a column "${column}", which is a feature of ${service.key}; rename it`);
}

export function wrongType(column: string, type: string, wanted: string): SpineError {
  return new SpineError(`column "${column}" of the spine is ${type}; it must be ${wanted}`);
}

export function wrongInput(column: string, type: string, service: FeatureService, wanted: string): SpineError {
  return new SpineError(
    `column "${column}" of the spine is ${type}, and derived features of ${service.key} need it to be ${wanted}`,
  );
}

/** @param firstRow counted from 1. */
export function unusableRows(count: number, firstRow: number, problem: string): SpineError {
  return new SpineError(`in ${count} rows of the spine, the first of them row ${firstRow}, ${problem}`);
}

function keyTypeOf({ fields }: EventSource, name: string): string {
  return fields[name]?.type.kind === 'integer' ? 'a whole number' : 'a text that is not empty';
}

export const ROW_PROBLEMS = {
  timestamp: `"${SPINE.timestamp}" is no instant: it must be ${INSTANT_TYPES}`,
  knownAt: `"${SPINE.knownAt}" is no instant; leave the column out for "${SPINE.timestamp}"`,
  joinKey: (joinKey: string, { source }: WindowedView) =>
    `"${joinKey}" is missing: it must be ${keyTypeOf(source, joinKey)}`,
  decidedEvent: (source: EventSource) =>
    `"${source.eventId}" names no event: it must be ${keyTypeOf(source, source.eventId)}, or null where nothing was decided`,
} as const;

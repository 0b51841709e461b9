/** What is wrong with a spine, in the same words whichever engine finds it. */
import type { FieldType } from '../definitions/fields.ts';
import { expectedOf } from '../definitions/forms.ts';
import type { FeatureService } from '../definitions/service.ts';
import type { EventSource } from '../definitions/source.ts';
import type { WindowedView } from '../definitions/view.ts';
import { columnsOf } from '../expressions/index.ts';
import type { DecidedEvents } from './decided-events.ts';
import { SPINE, SpineError } from './offline-store.ts';

/**
 * Whether rows may lack a join key: events may, of the source that is decided or of the view. Such rows name no entity, so
 * the features of the view are empty, in training as in a decision.
 */
export function keyMayBeAbsent({ decides }: FeatureService, { source }: WindowedView, joinKey: string): boolean {
  return [decides, source].some((one) => one?.fields[joinKey]?.optional);
}

/** What a join key, or the id of a decided event, is. */
export function keyTypeOf({ fields }: EventSource, name: string): FieldType {
  return fields[name]?.type ?? { kind: 'text' };
}

export function noTimestamp(columns: readonly string[]): SpineError {
  return new SpineError(
    `the spine has no column "${SPINE.timestamp}", the instant for which features are wanted; it has ${columns.join(', ')}. Add it, or rename one of them`,
  );
}

export function noJoinKey(joinKey: string, { entity }: WindowedView, columns: readonly string[]): SpineError {
  return new SpineError(
    `the spine has no column "${joinKey}", which identifies the ${entity.name}; it has ${columns.join(', ')}. Add it, or rename one of them`,
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

/** @param type of the column, as SQL names it. */
export function wrongType(column: string, type: string, wanted: FieldType): SpineError {
  const fix = wanted.kind === 'text' && /^(?:FLOAT|DOUBLE)$/.test(type) ? ': write it as whole numbers or as text' : '';
  return new SpineError(`column "${column}" of the spine is ${type}; it must be ${expectedOf(wanted)}${fix}`);
}

/** Whether rows need a value; `named`: they may have none, but no empty one. */
export type Presence = 'needed' | 'named' | 'optional';

/**
 * @param firstRow counted from 1.
 * @param options.problem what is wrong with its value; by default it has none.
 */
export function unusableRows(
  count: number,
  firstRow: number,
  column: string,
  { presence, problem }: { readonly presence?: Presence; readonly problem?: string | undefined },
): SpineError {
  return new SpineError(
    `in ${count} ${count === 1 ? 'row' : 'rows'} of the spine, the first of them row ${firstRow}, ` +
      `"${column}" ${problem ?? (presence === 'named' ? EMPTY : MISSING)}`,
  );
}

const MISSING = 'is missing: give a value, or leave the rows out';
const EMPTY = 'is empty: give a value, or null';

/** Views of which no event counted in any row: the sign of keys or instants that do not fit each other. */
export function nothingCounted(
  { views }: FeatureService,
  counted: ReadonlySet<WindowedView>,
  rowCount: number,
): readonly string[] {
  if (rowCount === 0) return [];
  return views
    .filter((view) => !counted.has(view))
    .map(
      ({ key, source, entity }) =>
        `no event of ${source.name} counted in any row of view ${key}: compare ${entity.joinKeys.join(' and ')} and the instants of the spine with those of history`,
    );
}

/** Fields that derived features use and the spine does not have. */
export function missingInputs(service: FeatureService, columns: readonly string[]): readonly string[] {
  const { decides, derived } = service;
  const fields = Object.keys(decides?.fields ?? {}).filter((name) => name !== decides?.eventTime);
  return fields.flatMap((field) => {
    const users = derived.filter(({ expression }) => columnsOf(expression).has(field)).map(({ name }) => name);
    if (users.length === 0 || columns.includes(field)) return [];
    return [
      `the spine has no column "${field}", which ${users.join(', ')} ${users.length === 1 ? 'uses' : 'use'}: null in every row`,
    ];
  });
}

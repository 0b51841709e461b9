/** What the readers of all formats have in common. */

import type { Decoded, Reading } from '../../shared/definitions/decoded.ts';
import type { FieldType } from '../../shared/definitions/fields.ts';
import { decodeValue, type Form } from '../../shared/definitions/forms.ts';
import type { EventSource, SourceField } from '../../shared/definitions/source.ts';
import { reasonOfLibrary } from '../../shared/offline/library-reason.ts';
import { ARRIVED_AT } from '../../shared/offline/offline-store.ts';
import { UserError } from '../user-error.ts';
import type { FileNote } from './summary.ts';

/** In place of a column's name: what was there when it happened. */
export const AT_EVENT_TIME = 'event-time';

/** A row of a foreign file. */
export interface ReadableRow {
  readonly number: number;
  /** Values by the names that producers give fields; without those that the file does not have. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The value that says when it arrived; of no meaning where that is its event time. */
  readonly arrival: unknown;
}

/** What stands in place of a row and is none. */
export interface UnreadableRow {
  readonly number: number;
  readonly original: unknown;
  readonly problem: string;
}

export type ForeignRow = ReadableRow | UnreadableRow;

export interface ForeignFile {
  /** What the numbers of rows count, from 1. */
  readonly numbered: 'line' | 'row';
  /** What a value of a column means; null for one that is missing. */
  readonly decode: (type: FieldType, value: unknown, wireName: string) => Decoded;
  readonly batches: AsyncIterable<readonly ForeignRow[]>;
  /** How much of it has been read: 0 to 1. */
  readonly done: () => number;
  /** What to know about how it is read. */
  readonly notes: readonly FileNote[];
}

/** How a file is read. */
export interface FileOptions {
  /** As messages name it. */
  readonly name: string;
  readonly path: string;
  readonly source: EventSource;
  /** The columns of fields that are mapped, by field. */
  readonly columns: Readonly<Record<string, string>>;
  /** The column that says when events arrived, or `event-time`. */
  readonly arrival: string | undefined;
  readonly reading: Reading;
  readonly csv: CsvOptions;
  readonly encoding: string;
}

export interface CsvOptions {
  /** Names of the columns where no line says them. */
  readonly header: readonly string[] | undefined;
  /** By default a tab in .tsv, and a comma elsewhere. */
  readonly delimiter: string | undefined;
  readonly quote: string;
  readonly escape: string;
}

/** A column that is needed, and the name by which producers know its field. */
export interface WantedColumn {
  readonly wireName: string;
  readonly column: string;
  readonly type: FieldType;
}

export interface WantedColumns {
  readonly fields: readonly WantedColumn[];
  readonly arrival: WantedColumn | undefined;
  readonly notes: readonly FileNote[];
}

/** What arrivals are. */
export const INSTANT: FieldType = { kind: 'timestamp' };

/**
 * The one column or key that a field is read from: what is mapped, else the name that producers give it, else that of its
 * declaration, unless that is what producers call another field.
 * @param has whether the file has a column or key of that name.
 * @throws UserError where two would do.
 */
export function columnOf(
  { name: file, source, columns }: FileOptions,
  { name, wireName }: SourceField,
  has: (column: string) => boolean,
): string | undefined {
  const mapped = columns[name];
  if (mapped !== undefined) return has(mapped) ? mapped : undefined;
  const isOthers = source.fieldList.some((other) => other.wireName === name) || Object.values(columns).includes(name);
  const isByName = !isOthers && has(name);
  if (!has(wireName)) return isByName ? name : undefined;
  if (isByName)
    throw new UserError(`${file} has both "${wireName}" and "${name}"; say which with --map ${name}=COLUMN`);
  return wireName;
}

/** Whether any column of a file is one that something is read from. */
export function hasWanted({ source, columns, arrival = ARRIVED_AT }: FileOptions, names: readonly string[]): boolean {
  const wanted = [
    ...source.fieldList.flatMap(({ name, wireName }) => [name, wireName]),
    ...Object.values(columns),
    arrival,
  ];
  return names.some((name) => wanted.includes(name));
}

/** Which columns of a file are needed. @throws UserError for one that is not there. */
export function wantedColumns(options: FileOptions, names: readonly string[]): WantedColumns {
  const { source, columns, name: file } = options;
  const known = new Set(names);
  const arrival = arrivalColumn(options, known);
  const fields = source.fieldList.flatMap((field): WantedColumn[] => {
    const { name, wireName, type, whenMissing } = field;
    const column = columnOf(options, field, (one) => known.has(one));
    if (column !== undefined) return [{ wireName, column, type }];
    const wanted = columns[name] ?? wireName;
    if (whenMissing !== 'refused' && columns[name] === undefined) return [];
    throw new UserError(`${file} has no column "${wanted}" but ${names.join(', ')}; name it with --map ${name}=COLUMN`);
  });
  const read = new Set([...fields, ...(arrival === undefined ? [] : [arrival])].map(({ column }) => column));
  return { fields, arrival, notes: notesOf(source, { fields, unread: names.filter((name) => !read.has(name)) }) };
}

/** What of a file is not read, and what it does not have. */
export function notesOf(
  { fieldList }: EventSource,
  { fields, unread }: { readonly fields: readonly { readonly wireName: string }[]; readonly unread: Iterable<string> },
): FileNote[] {
  const lacking = fieldList.filter(({ wireName }) => !fields.some((field) => field.wireName === wireName));
  return [
    ...Array.from(unread, (name): FileNote => ({ kind: 'unread', subject: name.trim() === '' ? `"${name}"` : name })),
    ...lacking
      .filter(({ whenMissing }) => whenMissing !== 'refused')
      .map(({ wireName }): FileNote => ({ kind: 'lacking', subject: `"${wireName}"` })),
  ];
}

/** @returns `undefined` where events arrived when they happened. */
function arrivalColumn(
  { name, arrival = ARRIVED_AT }: FileOptions,
  known: ReadonlySet<string>,
): WantedColumn | undefined {
  if (arrival === AT_EVENT_TIME) return undefined;
  if (known.has(arrival)) return { wireName: ARRIVED_AT, column: arrival, type: INSTANT };
  throw new UserError(
    `${name} has no column "${arrival}" that says when events arrived; ` +
      `name one with --arrival COLUMN, or say --arrival ${AT_EVENT_TIME} if they were known at once`,
  );
}

/** A value in the form of its column. Whole numbers and booleans say by themselves what they are. */
export function decodeAs(type: FieldType, form: Form, value: unknown, reading: Reading): Decoded {
  switch (typeof value) {
    case 'string':
      return decodeValue(
        type,
        form === 'decimal' || form === 'date' || form === 'cell' ? form : 'text',
        value,
        reading,
      );
    case 'number':
      return decodeValue(type, form === 'instant' || form === 'float' ? form : 'double', value, reading);
    case 'bigint':
      return decodeValue(type, 'whole', value, reading);
    case 'boolean':
      return decodeValue(type, 'boolean', value, reading);
    default:
      return null;
  }
}

/** The sentence of an error of a library. */
export function unreadable(file: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  return new UserError(`${file} cannot be read: ${reasonOfLibrary(error)}`, { cause: error });
}

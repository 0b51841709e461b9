import { type RawJson, sourceOf } from '../../definitions/json.ts';
import { sameNumber } from '../../definitions/numbers.ts';
import { SpineError } from '../offline-store.ts';
import type { Cell, Column, ColumnKind } from './columns.ts';

/** One row as JSON has it. */
export type JsonRow = Readonly<Record<string, unknown>>;

/**
 * Columns of rows, in the order in which they first appear; what a row lacks is null.
 * @throws SpineError naming the row and the column whose value is no number, text or truth value, or not like the others.
 */
export function columnsOfRows(rows: readonly JsonRow[]): Column[] {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  return [...names].map((name) => {
    // Not what every object has by birth, such as `constructor`.
    const values = rows.map((row) => (Object.hasOwn(row, name) ? row[name] : null));
    return columnOf(name, values);
  });
}

function columnOf(name: string, values: readonly unknown[]): Column {
  const first = values.findIndex((value) => value !== null);
  const type = typeOf(values[first]);
  const stranger = values.findIndex(
    (value) => value !== null && (typeOf(value) !== type || !['number', 'string', 'boolean'].includes(type)),
  );
  if (stranger >= 0) {
    const others = stranger === first ? '' : `, as in row ${first + 1} it is a ${type}`;
    throw new SpineError(
      `in row ${stranger + 1} of the spine, "${name}" is ${kindOfValue(values[stranger])}; ` +
        `it must be a number, a text, a truth value or null${others}`,
    );
  }
  const broken = values.findIndex((value) => typeof value === 'string' && !value.isWellFormed());
  if (broken >= 0) throw new SpineError(`in row ${broken + 1} of the spine, "${name}" must be well-formed Unicode`);
  const kind = kindOf(type, values);
  return { name, kind, cells: values.map((value) => cellOf(kind, value)), given: values };
}

type JsonNumber = number | RawJson;

function isNumber(value: unknown): value is JsonNumber {
  return typeof value === 'number' || JSON.isRawJSON(value);
}

function typeOf(value: unknown): string {
  return isNumber(value) ? 'number' : typeof value;
}

function kindOfValue(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeOf(value) === 'object' ? 'an object' : `a ${typeOf(value)}`;
}

function kindOf(type: string, values: readonly unknown[]): ColumnKind {
  if (type === 'boolean') return 'boolean';
  if (type !== 'number') return 'text';
  const numbers = values.filter(isNumber);
  if (numbers.every((value) => wholeOf(value) !== undefined)) return 'integer';
  // A column holds whole numbers of 64 bits and doubles. What is more is handed through as it was written.
  return numbers.every(isDouble) ? 'double' : 'text';
}

const LARGEST = 2n ** 63n - 1n;

/** A number that is written as a whole one, and fits a column. */
function wholeOf(value: JsonNumber): bigint | undefined {
  const text = sourceOf(value);
  if (!/^-?\d+$/.test(text) || text === '-0') return undefined;
  const whole = BigInt(text);
  return whole <= LARGEST && whole >= -LARGEST ? whole : undefined;
}

/** A number that its double says completely. */
function isDouble(value: JsonNumber): boolean {
  const text = sourceOf(value);
  return text !== '-0' && sameNumber(text, String(Number(text)));
}

function cellOf(kind: ColumnKind, value: unknown): Cell {
  if (isNumber(value)) {
    if (kind === 'integer') return wholeOf(value) ?? null;
    return kind === 'double' ? Number(sourceOf(value)) : sourceOf(value);
  }
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}

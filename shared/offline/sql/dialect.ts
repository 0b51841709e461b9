/**
 * What Trino (and so Athena) and DuckDB write differently, and what both write the same: names, texts and numbers that
 * cannot be mistaken for anything else.
 */
import type { AggregateDialect } from '../../windows/aggregate.ts';

export interface SqlDialect extends AggregateDialect {
  readonly name: 'trino' | 'duckdb';
  /** Type of whole numbers with up to 18 digits, whose sums are of type `wholeNumber`. */
  readonly unitsType: string;
  /** Whether a double is neither NaN nor an infinity. */
  isFinite(value: string): string;
  /** Four bytes of the SHA-256 of a text, as a whole number, the most significant byte first. */
  hashOf(text: string, firstByte: number): string;
}

/** Name of a bound value. Its body sees nothing else, so it cannot hide another. */
const BOUND = 'it';

export const DUCKDB: SqlDialect = {
  name: 'duckdb',
  unitsType: 'BIGINT',
  wholeNumber: 'HUGEINT',
  wholeQuotient: (dividend, divisor) => `${dividend} // ${divisor}`,
  isFinite: (value) => `isfinite(${value})`,
  bind: (value, body) => `list_extract(list_transform([${value}], lambda ${BOUND}: ${body(BOUND)}), 1)`,
  hashOf: (text, firstByte) => `CAST('0x' || substr(sha256(${text}), ${2 * firstByte + 1}, 8) AS BIGINT)`,
  countDistinct: (value, over) => over(`count(DISTINCT ${value})`),
  elementByRank: (value, position, over) =>
    `list_extract(list_sort(list_filter(${over(`list(${value})`)}, lambda ${BOUND}: ${BOUND} IS NOT NULL)), ${position})`,
};

export const TRINO: SqlDialect = {
  name: 'trino',
  unitsType: 'DECIMAL(18, 0)',
  wholeNumber: 'DECIMAL(38, 0)',
  // Its division rounds.
  wholeQuotient: (dividend, divisor) => `(${dividend} - ${dividend} % ${divisor}) / ${divisor}`,
  isFinite: (value) => `is_finite(${value})`,
  bind: (value, body) => `element_at(transform(ARRAY[${value}], ${BOUND} -> ${body(BOUND)}), 1)`,
  hashOf: (text, firstByte) => `from_base(substr(to_hex(sha256(to_utf8(${text}))), ${2 * firstByte + 1}, 8), 16)`,
  // Trino has no DISTINCT over frames.
  countDistinct: (value, over) =>
    `coalesce(cardinality(array_distinct(filter(${over(`array_agg(${value})`)}, ${BOUND} -> ${BOUND} IS NOT NULL))), 0)`,
  elementByRank: (value, position, over) =>
    `element_at(array_sort(filter(${over(`array_agg(${value})`)}, ${BOUND} -> ${BOUND} IS NOT NULL)), ${position})`,
};

/** Thrown for a name or text that SQL cannot hold. The message shows it. */
export class SqlTextError extends Error {
  override readonly name = 'SqlTextError';
}

/** A name, whatever characters it has. @throws SqlTextError for an empty one and for one with a NUL. */
export function quoteName(name: string): string {
  if (name === '' || name.includes('\0') || !name.isWellFormed()) {
    throw new SqlTextError(`${JSON.stringify(name)} cannot be the name of a column: rename it`);
  }
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text, whatever characters it has. @throws SqlTextError for a lone surrogate, which UTF-8 cannot hold. */
export function textLiteral(text: string): string {
  if (!text.isWellFormed()) throw new SqlTextError(`${JSON.stringify(text)} is not well-formed Unicode`);
  // Statements travel as C strings in places, which end at the first NUL.
  const parts = text.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`);
  return parts.length === 1 ? `${parts[0]}` : `(${parts.join(' || chr(0) || ')})`;
}

/** A double, in the shortest digits that mean exactly this one. @throws SqlTextError for NaN and the infinities. */
export function numberLiteral(value: number): string {
  if (!Number.isFinite(value)) throw new SqlTextError(`${value} has no literal in SQL`);
  const text = value.toExponential().replace('e+', 'E').replace('e', 'E');
  return value < 0 ? `(${text})` : text;
}

/** The text of a table's name from its parts: catalogue, schema, table. */
export function tableName(...parts: readonly string[]): string {
  return parts.map(quoteName).join('.');
}

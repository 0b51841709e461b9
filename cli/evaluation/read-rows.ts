/** What both readers of scored rows share. */
import type { DuckDBConnection } from '@duckdb/node-api';
import type { FileColumn } from '../../shared/offline/embedded/column-types.ts';
import { parquetColumns } from '../../shared/offline/embedded/duckdb.ts';
import { reasonOfLibrary } from '../../shared/offline/library-reason.ts';
import { UserError } from '../user-error.ts';
import type { EvaluationNames } from './evaluate.ts';
import type { ScoredRow } from './scored-rows.ts';

export interface ReadRows {
  /** Those whose outcome is known and that every compared model scored. */
  readonly rows: readonly ScoredRow[];
  /** The champion first. */
  readonly models: readonly string[];
  readonly names: EvaluationNames;
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

/** Which models are compared: by default all. */
export interface Compared {
  readonly champion: string;
  readonly challengers: readonly string[] | undefined;
}

/** The column of amounts, where no other one is named. */
export const AMOUNT = 'amount';

/** Values of columns are referred to by `s`. @throws UserError */
export async function columnsOf(connection: DuckDBConnection, files: string): Promise<FileColumn[]> {
  try {
    return await parquetColumns(connection, files, 's');
  } catch (error) {
    throw new UserError(`${files} cannot be read: ${reasonOfLibrary(error)}`, { cause: error });
  }
}

/** @param fix what names another one. @throws UserError */
export function requireColumn(files: string, columns: readonly FileColumn[], name: string, fix: string): FileColumn {
  const found = columns.find((column) => column.name === name);
  if (found !== undefined) return found;
  throw new UserError(`${files} has no column "${name}"; ${fix}; it has ${listOf(columns.map((one) => one.name))}`);
}

/**
 * The champion and its challengers.
 * @param known `every`: what can be compared; `byDefault`: what is, unless challengers are named.
 * @throws UserError for a model that nothing was scored by.
 */
export function comparedModels(
  files: string,
  { champion, challengers }: Compared,
  known: { readonly every: readonly string[]; readonly byDefault: readonly string[] },
): string[] {
  const models = [champion, ...(challengers ?? known.byDefault)];
  const unknown = models.find((key) => !known.every.includes(key));
  if (unknown === undefined) return [...new Set(models)];
  throw new UserError(`${files} has no scores of ${unknown}; it has ${listOf(known.every)}`);
}

/** Leaves out what cannot be compared. @param rows whose outcome is known. */
export function scoredByAll(
  rows: readonly ScoredRow[],
  models: readonly string[],
): { readonly rows: readonly ScoredRow[]; readonly notes: readonly string[] } {
  const scored = rows.filter(({ scores }) => models.every((key) => scores[key] !== undefined));
  const leftOut = rows.length - scored.length;
  return {
    rows: scored,
    notes: leftOut === 0 ? [] : [`left out: ${rowsText(leftOut)} that not every model had scored`],
  };
}

export function rowsText(count: number): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? 'row' : 'rows'}`;
}

export function listOf(names: readonly string[]): string {
  return names.join(', ') || 'none';
}

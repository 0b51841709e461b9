/** What a package says of the rows that its model learned from, and some of them to score. */
import { type DuckDBConnection, DuckDBListValue } from '@duckdb/node-api';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import { parquetColumns, parquetFiles, queryRows, quoted, withDuckDb } from '../../shared/offline/embedded/duckdb.ts';
import { reasonOfLibrary } from '../../shared/offline/library-reason.ts';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';
import type { ModelDocument, ModelInput } from '../../shared/scoring/package.ts';
import { UserError } from '../user-error.ts';

type Reference = ModelDocument['reference'];

export interface TrainingRows {
  readonly reference: Reference;
  /** The first of them. */
  readonly some: readonly Readonly<Record<string, FieldValue>>[];
}

/** Of equidistant ranks, so that every hundredth has one. */
const RANKS = Array.from({ length: 101 }, (_, index) => index / 100);
const SCORED_ROWS = 1_000;
const NUMERIC = /^(?:BOOLEAN|FLOAT|DOUBLE|DECIMAL.*|U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER)$/;

/**
 * @param options.rows such as `split=training`: rows whose column has that text; by default all.
 * @throws UserError when the file cannot be read, lacks an input, or has no such row.
 */
export async function readTrainingRows(
  path: string,
  inputs: readonly ModelInput[],
  options: { readonly rows?: string | undefined },
): Promise<TrainingRows> {
  return withDuckDb({}, async (connect) => {
    const connection = await connect();
    // Sums in another order would have other last digits.
    await connection.run('SET threads = 1');
    const types = await columnsOf(connection, path);
    requireColumns(path, inputs, types);
    const from = `${parquetFiles(path)} f ${conditionOf(path, options.rows, types)}`;
    const reference = await referenceOf(connection, from, inputs);
    if (reference.rows === 0) throw new UserError(`no row of ${path} has ${options.rows}; look at --rows`);
    return { reference, some: await someRows(connection, from, inputs) };
  });
}

async function columnsOf(connection: DuckDBConnection, path: string): Promise<ReadonlyMap<string, string>> {
  try {
    return new Map((await parquetColumns(connection, path, 'f')).map(({ name, type }) => [name, type]));
  } catch (cause) {
    throw new UserError(`the training set ${path} cannot be read: ${reasonOfLibrary(cause)}`, { cause });
  }
}

function requireColumns(path: string, inputs: readonly ModelInput[], types: ReadonlyMap<string, string>): void {
  for (const { feature } of inputs) {
    const type = types.get(feature);
    if (type === undefined) {
      throw new UserError(
        `the training set ${path} has no column "${feature}", which the model takes; give the one that it was trained with`,
      );
    }
    if (!NUMERIC.test(type)) {
      throw new UserError(`"${feature}" of the training set ${path} is ${type}; models take numbers and booleans`);
    }
  }
}

function conditionOf(path: string, rows: string | undefined, types: ReadonlyMap<string, string>): string {
  if (rows === undefined) return '';
  const separator = rows.indexOf('=');
  const [column, value] = [rows.slice(0, Math.max(0, separator)), rows.slice(separator + 1)];
  if (!types.has(column)) {
    throw new UserError(`--rows ${rows}: write COLUMN=VALUE with a column of ${path}, such as split=training`);
  }
  return `WHERE CAST(f.${quoted(column)} AS VARCHAR) = ${textLiteral(value)}`;
}

/** How each input was distributed before anything was filled in. What is not finite is missing, as in serving. */
async function referenceOf(
  connection: DuckDBConnection,
  from: string,
  inputs: readonly ModelInput[],
): Promise<Reference> {
  const features: Record<string, Reference['features'][string]> = {};
  let rows = 0;
  for (const { feature } of inputs) {
    const [[count, known, mean, stddev, minimum, maximum, quantiles] = []] = await queryRows(
      connection,
      `SELECT count(*), count(x), favg(x), stddev_pop(x), min(x), max(x), quantile_disc(x, [${RANKS.join(', ')}])
       FROM (SELECT CASE WHEN isfinite(value) THEN value END AS x
             FROM (SELECT CAST(f.${quoted(feature)} AS DOUBLE) AS value FROM ${from}))`,
    );
    rows = Number(count);
    const number = (value: unknown) => (value === null || value === undefined ? null : Number(value));
    features[feature] = {
      mean: number(mean),
      stddev: number(stddev),
      minimum: number(minimum),
      maximum: number(maximum),
      nulls: rows - Number(known),
      quantiles: quantiles instanceof DuckDBListValue ? quantiles.items.map(Number) : [],
    };
  }
  return { rows, features };
}

async function someRows(
  connection: DuckDBConnection,
  from: string,
  inputs: readonly ModelInput[],
): Promise<TrainingRows['some']> {
  const columns = inputs.map(
    ({ feature, type }) => `CAST(f.${quoted(feature)} AS ${type === 'boolean' ? 'BOOLEAN' : 'DOUBLE'})`,
  );
  const rows = await queryRows(connection, `SELECT ${columns.join(', ')} FROM ${from} LIMIT ${SCORED_ROWS}`);
  return rows.map((values) =>
    Object.fromEntries(inputs.map(({ feature }, index) => [feature, values[index] as number | boolean | null])),
  );
}

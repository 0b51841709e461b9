/** Parquet: each needed column is selected in the form of its type, and nothing becomes text on the way. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { expectedOf, type Form, takesForm } from '../../shared/definitions/forms.ts';
import { isFloating } from '../../shared/offline/embedded/column-types.ts';
import { describeColumns, literalGlob, queryRows, quoted, streamChunks } from '../../shared/offline/embedded/duckdb.ts';
import { ARRIVED_AT } from '../../shared/offline/offline-store.ts';
import { UserError } from '../user-error.ts';
import {
  decodeAs,
  type FileOptions,
  type ForeignFile,
  type ForeignRow,
  unreadable,
  type WantedColumn,
  wantedColumns,
} from './foreign-file.ts';

const RELATION = 'read_parquet($1, hive_partitioning = false)';

/** Wider decimals are not read exactly. */
const DECIMAL_DIGITS_MAX = 38;

/** What SQL reads a column into. */
interface Carrier {
  readonly form: Form;
  readonly sql: string;
  /** Whether it says instants without their offset from UTC. */
  readonly isLocal?: boolean;
}

export async function openParquet(connection: DuckDBConnection, options: FileOptions): Promise<ForeignFile> {
  const { name, reading } = options;
  const path = [literalGlob(options.path)];
  try {
    const types = new Map(
      (await describeColumns(connection, RELATION, path)).map((column) => [column.name, column.type]),
    );
    await requireExactColumns(connection, path, options);
    const { fields, arrival } = wantedColumns(options, [...types.keys()]);
    const wanted = arrival === undefined ? fields : [...fields, arrival];
    const carriers = new Map<WantedColumn, Carrier>();
    const notes: string[] = [];
    for (const column of wanted) {
      const type = types.get(column.column) ?? '';
      const carrier = carrierOf(type, column, reading.offsetMinutes);
      if (carrier === undefined || !takesForm(column.type, carrier.form)) {
        // Of a column without values its type says nothing.
        if (await hasValues(connection, path, { column: column.column, type })) throw refusedType(name, column, type);
        continue;
      }
      carriers.set(column, carrier);
      if (carrier.isLocal)
        notes.push(
          `"${column.column}" of ${name} has no offset: it is read as UTC${offsetText(reading.offsetMinutes)}`,
        );
    }
    return await opened(connection, path, options, { carriers, arrival, notes });
  } catch (error) {
    throw unreadable(name, error);
  }
}

async function opened(
  connection: DuckDBConnection,
  path: string[],
  { name, reading }: FileOptions,
  columns: {
    readonly carriers: ReadonlyMap<WantedColumn, Carrier>;
    readonly arrival: WantedColumn | undefined;
    readonly notes: readonly string[];
  },
): Promise<ForeignFile> {
  const { carriers, arrival, notes } = columns;
  const selected = [...carriers.keys()];
  const forms = new Map([...carriers].map(([{ wireName }, { form }]) => [wireName, form]));
  const arrivalAt = arrival === undefined ? -1 : selected.indexOf(arrival);
  const fieldNames = selected.filter((column) => column !== arrival).map(({ wireName }) => wireName);
  const [[rowCount] = []] = await queryRows(connection, `SELECT count(*) FROM ${RELATION}`, path);
  const sql = [...carriers.values()].map((carrier) => carrier.sql).join(', ');
  let done = 0;
  async function* batches(): AsyncGenerator<ForeignRow[]> {
    try {
      for await (const chunk of streamChunks(connection, `SELECT ${sql || 'NULL'} FROM ${RELATION}`, path)) {
        const rows = chunk.getRows();
        yield rows.map((cells, index) => {
          const values: Record<string, unknown> = {};
          for (const [place, wireName] of fieldNames.entries()) values[wireName] = cells[place];
          return { number: done + index + 1, values, arrival: cells[arrivalAt] };
        });
        done += rows.length;
      }
    } catch (error) {
      throw unreadable(name, error);
    }
  }
  return {
    numbered: 'row',
    batches: batches(),
    decode: (type, value, wireName) => decodeAs(type, forms.get(wireName) ?? 'text', value, reading),
    done: () => done / Math.max(1, Number(rowCount)),
    notes,
  };
}

/** @throws UserError for columns that DuckDB would read wrongly, or by another name. */
async function requireExactColumns(
  connection: DuckDBConnection,
  path: string[],
  { name: file, source, columns: mapped, arrival = ARRIVED_AT }: FileOptions,
): Promise<void> {
  const names = source.fieldList.flatMap(({ name, wireName }) => mapped[name] ?? [name, wireName]);
  const schema = await queryRows(connection, 'SELECT name, num_children, precision FROM parquet_schema($1)', path);
  const columns: { name: string; precision: number }[] = [];
  // The tree is told node by node; its root comes first.
  let nested = 0;
  for (const [name, children, precision] of schema.slice(1)) {
    if (nested === 0) columns.push({ name: String(name), precision: Number(precision ?? 0) });
    nested = Math.max(0, nested - 1) + Number(children ?? 0);
  }
  for (const column of [...names, arrival]) {
    const alike = columns.filter(({ name }) => name.toLowerCase() === column.toLowerCase());
    if (alike.length > 1) {
      const names = alike.map(({ name }) => `"${name}"`).join(' and ');
      throw new UserError(`${file} has the columns ${names}, which differ only by case; give one of them another name`);
    }
    const precision = alike[0]?.precision ?? 0;
    if (precision > DECIMAL_DIGITS_MAX) {
      throw new UserError(
        `${file}: column "${column}" must have decimals of at most ${DECIMAL_DIGITS_MAX} digits; got ${precision}. ` +
          `Cast it to decimal128 (Arrow), or to DECIMAL(${DECIMAL_DIGITS_MAX}, …)`,
      );
    }
  }
}

async function hasValues(
  connection: DuckDBConnection,
  path: string[],
  { column, type }: { readonly column: string; readonly type: string },
): Promise<boolean> {
  const sql = quoted(column);
  const isValue = isFloating(type) ? `NOT isnan(${sql})` : `${sql} IS NOT NULL`;
  const [[count] = []] = await queryRows(
    connection,
    `SELECT count(*) FILTER (WHERE ${isValue}) FROM ${RELATION}`,
    path,
  );
  return Number(count) > 0;
}

/** `undefined` for types of which no field has values. */
function carrierOf(type: string, wanted: WantedColumn, offsetMinutes = 0): Carrier | undefined {
  const column = quoted(wanted.column);
  const millis = (sql: string) =>
    `CASE WHEN ${column} IS NOT NULL THEN coalesce(epoch_ms(${sql})::DOUBLE, 'infinity'::DOUBLE) END`;
  const local = { form: 'instant', sql: `${millis(column)} - ${60_000 * offsetMinutes}`, isLocal: true } as const;
  if (/^(TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER)$/.test(type)) {
    return { form: 'whole', sql: `${column}::BIGINT` };
  }
  if (/^(UBIGINT|HUGEINT|UHUGEINT)$/.test(type)) return { form: 'whole', sql: column };
  if (/^DECIMAL\(\d+,0\)$/.test(type)) return { form: 'whole', sql: `${column}::HUGEINT` };
  if (type.startsWith('DECIMAL')) return { form: 'decimal', sql: `${column}::VARCHAR` };
  if (type === 'DOUBLE') return { form: 'double', sql: column };
  if (type === 'FLOAT') return { form: 'float', sql: `${column}::DOUBLE` };
  if (type === 'TIMESTAMP WITH TIME ZONE') return { form: 'instant', sql: millis(column) };
  if (/^TIMESTAMP(_S|_MS|_NS)?$/.test(type)) return local;
  if (type === 'DATE') return isInstant(wanted) ? local : { form: 'date', sql: `${column}::VARCHAR` };
  if (/^(VARCHAR|UUID|ENUM.*)$/.test(type)) return { form: 'text', sql: `${column}::VARCHAR` };
  return type === 'BOOLEAN' ? { form: 'boolean', sql: column } : undefined;
}

const isInstant = ({ type }: WantedColumn) => type.kind === 'timestamp';

function offsetText(minutes = 0): string {
  if (minutes === 0) return '';
  const pad = (value: number) => String(value).padStart(2, '0');
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

function refusedType(file: string, { column, type }: WantedColumn, got: string): UserError {
  const fix =
    type.kind !== 'text'
      ? 'Write it so, or name another column with --map'
      : /^(DOUBLE|FLOAT)$/.test(got)
        ? "Write ids as text or whole numbers (pandas: astype('Int64'))"
        : `Write it as text${got === 'BLOB' ? ' (Spark: spark.sql.parquet.binaryAsString)' : ''}`;
  return new UserError(`${file}: column "${column}" must be ${expectedOf(type)}; got ${got}. ${fix}`);
}

/** Parquet: each needed column is selected in the form of its type, and nothing becomes text on the way. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { expectedOf, type Form, takesForm } from '../../shared/definitions/forms.ts';
import { type FileColumn, formOfColumn, isZoneless } from '../../shared/offline/embedded/column-types.ts';
import {
  hasValues,
  literalGlob,
  PARQUET_FILES,
  parquetColumns,
  parquetFiles,
  queryRows,
  streamChunks,
} from '../../shared/offline/embedded/duckdb.ts';
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
import type { FileNote } from './summary.ts';

/** What SQL reads a column into. */
interface Carrier {
  readonly form: Form;
  readonly sql: string;
}

export async function openParquet(connection: DuckDBConnection, options: FileOptions): Promise<ForeignFile> {
  const { name } = options;
  const path = literalGlob(options.path);
  try {
    const columns = await parquetColumns(connection, path, 'f', namesLookedFor(options));
    const {
      fields,
      arrival,
      notes: columnNotes,
    } = wantedColumns(
      options,
      columns.map((column) => column.name),
    );
    const carriers = new Map<WantedColumn, Carrier>();
    const notes: FileNote[] = [...columnNotes];
    for (const wanted of arrival === undefined ? fields : [...fields, arrival]) {
      const column = columns.find((one) => one.name === wanted.column);
      if (column === undefined) continue;
      const form = formOfColumn(column.type);
      if (form === undefined || !takesForm(wanted.type, form)) {
        if (await hasValues(connection, column, `${parquetFiles(path)} f`))
          throw refusedType(name, wanted, column.type);
        continue;
      }
      carriers.set(wanted, { form, sql: carrierSql(form, column) });
      if (wanted.type.kind === 'timestamp' && isZoneless(column.type)) {
        notes.push({ kind: 'zoneless', subject: `"${wanted.column}" is ${column.type}` });
      }
    }
    return await opened(connection, [path], options, { carriers, arrival, notes });
  } catch (error) {
    throw unreadable(name, error);
  }
}

/** Whatever the fields and the arrival may be called in the file. */
function namesLookedFor({ source, columns, arrival = ARRIVED_AT }: FileOptions): string[] {
  return [...source.fieldList.flatMap(({ name, wireName }) => columns[name] ?? [name, wireName]), arrival];
}

async function opened(
  connection: DuckDBConnection,
  path: string[],
  { name, reading }: FileOptions,
  columns: {
    readonly carriers: ReadonlyMap<WantedColumn, Carrier>;
    readonly arrival: WantedColumn | undefined;
    readonly notes: readonly FileNote[];
  },
): Promise<ForeignFile> {
  const { carriers, arrival, notes } = columns;
  const selected = [...carriers.keys()];
  const forms = new Map([...carriers].map(([{ wireName }, { form }]) => [wireName, form]));
  const arrivalAt = arrival === undefined ? -1 : selected.indexOf(arrival);
  const fieldNames = selected.filter((column) => column !== arrival).map(({ wireName }) => wireName);
  const [[rowCount] = []] = await queryRows(connection, `SELECT count(*) FROM ${PARQUET_FILES}`, path);
  const sql = [...carriers.values()].map((carrier) => carrier.sql).join(', ');
  let done = 0;
  async function* batches(): AsyncGenerator<ForeignRow[]> {
    try {
      for await (const chunk of streamChunks(connection, `SELECT ${sql || 'NULL'} FROM ${PARQUET_FILES} f`, path)) {
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

function carrierSql(form: Form, { type, sql }: FileColumn): string {
  switch (form) {
    case 'whole':
      return /^U?(?:TINYINT|SMALLINT|INTEGER)$/.test(type) ? `${sql}::BIGINT` : `${sql}::HUGEINT`;
    case 'double':
    case 'float':
      return `${sql}::DOUBLE`;
    case 'instant':
      return `CASE WHEN ${sql} IS NOT NULL THEN coalesce(epoch_ms(${sql})::DOUBLE, 'infinity'::DOUBLE) END`;
    case 'boolean':
      return sql;
    default:
      return `${sql}::VARCHAR`;
  }
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

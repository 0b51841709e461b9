/** Columns in memory, from Parquet and to Parquet, without native code: it runs in a function of any architecture. */
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type SchemaElement,
  type SchemaTree,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { SpineError } from '../offline-store.ts';

/** What a column holds beside nulls: booleans, bigints, numbers, strings, Dates. */
export type ColumnKind = 'boolean' | 'integer' | 'double' | 'text' | 'date' | 'instant';
export type Cell = boolean | bigint | number | string | Date | null;

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Whether its numbers were written as floats, of seven digits. */
  readonly isFloat?: boolean;
  /** Not copied on the way to a file, because there may be a hundred million of them. */
  readonly cells: Cell[];
}

/** Names of the kinds in SQL, for messages. */
export const SQL_TYPES: Readonly<Record<ColumnKind, string>> = {
  boolean: 'BOOLEAN',
  integer: 'BIGINT',
  double: 'DOUBLE',
  text: 'VARCHAR',
  date: 'DATE',
  instant: 'TIMESTAMP',
};

const PARQUET_TYPES = {
  boolean: 'BOOLEAN',
  integer: 'INT64',
  double: 'DOUBLE',
  text: 'STRING',
  date: 'TIMESTAMP',
  instant: 'TIMESTAMP',
} as const;

/** One Parquet file, compressed with Snappy. */
export function parquetOf(columns: readonly Column[]): Uint8Array {
  const columnData = columns.map(({ name, kind, cells }) => ({ name, data: cells, type: PARQUET_TYPES[kind] }));
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}

/** A Parquet file whose description has been read, and its columns not yet. */
export interface ParquetFile {
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly rowCount: number;
}

export async function openParquet(file: AsyncBuffer): Promise<ParquetFile> {
  const metadata = await parquetMetadataAsync(file);
  return { file, metadata, rowCount: Number(metadata.num_rows) };
}

/**
 * The columns of a file: all, or those of these names that it has.
 * @throws SpineError naming the one whose values cannot be handed through as they are.
 */
export async function columnsOf(
  { file, metadata, rowCount }: ParquetFile,
  names?: readonly string[],
): Promise<Column[]> {
  const wanted = parquetSchema(metadata).children.filter(({ element }) => names?.includes(element.name) ?? true);
  const columns = wanted.map((child) => ({
    name: child.element.name,
    kind: kindOf(child),
    ...(child.element.type === 'FLOAT' && { isFloat: true }),
    cells: Array.from<Cell>({ length: rowCount }).fill(null),
  }));
  const byName = new Map(columns.map((column) => [column.name, column]));
  await parquetRead({
    file,
    metadata,
    compressors,
    ...(names !== undefined && { columns: columns.map(({ name }) => name) }),
    onChunk: ({ columnName, columnData, rowStart }) => {
      const column = byName.get(columnName);
      if (column === undefined) return;
      for (let index = 0; index < columnData.length; index++) {
        column.cells[rowStart + index] = cellOf(column.kind, columnData[index]);
      }
    },
  });
  return columns;
}

function cellOf(kind: ColumnKind, value: unknown): Cell {
  if (value === undefined || value === null) return null;
  if (kind === 'integer' && typeof value === 'number') return BigInt(value);
  return value as Cell;
}

/** More digits than these a double does not carry faithfully. */
const DECIMAL_DIGITS = 15;

function kindOf({ element, children }: SchemaTree): ColumnKind {
  if (children.length > 0 || element.repetition_type === 'REPEATED')
    throw unreadable(element, 'has values inside values');
  const annotation = element.logical_type?.type ?? element.converted_type;
  switch (annotation) {
    case 'STRING':
    case 'UTF8':
    case 'ENUM':
    case 'UUID':
      return 'text';
    case 'DECIMAL':
      if ((element.precision ?? 0) <= DECIMAL_DIGITS) return (element.scale ?? 0) === 0 ? 'integer' : 'double';
      throw unreadable(element, `is a decimal of more than ${DECIMAL_DIGITS} digits`);
    case 'DATE':
      return 'date';
    case 'TIMESTAMP':
    case 'TIMESTAMP_MILLIS':
    case 'TIMESTAMP_MICROS':
      return 'instant';
    case undefined:
    case 'NULL':
    case 'INTEGER':
    case 'FLOAT16':
      return physicalKindOf(element);
    default:
      if (/^U?INT_/.test(annotation)) return 'integer';
      throw unreadable(element, `is of type ${annotation}`);
  }
}

function physicalKindOf(element: SchemaElement): ColumnKind {
  switch (element.type) {
    case 'BOOLEAN':
      return 'boolean';
    case 'INT32':
    case 'INT64':
      return 'integer';
    case 'FLOAT':
    case 'DOUBLE':
      return 'double';
    case 'INT96':
      return 'instant';
    case 'FIXED_LEN_BYTE_ARRAY':
      if (element.logical_type?.type === 'FLOAT16') return 'double';
      throw unreadable(element, 'is binary');
    default:
      throw unreadable(element, 'is binary');
  }
}

function unreadable({ name }: SchemaElement, problem: string): SpineError {
  return new SpineError(`column "${name}" of the spine ${problem}; make it text or numbers, or leave it out`);
}

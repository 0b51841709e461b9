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

/** What a column holds beside nulls: booleans, bigints, numbers, strings (also of decimals that a double does not carry), Dates. */
export type ColumnKind = 'boolean' | 'integer' | 'double' | 'text' | 'decimal' | 'date' | 'instant';
export type Cell = boolean | bigint | number | string | Date | null;

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Of rows of JSON: what stood there, in all its digits. */
  readonly given?: readonly unknown[];
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
  decimal: 'DECIMAL',
  date: 'DATE',
  instant: 'TIMESTAMP',
};

const PARQUET_TYPES = {
  boolean: 'BOOLEAN',
  integer: 'INT64',
  double: 'DOUBLE',
  text: 'STRING',
  decimal: 'STRING',
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
  requireKnownColumns(metadata);
  const wanted = parquetSchema(metadata).children.filter(({ element }) => names?.includes(element.name) ?? true);
  const columns = wanted.map((child) => ({
    name: child.element.name,
    kind: kindOf(child),
    ...((child.element.type === 'FLOAT' || child.element.logical_type?.type === 'FLOAT16') && { isFloat: true }),
    cells: Array.from<Cell>({ length: rowCount }).fill(null),
  }));
  const byName = new Map(columns.map((column, index) => [column.name, { ...column, element: wanted[index]?.element }]));
  let failure: unknown;
  await parquetRead({
    file,
    // Decimals are read as the integers that they are stored as: a product with a power of ten is not exact.
    metadata: {
      ...metadata,
      schema: metadata.schema.map((element) => (isDecimal(element) ? withoutMeaning(element) : element)),
    },
    compressors,
    utf8: false,
    parsers: { stringFromBytes },
    ...(names !== undefined && { columns: columns.map(({ name }) => name) }),
    onChunk: ({ columnName, columnData, rowStart }) => {
      const column = byName.get(columnName);
      if (column === undefined) return;
      try {
        for (let index = 0; index < columnData.length; index++) {
          column.cells[rowStart + index] = cellOf(column, columnData[index]);
        }
      } catch (error) {
        // Thrown here, it would be nobody's, and its cells would be null.
        failure ??= error;
      }
    },
  });
  if (failure !== undefined) throw failure;
  if (columns.some(({ cells }) => cells.length !== rowCount)) throw inconsistent();
  return columns;
}

/**
 * The reader begins with the columns of a group one after the other. Where it meets one that it does not know it stops, and whatever
 * it had begun with fails unseen.
 */
function requireKnownColumns(metadata: FileMetaData): void {
  const known = new Set<unknown>(parquetSchema(metadata).children.map(({ element }) => element.name));
  // A damaged footer may leave names out, whatever its type says.
  if (known.has(undefined)) throw inconsistent();
  const paths = metadata.row_groups.flatMap(({ columns }) => columns.map((column) => column.meta_data?.path_in_schema));
  if (!paths.every((path) => path?.[0] !== undefined && known.has(path[0]))) throw inconsistent();
}

function inconsistent(): SpineError {
  return new SpineError('a Parquet file must have the columns and rows that its footer says; write it again');
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

/** @throws SpineError for what is not UTF-8: another letter in its place would be another key. */
function stringFromBytes(bytes: Uint8Array | undefined): string | undefined {
  try {
    return bytes && UTF_8.decode(bytes);
  } catch {
    throw new SpineError('a text of the spine must be UTF-8; write the file again with its texts decoded');
  }
}

/** More digits than these a double does not carry faithfully. */
const DECIMAL_DIGITS = 15;

function isDecimal(element: SchemaElement | undefined): boolean {
  return (element?.logical_type?.type ?? element?.converted_type) === 'DECIMAL';
}

function withoutMeaning({
  converted_type: _converted,
  logical_type: _logical,
  ...element
}: SchemaElement): SchemaElement {
  return element;
}

/** The text of a decimal from the whole number of its smallest units, or that number's bytes, the most significant first. */
function decimalText(value: unknown, scale: number): string {
  const units =
    value instanceof Uint8Array
      ? BigInt.asIntN(8 * value.length, BigInt(`0x${Buffer.from(value).toString('hex') || '0'}`))
      : BigInt(Number.isInteger(value) || typeof value === 'bigint' ? (value as bigint) : 0);
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${units < 0n ? '-' : ''}${digits.slice(0, point)}${scale === 0 ? '' : `.${digits.slice(point)}`}`;
}

function cellOf(
  { kind, element }: { readonly kind: ColumnKind; readonly element: SchemaElement | undefined },
  value: unknown,
): Cell {
  if (value === undefined || value === null) return null;
  if (isDecimal(element)) {
    const text = decimalText(value, element?.scale ?? 0);
    return kind === 'integer' ? BigInt(text) : kind === 'double' ? Number(text) : text;
  }
  if (kind === 'integer' && typeof value === 'number') return BigInt(value);
  return value as Cell;
}

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
      if ((element.precision ?? 0) > DECIMAL_DIGITS) return 'decimal';
      return (element.scale ?? 0) === 0 ? 'integer' : 'double';
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
  return new SpineError(
    `column "${name}" of the spine ${problem}; it must be text, numbers or instants: cast it, or leave it out`,
  );
}

import { CODE_LENGTH, codeOfAttribute, counterOfAttribute, startOfAttribute } from './bucket.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { AnyCell } from './cell.ts';
import type { Attribute, Item } from './item.ts';
import { greatestCommonDivisor, type WindowLayout } from './layout.ts';

/**
 * Settled buckets, packed into one attribute: an attribute of its own costs each bucket ten bytes of name, and most are
 * never touched again. One column per cell:
 *
 *     code   bytes   first start   unit   count   state   (start − previous start) / unit   state …
 *     3      count   count         count  count   cell's  count                             cell's
 *
 * The unit is what all distances are multiples of, so that a distance mostly takes one byte. Columns of cells that this
 * code does not know (of a newer deployment, say) are kept as they are.
 */
export interface PackedBucket {
  readonly start: number;
  readonly state: unknown;
}

export interface PackedColumns {
  /** Buckets of known cells by cell index, oldest first. */
  readonly known: ReadonlyMap<number, readonly PackedBucket[]>;
  /** Columns of unknown cells by code, as they are. */
  readonly unknown: ReadonlyMap<string, Uint8Array>;
}

const NOTHING: PackedColumns = { known: new Map(), unknown: new Map() };

/** Reads the packed attribute. What is not of this code's making is nothing. */
export function unpack(layout: WindowLayout, attribute: Attribute | undefined): PackedColumns {
  if (attribute === undefined || !('B' in attribute)) return NOTHING;
  const known = new Map<number, readonly PackedBucket[]>();
  const unknown = new Map<string, Uint8Array>();
  try {
    for (const reader = new ByteReader(attribute.B); !reader.isAtEnd; ) {
      const code = reader.bytes(CODE_LENGTH).toString('latin1');
      const column = reader.bytes(reader.count());
      const index = layout.cellIndexByCode.get(code);
      const cell = index === undefined ? undefined : layout.cells[index];
      if (index === undefined || cell === undefined) unknown.set(code, column);
      else known.set(index, unpackColumn(cell, new ByteReader(column)));
    }
  } catch (error) {
    if (error instanceof RangeError) return NOTHING;
    throw error;
  }
  return { known, unknown };
}

function unpackColumn(cell: AnyCell, reader: ByteReader): PackedBucket[] {
  let start = reader.count();
  const unit = reader.count();
  const buckets: PackedBucket[] = [];
  for (let left = reader.count(); left > 0; left--) {
    if (buckets.length > 0) start += reader.count() * unit;
    buckets.push({ start, state: cell.unpack(reader) });
  }
  return buckets;
}

/** Writes the packed attribute; `undefined` when there is nothing to pack. */
export function pack(layout: WindowLayout, columns: PackedColumns): Attribute | undefined {
  const writer = new ByteWriter();
  let isEmpty = true;
  const write = (code: string, column: Uint8Array) => {
    writer.bytes(Buffer.from(code, 'latin1'));
    writer.count(column.length);
    writer.bytes(column);
    isEmpty = false;
  };
  layout.cells.forEach((cell, index) => {
    const buckets = columns.known.get(index) ?? [];
    if (buckets.length > 0) write(cell.code, packColumn(cell, buckets));
  });
  for (const [code, column] of columns.unknown) write(code, column);
  return isEmpty ? undefined : { B: writer.finish() };
}

function packColumn(cell: AnyCell, oldestFirst: readonly PackedBucket[]): Uint8Array {
  const writer = new ByteWriter();
  const [first = { start: 0 }] = oldestFirst;
  const unit = oldestFirst.reduce((divisor, { start }) => greatestCommonDivisor(start - first.start, divisor), 0) || 1;
  writer.count(first.start);
  writer.count(unit);
  writer.count(oldestFirst.length);
  let previous = first.start;
  oldestFirst.forEach(({ start, state }, index) => {
    if (index > 0) writer.count((start - previous) / unit);
    cell.pack(state, writer);
    previous = start;
  });
  return writer.finish();
}

/** The buckets of an item that have attributes of their own, by index of the cell. */
export function looseBuckets(layout: WindowLayout, item: Item): PackedBucket[][] {
  const buckets = layout.cells.map((): PackedBucket[] => []);
  for (const name in item) {
    const start = startOfAttribute(name);
    const attribute = item[name];
    if (start < 0 || attribute === undefined) continue;
    const index = layout.cellIndexByCode.get(codeOfAttribute(name)) ?? -1;
    const state = layout.cells[index]?.decode(attribute, counterOfAttribute(name));
    if (state !== undefined) buckets[index]?.push({ start, state });
  }
  return buckets;
}

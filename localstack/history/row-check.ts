/** Whether a row fits its table exactly: DuckDB would round what does not, and a folder must never be made of any text. */
import * as z from 'zod';
import { type HistorySchema, PARTITION } from '../../shared/offline/history-schema.ts';

export type CheckedRow =
  /** `partition` is equal for rows of one file. */
  | { readonly ok: true; readonly row: object; readonly partition: string }
  | { readonly ok: false; readonly problem: string };

const text = z.string().refine((value) => value.isWellFormed());
const whole = z.int();
const fraction = z.number();
const flag = z.boolean();

/** @returns a check that keeps the columns of the table and those of its partitions, and drops all others. */
export function rowCheck({ columns, tableName }: HistorySchema): (row: unknown) => CheckedRow {
  const types = new Map(columns.map(({ name, hiveType }) => [name, hiveType]));
  const shape = z.object({
    ...Object.fromEntries(columns.map(({ name, hiveType }) => [name, cellOf(hiveType).nullish()])),
    [PARTITION.date]: z.iso.date(),
    [PARTITION.hour]: z.string().regex(/^([01]\d|2[0-3])$/),
  });
  return (row) => {
    const parsed = shape.safeParse(row);
    if (parsed.success) {
      const partition = `${parsed.data[PARTITION.date]}/${parsed.data[PARTITION.hour]}`;
      return { ok: true, row: parsed.data, partition };
    }
    // Values are not quoted: they are somebody's transactions.
    const column = String(parsed.error.issues[0]?.path[0] ?? '');
    const wanted =
      column === '' ? 'a JSON object' : `${types.get(column) ?? 'the partition of an instant'} in "${column}"`;
    return { ok: false, problem: `A row of ${tableName} must have ${wanted}.` };
  };
}

function cellOf(hiveType: string): z.ZodType {
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(hiveType) ?? [];
  if (precision !== undefined && scale !== undefined) return decimalText(Number(precision), Number(scale));
  switch (hiveType) {
    case 'string':
      return text;
    case 'bigint':
      return whole;
    case 'double':
      return fraction;
    case 'boolean':
      return flag;
    default:
      throw new TypeError(`The lander does not know the column type ${hiveType}; teach it to row-check.ts`);
  }
}

function decimalText(precision: number, scale: number): z.ZodType {
  const fractionDigits = scale === 0 ? '' : `(\\.\\d{1,${scale}})?`;
  return z.string().regex(new RegExp(`^-?\\d{1,${precision - scale}}${fractionDigits}$`));
}

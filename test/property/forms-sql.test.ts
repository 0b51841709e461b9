/** What SQL decides about a column of a file is what the decoder says of each of its values. */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Decoded, Refusal } from '../../shared/definitions/decoded.ts';
import type { FieldType } from '../../shared/definitions/fields.ts';
import { decodeValue, FILE_OFFSET_FIX } from '../../shared/definitions/forms.ts';
import { formOfColumn, readColumn } from '../../shared/offline/embedded/column-types.ts';
import { queryRows, withDuckDb } from '../../shared/offline/embedded/duckdb.ts';

const FIELDS: readonly FieldType[] = [
  { kind: 'text' },
  { kind: 'boolean' },
  { kind: 'integer' },
  { kind: 'decimal', scale: 0 },
  { kind: 'decimal', scale: 2 },
  { kind: 'decimal', scale: 2, rounding: 'half-even' },
  { kind: 'decimal', scale: 15 },
  { kind: 'double' },
  { kind: 'timestamp' },
];

const MILLIS = fc.integer({ min: Date.UTC(1999), max: Date.UTC(2030) });
/** Around the bounds of every kind and unit, where mistakes are. */
const WHOLE = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -3n, max: 1_000n }),
  fc
    .tuple(MILLIS, fc.constantFrom(1n, 1_000n, 1_000_000n), fc.nat(999))
    .map(([at, unit, more]) => BigInt(at) * unit + BigInt(more)),
  fc.constantFrom(2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n), 10n ** 13n, 10n ** 15n, 946_684_799_999n, 946_684_800_000n),
);
const DOUBLE = fc.oneof(
  fc.double(),
  fc.double({ min: -1e6, max: 1e6 }).map((value) => Math.round(value * 100) / 100),
  fc.double({ min: -1e6, max: 1e6 }).map((value) => Math.round(value * 1_000) / 1_000),
  WHOLE.map(Number),
  fc.constantFrom(
    0,
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e-120,
    9e-121,
    1e120,
    1.1e120,
    0.1 + 0.2,
    0.125,
    2.675,
    0.015,
  ),
);
const TEXT = fc.oneof(
  fc.string({ maxLength: 12 }),
  DOUBLE.map(String),
  WHOLE.map(String),
  MILLIS.map((at) => new Date(at).toISOString()),
  fc.constantFrom('', ' ', 'true', 'F', '042', '2026-03-05', '2026-03-05T12:00+0100', '1e3', '+5', 'nan', '１'),
);

/** How columns hold values: the type, literals of the values, and what the decoder is handed for each. */
const COLUMNS: readonly {
  readonly type: string;
  readonly values: fc.Arbitrary<readonly [sql: string, value: never]>;
}[] = [
  { type: 'BIGINT', values: WHOLE.map((value) => [`'${value}'::BIGINT`, value as never]) },
  {
    type: 'SMALLINT',
    values: fc.integer({ min: -32_768, max: 32_767 }).map((value) => [`'${value}'::SMALLINT`, BigInt(value) as never]),
  },
  { type: 'HUGEINT', values: WHOLE.map((value) => [`'${value * 1_000n}'::HUGEINT`, (value * 1_000n) as never]) },
  { type: 'DECIMAL(38,0)', values: WHOLE.map((value) => [`'${value}'::DECIMAL(38,0)`, value as never]) },
  { type: 'DOUBLE', values: DOUBLE.map((value) => [literal(value, 'DOUBLE'), value as never]) },
  {
    type: 'DECIMAL(18,4)',
    values: fc
      .bigInt({ min: -(10n ** 17n), max: 10n ** 17n })
      .map((units) => [decimalText(units, 4), decimalText(units, 4)] as const)
      .map(([text]) => [`'${text}'::DECIMAL(18,4)`, text as never]),
  },
  { type: 'BOOLEAN', values: fc.boolean().map((value) => [String(value), value as never]) },
  { type: 'DATE', values: MILLIS.map((at) => [`DATE '${day(at)}'`, day(at) as never]) },
  { type: 'TIMESTAMP', values: MILLIS.map((at) => [`make_timestamp_ms(${at})`, at as never]) },
  {
    type: 'VARCHAR',
    values: TEXT.filter((text) => !text.includes('\0')).map((text) => [
      `'${text.replaceAll("'", "''")}'`,
      text as never,
    ]),
  },
];

function literal(value: number, type: string): string {
  return `'${Number.isFinite(value) ? String(Object.is(value, -0) ? '-0.0' : value) : String(value)}'::${type}`;
}

function decimalText(units: bigint, scale: number): string {
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

const day = (at: number) => new Date(at).toISOString().slice(0, 10);

function told(decoded: Decoded): unknown {
  return decoded instanceof Refusal ? { refused: decoded.problem } : decoded;
}

async function readBySql(connection: DuckDBConnection, type: FieldType, columnType: string, values: readonly string[]) {
  await connection.run(`CREATE OR REPLACE TABLE written (place INTEGER, given ${columnType})`);
  await connection.run(`INSERT INTO written VALUES ${values.map((value, place) => `(${place}, ${value})`).join(', ')}`);
  const read = readColumn(type, { name: 'given', type: columnType, sql: 'h.given' });
  if (read === undefined) return undefined;
  const { value, isRefused = 'false', refusal } = read;
  const rows = await queryRows(
    connection,
    `SELECT ${value}, ${isRefused}, CASE WHEN ${isRefused} THEN ${refusal} END FROM written h ORDER BY place`,
  );
  return rows.map(([found, refused, problem]) => (refused === true ? { refused: problem } : plain(found)));
}

function plain(value: DuckDBValue | undefined): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

describe('a column', () => {
  it.each(COLUMNS)('of $type is read as the decoder reads its values', async ({ type, values }) => {
    const form = formOfColumn(type) ?? 'text';
    await withDuckDb({}, async (connect) => {
      const connection = await connect();
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...FIELDS),
          fc.array(values, { minLength: 50, maxLength: 50 }),
          async (field, given) => {
            const read = await readBySql(
              connection,
              field,
              type,
              given.map(([sql]) => sql),
            );
            const decoded = given.map(([, value]) =>
              told(decodeValue(field, form, value, { offsetFix: FILE_OFFSET_FIX })),
            );
            if (read === undefined) expect(decoded.every((one) => Object.hasOwn(Object(one), 'refused'))).toBe(true);
            else expect(read).toEqual(decoded);
          },
        ),
        { numRuns: 40 },
      );
    });
  });
});

/** Vectors of decimals and whole numbers that are hard to add and divide, and what engines and oracle make of them. */
import fc from 'fast-check';
import { oracleAggregate } from '../../localstack/oracle.ts';
import type { SqlDialect } from '../../shared/offline/sql/dialect.ts';
import type { AggregateInput, FeatureValue } from '../../shared/windows/aggregate.ts';
import { AGGREGATES } from '../../shared/windows/aggregates/index.ts';

export const NAMES = ['sum', 'mean', 'variance', 'stddev'] as const;

/** Values as multiples of 10^−scale. */
export interface NumberVector {
  readonly scale: number;
  readonly units: readonly number[];
}

const LARGEST_DECIMAL = 10 ** 15 - 1;
const LARGEST_INTEGER = 2 ** 53 - 1;

const upTo = (largest: number) => fc.integer({ min: -largest, max: largest });

/** Units of any size, a few far from zero and close together, and one value again and again. */
function unitsUpTo(largest: number): fc.Arbitrary<number[]> {
  const anySize = fc
    .integer({ min: 1, max: 15 })
    .chain((digits) => fc.array(upTo(Math.min(largest, 10 ** digits)), { minLength: 1, maxLength: 30 }));
  const closeTogether = fc
    .tuple(upTo(largest - 100), fc.array(fc.nat(100), { minLength: 2, maxLength: 30 }))
    .map(([base, steps]) => steps.map((step) => base + step));
  const repeated = fc
    .tuple(upTo(largest), fc.integer({ min: 2, max: 80 }))
    .map(([value, count]) => Array.from({ length: count }, () => value));
  return fc.oneof(anySize, closeTogether, repeated);
}

/** Sixteen whole numbers whose sum has 54 binary digits and ends with 1: their mean is halfway between two doubles. */
const tied = fc
  .array(fc.integer({ min: 6e14, max: LARGEST_DECIMAL - 1 }), { minLength: 16, maxLength: 16 })
  .map((units) => {
    const sum = units.reduce((total, unit) => total + BigInt(unit), 0n);
    return units.map((unit, index) => (index === 0 && sum % 2n === 0n ? unit + 1 : unit));
  });

export function vectorArbitrary(scale: number): fc.Arbitrary<NumberVector> {
  const units = scale > 0 ? unitsUpTo(LARGEST_DECIMAL) : fc.oneof(unitsUpTo(LARGEST_INTEGER), tied);
  return units.map((chosen) => ({ scale, units: chosen }));
}

function valuesOf({ scale, units }: NumberVector): number[] {
  return units.map((unit) => Number(`${unit}e-${scale}`));
}

function inputOf(scale: number): AggregateInput {
  return {
    fieldName: 'value',
    field: { type: scale === 0 ? { kind: 'integer' } : { kind: 'decimal', scale }, optional: false },
    scale,
    quantile: undefined,
  };
}

/** By name, what the cells and aggregates of the product answer. */
export function answersOf(vector: NumberVector): FeatureValue[] {
  const input = inputOf(vector.scale);
  return NAMES.map((name) => {
    const states = AGGREGATES[name].cells(input).map((cell) => {
      const contributions = valuesOf(vector).map((value) => cell.contribution({ value }, 0));
      return cell.merge(contributions.filter((contribution) => contribution !== undefined));
    });
    return AGGREGATES[name].finalise(states as never, input);
  });
}

export function expectedOf(vector: NumberVector): FeatureValue[] {
  const values = valuesOf(vector).map((value): [number, number] => [0, value]);
  return NAMES.map((name) => oracleAggregate(name, values, vector.scale, 0));
}

/** A query whose rows are the answers for vectors of one scale, in their order. */
export function answersSql(dialect: SqlDialect, scale: number, vectors: readonly NumberVector[]): string {
  const rows = vectors.flatMap(({ units }, index) =>
    units.map((unit) => `(${index}, CAST('${unit}' AS ${dialect.unitsType}))`),
  );
  const events = { time: '0', value: '"units"', units: '"units"', over: (call: string) => call, dialect };
  const columns = NAMES.map((name) => AGGREGATES[name].sql(events, inputOf(scale)));
  return `SELECT ${columns.join(',\n')}\nFROM (VALUES ${rows.join(', ')}) AS "rows" ("vector", "units")\nGROUP BY "vector"\nORDER BY "vector"`;
}

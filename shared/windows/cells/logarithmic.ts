import { LIMITS } from '../../limits.ts';
import { type Cell, cellCode } from '../cell.ts';
import { addExact, type Exact, multiplyExact, parseExact } from '../exact.ts';

/**
 * A DDSketch (Masson, Rim, Lee, "DDSketch", VLDB 2019): the number of values per logarithmic bin. Every bin is a counter
 * of its own, so an event is one `ADD` and merging is addition. Bin i > 0 holds values in (γ^(i−1), γ^i]; negative
 * values mirror it and 0 has a bin of its own. Bins are named by shifted indices: 0 for zero, then outward by size.
 */
export type LogarithmicCounts = ReadonlyMap<number, Exact>;

const ACCURACY = LIMITS.quantileRelativeAccuracy;
const LOG_GAMMA = Math.log((1 + ACCURACY) / (1 - ACCURACY));
/** γ^−1500 ≈ 10^−13 at 1 %: smaller values count as zero. */
const OFFSET = 1_500;

function binOf(value: number): number {
  const magnitude = Math.ceil(Math.log(Math.abs(value)) / LOG_GAMMA) + OFFSET;
  if (value === 0 || magnitude <= 0) return 0;
  return value > 0 ? magnitude : -magnitude;
}

/** The value that stands for a bin: at most 1 % from any value in it. */
function valueOfBin(bin: number): number {
  if (bin === 0) return 0;
  const value = (2 * Math.exp((Math.abs(bin) - OFFSET) * LOG_GAMMA)) / (Math.exp(LOG_GAMMA) + 1);
  return bin > 0 ? value : -value;
}

/**
 * The value of rank `floor(quantile · (n − 1))`, within 1 %, and between the least and the greatest value where they are
 * known. `null` when there is none.
 */
export function quantileOf(
  counts: LogarithmicCounts,
  quantile: number,
  { least, greatest }: { readonly least?: number | undefined; readonly greatest?: number | undefined } = {},
): number | null {
  const bins = [...counts].map(([bin, count]) => [bin, Number(count)] as const).sort(([left], [right]) => left - right);
  const total = bins.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return null;
  const rank = Math.floor(quantile * (total - 1));
  let passed = 0;
  for (const [bin, count] of bins) {
    passed += count;
    if (passed <= rank) continue;
    // Values of other bins lie between the extremes anyway; extremes that were declared later than the quantile, and
    // have seen less than it, lie in other bins.
    const value = least !== undefined && binOf(least) === bin ? Math.max(valueOfBin(bin), least) : valueOfBin(bin);
    return greatest !== undefined && binOf(greatest) === bin ? Math.min(value, greatest) : value;
  }
  return null;
}

export function logarithmicCell(field: string): Cell<LogarithmicCounts> {
  const identity = `logarithmic(${field})`;
  return {
    identity,
    code: cellCode('G', identity),
    contribution: (values) => {
      const value = values[field];
      return typeof value === 'number' ? new Map([[binOf(value), 1]]) : undefined;
    },
    merge: ([first, ...others]) => {
      const merged = new Map(first);
      for (const state of others) {
        for (const [bin, count] of state) merged.set(bin, addExact(merged.get(bin) ?? 0, count));
      }
      return merged;
    },
    inverse: (contribution) => new Map([...contribution].map(([bin, count]) => [bin, multiplyExact(-1, count)])),
    mayHold: (state, contribution) => [...contribution.keys()].every((bin) => state.has(bin)),
    slides: 'counts',
    decode: (attribute, counter) =>
      'N' in attribute && counter !== '' && Number.isInteger(Number(counter))
        ? new Map([[Number(counter), parseExact(attribute.N)]])
        : undefined,
    pack: (state, writer) => {
      writer.count(state.size);
      for (const [bin, count] of state) {
        writer.integer(bin);
        writer.integer(count);
      }
    },
    unpack: (reader) =>
      new Map(Array.from({ length: reader.count() }, () => [Number(reader.integer()), reader.integer()] as const)),
    conditionOperators: 0,
    store: (update, name, state) => {
      for (const [bin, count] of state) update.addNumber(name + bin, count);
    },
  };
}

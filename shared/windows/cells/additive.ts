import { type Cell, cellCode } from '../cell.ts';
import { addExact, type Exact, multiplyExact, parseExact, unitsOf } from '../exact.ts';

/** A counter: DynamoDB adds to it, so writers never have to know what it holds. */
function additive(identity: string, letter: string, contribution: Cell<Exact>['contribution']): Cell<Exact> {
  return {
    identity,
    code: cellCode(letter, identity),
    contribution,
    merge: (states) => states.reduce(addExact),
    inverse: (contribution) => multiplyExact(-1, contribution),
    slides: 'total',
    decode: (attribute) => ('N' in attribute ? parseExact(attribute.N) : undefined),
    conditionOperators: 0,
    store: (update, name, state) => update.addNumber(name, state),
    pack: (state, writer) => writer.integer(state),
    unpack: (reader) => reader.integer(),
  };
}

/** Number of events, or of events where `field` is not null. */
export function countCell(field?: string): Cell<Exact> {
  return field === undefined
    ? additive('count(*)', 'C', () => 1)
    : additive(`count(${field})`, 'C', (values) => ((values[field] ?? null) === null ? undefined : 1));
}

/** Sum of `value^power`, in units of 10^(−scale · power). */
export function powerSumCell(field: string, scale: number, power: 1 | 2): Cell<Exact> {
  // The scale is part of it: sums in other units are other sums.
  const identity = `sum(${field}${power === 1 ? '' : '^2'} in 10^-${scale})`;
  return additive(identity, power === 1 ? 'S' : 'Q', (values) => {
    const value = values[field];
    if (typeof value !== 'number') return undefined;
    const units = unitsOf(value, scale);
    return power === 1 ? units : multiplyExact(units, units);
  });
}

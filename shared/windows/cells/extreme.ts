import { type Cell, cellCode } from '../cell.ts';

/**
 * The least or greatest value. DynamoDB cannot take a maximum, so the value is set, under the condition that it still is
 * one: the update is refused when somebody stored a more extreme value meanwhile, and planned again from what is there.
 */
export function extremeCell(field: string, side: 'minimum' | 'maximum'): Cell<number> {
  const isMaximum = side === 'maximum';
  const identity = `${side}(${field})`;
  const more = (left: number, right: number) => (isMaximum ? Math.max(left, right) : Math.min(left, right));
  return {
    identity,
    code: cellCode(isMaximum ? 'X' : 'N', identity),
    contribution: (values) => {
      const value = values[field];
      return typeof value === 'number' ? value : undefined;
    },
    merge: (states) => states.reduce(more),
    mayHold: (state, contribution) => more(state, contribution) === state,
    slides: isMaximum ? 'greatest' : 'least',
    decode: (attribute) => ('N' in attribute ? Number(attribute.N) : undefined),
    pack: (state, writer) => writer.number(state),
    unpack: (reader) => reader.number(),
    // Absent, or, comparison, and.
    conditionOperators: 4,
    store: (update, name, state, current) => {
      const seen = current?.[name];
      if (seen && 'N' in seen && (isMaximum ? Number(seen.N) >= state : Number(seen.N) <= state)) return;
      const value = String(state);
      update.set(name, { N: value });
      update.require({ kind: isMaximum ? 'absentOrAtMost' : 'absentOrAtLeast', name, value });
    },
  };
}

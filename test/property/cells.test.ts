import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../shared/windows/bytes.ts';
import type { AnyCell } from '../../shared/windows/cell.ts';
import { countCell, powerSumCell } from '../../shared/windows/cells/additive.ts';
import { endpointCell } from '../../shared/windows/cells/endpoint.ts';
import { extremeCell } from '../../shared/windows/cells/extreme.ts';
import { logarithmicCell } from '../../shared/windows/cells/logarithmic.ts';
import { membersCell } from '../../shared/windows/cells/members.ts';

const CELLS: readonly AnyCell[] = [
  countCell(),
  countCell('amount'),
  powerSumCell('amount', 2, 1),
  powerSumCell('amount', 2, 2),
  extremeCell('amount', 'minimum'),
  extremeCell('amount', 'maximum'),
  endpointCell('amount', 'first'),
  endpointCell('label', 'last'),
  membersCell('label'),
  logarithmicCell('amount'),
];

const event = fc.record({
  timeMillis: fc.nat(50),
  amount: fc.option(fc.integer({ min: -1e12, max: 1e12 }).map((cents) => cents / 100)),
  label: fc.option(fc.string({ unit: 'binary', maxLength: 3 }), { freq: 3 }),
});

/** States as plain data in which order does not matter where it has no meaning. */
function plain(state: unknown): unknown {
  if (state instanceof Map)
    return [...state].sort(([left], [right]) => left - right).map(([bin, count]) => [bin, String(count)]);
  if (typeof state === 'object' && state !== null && 'hashes' in state) {
    return { ...state, hashes: [...(state.hashes as string[])].sort() };
  }
  return typeof state === 'bigint' ? String(state) : state;
}

describe.each(CELLS.map((cell) => [cell.identity, cell] as const))('the cell %s', (_identity, cell) => {
  const statesOf = (events: readonly { timeMillis: number }[]) =>
    events.map((one) => cell.contribution({ ...one }, one.timeMillis)).filter((state) => state !== undefined);

  it('merges to the same state in any order and grouping', () => {
    fc.assert(
      fc.property(
        fc.array(event, { minLength: 1, maxLength: 12 }),
        fc.nat(11),
        fc.boolean(),
        (events, cut, reversed) => {
          const states = statesOf(events);
          if (states.length === 0) return;
          const ordered = reversed ? states.toReversed() : states;
          const halves = [ordered.slice(0, cut), ordered.slice(cut)].filter((half) => half.length > 0);
          const grouped = cell.merge(halves.map((half) => cell.merge(half)));
          expect(plain(grouped)).toEqual(plain(cell.merge(states)));
        },
      ),
    );
  });

  it('reads back what it packs, and where it ends', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 12 }), (events) => {
        const states = statesOf(events);
        if (states.length === 0) return;
        const state = cell.merge(states);
        const writer = new ByteWriter();
        cell.pack(state, writer);
        cell.pack(states[0], writer);
        const reader = new ByteReader(writer.finish());
        expect(plain(cell.unpack(reader))).toEqual(plain(state));
        expect(plain(cell.unpack(reader))).toEqual(plain(states[0]));
        expect(reader.isAtEnd).toBe(true);
      }),
    );
  });
});

import type { DecidedIds, EventColumns } from './event-columns.ts';
import type { Selection } from './selection.ts';

/** No event of a selection. */
export const NOWHERE = -1;

/**
 * Where in a selection the event lies that each row decides; `NOWHERE` where none of that id counts. One pass over the
 * events, which reads the ids of those alone whose hashes are those of rows.
 */
export function placesOfDecided(
  events: EventColumns,
  { positions, length }: Selection,
  decided: DecidedIds,
): Int32Array {
  const places = new Int32Array(decided.ids.length).fill(NOWHERE);
  const lastRowByHash = new Map<number, number>();
  /** The row before with the same hash: several rows may decide one event. */
  const rowBefore = new Int32Array(decided.ids.length);
  for (let row = 0; row < decided.ids.length; row++) {
    const idHash = decided.idHashes[row] ?? 0;
    if (decided.ids[row] === null) continue;
    rowBefore[row] = lastRowByHash.get(idHash) ?? NOWHERE;
    lastRowByHash.set(idHash, row);
  }
  if (lastRowByHash.size === 0) return places;
  for (let index = 0; index < length; index++) {
    const position = positions[index] ?? 0;
    let row = lastRowByHash.get(events.idHashes[position] ?? 0) ?? NOWHERE;
    if (row === NOWHERE) continue;
    const id = events.idAt(position);
    for (; row !== NOWHERE; row = rowBefore[row] ?? NOWHERE) if (decided.ids[row] === id) places[row] = index;
  }
  return places;
}

import type { WindowedView } from '../definitions/view.ts';
import type { WindowEvent } from '../windows/event.ts';

/** Key of the item that holds one entity's features of a view: `view@version|entity key`, with `#lane` if it has lanes. */
export function itemKeyOf(view: WindowedView, entityKey: string, lane: number): string {
  return view.lanes === 1 ? `${view.key}|${entityKey}` : `${view.key}#${lane}|${entityKey}`;
}

/** Keys of all items of an entity. */
export function itemKeysOf(view: WindowedView, entityKey: string): string[] {
  return Array.from({ length: view.lanes }, (_, lane) => itemKeyOf(view, entityKey, lane));
}

/** The lane of an event follows from its id, so that a duplicate meets the same item. */
export function laneOf(view: WindowedView, event: WindowEvent): number {
  return view.lanes === 1 ? 0 : Buffer.from(event.idHash, 'base64url').readUInt32BE(4) % view.lanes;
}

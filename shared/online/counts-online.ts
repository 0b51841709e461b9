import type { WindowedView } from '../definitions/view.ts';
import type { WindowEvent } from '../windows/event.ts';

/** Whether the stream and decisions count an event in a view: it belongs there, and is not left to backfill. */
export function countsOnline(view: WindowedView, event: WindowEvent): boolean {
  const { liveFromMillis } = view.layout;
  return view.includes(event.values) && (liveFromMillis === undefined || event.arrivedAtMillis >= liveFromMillis);
}

/**
 * Ids of events that force an outcome, so that whoever calls the API can test what follows from each: in stages that are not
 * production. In production they are refused by every way in.
 */

import { type DecodedEvent, wireNameOf } from './definitions/decode-event.ts';
import type { EventSource } from './definitions/source.ts';

/** Ids that begin so are for tests. Audits and evaluations leave out what was decided over them. */
export const RESERVED_ID_PREFIX = 'feature-store-test:';

/**
 * `approve`, `review`, `block`: the decision is that one. `degraded`: decided as if the online store had not answered.
 * `slow`: the answer takes long. `model-missing`: decided as if the model could not be loaded.
 */
export const FORCED_OUTCOMES = ['approve', 'review', 'block', 'degraded', 'slow', 'model-missing'] as const;
export type ForcedOutcome = (typeof FORCED_OUTCOMES)[number];

/** `feature-store-test:block` and `feature-store-test:block:anything` force `block`; other ids nothing. */
export function forcedOutcomeOf(id: string): ForcedOutcome | undefined {
  if (!id.startsWith(RESERVED_ID_PREFIX)) return undefined;
  const [what] = id.slice(RESERVED_ID_PREFIX.length).split(':');
  return FORCED_OUTCOMES.find((outcome) => outcome === what);
}

/** A decoded event, unless its id is reserved and nothing that this stage takes. */
export function withoutRefusedIds(
  source: EventSource,
  decoded: DecodedEvent,
  { production }: { readonly production: boolean },
): DecodedEvent {
  const problem = decoded.ok ? problemOf(decoded.event.id, production) : undefined;
  return problem === undefined
    ? decoded
    : { ok: false, problems: [{ field: wireNameOf(source, source.eventId), problem }] };
}

function problemOf(id: string, production: boolean): string | undefined {
  if (!id.startsWith(RESERVED_ID_PREFIX)) return undefined;
  if (production)
    return `begins with "${RESERVED_ID_PREFIX}", which is for tests; in production give the event another id`;
  if (forcedOutcomeOf(id) !== undefined) return undefined;
  return `must go on with ${FORCED_OUTCOMES.join(', ')} after "${RESERVED_ID_PREFIX}", or begin otherwise`;
}

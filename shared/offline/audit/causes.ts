import type { WindowedView } from '../../definitions/view.ts';
import { laneOf } from '../../online/item-key.ts';
import type { FeatureValue } from '../../windows/aggregate.ts';
import type { WindowEvent } from '../../windows/event.ts';
import type { HistoryMode } from '../offline-store.ts';
import { sweepEntity } from '../sweep/sweep-view.ts';
import { valuesAgree } from './agree.ts';

/**
 * Why a served value is not the recomputed one.
 *
 * `late arrival`: an event was counted earlier, or later, than history says that it arrived.
 * `in flight`: events had arrived, and the consumer had not yet counted them.
 * `other definition version`: the feature was declared otherwise then; it is not recomputed.
 * `not answered`: the online store did not answer, and the decision was made without the view; or the decided event was a
 *   repeat, and the feature could not be told. Nothing to compare.
 * `unexplained`: none of these; a defect, or history lacks events.
 */
export type Cause = 'late arrival' | 'in flight' | 'other definition version' | 'not answered' | 'unexplained';

/** One view of one served row, and what history says of its entity. */
export interface ServedViewCase {
  readonly view: WindowedView;
  readonly asOfMillis: number;
  readonly servedAtMillis: number;
  /** Newest event time that the item counted; null without an item. */
  readonly highWaterMillis: number | null;
  /** The event that was decided, as it was then, if it belongs to the view; and whether the items counted it. */
  readonly scored: { readonly event: WindowEvent; readonly status: string | null } | undefined;
  /** The entity's events that belong to the view, each with its first arrival. Those in reach of a window are complete. */
  readonly events: readonly WindowEvent[];
  /** Events that were found never to have been counted, in rows that were served before: they were late, and stay so. */
  readonly neverCounted: ReadonlySet<string>;
  /** Events that were decided until then, as far as the sample says, and so counted at once. */
  readonly decided: ReadonlySet<string>;
  /** Earliest time from which `events` are complete. */
  readonly completeFromMillis: number;
  /** What was served, by index of the view's features. */
  readonly served: ReadonlyMap<number, FeatureValue>;
  /** How long an event may be on its way, between arriving and being counted. */
  readonly inFlightMillis: number;
}

export interface ViewFinding {
  /** By the contract of the offline store, for the row's instant and what had arrived when it was served. */
  readonly recomputed: readonly FeatureValue[];
  /** Of each feature that differs. */
  readonly causes: ReadonlyMap<number, Cause>;
  /** What the named causes make of the recomputed values: the served ones, where all are explained. */
  readonly explained: readonly FeatureValue[];
  /** Events that were late by the order of counting, so that no later row counts them either. */
  readonly neverCounted: ReadonlySet<string>;
  /** The same instant with everything that is in history today, however late it came. */
  readonly hindsight: readonly FeatureValue[];
}

/** A way in which things may have been, other than history says. */
interface Hypothesis {
  readonly cause: 'late arrival' | 'in flight';
  readonly events: readonly WindowEvent[];
  /**
   * Whether the items count the decided event: not where it was too late for them. `again` where they had counted it so long
   * ago that they no longer knew its id: then it was late, and inside its own windows a second time.
   */
  readonly scoredCounts: boolean | 'again';
  /** Events that were late by the order of counting. */
  readonly late?: ReadonlySet<string>;
  /** In flight on top of something late: what that alone makes of the features says which cause each has. */
  readonly beyond?: Hypothesis;
}

const NONE: ReadonlySet<string> = new Set();

/** Each trial is one sweep over the entity's events. Beyond them, a difference stays unexplained. */
const TRIALS_MAX = 256;
/** Events that are looked at as the ones on their way, the newest arrivals first. */
const CANDIDATES_MAX = 64;

/**
 * Recomputes one view of a served row, and tests why it differs.
 *
 * 1. The baseline is the sweep at (`as_of`, known at `served_at`), with the decided event inside its own windows, once.
 * 2. If any feature differs, hypotheses are tried in a fixed order, the likelier first. One holds if it makes every served
 *    feature of the view what it was, and leaves the newest counted event where the row says that it was (`high_water`).
 * 3. If none holds within the bound, what differs is unexplained.
 */
export function examineView(served: ServedViewCase): ViewFinding {
  const asHistorySays: Hypothesis = { cause: 'late arrival', events: eventsThen(served), scoredCounts: true };
  const recomputed = recompute(served, asHistorySays);
  const hindsight = recompute(served, asHistorySays, 'event-time');
  const differing = [...served.served.keys()].filter((index) => !agrees(served, index, recomputed));
  if (differing.length === 0)
    return { recomputed, causes: new Map(), explained: recomputed, neverCounted: NONE, hindsight };
  const found = firstThatHolds(served, asHistorySays);
  if (found === undefined) {
    const causes = new Map(differing.map((index) => [index, 'unexplained'] as const));
    return { recomputed, causes, explained: recomputed, neverCounted: NONE, hindsight };
  }
  const { cause, beyond, late = NONE } = found.hypothesis;
  const ofBeyond = beyond && recompute(served, beyond);
  const causeOf = (index: number): Cause =>
    ofBeyond && beyond && agrees(served, index, ofBeyond) ? beyond.cause : cause;
  const causes = new Map(differing.map((index) => [index, causeOf(index)] as const));
  return { recomputed, causes, explained: found.values, neverCounted: late, hindsight };
}

/** The decided event had arrived when it was decided, whenever the stream took it in, or if it never did. */
function eventsThen({ events, scored, servedAtMillis }: ServedViewCase): WindowEvent[] {
  if (scored === undefined) return [...events];
  const { event } = scored;
  const own = events.find(({ id }) => id === event.id) ?? event;
  const arrivedAtMillis = Math.min(own.arrivedAtMillis, servedAtMillis);
  return [...events.filter(({ id }) => id !== event.id), { ...own, arrivedAtMillis }];
}

function recompute(
  { view, asOfMillis, servedAtMillis, scored }: ServedViewCase,
  { events, scoredCounts }: Hypothesis,
  mode: HistoryMode = 'bitemporal',
): readonly FeatureValue[] {
  const counting = scoredCounts === false ? events.filter(({ id }) => id !== scored?.event.id) : events;
  const row = { timestampMillis: asOfMillis, knownAtMillis: servedAtMillis };
  const own = scored && (scoredCounts === 'again' ? { ...scored.event, id: `${scored.event.id} again` } : scored.event);
  return sweepEntity(view, counting, [row], mode, own)[0] ?? [];
}

function agrees({ view, served }: ServedViewCase, index: number, values: readonly FeatureValue[]): boolean {
  return valuesAgree(view.features[index]?.aggregate, served.get(index), values[index] ?? null);
}

function firstThatHolds(served: ServedViewCase, asHistorySays: Hypothesis) {
  let trials = 0;
  for (const hypothesis of hypothesesOf(served, asHistorySays)) {
    if (!leavesHighWater(served, hypothesis)) continue;
    if (++trials > TRIALS_MAX) return undefined;
    const values = recompute(served, hypothesis);
    if ([...served.served.keys()].every((index) => agrees(served, index, values))) return { hypothesis, values };
  }
  return undefined;
}

/** Whether the newest event that counts is the one that the item said it was. The decided event need not be stored. */
function leavesHighWater(served: ServedViewCase, { events, scoredCounts }: Hypothesis): boolean {
  const { highWaterMillis, servedAtMillis, completeFromMillis, scored } = served;
  const times = events
    .filter(({ id, arrivedAtMillis }) => id !== scored?.event.id && arrivedAtMillis <= servedAtMillis)
    .map(({ timeMillis }) => timeMillis);
  const newest = times.reduce((latest, time) => Math.max(latest, time), Number.NEGATIVE_INFINITY);
  if (highWaterMillis === null) return newest === Number.NEGATIVE_INFINITY;
  if (newest > highWaterMillis) return false;
  const scoredTime = scored && scoredCounts !== false ? scored.event.timeMillis : undefined;
  return newest === highWaterMillis || scoredTime === highWaterMillis || highWaterMillis < completeFromMillis;
}

/** What may have been, the likelier first. Lazy: most rows need the first few. */
function* hypothesesOf(served: ServedViewCase, asHistorySays: Hypothesis): Generator<Hypothesis> {
  const outcomes = [...asFoundBefore(served, asHistorySays), ...outcomesOfScored(served, asHistorySays)];
  yield* outcomes.filter((outcome) => outcome !== asHistorySays);
  for (const outcome of outcomes) {
    yield* withoutInFlight(served, outcome, outcome === asHistorySays ? undefined : outcome);
    yield* countedAfterNewer(served, outcome);
    yield* countedBeforeArrival(served, outcome);
  }
  // Both at once.
  for (const outcome of outcomes) {
    for (const late of countedAfterNewer(served, outcome)) yield* withoutInFlight(served, late, late);
    for (const early of countedBeforeArrival(served, outcome)) yield* withoutInFlight(served, early, early);
  }
}

/** Without what earlier rows of the entity lacked for good. */
function asFoundBefore({ neverCounted }: ServedViewCase, asHistorySays: Hypothesis): Hypothesis[] {
  const found = asHistorySays.events.filter(({ id }) => neverCounted.has(id));
  return found.length === 0 ? [] : [without(asHistorySays, new Set(found), 'late arrival')];
}

/**
 * The decided event as history says; too late for the items, which only windows with an offset can tell; and late when it
 * came again.
 */
function outcomesOfScored({ view, scored }: ServedViewCase, asHistorySays: Hypothesis): Hypothesis[] {
  const tells = scored !== undefined && view.layout.windows.some(({ offsetMillis }) => offsetMillis > 0);
  return [
    asHistorySays,
    ...(tells ? [{ ...asHistorySays, scoredCounts: false }] : []),
    ...(scored?.status === 'late' ? [{ ...asHistorySays, scoredCounts: 'again' as const }] : []),
  ];
}

/** Events that had just arrived, the newest arrivals first. */
function justArrived(served: ServedViewCase, { events }: Hypothesis): WindowEvent[] {
  const { servedAtMillis, inFlightMillis, scored } = served;
  return events
    .filter(
      ({ id, arrivedAtMillis }) =>
        arrivedAtMillis <= servedAtMillis &&
        arrivedAtMillis >= servedAtMillis - inFlightMillis &&
        id !== scored?.event.id,
    )
    .sort(
      (left, right) =>
        right.arrivedAtMillis - left.arrivedAtMillis ||
        right.timeMillis - left.timeMillis ||
        (left.id < right.id ? 1 : -1),
    );
}

function without(order: Hypothesis, left: ReadonlySet<WindowEvent>, cause: Hypothesis['cause']): Hypothesis {
  const late = cause === 'in flight' ? order.late : new Set([...(order.late ?? []), ...[...left].map(({ id }) => id)]);
  return { ...order, cause, events: order.events.filter((event) => !left.has(event)), ...(late && { late }) };
}

/**
 * Older than the item would still have counted when it was read: not on its way, but late. Of several lanes, the row does not
 * say how far each was.
 */
function tooLateToCount({ view, highWaterMillis }: ServedViewCase, { timeMillis }: WindowEvent): boolean {
  if (highWaterMillis === null || view.lanes > 1) return false;
  return timeMillis < highWaterMillis - view.layout.allowedLatenessMillis;
}

/**
 * The newest arrivals of those that were not decided are on their way, one more at a time; or of all; or, where shards are read
 * side by side, any one of them.
 */
function* withoutInFlight(
  served: ServedViewCase,
  order: Hypothesis,
  beyond: Hypothesis | undefined,
): Generator<Hypothesis> {
  const candidates = justArrived(served, order)
    .filter((event) => !tooLateToCount(served, event))
    .slice(0, CANDIDATES_MAX);
  const more = beyond && { beyond };
  const undecided = candidates.filter(({ id }) => !served.decided.has(id));
  for (const arrivals of undecided.length < candidates.length ? [undecided, candidates] : [candidates]) {
    for (let count = 1; count <= arrivals.length; count++) {
      yield { ...without(order, new Set(arrivals.slice(0, count)), 'in flight'), ...more };
    }
  }
  for (const event of candidates.slice(1)) yield { ...without(order, new Set([event]), 'in flight'), ...more };
}

/**
 * Events that arrived in time and were counted only when newer ones had made them late, which stays so for as long as
 * windows reach them: any one of those that this can have happened to, or the newest arrivals of them.
 */
function* countedAfterNewer(served: ServedViewCase, order: Hypothesis): Generator<Hypothesis> {
  const { scored, inFlightMillis, servedAtMillis } = served;
  const candidates = overtaken(served, order)
    .filter(({ event: { id, arrivedAtMillis }, byMillis }) => {
      const isBehind = arrivedAtMillis <= byMillis && byMillis <= arrivedAtMillis + inFlightMillis;
      return isBehind && byMillis <= servedAtMillis && id !== scored?.event.id;
    })
    .map(({ event }) => event)
    .slice(0, CANDIDATES_MAX);
  for (const event of candidates) yield without(order, new Set([event]), 'late arrival');
  for (let count = 2; count <= candidates.length; count++) {
    yield without(order, new Set(candidates.slice(0, count)), 'late arrival');
  }
}

interface Overtaken {
  readonly event: WindowEvent;
  /** When the first event arrived that is newer by more than the allowed lateness: before the event itself, or after it. */
  readonly byMillis: number;
}

/** Events, of their lane, that would be late if they had been counted behind another one; the newest arrivals first. */
function overtaken({ view, servedAtMillis, inFlightMillis }: ServedViewCase, { events }: Hypothesis): Overtaken[] {
  const near = events.filter(({ arrivedAtMillis }) => arrivedAtMillis <= servedAtMillis + inFlightMillis);
  const lanes = Map.groupBy(near, (event) => laneOf(view, event)).values();
  return [...lanes]
    .flatMap((lane) => overtakenInLane(lane, view.layout.allowedLatenessMillis))
    .sort((left, right) => right.event.arrivedAtMillis - left.event.arrivedAtMillis);
}

function overtakenInLane(events: readonly WindowEvent[], allowedLatenessMillis: number): Overtaken[] {
  const newestFirst = events.toSorted((left, right) => right.timeMillis - left.timeMillis);
  let newer = 0;
  let firstArrival = Number.POSITIVE_INFINITY;
  return newestFirst.flatMap((event) => {
    for (; (newestFirst[newer]?.timeMillis ?? 0) > event.timeMillis + allowedLatenessMillis; newer++) {
      firstArrival = Math.min(firstArrival, newestFirst[newer]?.arrivedAtMillis ?? firstArrival);
    }
    return firstArrival === Number.POSITIVE_INFINITY ? [] : [{ event, byMillis: firstArrival }];
  });
}

/**
 * Events that were counted earlier than they arrived: those that arrived soon after the row was served, one more at a
 * time or any one; and those that newer ones had just made late when they arrived, any one or all.
 */
function* countedBeforeArrival(served: ServedViewCase, order: Hypothesis): Generator<Hypothesis> {
  const { servedAtMillis, inFlightMillis, asOfMillis } = served;
  const soonAfter = order.events
    .filter(
      ({ arrivedAtMillis, timeMillis }) =>
        arrivedAtMillis > servedAtMillis &&
        arrivedAtMillis <= servedAtMillis + inFlightMillis &&
        timeMillis <= asOfMillis,
    )
    .sort((left, right) => left.arrivedAtMillis - right.arrivedAtMillis)
    .slice(0, CANDIDATES_MAX);
  // Just before the first of those that made it late, and not earlier: that might make others late.
  const justLate = overtaken(served, order)
    .filter(({ event: { arrivedAtMillis: own }, byMillis }) => byMillis < own && byMillis >= own - inFlightMillis)
    .slice(0, CANDIDATES_MAX)
    .map(({ event, byMillis }) => [event, byMillis - 0.5] as const);
  const arrivals = soonAfter.map((event) => [event, servedAtMillis] as const);
  for (let count = 1; count <= arrivals.length; count++) yield earlier(order, arrivals.slice(0, count));
  for (const arrival of [...arrivals.slice(1), ...justLate]) yield earlier(order, [arrival]);
  yield earlier(order, [...arrivals, ...justLate]);
}

/** As if events had arrived at other times. */
function earlier(order: Hypothesis, arrivals: readonly (readonly [WindowEvent, number])[]): Hypothesis {
  const arrivalOf = new Map(arrivals);
  return {
    ...order,
    cause: 'late arrival',
    events: order.events.map((event) => ({
      ...event,
      arrivedAtMillis: arrivalOf.get(event) ?? event.arrivedAtMillis,
    })),
  };
}

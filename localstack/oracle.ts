/**
 * The naive oracle: features by a filter and a loop over all events. It shares the declaration with the engine, its filters,
 * entity keys and lanes among it, and no computation. It is the referee of every other one.
 */
import type { WindowedView } from '../shared/definitions/index.ts';
import { laneOf } from '../shared/online/item-key.ts';
import type { WindowEvent } from '../shared/windows/event.ts';
import { nearestDouble } from './nearest-double.ts';

type Value = string | number | boolean | null;

/** Events inside a window at an instant, by the definition: bucket index and `x ≤ t`, both shifted by the offset. */
function inside(
  events: readonly WindowEvent[],
  window: { lengthMillis: number; hopMillis: number; offsetMillis: number },
  instantMillis: number,
): WindowEvent[] {
  const { lengthMillis: length, hopMillis: hop } = window;
  const t = instantMillis - window.offsetMillis;
  return events.filter(({ timeMillis: x }) => Math.floor(x / hop) > Math.floor(t / hop) - length / hop && x <= t);
}

function units(value: number, scale: number): bigint {
  return BigInt(value.toFixed(scale).replace('.', ''));
}

const byTimeThenValue = (left: [number, Value], right: [number, Value]) =>
  left[0] - right[0] || (left[1] === right[1] ? 0 : compare(left[1], right[1]));

function compare(left: Value, right: Value): number {
  if (typeof left === 'string' && typeof right === 'string') {
    const [a, b] = [[...left], [...right]].map((text) => text.map((character) => character.codePointAt(0) ?? 0));
    for (let index = 0; index < Math.min(a?.length ?? 0, b?.length ?? 0); index++) {
      const difference = (a?.[index] ?? 0) - (b?.[index] ?? 0);
      if (difference !== 0) return difference;
    }
    return (a?.length ?? 0) - (b?.length ?? 0);
  }
  return Number(left) - Number(right);
}

/**
 * One aggregate of the values that are not null. Sums, means and variances are fractions of whole numbers until the end.
 * @param scale digits behind the point of the values.
 * @param rank of a quantile.
 */
export function oracleAggregate(
  aggregate: string,
  values: [timeMillis: number, value: Value][],
  scale: number,
  rank: number,
): Value {
  const numbers = values.map(([, value]) => Number(value));
  const size = BigInt(values.length);
  const unit = 10n ** BigInt(scale);
  const sum = () => numbers.reduce((accumulated, value) => accumulated + units(value, scale), 0n);
  const variance = () => {
    const squares = numbers.reduce((accumulated, value) => accumulated + units(value, scale) ** 2n, 0n);
    return nearestDouble(size * squares - sum() ** 2n, size * (size - 1n) * unit ** 2n);
  };
  switch (aggregate) {
    case 'count':
      return values.length;
    case 'sum':
      return nearestDouble(sum(), unit);
    case 'mean':
      return size === 0n ? null : nearestDouble(sum(), size * unit);
    case 'min':
      return size === 0n ? null : numbers.reduce((least, value) => Math.min(least, value));
    case 'max':
      return size === 0n ? null : numbers.reduce((greatest, value) => Math.max(greatest, value));
    case 'variance':
      return size < 2n ? null : variance();
    case 'stddev':
      return size < 2n ? null : Math.sqrt(variance());
    case 'first':
      return [...values].sort(byTimeThenValue)[0]?.[1] ?? null;
    case 'last':
      return [...values].sort(byTimeThenValue).at(-1)?.[1] ?? null;
    case 'distinct':
      return new Set(values.map(([, value]) => value)).size;
    case 'quantile':
      return size === 0n ? null : (numbers.sort((a, b) => a - b)[Math.floor(rank * (values.length - 1))] ?? null);
    default:
      throw new Error(`the oracle does not know the aggregate ${aggregate}`);
  }
}

/**
 * Every feature of a view over `events` (the ones that count, of one entity) at an instant, in the view's order.
 * @param scored an event that is being decided: inside every window that ends now, whether or not it counts.
 * @param decidedId the event that features with `excludesCurrent` leave out.
 */
export function oracleFeatures(
  view: WindowedView,
  events: readonly WindowEvent[],
  instantMillis: number,
  scored?: WindowEvent,
  decidedId: string | null | undefined = scored?.id,
): Value[] {
  return view.layout.features.map(({ window, aggregate, input, excludesCurrent }) => {
    const counted = excludesCurrent ? events.filter(({ id }) => id !== decidedId) : events;
    const within = inside(counted, window, instantMillis);
    if (scored && !excludesCurrent && window.offsetMillis === 0 && !within.some(({ id }) => id === scored.id))
      within.push(scored);
    const field = input.fieldName;
    const values = within
      .map((event): [number, Value] => [event.timeMillis, field === undefined ? 1 : (event.values[field] ?? null)])
      .filter(([, value]) => value !== null);
    return oracleAggregate(aggregate.name, values, input.scale, input.quantile ?? 0);
  });
}

/** The events that count, from deliveries in order: each id once, and none too far behind the newest. */
export function countedEvents(deliveries: readonly WindowEvent[], allowedLatenessMillis: number): WindowEvent[] {
  const counted: WindowEvent[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  for (const event of deliveries) {
    if (counted.some(({ id }) => id === event.id)) continue;
    if (event.timeMillis < newest - allowedLatenessMillis) continue;
    newest = Math.max(newest, event.timeMillis);
    counted.push(event);
  }
  return counted;
}

/** Whether the engine's answer is the oracle's: equal, or for quantiles within their 1 %. */
export function agrees(aggregate: string, answer: Value | undefined, expected: Value | undefined): boolean {
  if (aggregate !== 'quantile' || answer === null || expected === null) return answer === expected;
  const tolerance = 0.0100001 * Math.abs(Number(expected)) + 1e-12;
  return Math.abs(Number(answer) - Number(expected)) <= tolerance;
}

/** Quantiles of an answer that lie outside of the least and greatest value of the same events, where it has both. */
export function quantilesOutside(view: WindowedView, answer: readonly (Value | undefined)[]): string[] {
  const { features } = view.layout;
  return features.flatMap(({ name, aggregate, input, window, excludesCurrent }, index) => {
    const [least, greatest] = ['min', 'max'].map((side) => {
      const isSide = (other: (typeof features)[number]) =>
        other.aggregate.name === side &&
        other.input.fieldName === input.fieldName &&
        other.window === window &&
        other.excludesCurrent === excludesCurrent;
      return answer[features.findIndex(isSide)];
    });
    const value = answer[index];
    if (aggregate.name !== 'quantile' || typeof value !== 'number') return [];
    if (typeof least !== 'number' || typeof greatest !== 'number') return [];
    return value < least || value > greatest ? [name] : [];
  });
}

/** The events of history that count, in order of arrival within each lane: of those that were first delivered before an instant. */
export function countedInHistory(
  view: WindowedView,
  deliveries: readonly WindowEvent[],
  beforeMillis: number,
): WindowEvent[] {
  const events = distinctInOrder(view, deliveries).filter(({ arrivedAtMillis }) => arrivedAtMillis < beforeMillis);
  const lanes = Map.groupBy(events, (event) => laneOf(view, event)).values();
  return [...lanes].flatMap((lane) => countedEvents(lane, view.layout.allowedLatenessMillis));
}

/** The events of a view, each once, as their first deliveries arrived. */
function distinctInOrder(view: WindowedView, deliveries: readonly WindowEvent[]): WindowEvent[] {
  const inOrder = [...deliveries]
    .filter((event) => view.includes(event.values))
    .sort(
      (left, right) =>
        left.arrivedAtMillis - right.arrivedAtMillis ||
        left.timeMillis - right.timeMillis ||
        compare(left.id, right.id),
    );
  return inOrder.filter(({ id }, position) => inOrder.findIndex((event) => event.id === id) === position);
}

/**
 * Features of the past by the contract of the offline store: what was known, in order of arrival, then as above.
 * @param deliveries rows of history of one entity, in any order, repeated ones included.
 */
export function oracleHistoricalFeatures(
  view: WindowedView,
  deliveries: readonly WindowEvent[],
  at: {
    readonly timestampMillis: number;
    readonly knownAtMillis: number;
    readonly mode: 'bitemporal' | 'event-time';
    /** The decided event. */
    readonly decidedId?: string | null;
  },
): Value[] {
  const counted =
    at.mode === 'event-time'
      ? distinctInOrder(view, deliveries)
      : countedInHistory(view, deliveries, at.knownAtMillis + 1);
  return oracleFeatures(view, counted, at.timestampMillis, undefined, at.decidedId);
}

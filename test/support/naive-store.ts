/** A store as one would write it down: all deliveries in lists, and every answer by the oracle from all of them. */

import { agrees, countedEvents, oracleFeatures } from '../../localstack/oracle.ts';
import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import type { EventSource, FeatureService, WindowedView } from '../../shared/definitions/index.ts';
import { entityKeyOf } from '../../shared/definitions/index.ts';
import { LIMITS } from '../../shared/limits.ts';
import { laneOf } from '../../shared/online/item-key.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import type { Scene } from './store-play.ts';

type Row = Readonly<Record<string, unknown>>;
type Value = ReturnType<typeof oracleFeatures>[number];
type Features = Readonly<Record<string, Value>>;

/** The answers of a store, as far as they are compared. */
interface Answer {
  readonly features: Readonly<Record<string, unknown>>;
  readonly views: Readonly<Record<string, { readonly as_of: string }>>;
}

interface Decision extends Answer {
  readonly decision: string;
  readonly event_status: string;
  readonly rules: readonly { readonly name: string }[];
  readonly degraded: readonly { readonly what: string; readonly name: string }[];
}

/** What a view said when it was read, for the time that it may be said again. */
interface Remembered {
  readonly madeAtMillis: number;
  readonly features: Features;
  readonly asOfMillis: number;
}

const SEVERITY = ['approve', 'review', 'block'];

export class NaiveStore {
  readonly #scene: Scene;
  readonly #deliveries = new Map<string, WindowEvent[]>();
  readonly #remembered = new Map<string, Remembered>();
  /** How many values were compared. */
  compared = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  send(name: string, events: readonly Row[], nowMillis: number): void {
    const source = this.#scene.repository.sources.find((one) => one.name === name);
    if (source === undefined) throw new Error(`no source ${name}`);
    for (const event of events.map((one) => decoded(source, one, nowMillis))) {
      for (const view of this.#scene.repository.views) if (isOf(view, source, event)) this.#deliver(view, event);
    }
  }

  /** @returns how an answer differs. */
  compareFeatures(name: string, entity: Row, atMillis: number, answer: Answer): string[] {
    const service = this.#service(name);
    const expected = service.views.map((view) => this.#read(view, entity as WindowEvent['values'], atMillis));
    return this.#differences(service, answer, Object.assign({}, ...expected.map(({ features }) => features)));
  }

  /** @returns how a decision differs; the event counts from here on. */
  compareDecision(name: string, given: Row, nowMillis: number, answer: Decision): string[] {
    const service = this.#service(name);
    const source = service.decides as EventSource;
    const event = decoded(source, given, nowMillis);
    const standings: ('next' | 'late' | 'repeat')[] = [];
    const expected = service.views.map((view) => {
      if (!isOf(view, source, event)) return this.#readForDecision(view, event, nowMillis).features;
      standings.push(this.#standing(view, event));
      this.#deliver(view, event);
      const counted = this.#counted(view, event.values);
      const instant = Math.max(event.timeMillis, ...counted.map(({ timeMillis }) => timeMillis));
      return named(view, oracleFeatures(view, counted, instant, event));
    });
    const skew = Math.abs(event.timeMillis - nowMillis);
    const status = standings.includes('late')
      ? 'late'
      : skew > Math.max(LIMITS.skewToleranceMillis, source.allowedLatenessMillis)
        ? 'skewed'
        : (['repeat', 'next'] as const).find((one) => standings.includes(one));
    const eventStatus = status === 'repeat' ? 'duplicate' : status === 'next' ? 'applied' : (status ?? 'unrelated');
    const untold = new Set(answer.degraded.map(({ what, name: feature }) => `${what} ${feature}`));
    const differences: string[] = [];
    if (untold.size > 0 && !standings.includes('repeat')) differences.push(`degraded: ${[...untold].join(', ')}`);
    const windowFeatures: Features = Object.fromEntries(
      Object.entries<Value>(Object.assign({}, ...expected)).map(([feature, value]) => [
        feature,
        untold.has(`feature ${feature}`) ? null : value,
      ]),
    );
    const row = { ...event.values, ...windowFeatures, event_status: eventStatus };
    const { derived, rules } = this.#scene.naively(service.name, row);
    const outcomes = service.rules.filter((rule) => rules.includes(rule.name)).map(({ outcome }): string => outcome);
    if (untold.size > 0) outcomes.push('review');
    const decision = SEVERITY[Math.max(0, ...outcomes.map((outcome) => SEVERITY.indexOf(outcome)))];
    const [actual, wanted] = [
      [answer.decision, answer.event_status, ...answer.rules.map((rule) => rule.name)],
      [decision, eventStatus, ...rules],
    ].map((parts) => parts.join(' '));
    this.compared++;
    if (actual !== wanted) differences.push(`decided ${actual}, and should be ${wanted}`);
    return differences.concat(this.#differences(service, answer, { ...windowFeatures, ...derived } as Features));
  }

  #differences(service: FeatureService, { features }: Answer, expected: Features): string[] {
    const aggregates = new Map(service.features.map(({ name, aggregate }) => [name, aggregate]));
    const names = service.features.map(({ name }) => name).concat(Object.keys(expected));
    return [...new Set(names)].flatMap((name) => {
      this.compared++;
      const value = features[name] as Value | undefined;
      const isEqual = agrees(aggregates.get(name) ?? '', value, expected[name]);
      return isEqual ? [] : [`${service.name} ${name} is ${value}, and should be ${expected[name]}`];
    });
  }

  #service(name: string): FeatureService {
    const service = this.#scene.repository.services.find((one) => one.name === name);
    if (service === undefined) throw new Error(`no service ${name}`);
    return service;
  }

  #deliver(view: WindowedView, event: WindowEvent): void {
    const key = keyOf(view, event.values);
    this.#deliveries.set(key, [...(this.#deliveries.get(key) ?? []), event]);
  }

  /** Each lane judges for itself what is late. */
  #counted(view: WindowedView, row: WindowEvent['values']): WindowEvent[] {
    const lanes = Map.groupBy(this.#deliveries.get(keyOf(view, row)) ?? [], (event) => laneOf(view, event));
    return [...lanes.values()].flatMap((lane) => countedEvents(lane, view.layout.allowedLatenessMillis));
  }

  #standing(view: WindowedView, event: WindowEvent): 'next' | 'late' | 'repeat' {
    const counted = this.#counted(view, event.values);
    if (counted.some(({ id }) => id === event.id)) return 'repeat';
    const lane = counted.filter((one) => laneOf(view, one) === laneOf(view, event));
    const newest = Math.max(...lane.map(({ timeMillis }) => timeMillis));
    return event.timeMillis < newest - view.layout.allowedLatenessMillis ? 'late' : 'next';
  }

  #read(view: WindowedView, row: WindowEvent['values'], instantMillis: number): Omit<Remembered, 'madeAtMillis'> {
    const counted = isNamed(view, row) ? this.#counted(view, row) : [];
    const asOfMillis = Math.max(instantMillis, ...counted.map(({ timeMillis }) => timeMillis));
    return { asOfMillis, features: named(view, oracleFeatures(view, counted, asOfMillis)) };
  }

  /** From memory, where the view allows it and the event is of about now. */
  #readForDecision(view: WindowedView, event: WindowEvent, nowMillis: number): Omit<Remembered, 'madeAtMillis'> {
    const { cacheForMillis } = view;
    const isNow = cacheForMillis !== undefined && Math.abs(event.timeMillis - nowMillis) <= cacheForMillis;
    if (!isNow || !isNamed(view, event.values)) return this.#read(view, event.values, event.timeMillis);
    const key = keyOf(view, event.values);
    const known = this.#remembered.get(key);
    if (known && nowMillis - known.madeAtMillis <= cacheForMillis) return known;
    const made = { madeAtMillis: nowMillis, ...this.#read(view, event.values, nowMillis) };
    this.#remembered.set(key, made);
    return made;
  }
}

function decoded(source: EventSource, event: Row, nowMillis: number): WindowEvent {
  const result = decodeEvent(source, event, nowMillis);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.event;
}

const isNamed = ({ entity }: WindowedView, row: WindowEvent['values']) =>
  entity.joinKeys.every((joinKey) => (row[joinKey] ?? '') !== '');

const isOf = (view: WindowedView, source: EventSource, { values }: WindowEvent) =>
  view.source === source && view.includes(values);

const keyOf = (view: WindowedView, row: WindowEvent['values']) => `${view.key}|${entityKeyOf(view.entity, row)}`;

function named(view: WindowedView, values: readonly Value[]): Features {
  return Object.fromEntries(view.features.map(({ name }, index) => [name, values[index] ?? null]));
}

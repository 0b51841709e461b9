/** The referee of a run: remembers every event that was sent, and says by the naive oracle what each feature must be. */
import { decodeEvent } from '../shared/definitions/decode-event.ts';
import { entityKeyOf, namesEntity } from '../shared/definitions/entity.ts';
import type { FieldValue } from '../shared/definitions/fields.ts';
import type { FeatureService } from '../shared/definitions/service.ts';
import type { EventSource } from '../shared/definitions/source.ts';
import type { WindowedView } from '../shared/definitions/view.ts';
import { countsOnline } from '../shared/online/counts-online.ts';
import { laneOf } from '../shared/online/item-key.ts';
import type { WindowEvent } from '../shared/windows/event.ts';
import { LocalEnvironmentError } from './child-process.ts';
import { agrees, countedEvents, oracleFeatures } from './oracle.ts';

export type Value = string | number | boolean | null;

/** One feature that is not what it should be. */
export interface Difference {
  /** Of whom or what. */
  readonly subject: string;
  readonly feature: string;
  readonly expected: Value | undefined;
  readonly actual: Value | undefined;
}

/** A derived feature with a logarithm, whose last bit is another one in SQL (`expressions/tree.ts`). */
const LOGARITHM = 'logarithm';
const LOGARITHM_TOLERANCE = 1e-12;

/** What a feature must be, and by which aggregate, which says how near is near enough. */
interface Expected {
  readonly value: Value;
  readonly aggregate: string;
}

export type ExpectedFeatures = Readonly<Record<string, Expected>>;

interface Asked {
  readonly row: Readonly<Record<string, FieldValue>>;
  readonly asOfMillis: (view: WindowedView) => number;
  readonly decided: WindowEvent | undefined;
  /** Whether only what is counted online is meant. */
  readonly isOnline: boolean;
}

export class Referee {
  readonly #views: readonly WindowedView[];
  /** In order of delivery, by view and entity. */
  readonly #events = new Map<string, { readonly event: WindowEvent; readonly isOnline: boolean }[]>();

  constructor({ views }: { readonly views: readonly WindowedView[] }) {
    this.#views = views;
  }

  /**
   * Remembers a delivery, the first of its event or not.
   * @param event as producers send it.
   * @param countedBy the views that count it online: those of the service that decided it, where it was not sent as well.
   * @throws LocalEnvironmentError when the source refuses it.
   */
  take(source: EventSource, event: object, arrivedAtMillis = Date.now(), countedBy = this.#views): WindowEvent {
    const decoded = decodeEvent(source, event, arrivedAtMillis);
    if (!decoded.ok) {
      const reasons = decoded.problems.map(({ field, problem }) => `${field} ${problem}`).join('; ');
      throw new LocalEnvironmentError(`An event is none of source ${source.name}: ${reasons}`);
    }
    const { event: taken } = decoded;
    for (const view of this.#views) {
      if (view.source.name !== source.name || !view.includes(taken.values) || !namesEntity(view.entity, taken.values))
        continue;
      const key = keyOf(view, taken.values);
      // By key: declarations that were loaded again are other objects.
      const isOnline = countedBy.some(({ key }) => key === view.key) && countsOnline(view, taken);
      const deliveries = this.#events.get(key) ?? [];
      this.#events.set(key, deliveries);
      deliveries.push({ event: taken, isOnline });
    }
    return taken;
  }

  /**
   * What the features of a service must be online.
   * @param row join keys, and for a decision the values of its event.
   * @param asOfMillis of each view.
   * @param decided the event that is decided, which was taken before.
   */
  expected(
    service: Pick<FeatureService, 'features' | 'derived'>,
    row: Readonly<Record<string, FieldValue>>,
    asOfMillis: (view: WindowedView) => number,
    decided?: WindowEvent,
  ): ExpectedFeatures {
    return this.#expected(service, { row, asOfMillis, decided, isOnline: true });
  }

  /** What a training set must say at an event, as everything is known: history also has what no view counts online. */
  expectedInHistory(service: Pick<FeatureService, 'features' | 'derived'>, event: WindowEvent): ExpectedFeatures {
    const { values: row, timeMillis } = event;
    return this.#expected(service, { row, asOfMillis: () => timeMillis, decided: event, isOnline: false });
  }

  #expected(service: Pick<FeatureService, 'features' | 'derived'>, asked: Asked): ExpectedFeatures {
    const { row, decided } = asked;
    const valuesOf = new Map<WindowedView, readonly Value[]>();
    const windows = service.features.map(({ view, index, name }) => {
      const values = valuesOf.get(view) ?? this.#valuesOf(view, asked);
      valuesOf.set(view, values);
      const aggregate = view.layout.features[index]?.aggregate.name ?? '';
      return [name, { value: values[index] ?? null, aggregate }] as const;
    });
    const inputs = { ...row, ...Object.fromEntries(windows.map(([name, { value }]) => [name, value])) };
    const derived = decided === undefined ? [] : service.derived;
    return Object.fromEntries([
      ...windows,
      ...derived.map(({ name, evaluate, expression }) => {
        const aggregate = JSON.stringify(expression).includes('"naturalLogarithm"') ? LOGARITHM : 'derived';
        return [name, { value: evaluate(inputs), aggregate }] as const;
      }),
    ]);
  }

  #valuesOf(view: WindowedView, { row, asOfMillis, decided, isOnline }: Asked): readonly Value[] {
    const known = namesEntity(view.entity, row) ? (this.#events.get(keyOf(view, row)) ?? []) : [];
    const deliveries = known.filter((taken) => taken.isOnline || !isOnline).map(({ event }) => event);
    const lanes = Map.groupBy(deliveries, (event) => laneOf(view, event)).values();
    const counted = [...lanes].flatMap((lane) => countedEvents(lane, view.layout.allowedLatenessMillis));
    return oracleFeatures(view, counted, asOfMillis(view), undefined, decided?.id);
  }
}

function keyOf(view: WindowedView, row: Readonly<Record<string, FieldValue>>): string {
  return `${view.key}|${entityKeyOf(view.entity, row)}`;
}

function isNear(answer: Value | undefined, expected: Value): boolean {
  if (typeof answer !== 'number' || typeof expected !== 'number') return answer === expected;
  return Math.abs(answer - expected) <= LOGARITHM_TOLERANCE * Math.max(1, Math.abs(expected));
}

/** Every feature that an answer does not have, or has otherwise. Quantiles may be off by their 1 %. */
export function differences(
  subject: string,
  expected: ExpectedFeatures,
  actual: Readonly<Record<string, Value>>,
): Difference[] {
  return Object.entries(expected).flatMap(([feature, { value, aggregate }]) => {
    const found = actual[feature];
    const isRight = aggregate === LOGARITHM ? isNear(found, value) : agrees(aggregate, found, value);
    return isRight ? [] : [{ subject, feature, expected: value, actual: found }];
  });
}

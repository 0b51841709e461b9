/** Random declarations and events for property tests. */
import fc from 'fast-check';
import * as z from 'zod';
import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import {
  count,
  type Duration,
  decimal,
  distinct,
  entity,
  eventSource,
  eventTime,
  first,
  identifier,
  last,
  max,
  mean,
  min,
  quantile,
  stddev,
  sum,
  variance,
  type WindowedView,
  windowedView,
} from '../../shared/definitions/index.ts';
import type { AggregationOf } from '../../shared/definitions/view.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';

export const START_MILLIS = Date.UTC(2026, 0, 1);

const account = entity({ name: 'account', description: 'Whose events they are.', joinKeys: ['account_id'] });

export function testSource(lateness: Duration, timeResolution: Duration = '1ms') {
  return eventSource({
    name: 'test_events',
    description: 'Events with a field of every type.',
    owner: 'tests',
    schema: z.strictObject({
      event_id: identifier(),
      account_id: identifier(),
      at: eventTime(),
      amount: decimal({ scale: 2 }),
      quantity: z.int().min(-999_999_999_999_999).max(999_999_999_999_999).nullable(),
      label: z.string().nullable(),
      flag: z.boolean().optional(),
      ratio: z.number().nullable(),
    }),
    eventId: 'event_id',
    eventTime: 'at',
    partitionKey: 'account_id',
    allowedLateness: lateness,
    timeResolution,
  });
}

export const WINDOWS: readonly { length: Duration; hop: Duration }[] = [
  { length: '1s', hop: '50ms' },
  { length: '10s', hop: '1s' },
  { length: '21s', hop: '7s' },
  { length: '1min', hop: '1s' },
  { length: '1min', hop: '1min' },
  { length: '5min', hop: '5s' },
  { length: '1h', hop: '1min' },
  { length: '1h', hop: '90s' },
  { length: '6h', hop: '5min' },
];

export interface ViewChoice {
  readonly windows: readonly (typeof WINDOWS)[number][];
  readonly lateness: Duration;
  readonly lanes: number;
  readonly filtered: boolean;
  /** Whether there are `first` and `last`, whose guards would hide that those of other aggregates are missing. */
  readonly endpoints: boolean;
  /** Whether every feature is there a second time, without the decided event. */
  readonly excluding?: boolean;
  /** When the stream begins to count; from the beginning if there is none. */
  readonly liveFromMillis?: number | undefined;
}

/** Choices for `everyAggregateView`. */
export const viewChoiceArbitrary: fc.Arbitrary<ViewChoice> = fc.record({
  windows: fc.uniqueArray(fc.constantFrom(...WINDOWS), { minLength: 1, maxLength: 4 }),
  lateness: fc.constantFrom<Duration>('0s', '2s', '30s', '10min'),
  lanes: fc.constantFrom(1, 1, 3),
  filtered: fc.boolean(),
  endpoints: fc.boolean(),
});

/** As above, half of them with features that leave the decided event out. */
export const excludingChoiceArbitrary: fc.Arbitrary<ViewChoice> = fc
  .tuple(viewChoiceArbitrary, fc.boolean())
  .map(([choice, excluding]) => ({ ...choice, excluding }));

type Features = Readonly<Record<string, AggregationOf<ReturnType<typeof testSource>['schema']>>>;

/** Features, and each of them without the decided event. */
function withExcluding(features: Features): Features {
  const excluding = Object.entries(features).map(
    ([name, feature]) => [`${name}_before`, { ...feature, options: { excludesCurrent: true } }] as const,
  );
  return { ...features, ...Object.fromEntries(excluding) };
}

/** A view with every aggregate, or all but `first` and `last`, over one to four windows. */
export function everyAggregateView({
  windows,
  lateness,
  lanes,
  filtered,
  endpoints,
  excluding = false,
  liveFromMillis,
}: ViewChoice): WindowedView {
  const features = {
    count: count(),
    labelled: count('label'),
    sum: sum('amount'),
    mean: mean('quantity'),
    min: min('ratio'),
    max: max('amount'),
    stddev: stddev('amount'),
    variance: variance('quantity'),
    distinct: distinct('label'),
    least: min('amount'),
    median: quantile('amount', 0.5),
    high: quantile('ratio', 0.95),
  } as const;
  const withEndpoints = { ...features, first: first('label'), last: last('amount'), last_flag: last('flag') } as const;
  const chosen: Features = endpoints ? withEndpoints : features;
  return windowedView({
    name: 'test_view',
    version: 1,
    description: 'Every aggregate.',
    owner: 'tests',
    entity: account,
    source: testSource(lateness),
    where: ({ amount }) => amount.isAtLeast(filtered ? 0 : -1e9),
    windows: Object.fromEntries(windows.map((window, index) => [`w${index}`, window])),
    features: excluding ? withExcluding(chosen) : chosen,
    ttl: '7d',
    lanes,
    ...(liveFromMillis !== undefined && { liveFrom: new Date(liveFromMillis).toISOString() }),
  });
}

/** A view whose windows ended `offset` ago, at the resolution of its data. */
export function offsetView(offset: Duration, excluding = false): WindowedView {
  const features: Features = {
    count: count(),
    sum: sum('amount'),
    mean: mean('quantity'),
    max: max('amount'),
    min: min('ratio'),
    spread: stddev('amount'),
    least: min('amount'),
    median: quantile('amount', 0.5),
    first: first('flag'),
    last: last('label'),
  };
  return windowedView({
    name: 'offset_view',
    version: 1,
    description: 'Windows that ended some time ago.',
    owner: 'tests',
    entity: account,
    source: testSource('30s', '1s'),
    windows: {
      recent: { length: '1min', hop: '1s', offset },
      long: { length: '30min', hop: '1s', offset },
      now: '10min',
    },
    features: excluding ? withExcluding(features) : features,
    ttl: '7d',
  });
}

export interface RawEvent {
  readonly step: number;
  readonly jitter: number;
  readonly amount: number;
  readonly quantity: number | null;
  readonly label: string | null;
  readonly flag: boolean | undefined;
  readonly ratio: number | null;
  readonly repeat: number | undefined;
}

const rawEventArbitrary: fc.Arbitrary<RawEvent> = fc.record({
  step: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 900_000 })),
  jitter: fc.oneof(fc.constant(0), fc.integer({ min: -40_000, max: 0 })),
  amount: fc.integer({ min: -1_000_000, max: 100_000_000 }).map((cents) => cents / 100),
  // A few of the large ones add up to more than 2^53.
  quantity: fc.option(
    fc.oneof(
      fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }),
      fc.integer({ min: 999_000_000_000_000, max: 999_999_999_999_999 }),
    ),
    { freq: 4 },
  ),
  label: fc.option(fc.constantFrom('a', 'b', 'c', 'Ä', '\u{ff5e}', '\u{1f600}', ''), { freq: 4 }),
  flag: fc.option(fc.boolean(), { nil: undefined }),
  ratio: fc.option(
    fc.double({ noNaN: true, min: -1e9, max: 1e9 }).filter((value) => value === 0 || Math.abs(value) > 1e-9),
  ),
  repeat: fc.option(fc.nat(20), { nil: undefined, freq: 5 }),
});

/** Deliveries of one account in order of arrival: out of order, tied, some of them repeated. */
export const rawEventsArbitrary = fc.array(rawEventArbitrary, { minLength: 1, maxLength: 60 });

export function deliveriesOf(
  source: ReturnType<typeof testSource>,
  rawEvents: readonly RawEvent[],
  resolutionMillis: number,
): WindowEvent[] {
  let clock = START_MILLIS;
  const deliveries: WindowEvent[] = [];
  rawEvents.forEach((raw, index) => {
    const repeated = raw.repeat === undefined ? undefined : deliveries[deliveries.length - 1 - raw.repeat];
    if (repeated) {
      deliveries.push(repeated);
      return;
    }
    clock += raw.step;
    const at = Math.floor((clock + raw.jitter) / resolutionMillis) * resolutionMillis;
    const { amount, quantity, label, flag, ratio } = raw;
    const decoded = decodeEvent(
      source,
      { event_id: `e${index}`, account_id: 'acc', at, amount, quantity, label, flag, ratio },
      clock + 1_000,
    );
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
    deliveries.push(decoded.event);
  });
  return deliveries;
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Duration, WindowedView } from '../../shared/definitions/index.ts';
import type { HistoryMode } from '../../shared/offline/offline-store.ts';
import { sweepEntity } from '../../shared/offline/sweep/sweep-view.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { itemKeysOf } from '../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import { readWindows } from '../../shared/windows/read.ts';
import {
  deliveriesOf,
  everyAggregateView,
  offsetView,
  type RawEvent,
  rawEventsArbitrary,
  START_MILLIS,
  viewChoiceArbitrary,
} from '../support/arbitraries.ts';
import { agrees, oracleHistoricalFeatures } from '../support/oracle.ts';

const runs = Number(process.env.PROPERTY_RUNS ?? 300);

interface Row {
  readonly timestampMillis: number;
  readonly knownAtMillis: number;
}

/** Where a row's instants lie: near an event, or anywhere from before the first to long after the last. */
const rowArbitrary = fc.record({
  event: fc.option(fc.nat(60), { nil: undefined, freq: 3 }),
  after: fc.oneof(
    fc.constant(0),
    fc.integer({ min: -5_000, max: 5_000 }),
    fc.integer({ min: -600_000, max: 28_800_000 }),
  ),
  knownAfter: fc.oneof(
    fc.constant(0),
    fc.constant(1_000),
    fc.integer({ min: -3_000, max: 3_000 }),
    fc.integer({ min: -1_200_000, max: 40_000_000 }),
  ),
});

const history = {
  rawEvents: rawEventsArbitrary,
  /** By which arrivals are put off, event by event; a repeated event arrives again, earlier or later. */
  delays: fc.array(
    fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: -500, max: 2_000_000 })),
    { minLength: 1, maxLength: 12 },
  ),
  rows: fc.array(rowArbitrary, { minLength: 1, maxLength: 12 }),
  mode: fc.constantFrom<HistoryMode>('bitemporal', 'bitemporal', 'event-time'),
};

interface History {
  readonly rawEvents: RawEvent[];
  readonly delays: number[];
  readonly rows: { event: number | undefined; after: number; knownAfter: number }[];
  readonly mode: HistoryMode;
}

function play(view: WindowedView, resolutionMillis: number, { rawEvents, delays, rows }: History) {
  const source = view.source as Parameters<typeof deliveriesOf>[0];
  const deliveries = deliveriesOf(source, rawEvents, resolutionMillis).map((event, index) => ({
    ...event,
    arrivedAtMillis: event.arrivedAtMillis + (delays[index % delays.length] ?? 0),
  }));
  const spine = rows.map(({ event, after, knownAfter }): Row => {
    const near = event === undefined ? START_MILLIS : (deliveries[event % deliveries.length]?.timeMillis ?? 0);
    const timestampMillis = Math.floor((near + after) / resolutionMillis) * resolutionMillis;
    return { timestampMillis, knownAtMillis: timestampMillis + knownAfter };
  });
  return { deliveries, spine };
}

function expectOracle(view: WindowedView, resolutionMillis: number, run: History): void {
  const { deliveries, spine } = play(view, resolutionMillis, run);
  const answers = sweepEntity(view, deliveries, spine, run.mode);
  const differences = spine.flatMap((row, index) => {
    const expected = oracleHistoricalFeatures(view, deliveries, { ...row, mode: run.mode });
    return view.layout.features.flatMap(({ name, aggregate }, feature) =>
      agrees(aggregate.name, answers[index]?.[feature], expected[feature])
        ? []
        : [{ row: index, name, answer: answers[index]?.[feature], expected: expected[feature] }],
    );
  });
  expect(differences).toEqual([]);
}

/** What the online store answers after each delivery, at the instant for which it answers. */
async function expectOnline(view: WindowedView, run: History): Promise<void> {
  const { deliveries } = play(view, 1, run);
  const byArrival = (left: WindowEvent, right: WindowEvent) =>
    left.arrivedAtMillis - right.arrivedAtMillis || (left.id < right.id ? -1 : 1);
  const arriving = deliveries.filter((event) => view.includes(event.values)).sort(byArrival);
  const store = new MemoryOnlineStore();
  for (const [index, event] of arriving.entries()) {
    await applyEvents(store, view, 'acc', [event], { everyEvents: 1, minimumBytesFreed: -1_000_000 });
    if (arriving[index + 1]?.arrivedAtMillis === event.arrivedAtMillis) continue;
    const items = (await store.get(itemKeysOf(view, 'acc'))).filter((item) => item !== undefined);
    const online = readWindows(view.layout, items, START_MILLIS);
    const row = { timestampMillis: online.asOfMillis, knownAtMillis: event.arrivedAtMillis };
    const [swept] = sweepEntity(view, deliveries, [row], 'bitemporal');
    expect(swept).toEqual(online.values);
  }
}

describe('features of the past, swept', () => {
  it('equal the naive oracle for any declaration, history, spine and mode', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(viewChoiceArbitrary, fc.record(history), (choice, run) =>
        expectOracle(everyAggregateView(choice), 1, run),
      ),
      { numRuns: runs },
    );
  });

  it('equal the naive oracle for windows with an offset', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.constantFrom<Duration>('1s', '1min', '10min'), fc.record(history), (offset, run) =>
        expectOracle(offsetView(offset), 1_000, run),
      ),
      { numRuns: runs },
    );
  });

  it('equal what the online store answered when just that had arrived', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(viewChoiceArbitrary, fc.record(history), (choice, run) =>
        expectOnline(everyAggregateView(choice), run),
      ),
      { numRuns: Math.ceil(runs / 3) },
    );
  });
});

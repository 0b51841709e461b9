import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  agrees,
  countedInHistory,
  oracleFeatures,
  oracleHistoricalFeatures,
  quantilesOutside,
} from '../../localstack/oracle.ts';
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
  excludingChoiceArbitrary,
  offsetView,
  type RawEvent,
  rawEventsArbitrary,
  START_MILLIS,
  viewChoiceArbitrary,
} from '../support/arbitraries.ts';
import { type Decides, decidedIdOf, decidesArbitrary } from '../support/sql-history.ts';

const runs = Number(process.env.PROPERTY_RUNS ?? 300);

interface Row {
  readonly timestampMillis: number;
  readonly knownAtMillis: number;
  readonly decidedId: string | null;
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
  decides: decidesArbitrary,
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
  readonly rows: { event: number | undefined; after: number; knownAfter: number; decides: Decides }[];
  readonly mode: HistoryMode;
}

function play(view: WindowedView, resolutionMillis: number, { rawEvents, delays, rows }: History) {
  const source = view.source as Parameters<typeof deliveriesOf>[0];
  const deliveries = deliveriesOf(source, rawEvents, resolutionMillis).map((event, index) => ({
    ...event,
    arrivedAtMillis: event.arrivedAtMillis + (delays[index % delays.length] ?? 0),
  }));
  const spine = rows.map(({ event, after, knownAfter, decides }): Row => {
    const near = event === undefined ? START_MILLIS : (deliveries[event % deliveries.length]?.timeMillis ?? 0);
    const timestampMillis = Math.floor((near + after) / resolutionMillis) * resolutionMillis;
    const decidedId = decidedIdOf(decides, deliveries, event ?? 0);
    return { timestampMillis, knownAtMillis: timestampMillis + knownAfter, decidedId };
  });
  return { deliveries, spine };
}

/** @returns how many values the decided events would have changed. */
function expectOracle(view: WindowedView, resolutionMillis: number, run: History): number {
  const { deliveries, spine } = play(view, resolutionMillis, run);
  const answers = sweepEntity(view, deliveries, spine, run.mode);
  let changed = 0;
  for (const [index, row] of spine.entries()) {
    const expected = oracleHistoricalFeatures(view, deliveries, { ...row, mode: run.mode });
    expectAgreement(view, answers[index], expected);
    const including = oracleHistoricalFeatures(view, deliveries, { ...row, decidedId: null, mode: run.mode });
    changed += including.filter((value, feature) => value !== expected[feature]).length;
  }
  return changed;
}

type Values = ReturnType<typeof oracleFeatures>;

function expectAgreement(view: WindowedView, answer: Readonly<Values> | undefined, expected: Values): void {
  const differences = view.layout.features.flatMap(({ name, aggregate }, feature) =>
    agrees(aggregate.name, answer?.[feature], expected[feature])
      ? []
      : [{ name, answer: answer?.[feature], expected: expected[feature] }],
  );
  expect(differences).toEqual([]);
  expect(quantilesOutside(view, answer ?? [])).toEqual([]);
}

/** A delivery of the event near the row is decided: at the time that history has, or at another that it claims. */
function expectScored(view: WindowedView, run: History, claimedMillis: number): void {
  const { deliveries, spine } = play(view, 1, run);
  for (const [index, row] of spine.entries()) {
    const near = deliveries[(run.rows[index]?.event ?? 0) % deliveries.length];
    if (near === undefined || !view.includes(near.values)) continue;
    const scored = { ...near, timeMillis: near.timeMillis + claimedMillis };
    const [answer] = sweepEntity(view, deliveries, [row], 'bitemporal', scored);
    const counted = countedInHistory(view, deliveries, row.knownAtMillis + 1);
    expectAgreement(view, answer, oracleFeatures(view, counted, row.timestampMillis, scored));
  }
}

/** What the online store answers after each delivery, at the instant for which it answers. */
async function expectOnline(view: WindowedView, run: History): Promise<void> {
  const { deliveries } = play(view, 1, run);
  const byArrival = (left: WindowEvent, right: WindowEvent) =>
    left.arrivedAtMillis - right.arrivedAtMillis || left.timeMillis - right.timeMillis || (left.id < right.id ? -1 : 1);
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
  it('equal the naive oracle for any declaration, history, spine, decided events and mode', {
    timeout: 120_000,
  }, () => {
    let changed = 0;
    fc.assert(
      fc.property(excludingChoiceArbitrary, fc.record(history), (choice, run) => {
        changed += expectOracle(everyAggregateView(choice), 1, run);
      }),
      { numRuns: runs },
    );
    expect(changed).toBeGreaterThan(runs);
  });

  it('equal the naive oracle for windows with an offset', { timeout: 120_000 }, () => {
    let changed = 0;
    fc.assert(
      fc.property(fc.constantFrom<Duration>('1s', '1min', '10min'), fc.record(history), (offset, run) => {
        changed += expectOracle(offsetView(offset, true), 1_000, run);
      }),
      { numRuns: runs },
    );
    expect(changed).toBeGreaterThan(runs);
  });

  it('equal the naive oracle where an event is decided, whatever time its delivery claims', {
    timeout: 120_000,
  }, () => {
    const claims = fc.oneof(fc.constant(0), fc.integer({ min: -60_000, max: 60_000 }));
    fc.assert(
      fc.property(excludingChoiceArbitrary, fc.record(history), claims, (choice, run, claimedMillis) =>
        expectScored(everyAggregateView(choice), run, claimedMillis),
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

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agrees, countedEvents, oracleFeatures, quantilesOutside } from '../../localstack/oracle.ts';
import type { Duration, WindowedView } from '../../shared/definitions/index.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { itemKeysOf, laneOf } from '../../shared/online/item-key.ts';
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

const runs = Number(process.env.PROPERTY_RUNS ?? 300);

/** Applies deliveries in batches of the given sizes, with maintenance after one of `everyEvents` events. */
async function play(
  view: WindowedView,
  deliveries: readonly WindowEvent[],
  batchSizes: readonly number[],
  everyEvents: number,
) {
  const store = new MemoryOnlineStore();
  const relevant = deliveries.filter((event) => view.includes(event.values));
  let position = 0;
  for (let batch = 0; position < relevant.length; batch++) {
    const size = batchSizes[batch % batchSizes.length] ?? 1;
    const events = relevant.slice(position, position + size);
    await applyEvents(store, view, 'acc', events, { everyEvents, minimumBytesFreed: -1_000_000 });
    position += size;
  }
  const items = (await store.get(itemKeysOf(view, 'acc'))).filter((item) => item !== undefined);
  // Lateness is judged per lane, because each lane has a high water of its own.
  const lanes = [...Map.groupBy(relevant, (event) => laneOf(view, event)).values()];
  const counted = lanes.flatMap((lane) => countedEvents(lane, view.layout.allowedLatenessMillis));
  return { items, counted };
}

function differences(
  view: WindowedView,
  items: Parameters<typeof readWindows>[1],
  counted: WindowEvent[],
  instant: number,
) {
  const reading = readWindows(view.layout, items, instant);
  const expected = oracleFeatures(view, counted, reading.asOfMillis);
  const outside = quantilesOutside(view, reading.values);
  return view.layout.features.flatMap(({ name, aggregate }, index) =>
    agrees(aggregate.name, reading.values[index], expected[index]) && !outside.includes(name)
      ? []
      : [{ name, answer: reading.values[index], expected: expected[index], asOf: reading.asOfMillis - START_MILLIS }],
  );
}

const playArbitrary = {
  rawEvents: rawEventsArbitrary,
  batchSizes: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 }),
  everyEvents: fc.constantFrom(1, 1, 3, 1_000_000),
  reads: fc.array(fc.integer({ min: -10_000, max: 8 * 3_600_000 }), { minLength: 1, maxLength: 6 }),
};

async function expectOracle(
  view: WindowedView,
  resolutionMillis: number,
  {
    rawEvents,
    batchSizes,
    everyEvents,
    reads,
  }: { rawEvents: RawEvent[]; batchSizes: number[]; everyEvents: number; reads: number[] },
) {
  const source = view.source as Parameters<typeof deliveriesOf>[0];
  const { items, counted } = await play(
    view,
    deliveriesOf(source, rawEvents, resolutionMillis),
    batchSizes,
    everyEvents,
  );
  const newest = counted.reduce((latest, event) => Math.max(latest, event.timeMillis), START_MILLIS);
  for (const read of reads) {
    const instant = Math.floor((newest + read) / resolutionMillis) * resolutionMillis;
    expect(differences(view, items, counted, instant)).toEqual([]);
  }
}

describe('features of the online item', () => {
  it('equal the naive oracle for any windows, aggregates, order, batches and maintenance', async () => {
    await fc.assert(
      fc.asyncProperty(viewChoiceArbitrary, fc.record(playArbitrary), (choice, run) =>
        expectOracle(everyAggregateView(choice), 1, run),
      ),
      { numRuns: runs },
    );
  });

  it('equal the naive oracle for windows with an offset', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom<Duration>('1s', '1min', '10min'), fc.record(playArbitrary), (offset, run) =>
        expectOracle(offsetView(offset), 1_000, run),
      ),
      { numRuns: runs },
    );
  });
});

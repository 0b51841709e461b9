import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { agrees, countedEvents, oracleFeatures, quantilesOutside } from '../../localstack/oracle.ts';
import type { Duration, WindowedView } from '../../shared/definitions/index.ts';
import { applyDecidedEvent, applyEvents } from '../../shared/online/apply-events.ts';
import { itemKeysOf, laneOf } from '../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import { readWindows } from '../../shared/windows/read.ts';
import {
  deliveriesOf,
  everyAggregateView,
  offsetView,
  rawEventsArbitrary,
  viewChoiceArbitrary,
} from '../support/arbitraries.ts';

const runs = Number(process.env.PROPERTY_RUNS ?? 300);

/** Every feature of a view twice: with the decided event and without it. */
function withAndWithout(view: WindowedView): WindowedView {
  const features = view.layout.features.flatMap((feature) => [
    feature,
    { ...feature, name: `${feature.name}_before`, excludesCurrent: true },
  ]);
  return { ...view, layout: { ...view.layout, features } };
}

const decidedArbitrary = fc.record({
  rawEvents: rawEventsArbitrary,
  maintainedAfter: fc.constantFrom(1, 3, 1_000_000),
  /** Which delivery is decided, as a share of all; those before it are counted first. */
  position: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
  /** Instead: one of those that were counted, told again with a time that differs by so much. */
  repeat: fc.option(
    fc.record({
      back: fc.nat(20),
      shift: fc.oneof(fc.constant(0), fc.integer({ min: -60_000, max: 60_000 })),
    }),
    { freq: 2 },
  ),
});

/** How many values of repeated events were compared, and how many could not be told. */
const told = { exact: { told: 0, untold: 0 }, shifted: { told: 0, untold: 0 } };

async function expectOracle(
  view: WindowedView,
  run: typeof decidedArbitrary extends fc.Arbitrary<infer R> ? R : never,
) {
  const resolution = view.source.timeResolutionMillis;
  const source = view.source as Parameters<typeof deliveriesOf>[0];
  const all = deliveriesOf(source, run.rawEvents, resolution).filter(({ values }) => view.includes(values));
  const before = all.slice(0, Math.floor(run.position * (all.length - 1)));
  const store = new MemoryOnlineStore();
  for (const event of before) {
    const policy = { everyEvents: run.maintainedAfter, minimumBytesFreed: -1_000_000 };
    await applyEvents(store, view, 'acc', [event], policy);
  }
  const countedBefore = countedIn(view, before);
  const newestFirst = countedBefore.toSorted((left, right) => right.timeMillis - left.timeMillis);
  const original = run.repeat && newestFirst[run.repeat.back % newestFirst.length];
  const shift = Math.round((run.repeat?.shift ?? 0) / resolution) * resolution;
  const event = original ? { ...original, timeMillis: original.timeMillis + shift } : all[before.length];
  if (event === undefined) return;

  const { itemKey, item, scored } = await applyDecidedEvent(store, view, 'acc', event, {
    everyEvents: 1_000_000,
    minimumBytesFreed: 1_000_000,
  });
  const others = await store.get(itemKeysOf(view, 'acc').filter((key) => key !== itemKey));
  const items = [item, ...others.filter((other) => other !== undefined)];
  const reading = readWindows(view.layout, items, event.timeMillis, scored);

  const wasCounted = countedBefore.some(({ id }) => id === event.id);
  // Long after the fact ids are gone: such a repeat is late, or another event.
  if (wasCounted && scored.standing !== 'repeat') return;
  const counted = scored.standing === 'next' ? [...countedBefore, event] : countedBefore;
  const expectedValues = oracleFeatures(view, counted, reading.asOfMillis, event);
  expect(quantilesOutside(view, reading.values)).toEqual([]);
  const tally = told[shift === 0 ? 'exact' : 'shifted'];
  view.layout.features.forEach(({ name, aggregate, excludesCurrent }, index) => {
    if (scored.standing === 'repeat' && !excludesCurrent) tally[reading.missing.includes(index) ? 'untold' : 'told']++;
    if (reading.missing.includes(index)) {
      expect(scored.standing).toBe('repeat');
      expect(reading.values[index]).toBeNull();
      return;
    }
    const expected = expectedValues[index];
    const answer = reading.values[index];
    expect({ name, answer, agrees: agrees(aggregate.name, answer, expected) }).toEqual({
      name,
      answer: agrees(aggregate.name, answer, expected) ? answer : expected,
      agrees: true,
    });
  });
}

function countedIn(view: WindowedView, deliveries: readonly WindowEvent[]): WindowEvent[] {
  const lanes = [...Map.groupBy(deliveries, (event) => laneOf(view, event)).values()];
  return lanes.flatMap((lane) => countedEvents(lane, view.layout.allowedLatenessMillis));
}

describe('the features of a decided event', () => {
  it('equal the naive oracle, with it inside once and without it, also when it is told again with another time', async () => {
    await fc.assert(
      fc.asyncProperty(viewChoiceArbitrary, decidedArbitrary, (choice, run) =>
        expectOracle(withAndWithout(everyAggregateView(choice)), run),
      ),
      { numRuns: runs },
    );
  });

  it('equal the naive oracle in windows with an offset', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom<Duration>('1s', '1min', '10min'), decidedArbitrary, (offset, run) =>
        expectOracle(withAndWithout(offsetView(offset)), run),
      ),
      { numRuns: runs },
    );
  });

  it('can mostly be told when it is told again', () => {
    expect(told.exact.told).toBeGreaterThan(0);
    expect(told.exact.untold).toBeLessThan(0.1 * told.exact.told);
    expect(told.shifted.untold).toBeLessThan(0.25 * told.shifted.told);
  });

  afterAll(() => console.log(JSON.stringify(told)));
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agrees, countedInHistory, oracleFeatures } from '../../localstack/oracle.ts';
import type { WindowedView } from '../../shared/definitions/index.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { backfillEntity } from '../../shared/online/backfill.ts';
import { itemKeysOf, laneOf } from '../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import { readWindows } from '../../shared/windows/read.ts';
import {
  deliveriesOf,
  everyAggregateView,
  type RawEvent,
  rawEventsArbitrary,
  START_MILLIS,
  type ViewChoice,
  viewChoiceArbitrary,
} from '../support/arbitraries.ts';

const runs = Number(process.env.PROPERTY_RUNS ?? 200);
const MAINTENANCE = { everyEvents: 1, minimumBytesFreed: -1_000_000 };

/** No two deliveries arrive together, so that there is one order of arrival. */
function inOrderOfArrival(deliveries: readonly WindowEvent[]): WindowEvent[] {
  let latest = 0;
  return deliveries.map((event) => {
    latest = Math.max(latest + 1, event.arrivedAtMillis);
    return { ...event, arrivedAtMillis: latest };
  });
}

function viewAndDeliveries(choice: ViewChoice, rawEvents: readonly RawEvent[], cut: number) {
  const { source } = everyAggregateView(choice);
  const all = inOrderOfArrival(deliveriesOf(source as Parameters<typeof deliveriesOf>[0], rawEvents, 1));
  const liveFromMillis = all[Math.floor(cut * (all.length + 1))]?.arrivedAtMillis ?? Date.UTC(2027, 0, 1);
  const view = everyAggregateView({ ...choice, liveFromMillis });
  const live = all.filter((event) => event.arrivedAtMillis >= liveFromMillis && view.includes(event.values));
  return { view, all, live, history: countedInHistory(view, all, liveFromMillis) };
}

/** What counts when history comes between `before` and `after`, by the rule of the seam: late is judged by what is known. */
function countedAtTheSeam(
  view: WindowedView,
  before: readonly WindowEvent[],
  history: readonly WindowEvent[],
  after: readonly WindowEvent[],
): WindowEvent[] {
  const counted = new Map<string, WindowEvent>();
  const newestByLane = new Map<number, number>();
  const take = (event: WindowEvent, isHistory: boolean) => {
    const lane = laneOf(view, event);
    const newest = newestByLane.get(lane) ?? Number.NEGATIVE_INFINITY;
    const isLate = !isHistory && event.timeMillis < newest - view.layout.allowedLatenessMillis;
    if (counted.has(event.id) || isLate) return;
    counted.set(event.id, event);
    newestByLane.set(lane, Math.max(newest, event.timeMillis));
  };
  for (const event of before) take(event, false);
  for (const event of history) take(event, true);
  for (const event of after) take(event, false);
  return [...counted.values()];
}

async function backfill(store: MemoryOnlineStore, view: WindowedView, history: readonly WindowEvent[]) {
  const ports = { store, clock: () => START_MILLIS + 24 * 3_600_000 };
  return (await backfillEntity(ports, view, { entityKey: 'acc', events: history })).map(({ outcome }) => outcome);
}

async function applyOneByOne(store: MemoryOnlineStore, view: WindowedView, events: readonly WindowEvent[]) {
  for (const event of events) await applyEvents(store, view, 'acc', [event], MAINTENANCE);
}

async function expectFeatures(
  store: MemoryOnlineStore,
  view: WindowedView,
  counted: readonly WindowEvent[],
  reads: readonly number[],
) {
  const items = (await store.get(itemKeysOf(view, 'acc'))).filter((item) => item !== undefined);
  const newest = counted.reduce((latest, event) => Math.max(latest, event.timeMillis), START_MILLIS);
  for (const read of reads) {
    const reading = readWindows(view.layout, items, newest + read);
    const expected = oracleFeatures(view, counted, reading.asOfMillis);
    const differences = view.layout.features.flatMap(({ name, aggregate }, index) =>
      agrees(aggregate.name, reading.values[index], expected[index])
        ? []
        : [{ name, answer: reading.values[index], expected: expected[index] }],
    );
    expect(differences).toEqual([]);
  }
}

const reads = fc.array(fc.integer({ min: -10_000, max: 8 * 3_600_000 }), { minLength: 1, maxLength: 4 });
const share = fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100);

describe('history that is merged into items', () => {
  it('reads as if the stream had brought it, and goes on as if it had', async () => {
    await fc.assert(
      fc.asyncProperty(
        viewChoiceArbitrary,
        rawEventsArbitrary,
        share,
        reads,
        async (choice, rawEvents, cut, instants) => {
          const { view, all, live, history } = viewAndDeliveries(choice, rawEvents, cut);
          const backfilled = new MemoryOnlineStore();
          await backfill(backfilled, view, history);
          const streamed = new MemoryOnlineStore();
          const relevant = all.filter((event) => view.includes(event.values) && !live.includes(event));
          await applyEvents(streamed, view, 'acc', relevant, MAINTENANCE);
          const counted = countedInHistory(view, all, Number.POSITIVE_INFINITY);
          for (const store of [backfilled, streamed]) {
            await expectFeatures(store, view, history, instants);
            await applyOneByOne(store, view, live);
            await expectFeatures(store, view, counted, instants);
          }
        },
      ),
      { numRuns: runs },
    );
  });

  it('counts nothing twice and loses nothing, whenever it comes, and a second time changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        viewChoiceArbitrary,
        rawEventsArbitrary,
        share,
        share,
        reads,
        async (choice, rawEvents, cut, when, instants) => {
          const { view, live, history } = viewAndDeliveries(choice, rawEvents, cut);
          const [before, after] = [live.slice(0, when * live.length), live.slice(when * live.length)];
          const store = new MemoryOnlineStore();
          await applyOneByOne(store, view, before);
          expect(new Set(await backfill(store, view, history))).toEqual(new Set(history.length > 0 ? ['written'] : []));
          await expectFeatures(store, view, countedAtTheSeam(view, before, history, []), instants);
          await applyOneByOne(store, view, after);
          const items = await store.get(itemKeysOf(view, 'acc'));
          expect(new Set(await backfill(store, view, history))).toEqual(new Set(history.length > 0 ? ['done'] : []));
          expect(await store.get(itemKeysOf(view, 'acc'))).toEqual(items);
          await expectFeatures(store, view, countedAtTheSeam(view, before, history, after), instants);
        },
      ),
      { numRuns: runs },
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import {
  count,
  type Duration,
  entity,
  max,
  mean,
  sum,
  type WindowedView,
  windowedView,
} from '../../shared/definitions/index.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import {
  everyAggregateView,
  excludingChoiceArbitrary,
  offsetView,
  type RawEvent,
  rawEventsArbitrary,
  START_MILLIS,
  testSource,
} from '../support/arbitraries.ts';
import { AuditWorld, totalsOf } from '../support/audit-world.ts';

const runs = Number(process.env.PROPERTY_RUNS ?? 120);

/** What happens beside an event: how it comes to us, and who asks afterwards. */
const stepArbitrary = fc.record({
  by: fc.constantFrom('stream', 'stream', 'decision', 'both'),
  asks: fc.constantFrom('features', 'read-only', 'nobody'),
  /** Before the read: at another instant than now. */
  at: fc.option(fc.integer({ min: -600_000, max: 60_000 }), { nil: undefined, freq: 2 }),
});
type Step = typeof stepArbitrary extends fc.Arbitrary<infer Value> ? Value : never;

const runArbitrary = fc.record({
  choice: excludingChoiceArbitrary,
  rawEvents: rawEventsArbitrary,
  steps: fc.array(stepArbitrary, { minLength: 1, maxLength: 12 }),
  pick: fc.nat(1_000),
});

/** No two things happen at one instant, so that their order is known. */
class Clock {
  #now = START_MILLIS;

  get now(): number {
    return this.#now;
  }

  pass(millis: number): number {
    this.#now += Math.max(1, millis);
    return this.#now;
  }
}

/** Events in order of arrival, each with its own id; `step` and `jitter` say when it happened. */
function eventOf(view: WindowedView, raw: RawEvent, index: number, arrivedAtMillis: number): WindowEvent {
  const { quantity, label, flag, ratio } = raw;
  // No two are alike: of equal events, nobody could say which one was missing.
  const cents = (((index + 1) * 104_729) % 99_991) * 1_000 + index;
  const amount = (raw.amount < 0 ? -cents : cents) / 100;
  const unit = view.source.timeResolutionMillis;
  const at = Math.floor((arrivedAtMillis + raw.jitter) / unit) * unit;
  const event = { event_id: `e${index}`, account_id: 'acc', at, amount, quantity, label, flag, ratio };
  const decoded = decodeEvent(view.source, event, arrivedAtMillis);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.event;
}

interface Played {
  readonly world: AuditWorld;
  readonly clock: Clock;
  readonly event: WindowEvent;
  readonly step: Step;
  readonly index: number;
}

/** Lets every event happen as `handle` says, in a world of its own. */
async function play(
  view: WindowedView,
  run: { readonly rawEvents: readonly RawEvent[]; readonly steps: readonly Step[] },
  handle: (played: Played) => Promise<void>,
  world = new AuditWorld(view),
): Promise<AuditWorld> {
  const clock = new Clock();
  for (const [index, raw] of run.rawEvents.entries()) {
    const step = run.steps[index % run.steps.length];
    if (step === undefined) continue;
    const event = eventOf(view, raw, index, clock.pass(raw.step));
    await handle({ world, clock, event, step, index });
  }
  return world;
}

/** Everything is counted the moment it arrives. */
async function inOrder({ world, clock, event, step }: Played): Promise<void> {
  if (step.by !== 'decision') {
    world.arrive(event);
    await world.count(event);
  }
  if (step.by !== 'stream') await world.decide(event, step.by === 'both' ? clock.pass(1) : clock.now);
  await ask({ world, clock, event, step });
}

async function ask({ world, clock, event, step }: Omit<Played, 'index'>): Promise<void> {
  const now = clock.pass(1);
  if (step.asks === 'features') await world.read(now, step.at === undefined ? undefined : now + step.at);
  if (step.asks === 'read-only') {
    const values = { ...event.values, event_id: `asked-${event.id}` };
    await world.decide({ ...event, values }, now, 'read-only');
  }
}

const NO_CAUSE = { lateArrival: 0, inFlight: 0, otherDefinition: 0, unexplained: 0 };

/** A few aggregates; the total is of the field that it says, or of another one by mistake. */
function totalsView(lateness: Duration, field: 'amount' | 'quantity'): WindowedView {
  return windowedView({
    name: 'test_view',
    version: 1,
    description: 'Totals.',
    owner: 'tests',
    entity: entity({ name: 'account', description: 'Whose events they are.', joinKeys: ['account_id'] }),
    source: testSource(lateness),
    windows: { short: '1min', long: '6h' },
    features: { count: count(), total: sum(field), most: max('amount'), mean: mean('amount') },
    ttl: '7d',
  });
}

describe('an audit', { timeout: 120_000 }, () => {
  it('finds no difference where everything was counted as it arrived', async () => {
    let compared = 0;
    let untold = 0;
    await fc.assert(
      fc.asyncProperty(runArbitrary, async ({ choice, ...run }) => {
        const world = await play(everyAggregateView(choice), run, inOrder);
        const report = await world.audit();
        const totals = totalsOf(report);
        compared += totals.equal;
        untold += totals.notAnswered;
        expect({ ...totals, unreadable: report.unreadable }).toEqual({
          ...NO_CAUSE,
          rows: totals.rows,
          equal: totals.rows - totals.notAnswered,
          notAnswered: totals.notAnswered,
          unreadable: 0,
        });
      }),
      { numRuns: runs },
    );
    expect(compared).toBeGreaterThan(100 * runs);
    // What was streamed and then decided is a repeat, of which not everything can be told.
    expect(untold).toBeGreaterThan(0);
    expect(untold / compared).toBeLessThan(0.1);
  });

  it('finds none in windows with an offset either', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom<Duration>('1s', '1min', '10min'), runArbitrary, async (offset, run) => {
        const view = offsetView(offset, run.choice.excluding);
        const totals = totalsOf(await (await play(view, run, inOrder)).audit());
        expect(totals.equal + totals.notAnswered).toBe(totals.rows);
      }),
      { numRuns: runs },
    );
  });

  it('says "in flight", and nothing else, of events that had arrived and were not yet counted', async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(runArbitrary, async ({ choice, pick, ...run }) => {
        const pending: WindowEvent[] = [];
        const world = await play(
          everyAggregateView(choice),
          run,
          async ({ world: product, clock, event, step, index }) => {
            product.arrive(event);
            pending.push(event);
            const isBehind = (first: WindowEvent) => first.arrivedAtMillis < clock.now - 240_000;
            const tolerated = (pick + index) % 4;
            for (let [first] = pending; first && (pending.length > tolerated || isBehind(first)); [first] = pending) {
              await product.count(first);
              pending.shift();
            }
            await ask({ world: product, clock, event, step: { ...step, at: undefined } });
          },
        );
        const totals = totalsOf(await world.audit());
        found += totals.inFlight;
        const { rows, equal, inFlight, notAnswered } = totals;
        expect(totals).toEqual({ ...NO_CAUSE, rows, equal, inFlight, notAnswered });
      }),
      { numRuns: runs },
    );
    expect(found).toBeGreaterThan(runs);
  });

  it('says "late arrival", and nothing else, of decided events that landed later than they were counted', async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(runArbitrary, fc.integer({ min: 1, max: 200_000 }), async ({ choice, pick, ...run }, delay) => {
        const delayed = pick % run.rawEvents.length;
        const world = await play(everyAggregateView({ ...choice, lateness: '10min' }), run, async (played) => {
          played.world.landingDelayMillis = played.index === delayed ? delay : 0;
          await inOrder(played.index === delayed ? { ...played, step: { ...played.step, by: 'decision' } } : played);
        });
        const totals = totalsOf(await world.audit());
        found += totals.lateArrival;
        expect(totals).toEqual({
          ...NO_CAUSE,
          rows: totals.rows,
          equal: totals.equal,
          lateArrival: totals.lateArrival,
          notAnswered: totals.notAnswered,
        });
      }),
      { numRuns: runs },
    );
    expect(found).toBeGreaterThan(runs);
  });

  it('says "late arrival", and nothing else, of an event that was late by the order of counting alone', async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(runArbitrary, async ({ choice, pick, rawEvents, steps }) => {
        const held = pick % rawEvents.length;
        let waiting: WindowEvent | undefined;
        const view = everyAggregateView({ ...choice, lanes: 1, lateness: '2s' });
        // Of none but the held one the order of counting says whether it is late: several at once cannot always be told.
        const near = rawEvents.map((raw) => ({ ...raw, jitter: Math.max(-900, Math.min(900, raw.jitter)) }));
        const world = await play(view, { rawEvents: near, steps }, async (played) => {
          const { world: product, event, index } = played;
          if (index === held) {
            product.arrive(event);
            waiting = event;
            return;
          }
          // Counted behind a newer one that arrived within the time that events may be on their way.
          if (waiting && event.arrivedAtMillis > waiting.arrivedAtMillis + 240_000) {
            await product.count(waiting);
            waiting = undefined;
          }
          const { step } = played;
          await inOrder({ ...played, step: { ...step, asks: waiting ? 'nobody' : step.asks, by: 'stream' } });
          if (waiting && event.timeMillis > waiting.timeMillis + 2_000) {
            await product.count(waiting);
            waiting = undefined;
          }
        });
        const totals = totalsOf(await world.audit());
        found += totals.lateArrival;
        expect(totals).toEqual({
          ...NO_CAUSE,
          rows: totals.rows,
          equal: totals.equal,
          lateArrival: totals.lateArrival,
          notAnswered: totals.notAnswered,
        });
      }),
      { numRuns: runs },
    );
    expect(found).toBeGreaterThan(runs);
  });

  it('leaves little unexplained where decisions overtake a consumer that lags by minutes', async () => {
    // Which of many events were missing at once cannot always be told: three to nine values in a hundred stay unexplained.
    let differing = 0;
    let unexplained = 0;
    await fc.assert(
      fc.asyncProperty(runArbitrary, async ({ choice, pick, ...run }) => {
        const waiting: WindowEvent[] = [];
        const world = await play(everyAggregateView({ ...choice, lanes: 1 }), run, async (played) => {
          const { world: product, clock, event, step } = played;
          const lagMillis = 1 + pick * 240;
          for (let [first] = waiting; first && first.arrivedAtMillis + lagMillis <= clock.now; [first] = waiting) {
            await product.count(first);
            waiting.shift();
          }
          if (step.by === 'stream') {
            product.arrive(event);
            waiting.push(event);
          } else await product.decide(event, clock.now);
          await ask({ world: product, clock, event, step: { ...step, at: undefined } });
        });
        const totals = totalsOf(await world.audit());
        differing += totals.rows - totals.equal;
        unexplained += totals.unexplained;
      }),
      { numRuns: runs },
    );
    expect(differing).toBeGreaterThan(10 * runs);
    expect(unexplained / differing).toBeLessThan(0.2);
  });

  it('leaves a defect of the serving side unexplained, and blames nothing but the feature at fault', async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(runArbitrary, async ({ choice, ...run }) => {
        const right = totalsView(choice.lateness, 'amount');
        const wrong = totalsView(choice.lateness, 'quantity');
        const report = await (await play(right, run, inOrder, new AuditWorld(right, { servedBy: wrong }))).audit();
        for (const skew of report.features) {
          expect(skew).toMatchObject({ lateArrival: 0, inFlight: 0, otherDefinition: 0 });
          if (!skew.feature.startsWith('total')) expect(skew.unexplained).toBe(0);
        }
        found += totalsOf(report).unexplained;
      }),
      { numRuns: runs },
    );
    expect(found).toBeGreaterThan(runs);
  });
});

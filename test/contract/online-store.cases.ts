import { beforeAll, describe, expect, it } from 'vitest';
import { oracleFeatures } from '../../localstack/oracle.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { itemKeysOf } from '../../shared/online/item-key.ts';
import {
  type OnlineStore,
  OnlineStoreItemRefusedError,
  OnlineStoreItemTooLargeError,
  OnlineStoreRequestError,
} from '../../shared/online/store.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';
import type { Attribute, Condition, ItemUpdate } from '../../shared/windows/item.ts';
import { planMaintenance } from '../../shared/windows/maintain.ts';
import { planUpdate } from '../../shared/windows/plan.ts';
import { readWindows } from '../../shared/windows/read.ts';
import { applyToItem } from '../../shared/windows/update-builder.ts';
import { deliveriesOf, everyAggregateView, type RawEvent, START_MILLIS, testSource } from '../support/arbitraries.ts';

const change = (parts: Partial<ItemUpdate>): ItemUpdate => ({ add: {}, set: {}, remove: [], conditions: [], ...parts });

let keys = 0;
const freshKey = () => `case@1|${keys++}`;

const sorted = (attribute: Attribute | undefined) =>
  attribute && 'SS' in attribute ? [...attribute.SS].sort() : attribute;

/** The contract of `OnlineStore`. Every adapter passes every case. */
export function describeOnlineStore(name: string, makeStore: () => Promise<OnlineStore>): void {
  describe(`the online store contract on ${name}`, () => {
    let store: OnlineStore;
    beforeAll(async () => {
      store = await makeStore();
    });

    async function given(item: ItemUpdate['set']): Promise<string> {
      const key = freshKey();
      await store.update(key, change({ set: item }));
      return key;
    }

    it('answers unknown keys with undefined, in the order asked, repeated keys included', async () => {
      const known = await given({ h: { N: '1' } });
      const unknown = freshKey();
      expect(await store.get([unknown])).toEqual([undefined]);
      expect(await store.get([unknown, known, unknown, known])).toEqual([
        undefined,
        { h: { N: '1' } },
        undefined,
        { h: { N: '1' } },
      ]);
      expect(await store.get([])).toEqual([]);
    });

    it('reads more keys than one call of the database takes', async () => {
      const written = await Promise.all(Array.from({ length: 130 }, (_, n) => given({ h: { N: String(n) } })));
      const items = await store.get(written);
      expect(items.map((item) => item?.h)).toEqual(written.map((_, n) => ({ N: String(n) })));
    });

    it('answers with the item before the update where that is asked for', async () => {
      const key = freshKey();
      const one = change({ add: { count: { N: '5' }, ids: { SS: ['a'] } } });
      const first = await store.update(key, one, { returns: 'before' });
      expect(first).toEqual({ applied: true, item: {} });
      const second = await store.update(key, one, { returns: 'before' });
      expect(second).toEqual({ applied: true, item: { count: { N: '5' }, ids: { SS: ['a'] } } });
      const [now] = await store.get([key]);
      expect(now).toEqual(applyToItem(second.item, one));
    });

    it('sets, adds and removes in one update and answers with the item after it', async () => {
      const key = await given({ h: { N: '1' }, gone: { S: 'x' }, count: { N: '2' } });
      const result = await store.update(
        key,
        change({
          set: { h: { N: '7' }, pair: { L: [{ N: '3' }, { S: '"v"' }] } },
          add: { count: { N: '5' }, fresh: { N: '-3' }, set: { SS: ['a', 'b'] } },
          remove: ['gone', 'never'],
        }),
      );
      expect(result.applied).toBe(true);
      const { set, ...rest } = result.item;
      expect(rest).toEqual({
        h: { N: '7' },
        pair: { L: [{ N: '3' }, { S: '"v"' }] },
        count: { N: '7' },
        fresh: { N: '-3' },
      });
      expect(sorted(set)).toEqual(['a', 'b']);
      expect((await store.get([key]))[0]).toEqual(result.item);
    });

    it('unites string sets', async () => {
      const key = await given({ ids: { SS: ['a', 'b'] } });
      const result = await store.update(key, change({ add: { ids: { SS: ['b', 'c'] } } }));
      expect(sorted(result.item.ids)).toEqual(['a', 'b', 'c']);
    });

    it.each([
      ['9007199254740993', '1', '9007199254740994'],
      ['99999999999999999999999999999999999998', '1', '99999999999999999999999999999999999999'],
      ['100', '-100', '0'],
      ['-5', '-7', '-12'],
      ['10000000000000000000000', '0', '10000000000000000000000'],
    ])('adds %s and %s exactly', async (before, amount, after) => {
      const key = await given({ sum: { N: before } });
      const result = await store.update(key, change({ add: { sum: { N: amount } } }));
      expect(result.item.sum).toEqual({ N: after });
    });

    const present = { n: { N: '5' }, s: { S: 'text' }, set: { SS: ['a'] }, l: { L: [{ N: '1' }, { S: 'v' }] } };
    it.each<[Condition, boolean]>([
      [{ kind: 'absent', name: 'none' }, true],
      [{ kind: 'absent', name: 'n' }, false],
      [{ kind: 'equals', name: 'n', value: { N: '5' } }, true],
      [{ kind: 'equals', name: 'n', value: { N: '6' } }, false],
      [{ kind: 'equals', name: 'none', value: { N: '5' } }, false],
      [{ kind: 'equals', name: 'l', value: { L: [{ N: '1' }, { S: 'v' }] } }, true],
      [{ kind: 'equals', name: 'l', value: { L: [{ N: '2' }, { S: 'v' }] } }, false],
      [{ kind: 'absentOrAtMost', name: 'none', value: '1' }, true],
      [{ kind: 'absentOrAtMost', name: 'n', value: '5' }, true],
      [{ kind: 'absentOrAtMost', name: 'n', value: '4.99' }, false],
      [{ kind: 'absentOrAtMost', name: 's', value: '4' }, false],
      [{ kind: 'absentOrAtLeast', name: 'none', value: '1' }, true],
      [{ kind: 'absentOrAtLeast', name: 'n', value: '5' }, true],
      [{ kind: 'absentOrAtLeast', name: 'n', value: '5.01' }, false],
      [{ kind: 'between', name: 'n', low: '5', high: '5' }, true],
      [{ kind: 'between', name: 'n', low: '6', high: '9' }, false],
      [{ kind: 'between', name: 'none', low: '0', high: '9' }, false],
      [{ kind: 'lacksMember', name: 'none', member: 'a' }, true],
      [{ kind: 'lacksMember', name: 'set', member: 'b' }, true],
      [{ kind: 'lacksMember', name: 'set', member: 'a' }, false],
    ])('under %j updates: %s', async (condition, applies) => {
      const key = await given(present);
      const result = await store.update(key, change({ set: { done: { S: 'yes' } }, conditions: [condition] }));
      expect(result.applied).toBe(applies);
      expect(result.item).toEqual(applies ? { ...present, done: { S: 'yes' } } : present);
      expect((await store.get([key]))[0]).toEqual(result.item);
    });

    it('answers a refused update of an unknown key with an empty item and creates nothing', async () => {
      const key = freshKey();
      const refused = change({
        add: { n: { N: '1' } },
        conditions: [{ kind: 'equals', name: 'n', value: { N: '1' } }],
      });
      expect(await store.update(key, refused)).toEqual({ applied: false, item: {} });
      expect(await store.get([key])).toEqual([undefined]);
    });

    it('makes concurrent updates of one key one after the other', async () => {
      const key = freshKey();
      const results = await Promise.all(
        Array.from({ length: 50 }, () => store.update(key, change({ add: { n: { N: '1' } } }))),
      );
      const counts = results.map(({ item }) => Number((item.n as { N: string }).N)).sort((left, right) => left - right);
      expect(counts).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    });

    it('lets exactly one of competing conditional updates through', async () => {
      const key = freshKey();
      const claim = (member: string) =>
        store.update(key, change({ add: { ids: { SS: [member] } }, conditions: [{ kind: 'absent', name: 'ids' }] }));
      const results = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(claim));
      expect(results.filter(({ applied }) => applied)).toHaveLength(1);
    });

    it('accepts a key of 2,048 bytes and refuses a longer or an empty one', async () => {
      const update = change({ set: { h: { N: '1' } } });
      expect((await store.update('k'.repeat(2_048), update)).applied).toBe(true);
      await expect(store.update('k'.repeat(2_049), update)).rejects.toThrow(OnlineStoreRequestError);
      await expect(store.update('', update)).rejects.toThrow(OnlineStoreRequestError);
    });

    it.each<[string, Attribute, Partial<ItemUpdate>]>([
      ['an addition to text', { S: 'text' }, { add: { a: { N: '1' } } }],
      ['members for a number', { N: '1' }, { add: { a: { SS: ['x'] } } }],
      ['a sum of more than 38 digits', { N: '99999999999999999999999999999999999998' }, { add: { a: { N: '3' } } }],
      ['a sum with digits too far apart', { N: '1e30' }, { add: { a: { N: '0.000000001' } } }],
      ['a value of more than 38 digits', { N: '1' }, { set: { a: { N: '123456789012345678901234567890123456789' } } }],
    ])('refuses %s as a fault of the item, which stays as it was', async (_what, before, update) => {
      const key = await given({ a: before });
      const [item] = await store.get([key]);
      const refusal = store.update(key, change({ ...update, remove: ['other'] }));
      await expect(refusal).rejects.toMatchObject({ name: 'OnlineStoreItemRefusedError', retryable: false });
      await expect(refusal).rejects.toBeInstanceOf(OnlineStoreItemRefusedError);
      expect(await store.get([key])).toEqual([item]);
    });

    it('takes the greatest sums of 38 digits', async () => {
      const key = await given({ a: { N: '99999999999999999999999999999999999998' } });
      expect((await store.update(key, change({ add: { a: { N: '1' } } }))).applied).toBe(true);
      // Its one digit is followed by zeros.
      expect((await store.update(key, change({ add: { a: { N: '1' } } }))).applied).toBe(true);
    });

    it('refuses to let an item grow beyond 400 KB and leaves it as it was', async () => {
      const key = await given({ big: { S: 'x'.repeat(390_000) } });
      const grow = store.update(key, change({ set: { more: { S: 'y'.repeat(20_000) } } }));
      await expect(grow).rejects.toThrow(OnlineStoreItemTooLargeError);
      expect(Object.keys((await store.get([key]))[0] ?? {})).toEqual(['big']);
    });

    it('takes names and values that look like syntax', async () => {
      const key = `case@1|'; #a :b "DROP" \u{1f600} ${keys++}`;
      const result = await store.update(
        key,
        change({ set: { 'a.b#c:d e': { S: ':x AND #y' } }, add: { 'SET ': { N: '1' } } }),
      );
      expect(result.item).toEqual({ 'a.b#c:d e': { S: ':x AND #y' }, 'SET ': { N: '1' } });
    });

    describe('with the window engine', () => {
      const windows = [
        { length: '1min', hop: '1s' },
        { length: '1h', hop: '1min' },
      ] as const;
      const view = everyAggregateView({ windows, lateness: '30s', lanes: 1, filtered: false, endpoints: true });
      const raw = (index: number): RawEvent => ({
        step: 1_500,
        jitter: index % 5 === 0 ? -9_000 : 0,
        amount: ((index * 7_919) % 100_000) / 100,
        quantity: index % 3 === 0 ? null : index,
        label: ['a', 'b', 'c', null][index % 4] ?? null,
        flag: index % 2 === 0,
        ratio: Math.sin(index),
        repeat: undefined,
      });
      const events = deliveriesOf(
        testSource('30s'),
        Array.from({ length: 120 }, (_, index) => raw(index)),
        1,
      );

      function expectOracle(items: Parameters<typeof readWindows>[1], counted: readonly WindowEvent[]) {
        const reading = readWindows(view.layout, items, START_MILLIS);
        const expected = oracleFeatures(view, counted, reading.asOfMillis);
        view.layout.features.forEach(({ name, aggregate }, index) => {
          if (aggregate.name === 'quantile') return;
          expect([name, reading.values[index]]).toEqual([name, expected[index]]);
        });
      }

      it('accepts the largest update that a view plans, and the largest maintenance', async () => {
        const [key = ''] = itemKeysOf(view, 'largest');
        const { update } = planUpdate(view.layout, events.slice(0, view.layout.eventsPerUpdate));
        expect(update && (await store.update(key, update)).applied).toBe(true);

        const everyEvents = Number.MAX_SAFE_INTEGER;
        await applyEvents(store, view, 'largest', events, { everyEvents, minimumBytesFreed: 0 });
        const [before = {}] = await store.get([key]);
        const maintenance = planMaintenance(view.layout, before);
        expect(maintenance?.bytesFreed).toBeGreaterThan(1_000);
        const result = maintenance && (await store.update(key, maintenance.update));
        expect(result?.applied).toBe(true);
        expectOracle([result?.item ?? {}], events);
      });

      it('counts racing writers of the same events exactly once', async () => {
        const writers = Array.from({ length: 6 }, async (_, writer) => {
          for (let position = 0; position < events.length; position += 5 + writer) {
            await applyEvents(store, view, 'raced', events.slice(position, position + 5 + writer), {
              everyEvents: 2,
              minimumBytesFreed: 0,
            });
          }
        });
        await Promise.all(writers);
        const items = (await store.get(itemKeysOf(view, 'raced'))).filter((item) => item !== undefined);
        expectOracle(items, events);
      });

      it('reads an item that holds attributes of other makers', async () => {
        const [key = ''] = itemKeysOf(view, 'strange');
        await applyEvents(store, view, 'strange', events);
        const [item = {}] = await store.get([key]);
        const start =
          Object.keys(item)
            .find((name) => name.length > 7)
            ?.slice(0, 7) ?? '';
        const strange = view.layout.cells.flatMap(({ code }) => [
          [`${start.slice(0, 6)}z${code}junk`, { S: 'not json' }] as const,
          [`-------${code}`, { L: [{ N: '1' }, { S: 'not json' }] }] as const,
        ]);
        await store.update(
          key,
          change({ set: { ...Object.fromEntries(strange), future: { S: 'attribute' }, y: { N: '1' } } }),
        );
        const [after = {}] = await store.get([key]);
        expectOracle([after], events);
        expect(() => planMaintenance(view.layout, after)).not.toThrow();
      });
    });
  });
}

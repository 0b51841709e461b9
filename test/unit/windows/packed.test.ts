import { describe, expect, it } from 'vitest';
import { HEADER } from '../../../shared/windows/bucket.ts';
import { ByteReader, ByteWriter } from '../../../shared/windows/bytes.ts';
import type { Item } from '../../../shared/windows/item.ts';
import { planMaintenance } from '../../../shared/windows/maintain.ts';
import { pack, unpack } from '../../../shared/windows/packed.ts';
import { planUpdate } from '../../../shared/windows/plan.ts';
import { readWindows } from '../../../shared/windows/read.ts';
import { applyToItem } from '../../../shared/windows/update-builder.ts';
import { deliveriesOf, everyAggregateView, testSource } from '../../support/arbitraries.ts';

const windows = [{ length: '1h', hop: '1min' }] as const;
const choice = { windows, lateness: '2s', lanes: 1, filtered: false } as const;
const older = everyAggregateView({ ...choice, endpoints: false }).layout;
const newer = everyAggregateView({ ...choice, endpoints: true }).layout;

const events = deliveriesOf(
  testSource('2s'),
  Array.from({ length: 40 }, (_, index) => ({
    step: 40_000,
    jitter: 0,
    amount: index * 1.25 - 7,
    quantity: index,
    label: `label-${index % 6}`,
    flag: index % 2 === 0,
    ratio: index / 8,
    repeat: undefined,
  })),
  1,
);

/** The item after all events, maintained after each by the layout of one deployment or the other, in turn. */
function itemOf(layouts: readonly (typeof newer)[]): Item {
  let item: Item = {};
  events.forEach((event, index) => {
    const { update } = planUpdate(newer, [event], item);
    if (update) item = applyToItem(item, update);
    const layout = layouts[index % layouts.length] ?? newer;
    const maintenance = planMaintenance(layout, item);
    if (maintenance) item = applyToItem(item, maintenance.update);
  });
  return item;
}

describe('packed buckets', () => {
  const instant = events.at(-1)?.timeMillis ?? 0;

  it('of cells that a deployment does not know are kept while it maintains the item', () => {
    const alone = readWindows(newer, [itemOf([newer])], instant);
    const mixed = readWindows(newer, [itemOf([newer, older])], instant);
    expect(alone.values).toEqual(mixed.values);
    expect(alone.values.every((value) => value !== null)).toBe(true);
  });

  it.each([
    ['text', { S: 'not bytes' }],
    ['no bytes', { B: new Uint8Array() }],
    ['bytes of another maker', { B: Buffer.from('something else entirely, and longer than a header') }],
    ['a column that ends too soon', { B: Buffer.from([...Buffer.from('C7o'), 9, 1, 2]) }],
  ])('are nothing, and no failure, where their attribute holds %s', (_, attribute) => {
    expect(unpack(newer, attribute).known.size).toBe(0);
    expect(() => readWindows(newer, [{ ...itemOf([newer]), [HEADER.packed]: attribute }], instant)).not.toThrow();
  });

  it('are written as they were read', () => {
    const packed = itemOf([newer])[HEADER.packed];
    expect(packed).toBeDefined();
    expect(pack(newer, unpack(newer, packed))).toEqual(packed);
    expect(pack(newer, { known: new Map(), unknown: new Map() })).toBeUndefined();
  });
});

describe('bytes', () => {
  it.each([
    0,
    1,
    -1,
    127,
    128,
    -64,
    2 ** 51,
    -(2 ** 51),
    2 ** 53 - 1,
    2n ** 53n,
    -(2n ** 60n),
    10n ** 38n - 1n,
    -(10n ** 37n),
  ])('hold the integer %s', (value) => {
    const writer = new ByteWriter();
    writer.integer(value);
    writer.integer(7);
    const reader = new ByteReader(writer.finish());
    expect(BigInt(reader.integer())).toBe(BigInt(value));
    expect(reader.integer()).toBe(7);
  });

  it.each([0, 12.5, -79.23, 999_999_999_999.99, 0.1 + 0.2, 1e-7, 1e21, -1.5e300, Math.PI])(
    'hold the number %s',
    (value) => {
      const writer = new ByteWriter();
      writer.number(value);
      expect(new ByteReader(writer.finish()).number()).toBe(value);
    },
  );
});

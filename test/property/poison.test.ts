import fc from 'fast-check';
import { expect, it } from 'vitest';
import { consumer, NOW_MILLIS, recordsOf, transaction } from '../unit/update-windows/fixtures.ts';
import { POISONS } from '../unit/update-windows/poison.ts';

/** What one record of a batch is made of. Only `good` ones may be counted. */
type Ingredient =
  | { readonly kind: 'good'; readonly event: Record<string, unknown> }
  | { readonly kind: 'bad'; readonly content: Uint8Array | string };

const goodEvent = fc
  .record({
    user: fc.constantFrom('a', 'b', '\u{1f600}', '#1|%', '__proto__', 'constructor'),
    // Few values, so that events repeat: an id stands for one event, so all of it repeats.
    number: fc.nat(2),
    cents: fc.constantFrom(0, 1, 1_250, 99_999_999),
    // On both sides of the 5 s that an event may be late.
    behindMillis: fc.constantFrom(0, 1, 1_000, 4_999, 5_000, 5_001, 9_999, 10_000, 60_000),
  })
  .map(({ user, number, cents, behindMillis }) =>
    transaction({
      transaction_id: `${user}-${number}-${cents}-${behindMillis}`,
      user_id: user,
      amount: cents / 100,
      timestamp: NOW_MILLIS - behindMillis,
    }),
  );

const fields = Object.keys(transaction());
const validText = JSON.stringify(transaction());

/** A value that no field of a transaction may have. */
const impossibleValue = fc.oneof(
  fc.constantFrom<unknown>(null, true, '', -1.5, 1e300, [], {}, '\ud800', 'x\u0007'),
  fc.array(fc.jsonValue()),
  fc.dictionary(fc.string(), fc.jsonValue()),
);

const badContent: fc.Arbitrary<Uint8Array | string> = fc.oneof(
  fc.constantFrom(...POISONS.filter(({ content }) => content.length < 100_000)).map(({ content }) => content),
  fc.uint8Array({ maxLength: 300 }),
  fc.json(),
  fc.string({ unit: 'binary' }),
  fc
    .tuple(fc.constantFrom(...fields), impossibleValue)
    .map(([field, value]) => JSON.stringify(transaction({ [field]: value }))),
  fc.constantFrom(...fields).map((field) => JSON.stringify(transaction({ [field]: undefined }))),
  fc
    .string({ minLength: 1 })
    .filter((name) => !fields.includes(name))
    .map((name) => `{${JSON.stringify(name)}:1,${validText.slice(1)}`),
  fc.constantFrom(...fields).map((field) => `{${JSON.stringify(field)}:null,${validText.slice(1)}`),
  fc.nat(validText.length - 1).map((length) => validText.slice(0, length)),
  fc.tuple(fc.nat(validText.length), fc.constantFrom(0x00, 0x80, 0xc3, 0xff)).map(([position, byte]) => {
    const bytes = Buffer.from(validText);
    return Buffer.concat([bytes.subarray(0, position), Buffer.of(byte), bytes.subarray(position)]);
  }),
);

const ingredient: fc.Arbitrary<Ingredient> = fc.oneof(
  goodEvent.map((event) => ({ kind: 'good', event }) as const),
  badContent.map((content) => ({ kind: 'bad', content }) as const),
);

/** What is counted of good events, by a plain loop: the sums of cents by user, and how many there were. */
function plainLoop(events: readonly Record<string, unknown>[]) {
  const users = new Map<string, { newest: number; ids: Set<unknown>; cents: number }>();
  for (const event of events) {
    const user = users.get(String(event.user_id)) ?? { newest: 0, ids: new Set(), cents: 0 };
    users.set(String(event.user_id), user);
    const time = Number(event.timestamp);
    if (user.ids.has(event.transaction_id) || time < user.newest - 5_000) continue;
    user.newest = Math.max(user.newest, time);
    user.ids.add(event.transaction_id);
    user.cents += Math.round(Number(event.amount) * 100);
  }
  return users;
}

it('accounts for every record, keeps every bad byte and counts the good ones like a plain loop', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(ingredient, { maxLength: 40 }),
      fc.integer({ min: 1, max: 40 }),
      async (mix, batchSize) => {
        // Prepare
        const { consume, features, quarantine } = consumer();
        const contents = mix.map((part) => (part.kind === 'good' ? part.event : part.content));
        // One after the other: of what arrives at one instant the older ones are counted first.
        const records = recordsOf(...contents).map((record, index) => ({
          ...record,
          arrivedAtMillis: record.arrivedAtMillis + index,
        }));
        const totals = { received: 0, settled: 0, applied: 0 };

        // Act
        for (let first = 0; first < records.length; first += batchSize) {
          const { counts } = await consume(records.slice(first, first + batchSize));
          const { applied, duplicate, late, excluded, quarantined, failed } = counts;
          totals.received += counts.received;
          totals.settled += applied + duplicate + late + excluded + quarantined + failed;
          totals.applied += applied;
          expect({ failed, excluded }).toEqual({ failed: 0, excluded: 0 });
        }

        // Assess
        expect(totals).toMatchObject({ received: records.length, settled: records.length });
        const bad = records.filter((_, index) => mix[index]?.kind === 'bad');
        const original = ({ sequenceNumber, data }: { sequenceNumber: string; data: Uint8Array }) =>
          `${sequenceNumber} ${Buffer.from(data).toString('hex')}`;
        expect(quarantine.records.map(original)).toEqual(bad.map(original));
        expect(quarantine.records.every(({ problems }) => problems.length > 0)).toBe(true);
        const expected = plainLoop(mix.flatMap((part) => (part.kind === 'good' ? [part.event] : [])));
        expect(totals.applied).toBe([...expected.values()].reduce((sum, user) => sum + user.ids.size, 0));
        for (const [user_id, { ids, cents }] of expected) {
          expect(await features({ user_id })).toMatchObject({ tx_count_1h: ids.size, total_amount_1h: cents / 100 });
        }
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);

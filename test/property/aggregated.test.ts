import fc from 'fast-check';
import { expect, it } from 'vitest';
import { takenApart } from '../../functions/kinesis-aggregation.ts';
import { landEvents } from '../../functions/land-events/land-events.ts';
import { transactions } from '../../shared/features/fraud.ts';
import { OnlineStoreThrottledError } from '../../shared/online/store.ts';
import { aggregated, framed } from '../support/kpl.ts';
import { consumer, NOW_MILLIS, recordsOf, transaction } from '../unit/update-windows/fixtures.ts';

const USERS = ['a', 'b', 'c'] as const;

/** Whose event a document is; null for one that is no event. */
const document = fc.oneof(fc.constantFrom(...USERS), fc.constantFrom(...USERS), fc.constant(null));

/** Documents of each record; of one document some are sent as they are. */
const shape = fc.array(
  fc.record({ users: fc.array(document, { minLength: 1, maxLength: 6 }), isPlain: fc.boolean() }),
  {
    minLength: 1,
    maxLength: 12,
  },
);

it('counts what is aggregated as if each event had come by itself, whatever fails, and quarantines each other document once', async () => {
  await fc.assert(
    fc.asyncProperty(shape, fc.array(fc.subarray([...USERS]), { maxLength: 4 }), async (records, failingUsers) => {
      // Prepare
      const { consume, store, quarantine, features } = consumer();
      let id = 0;
      const contents = records.map(({ users, isPlain }) => {
        const texts = users.map((user) =>
          user === null
            ? `no event ${id++}`
            : JSON.stringify(transaction({ transaction_id: `${id++}`, user_id: user })),
        );
        const [first = ''] = texts;
        if (isPlain && texts.length === 1) return first;
        return aggregated(texts.map((data) => ({ partitionKey: 'k', data })));
      });
      const documents = records.flatMap(({ users }) => users);

      // Act: each record comes again while it fails.
      let waiting = recordsOf(...contents);
      for (const failing of [...failingUsers, []]) {
        store.before = (key) => {
          if (failing.some((user) => key.endsWith(`|${user}`))) throw new OnlineStoreThrottledError('slow down');
        };
        const { counts, failedSequenceNumbers } = await consume(waiting);
        expect(new Set(failedSequenceNumbers).size).toBe(failedSequenceNumbers.length);
        expect(counts.applied + counts.duplicate + counts.quarantined + counts.failed).toBe(counts.received);
        waiting = waiting.filter(({ sequenceNumber }) => failedSequenceNumbers.includes(sequenceNumber));
      }

      // Assess
      expect(waiting).toEqual([]);
      const places = quarantine.records.map(
        ({ sequenceNumber, subSequenceNumber }) => `${sequenceNumber} ${subSequenceNumber}`,
      );
      expect(new Set(places).size).toBe(places.length);
      expect(places).toHaveLength(documents.filter((user) => user === null).length);
      for (const user_id of USERS) {
        const expected = documents.filter((user) => user === user_id).length;
        expect(await features({ user_id })).toMatchObject({ tx_count_1h: expected });
      }
    }),
    { numRuns: 200 },
  );
});

/** Bytes of an aggregated record, changed, cut or grown; the digest is made anew for some, or nothing gets beyond it. */
const mangled = fc
  .record({
    count: fc.integer({ min: 1, max: 4 }),
    changes: fc.array(
      fc.record({ at: fc.nat(600), byte: fc.nat(255), kind: fc.constantFrom('set', 'insert', 'cut') }),
      {
        maxLength: 4,
      },
    ),
    isDigestRight: fc.boolean(),
    depth: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ count, changes, isDigestRight, depth }) => {
    const texts = Array.from({ length: count }, (_, index) =>
      JSON.stringify(transaction({ transaction_id: `m-${index}` })),
    );
    let whole = aggregated(texts.map((data) => ({ partitionKey: 'k', data })));
    for (let level = 1; level < depth; level++) whole = aggregated([{ partitionKey: 'k', data: whole }]);
    let body = isDigestRight ? whole.subarray(4, -16) : whole;
    for (const { at, byte, kind } of changes) {
      const position = at % (body.length + 1);
      const after = body.subarray(kind === 'insert' ? position : position + 1);
      body = Buffer.concat([body.subarray(0, position), Buffer.from(kind === 'cut' ? [] : [byte]), after]);
    }
    return isDigestRight ? framed(body) : body;
  });

it('loses nothing of a mangled aggregate: each document is counted or kept, and its neighbours are counted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(mangled, fc.uint8Array({ maxLength: 60 }).map(framed)), async (bytes) => {
      const { consume, quarantine } = consumer();
      const records = recordsOf(
        transaction({ transaction_id: 'before' }),
        bytes,
        transaction({ transaction_id: 'after' }),
      );
      const parts = takenApart(records);
      const { counts, failedSequenceNumbers } = await consume(records);
      expect(failedSequenceNumbers).toEqual([]);
      const { received, applied, duplicate, late, quarantined } = counts;
      expect(received).toBe(parts.length);
      expect(applied + duplicate + late + quarantined).toBe(received);
      expect(applied).toBeGreaterThanOrEqual(2);
      expect(quarantine.records).toHaveLength(quarantined);
      // Whole, or as documents that lie within it.
      const kept = quarantine.records.filter(({ sequenceNumber }) => sequenceNumber === '1001');
      for (const { data, problems } of kept) {
        expect(Buffer.from(bytes).includes(Buffer.from(data))).toBe(true);
        expect(problems.length).toBeGreaterThan(0);
      }
      const landings = landEvents(transactions, records);
      expect(landings.filter((landing) => landing.ok)).toHaveLength(applied + duplicate + late);
      expect(parts.every(({ arrivedAtMillis }) => arrivedAtMillis === NOW_MILLIS)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
}, 60_000);

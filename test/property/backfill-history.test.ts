import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agrees, countedInHistory, oracleFeatures } from '../../localstack/oracle.ts';
import { withBackfillHistory } from '../../shared/offline/embedded/backfill-history.ts';
import { backfillView, type ItemBackfill } from '../../shared/online/backfill.ts';
import { itemKeysOf } from '../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { readWindows } from '../../shared/windows/read.ts';
import { everyAggregateView, START_MILLIS, viewChoiceArbitrary } from '../support/arbitraries.ts';
import { writeParquet } from '../support/parquet.ts';
import { accountArbitrary, type DecimalType, historySql, tablesOf } from '../support/sql-history.ts';

const runs = Math.ceil(Number(process.env.PROPERTY_RUNS ?? 300) / 10);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backfill-test-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('history in files, merged into items', () => {
  it('reads as the oracle says of all that was first delivered before the view went live', async () => {
    await fc.assert(
      fc.asyncProperty(
        viewChoiceArbitrary,
        fc.array(accountArbitrary, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 0, max: 110 }),
        fc.constantFrom<DecimalType>('DOUBLE', 'DECIMAL(18, 2)'),
        async (choice, accounts, percent, decimalType) => {
          const tables = tablesOf(everyAggregateView(choice), accounts, 1);
          const arrivals = [...tables.deliveries.values()].flat().map(({ arrivedAtMillis }) => arrivedAtMillis);
          arrivals.sort((left, right) => left - right);
          const liveFromMillis = arrivals[Math.floor((percent * arrivals.length) / 100)] ?? Date.UTC(2027, 0, 1);
          const view = everyAggregateView({ ...choice, liveFromMillis });
          const path = join(directory, 'history.parquet');
          await writeParquet(path, historySql(tables, decimalType));

          const store = new MemoryOnlineStore();
          const items: ItemBackfill[] = [];
          await withBackfillHistory(view, path, {}, async ({ entities }) => {
            const ports = { store, clock: () => START_MILLIS };
            for await (const written of backfillView(ports, view, entities, 4)) items.push(...written);
          });

          expect(items.filter(({ outcome }) => outcome !== 'written')).toEqual([]);
          for (const [account, deliveries] of tables.deliveries) {
            const stored = (await store.get(itemKeysOf(view, account))).filter((item) => item !== undefined);
            const reading = readWindows(view.layout, stored, START_MILLIS);
            const counted = countedInHistory(view, deliveries, liveFromMillis);
            const expected = oracleFeatures(view, counted, reading.asOfMillis);
            const differences = view.layout.features.flatMap(({ name, aggregate }, index) =>
              agrees(aggregate.name, reading.values[index], expected[index])
                ? []
                : [{ account, name, answer: reading.values[index], expected: expected[index] }],
            );
            expect(differences).toEqual([]);
          }
        },
      ),
      { numRuns: runs },
    );
  }, 60_000);
});

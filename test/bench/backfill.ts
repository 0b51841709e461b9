/**
 * What backfill does in a second: synthetic history of a month, as large as the Fraud Detection Handbook's data, into an
 * online store in memory and into DynamoDB Local; and, for comparison, the same events through the consumer's updates.
 *
 *     node test/bench/backfill.ts [--events 500000 --entities 5000]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program } from 'commander';
import type { WindowedView } from '../../shared/definitions/index.ts';
import { count, max, mean, sum, windowedView } from '../../shared/definitions/index.ts';
import { transactions, user } from '../../shared/features/fraud.ts';
import { withBackfillHistory } from '../../shared/offline/embedded/backfill-history.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { backfillView, type EntityHistory } from '../../shared/online/backfill.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import type { OnlineStore } from '../../shared/online/store.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import { writeParquet } from '../support/parquet.ts';
import { rank, round } from './measure.ts';

const LIVE_FROM = Date.UTC(2026, 10, 21, 6);
const DAYS = 30;
const DAY_MILLIS = 24 * 3_600_000;
const CONCURRENCY = 32;
/** Of the stream's consumer only a part is timed: it is that much slower. */
const STREAMED_ENTITIES = 100;

program
  .option('--events <count>', 'events', Number, 500_000)
  .option('--entities <count>', 'entities', Number, 5_000)
  .parse();
const { events: eventCount, entities: entityCount } = program.opts<{ events: number; entities: number }>();

const view: WindowedView = windowedView({
  name: 'backfilled',
  version: 1,
  description: 'The windows of the Handbook.',
  owner: 'tests',
  entity: user,
  source: transactions,
  windows: { '1d': '1d', '7d': '7d', '30d': '30d' },
  features: { count: count(), total: sum('amount'), mean: mean('amount'), largest: max('amount') },
  ttl: '60d',
  liveFrom: new Date(LIVE_FROM).toISOString(),
});

/** Entities are equally busy, as in the Handbook; every 100th event comes twice. */
async function writeHistory(path: string): Promise<void> {
  const uniform = (salt: number) => `((hash(i * 16 + ${salt}) >> 11)::DOUBLE / 9007199254740992.0)`;
  const time = `(${LIVE_FROM - DAYS * DAY_MILLIS} + floor(${uniform(1)} * ${DAYS * DAY_MILLIS - 10_000})::BIGINT)`;
  await writeParquet(
    path,
    `SELECT 't' || i AS transaction_id, 'user-' || (i % ${entityCount}) AS user_id, 'm' || (i % 997) AS merchant_id,
       (floor(${uniform(3)} * 50000) / 100)::DECIMAL(18, 2) AS amount, ${time} AS "timestamp",
       ${time} + floor(${uniform(2)} * 2000)::BIGINT AS arrived_at
     FROM (SELECT unnest([n, n]) AS i, unnest([0, 1]) AS copy FROM range(${eventCount}) numbers(n)) WHERE copy = 0 OR i % 100 = 0`,
  );
}

async function timeBackfill(name: string, path: string, store: OnlineStore): Promise<EntityHistory[]> {
  const startedAt = performance.now();
  const taken: EntityHistory[] = [];
  let readMillis = 0;
  let items = 0;
  await withBackfillHistory(view, path, {}, async ({ entities }) => {
    readMillis = performance.now() - startedAt;
    async function* remembered() {
      for await (const one of entities) {
        if (taken.length < STREAMED_ENTITIES) taken.push(one);
        yield one;
      }
    }
    for await (const ofEntity of backfillView({ store, clock: () => LIVE_FROM }, view, remembered(), CONCURRENCY)) {
      items += ofEntity.filter(({ outcome }) => outcome === 'written').length;
    }
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  report({
    what: `backfill, ${name}`,
    items,
    seconds: round(seconds, 1),
    secondsUntilFirst: round(readMillis / 1_000, 1),
    entitiesPerSecond: Math.round(items / seconds),
    eventsPerSecond: Math.round(eventCount / seconds),
  });
  return taken;
}

async function timeStream(entities: readonly EntityHistory[]): Promise<void> {
  const store = new MemoryOnlineStore({ answers: 'live' });
  const startedAt = performance.now();
  let events = 0;
  for (const { entityKey, events: own } of entities) {
    for (const event of own.toSorted((left, right) => left.arrivedAtMillis - right.arrivedAtMillis)) {
      await applyEvents(store, view, entityKey, [event]);
      events++;
    }
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  report({ what: 'events one by one, memory', eventsPerSecond: Math.round(events / seconds) });
}

function report(line: object): void {
  console.log(JSON.stringify(line));
}

const directory = await mkdtemp(join(tmpdir(), 'bench-backfill-'));
const path = join(directory, 'history.parquet');
try {
  await writeHistory(path);
  const memory = new MemoryOnlineStore();
  const taken = await timeBackfill('memory', path, memory);
  report({ itemBytesMedian: rank(memory.sizes(), 0.5), itemBytesMax: rank(memory.sizes(), 1) });
  await timeStream(taken);
  const table = await startTestTable();
  try {
    let writeUnits = 0;
    const onConsumedCapacity = (consumed: { readonly writeUnits: number }) => {
      writeUnits += consumed.writeUnits;
    };
    const store = new DynamoDbOnlineStore({ client: table.client, tableName: TEST_TABLE, onConsumedCapacity });
    await timeBackfill('DynamoDB Local', path, store);
    report({ writeUnits: Math.round(writeUnits) });
    await timeBackfill('DynamoDB Local, once more', path, store);
  } finally {
    await table.stop();
  }
} finally {
  await rm(directory, { recursive: true });
}

/**
 * What the streaming update costs: time against a bare `UpdateItem`, DynamoDB capacity and item size for users of
 * different rates, and the consumer's own speed over the memory store.
 *
 *     npm run bench:update [-- --rounds N --events N]
 */
import { type DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { program } from 'commander';
import { type StreamRecord, updateWindows } from '../../functions/update-windows/update-windows.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { itemKeyOf } from '../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { TABLE } from '../../shared/online/table.ts';
import { itemBytes } from '../../shared/windows/item-size.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import { rank, round, timeInTurn } from './measure.ts';
import { applyOneByOne, eventOf, source, type Transaction, transactionsOf, view } from './workload.ts';

const USERS = 100;
const endMillis = Date.now() - 60_000;

/** A month of one user's transactions on DynamoDB Local, one update each; figures are of the last week. */
async function costOfUser(client: DynamoDBClient, perDay: number) {
  const userId = `rate-${perDay}`;
  const key = itemKeyOf(view, userId, 0);
  const month = transactionsOf(userId, { perDay, days: 30, endMillis, seed: perDay });
  const warmUp = month.filter(({ timestamp }) => timestamp < endMillis - 7 * 24 * 3_600_000);
  let writeUnits = 0;
  let updates = 0;
  const store = new DynamoDbOnlineStore({
    client,
    tableName: TEST_TABLE,
    onConsumedCapacity: (consumed) => {
      writeUnits += consumed.writeUnits;
      updates++;
    },
  });
  await applyOneByOne(store, warmUp);
  [writeUnits, updates] = [0, 0];
  const week = month.slice(warmUp.length);
  const sizes: number[] = [];
  for (const transaction of week) {
    const { items } = await applyEvents(store, view, userId, [eventOf(transaction)]);
    sizes.push(itemBytes(items.get(key) ?? {}));
  }
  return {
    transactionsPerDay: perDay,
    writeUnitsPerEvent: round(writeUnits / week.length, 2),
    updatesPerEvent: round(updates / week.length, 2),
    itemBytesMedian: rank(sizes, 0.5),
    itemBytesMaximum: Math.max(...sizes),
  };
}

/** One event into one item against adding to one counter of one item of the same size, in turn. */
async function updateToBare(client: DynamoDBClient, rounds: number): Promise<number> {
  const store = new DynamoDbOnlineStore({ client, tableName: TEST_TABLE });
  for (let user = 0; user < USERS; user++) {
    for (const kind of ['bare', 'ours']) {
      await applyOneByOne(store, transactionsOf(`${kind}-${user}`, { perDay: 5, days: 8, endMillis, seed: user }));
    }
  }
  const timings = await timeInTurn(
    {
      bare: (index) =>
        client.send(
          new UpdateItemCommand({
            TableName: TEST_TABLE,
            Key: { [TABLE.partitionKey]: { S: itemKeyOf(view, `bare-${index % USERS}`, 0) } },
            UpdateExpression: 'ADD #counter :one',
            ExpressionAttributeNames: { '#counter': 'counter' },
            ExpressionAttributeValues: { ':one': { N: '1' } },
            ReturnValues: 'ALL_NEW',
          }),
        ),
      ours: (index) => {
        const userId = `ours-${index % USERS}`;
        const transaction: Transaction = {
          transaction_id: `bench-${index}`,
          user_id: userId,
          merchant_id: `merchant-${index % 50}`,
          amount: 25,
          timestamp: Date.now(),
        };
        return applyEvents(store, view, userId, [eventOf(transaction)]);
      },
    },
    { rounds, warmUp: Math.ceil(rounds / 4) },
  );
  return timings.ours.p50Millis / timings.bare.p50Millis;
}

/** Events per second of the consumer, from the bytes of records to items in the memory store. */
async function consumerSpeed(eventCount: number): Promise<number> {
  const users = 2_000;
  const perUser = Math.ceil(eventCount / users);
  const records = Array.from({ length: users }, (_, user) =>
    transactionsOf(`user-${user}`, { perDay: perUser / 7, days: 7, endMillis, seed: user }),
  )
    .flat()
    .sort((left, right) => left.timestamp - right.timestamp)
    .map((transaction, index): StreamRecord => {
      const data = Buffer.from(JSON.stringify(transaction));
      const arrivedAtMillis = transaction.timestamp + 50;
      return { sequenceNumber: String(index), partitionKey: transaction.user_id, data, arrivedAtMillis };
    });
  const refuse = () => Promise.reject(new Error('a transaction was refused'));
  const ports = {
    source,
    views: [view],
    store: new MemoryOnlineStore({ answers: 'live' }),
    quarantine: { put: refuse },
  };
  const before = process.cpuUsage();
  let applied = 0;
  for (let first = 0; first < records.length; first += 500) {
    applied += (await updateWindows(records.slice(first, first + 500), ports)).counts.applied;
  }
  if (applied !== records.length) throw new Error(`of ${records.length} events ${applied} were applied`);
  const { user, system } = process.cpuUsage(before);
  return records.length / ((user + system) / 1e6);
}

async function main(rounds: number, eventCount: number): Promise<void> {
  const eventsPerSecond = Math.round(await consumerSpeed(eventCount));
  const { client, stop } = await startTestTable();
  try {
    const users = [];
    for (const perDay of [2, 20, 200]) users.push(await costOfUser(client, perDay));
    console.table(users);
    const ratio = round(await updateToBare(client, rounds), 2);
    console.log(JSON.stringify({ updateToBareUpdate: ratio, consumerEventsPerCpuSecond: eventsPerSecond, users }));
  } finally {
    await stop();
  }
}

program
  .name('bench:update')
  .description('The streaming update against a bare UpdateItem, and what it costs.')
  .option('--rounds <count>', 'how often each call is timed', '2000')
  .option('--events <count>', 'events for the consumer over the memory store', '100000')
  .parse();
const options = program.opts<{ rounds: string; events: string }>();
await main(Number(options.rounds), Number(options.events));

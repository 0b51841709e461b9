import { afterAll, expect, it } from 'vitest';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { OnlineStoreRequestError } from '../../shared/online/store.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import { describeOnlineStore } from './online-store.cases.ts';

describeOnlineStore('memory', async () => new MemoryOnlineStore());

let table: Awaited<ReturnType<typeof startTestTable>> | undefined;
describeOnlineStore('DynamoDB Local', async () => {
  table = await startTestTable();
  return new DynamoDbOnlineStore({ client: table.client, tableName: TEST_TABLE });
});

it('what concerns the whole table is not taken for a fault of an item', async () => {
  if (table === undefined) throw new Error('the suite above starts the table');
  const store = new DynamoDbOnlineStore({ client: table.client, tableName: 'missing' });
  const update = { add: { n: { N: '1' } }, set: {}, remove: [], conditions: [] };
  await expect(store.update('k', update)).rejects.toBeInstanceOf(OnlineStoreRequestError);
  await expect(store.get(['k'])).rejects.toBeInstanceOf(OnlineStoreRequestError);
});

afterAll(() => table?.stop());

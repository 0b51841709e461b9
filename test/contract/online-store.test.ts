import { afterAll } from 'vitest';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import { describeOnlineStore } from './online-store.cases.ts';

describeOnlineStore('memory', async () => new MemoryOnlineStore());

let table: Awaited<ReturnType<typeof startTestTable>> | undefined;
describeOnlineStore('DynamoDB Local', async () => {
  table = await startTestTable();
  return new DynamoDbOnlineStore({ client: table.client, tableName: TEST_TABLE });
});
afterAll(() => table?.stop());

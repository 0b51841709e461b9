import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { startDynamoDbLocal } from '../../localstack/dynamodb-local.ts';
import { TABLE } from '../../shared/online/table.ts';

export const TEST_TABLE = 'online';

/** A client with an empty online table on a DynamoDB Local of its own. */
export async function startTestTable(): Promise<{
  client: DynamoDBClient;
  endpoint: string;
  stop: () => Promise<void>;
}> {
  const server = await startDynamoDbLocal();
  const client = new DynamoDBClient({
    endpoint: server.endpoint,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
  await client.send(
    new CreateTableCommand({
      TableName: TEST_TABLE,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: TABLE.partitionKey, AttributeType: 'S' }],
      KeySchema: [{ AttributeName: TABLE.partitionKey, KeyType: 'HASH' }],
    }),
  );
  return {
    client,
    endpoint: server.endpoint,
    stop: async () => {
      client.destroy();
      await server.stop();
    },
  };
}

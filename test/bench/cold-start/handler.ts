/** The least that a function on DynamoDB does before its first event: the measure for the start of ours. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';

const client = new DynamoDBClient({});

export const handler = async () => ({ maxAttempts: await client.config.maxAttempts() });

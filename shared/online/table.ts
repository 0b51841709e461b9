import { HEADER } from '../windows/bucket.ts';

/** The attributes by which infrastructure and adapters must agree on the online table. */
export const TABLE = {
  /** Partition key, text: which item. There is no sort key. */
  partitionKey: 'key',
  /** DynamoDB deletes an item some time after this instant, in seconds since 1970. */
  timeToLive: HEADER.expiresAt,
} as const;

import { HEADER } from '../windows/bucket.ts';

/** Attribute names that the table's definition and its adapter share. */
export const TABLE = { partitionKey: 'key', timeToLive: HEADER.expiresAt } as const;

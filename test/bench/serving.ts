/** Users whose items are measured, and what measuring them needs. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { BatchWriteItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { itemKeyOf } from '../../shared/online/item-key.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { TABLE } from '../../shared/online/table.ts';
import { HEADER, startOfAttribute } from '../../shared/windows/bucket.ts';
import type { Item } from '../../shared/windows/item.ts';
import { unpack } from '../../shared/windows/packed.ts';
import { TEST_TABLE } from '../support/dynamodb.ts';
import { applyOneByOne, transactionsOf, view } from './workload.ts';

/** So many that each user's item stays nearly as large as it was while it is measured. */
const USERS = 500;
export const endMillis = Date.now() - 60_000;

export interface User {
  readonly name: string;
  readonly item: Item;
}

/** The item that a user's transactions of the last eight days leave behind. */
export async function userWith(name: string, perDay: number): Promise<User> {
  const store = new MemoryOnlineStore({ answers: 'live' });
  await applyOneByOne(store, transactionsOf(name, { perDay, days: 8, endMillis, seed: perDay }));
  const [item = {}] = await store.get([itemKeyOf(view, name, 0)]);
  return { name, item };
}

/** The first user, by transactions a day, who has so many live buckets. */
export async function userWithBuckets(buckets: number): Promise<User> {
  for (let perDay = 4; perDay <= 1_000; perDay += 2) {
    const user = await userWith('busy', perDay);
    if (bucketCount(user.item) >= buckets) return user;
  }
  throw new Error(`no user has ${buckets} live buckets`);
}

/** Buckets with attributes of their own, and packed ones. */
export function bucketCount(item: Item): number {
  const loose = Object.keys(item)
    .map(startOfAttribute)
    .filter((start) => start >= 0);
  const packed = [...unpack(view.layout, item[HEADER.packed]).known.values()].flat().map(({ start }) => start);
  return new Set([...loose, ...packed]).size;
}

/** What the handler prints, its metrics, is part of its work; it goes where nobody reads it. */
export async function withoutOutput<Result>(work: () => Promise<Result>): Promise<Result> {
  const nowhere = openSync('/dev/null', 'w');
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = ((text: string) => writeSync(nowhere, text) > 0) as typeof write;
  try {
    return await work();
  } finally {
    process.stdout.write = write;
    closeSync(nowhere);
  }
}

/** The kinds of users: those that bare calls change, and those that we do. */
export type UserKind = 'bare' | 'ours';

/** Makes as many users of each kind with copies of one item, and says who they are and what their keys. */
export async function putCopies(client: DynamoDBClient, { name, item }: User) {
  const user = (kind: UserKind, index: number) => `${name}-${kind}-${index % USERS}`;
  const of = (kind: UserKind, index: number) => itemKeyOf(view, user(kind, index), 0);
  for (const kind of ['bare', 'ours'] as const) {
    for (let first = 0; first < USERS; first += 25) {
      const puts = Array.from({ length: 25 }, (_, offset) => ({
        PutRequest: { Item: { ...item, [TABLE.partitionKey]: { S: of(kind, first + offset) } } as never },
      }));
      await client.send(new BatchWriteItemCommand({ RequestItems: { [TEST_TABLE]: puts } }));
    }
  }
  return { user, of };
}

import {
  type AttributeValue,
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  DynamoDBServiceException,
  type ConsumedCapacity as DynamoDbConsumedCapacity,
  GetItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { LIMITS } from '../../limits.ts';
import type { Item, ItemUpdate } from '../../windows/item.ts';
import {
  type ConsumedCapacity,
  type OnlineStore,
  OnlineStoreItemTooLargeError,
  OnlineStoreRequestError,
  OnlineStoreThrottledError,
  OnlineStoreUnavailableError,
  type UpdateOptions,
  type UpdateResult,
} from '../store.ts';
import { TABLE } from '../table.ts';
import { updateExpressions } from './expressions.ts';

/** The online store in one DynamoDB table: an update is one `UpdateItem`, a read one `GetItem` or `BatchGetItem`. */
export class DynamoDbOnlineStore implements OnlineStore {
  readonly #client: DynamoDBClient;
  readonly #tableName: string;
  readonly #onConsumedCapacity: ((consumed: ConsumedCapacity) => void) | undefined;

  /** @param options.onConsumedCapacity asks DynamoDB for the cost of every call and is told it. */
  constructor(options: {
    readonly client: DynamoDBClient;
    readonly tableName: string;
    readonly onConsumedCapacity?: (consumed: ConsumedCapacity) => void;
  }) {
    this.#client = options.client;
    this.#tableName = options.tableName;
    this.#onConsumedCapacity = options.onConsumedCapacity;
  }

  async update(key: string, update: ItemUpdate, { returns = 'after' }: UpdateOptions = {}): Promise<UpdateResult> {
    try {
      const output = await this.#client.send(
        new UpdateItemCommand({
          ...updateExpressions(this.#tableName, key, update),
          ReturnValues: returns === 'after' ? 'ALL_NEW' : 'ALL_OLD',
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          ...this.#costQuestion,
        }),
      );
      this.#tellCost('write', output.ConsumedCapacity);
      return { applied: true, item: itemOf(output.Attributes ?? {}) };
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return { applied: false, item: itemOf(error.Item ?? {}) };
      throw storeErrorOf(error);
    }
  }

  async get(
    keys: readonly string[],
    { consistent = true }: { readonly consistent?: boolean } = {},
  ): Promise<(Item | undefined)[]> {
    const distinct = [...new Set(keys)];
    const [only] = distinct;
    try {
      if (only !== undefined && distinct.length === 1) {
        const item = await this.#getOne(only, consistent);
        return keys.map(() => item);
      }
      const found = new Map<string, Item>();
      for (let first = 0; first < distinct.length; first += LIMITS.itemsPerBatchGet) {
        await this.#getMany(distinct.slice(first, first + LIMITS.itemsPerBatchGet), consistent, found);
      }
      return keys.map((key) => found.get(key));
    } catch (error) {
      throw storeErrorOf(error);
    }
  }

  async #getOne(key: string, consistent: boolean): Promise<Item | undefined> {
    const output = await this.#client.send(
      new GetItemCommand({
        TableName: this.#tableName,
        Key: { [TABLE.partitionKey]: { S: key } },
        ConsistentRead: consistent,
        ...this.#costQuestion,
      }),
    );
    this.#tellCost('read', output.ConsumedCapacity);
    return output.Item && itemOf(output.Item);
  }

  async #getMany(keys: readonly string[], consistent: boolean, found: Map<string, Item>): Promise<void> {
    let wanted = keys.map((key) => ({ [TABLE.partitionKey]: { S: key } as AttributeValue }));
    while (wanted.length > 0) {
      const output = await this.#client.send(
        new BatchGetItemCommand({
          RequestItems: { [this.#tableName]: { Keys: wanted, ConsistentRead: consistent } },
          ...this.#costQuestion,
        }),
      );
      for (const consumed of output.ConsumedCapacity ?? []) this.#tellCost('read', consumed);
      for (const attributes of output.Responses?.[this.#tableName] ?? []) {
        const key = attributes[TABLE.partitionKey]?.S;
        if (key !== undefined) found.set(key, itemOf(attributes));
      }
      const unprocessed = output.UnprocessedKeys?.[this.#tableName]?.Keys ?? [];
      if (unprocessed.length === wanted.length)
        throw new OnlineStoreThrottledError('DynamoDB processed none of the keys');
      wanted = unprocessed.map((key) => key as (typeof wanted)[number]);
    }
  }

  get #costQuestion(): { ReturnConsumedCapacity?: 'TOTAL' } {
    return this.#onConsumedCapacity ? { ReturnConsumedCapacity: 'TOTAL' } : {};
  }

  #tellCost(kind: 'read' | 'write', consumed: DynamoDbConsumedCapacity | undefined): void {
    const units = consumed?.CapacityUnits ?? 0;
    this.#onConsumedCapacity?.(
      kind === 'read' ? { readUnits: units, writeUnits: 0 } : { readUnits: 0, writeUnits: units },
    );
  }
}

/** The attributes without the key. The window engine writes only kinds of attribute that it knows; others it ignores. */
function itemOf(attributes: Record<string, AttributeValue>): Item {
  delete attributes[TABLE.partitionKey];
  return attributes as Item;
}

const THROTTLES = new Set([
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ThrottlingException',
  'ReplicatedWriteConflictException',
]);

function storeErrorOf(error: unknown): Error {
  if (!(error instanceof Error)) return new OnlineStoreUnavailableError('the online store failed', { cause: error });
  if (error instanceof OnlineStoreThrottledError) return error;
  const options = { cause: error };
  if (THROTTLES.has(error.name)) return new OnlineStoreThrottledError('DynamoDB throttled the request', options);
  if (error instanceof DynamoDBServiceException && error.$fault === 'client') {
    return /item size/i.test(error.message)
      ? new OnlineStoreItemTooLargeError(
          `the item would exceed ${LIMITS.itemBytes} bytes; give its view lanes`,
          options,
        )
      : new OnlineStoreRequestError(`DynamoDB refused the request: ${error.name}: ${error.message}`, options);
  }
  return new OnlineStoreUnavailableError(`DynamoDB did not answer: ${error.name}`, options);
}

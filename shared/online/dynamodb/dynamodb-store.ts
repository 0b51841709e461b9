import {
  type AttributeValue,
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  type ConsumedCapacity as DynamoDbConsumedCapacity,
  GetItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { awsErrorKind } from '../../aws-errors.ts';
import { LIMITS } from '../../limits.ts';
import type { Item, ItemUpdate } from '../../windows/item.ts';
import {
  type AnsweredItems,
  type ConsumedCapacity,
  type OnlineStore,
  OnlineStoreItemRefusedError,
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
    const answered = new Map<string, Item | undefined>();
    try {
      if (only !== undefined && distinct.length === 1) {
        const item = await this.#getOne(only, consistent);
        return keys.map(() => item);
      }
      for (let first = 0; first < distinct.length; first += LIMITS.itemsPerBatchGet) {
        await this.#getMany(distinct.slice(first, first + LIMITS.itemsPerBatchGet), consistent, answered);
      }
    } catch (error) {
      throw storeErrorOf(error, answered);
    }
    const unprocessed = distinct.length - answered.size;
    if (unprocessed > 0) {
      // Asking for the rest is the caller's business, who knows how long to wait and until when.
      throw new OnlineStoreThrottledError(`DynamoDB left ${unprocessed} keys unprocessed`, { answered });
    }
    return keys.map((key) => answered.get(key));
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

  /** One request. Keys that DynamoDB does not process, as it may under load, are not in `answered` after it. */
  async #getMany(keys: readonly string[], consistent: boolean, answered: Map<string, Item | undefined>): Promise<void> {
    const Keys = keys.map((key) => ({ [TABLE.partitionKey]: { S: key } }));
    const output = await this.#client.send(
      new BatchGetItemCommand({
        RequestItems: { [this.#tableName]: { Keys, ConsistentRead: consistent } },
        ...this.#costQuestion,
      }),
    );
    for (const consumed of output.ConsumedCapacity ?? []) this.#tellCost('read', consumed);
    const unprocessed = output.UnprocessedKeys?.[this.#tableName]?.Keys ?? [];
    const left = new Set(unprocessed.map((key) => key[TABLE.partitionKey]?.S));
    for (const key of keys) if (!left.has(key)) answered.set(key, undefined);
    for (const attributes of output.Responses?.[this.#tableName] ?? []) {
      const key = attributes[TABLE.partitionKey]?.S;
      if (key !== undefined) answered.set(key, itemOf(attributes));
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

/**
 * What DynamoDB says when it cannot hold what an update would make of one item. Whatever else it refuses may concern the
 * table or every update of a view, and must not be taken for a fault of the event.
 */
const ITEM_REFUSALS = [
  /more than 38 significant digits/i,
  // The same of DynamoDB Local.
  /precision up to 38 digits/i,
  /magnitude (larger|smaller) than supported range/i,
  /operand in the update expression has an incorrect data type/i,
];

function storeErrorOf(error: unknown, answered?: AnsweredItems): Error {
  const { name, message } = error instanceof Error ? error : { name: typeof error, message: '' };
  const options = { cause: error, ...(answered && { answered }) };
  switch (awsErrorKind(error)) {
    case 'throttled':
      return new OnlineStoreThrottledError('DynamoDB throttled the request', options);
    case 'passing':
      return new OnlineStoreUnavailableError(`DynamoDB did not answer: ${name}`, options);
    case 'final':
      if (/item size/i.test(message)) {
        return new OnlineStoreItemTooLargeError(
          `the item would exceed ${LIMITS.itemBytes} bytes; give its view lanes`,
          options,
        );
      }
      if (ITEM_REFUSALS.some((refusal) => refusal.test(message))) {
        return new OnlineStoreItemRefusedError(`DynamoDB cannot hold what the item would become: ${message}`, options);
      }
      return new OnlineStoreRequestError(`DynamoDB refused the request: ${name}: ${message}`, options);
  }
}

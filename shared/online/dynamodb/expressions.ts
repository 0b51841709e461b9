import type { AttributeValue, UpdateItemCommandInput } from '@aws-sdk/client-dynamodb';
import type { Attribute, Condition, ItemUpdate } from '../../windows/item.ts';
import { TABLE } from '../table.ts';

/** What `UpdateItem` is told, apart from how to answer. Pure, so that it is tested without a client. */
export type UpdateExpressions = Pick<
  UpdateItemCommandInput,
  | 'TableName'
  | 'Key'
  | 'UpdateExpression'
  | 'ConditionExpression'
  | 'ExpressionAttributeNames'
  | 'ExpressionAttributeValues'
>;

/** Renders an update. Every name and value is a placeholder, so nothing in them can be mistaken for syntax. */
export function updateExpressions(tableName: string, key: string, update: ItemUpdate): UpdateExpressions {
  const placeholders = new Placeholders();
  const { name, value } = placeholders;
  const sets = Object.entries(update.set).map(([attribute, to]) => `${name(attribute)}=${value(to)}`);
  const adds = Object.entries(update.add).map(([attribute, amount]) => `${name(attribute)} ${value(amount)}`);
  const removes = update.remove.map(name);
  const conditions = update.conditions.map((condition) => conditionExpression(condition, placeholders));
  const clauses = [clause('SET', sets), clause('ADD', adds), clause('REMOVE', removes)].filter((text) => text !== '');
  return {
    TableName: tableName,
    Key: { [TABLE.partitionKey]: { S: key } },
    UpdateExpression: clauses.join(' '),
    ...(conditions.length > 0 && { ConditionExpression: conditions.join(' AND ') }),
    ...(Object.keys(placeholders.names).length > 0 && { ExpressionAttributeNames: placeholders.names }),
    ...(Object.keys(placeholders.values).length > 0 && { ExpressionAttributeValues: placeholders.values }),
  };
}

function clause(keyword: string, parts: readonly string[]): string {
  return parts.length === 0 ? '' : `${keyword} ${parts.join(',')}`;
}

const SINGLE_LETTER = /^[a-z]$/;

/** Short stand-ins for names and values; the same name or value has one stand-in. */
class Placeholders {
  readonly names: Record<string, string> = {};
  readonly values: Record<string, AttributeValue> = {};
  readonly #byName = new Map<string, string>();
  readonly #byValue = new Map<string, string>();

  name = (attribute: string): string => {
    // Single letters are the headers of items. None is a reserved word, so they need no stand-in.
    if (SINGLE_LETTER.test(attribute)) return attribute;
    const known = this.#byName.get(attribute);
    if (known !== undefined) return known;
    const placeholder = `#${this.#byName.size.toString(36)}`;
    this.#byName.set(attribute, placeholder);
    this.names[placeholder] = attribute;
    return placeholder;
  };

  value = (value: Attribute): string => {
    const text = 'N' in value ? `N${value.N}` : JSON.stringify(value);
    const known = this.#byValue.get(text);
    if (known !== undefined) return known;
    const placeholder = `:${this.#byValue.size.toString(36)}`;
    this.#byValue.set(text, placeholder);
    this.values[placeholder] = mutableCopy(value);
    return placeholder;
  };
}

/** The SDK's types want arrays that could be written to. */
function mutableCopy(value: Attribute): AttributeValue {
  if ('SS' in value) return { SS: [...value.SS] };
  if ('L' in value) return { L: value.L.map(mutableCopy) };
  return { ...value };
}

function conditionExpression(condition: Condition, { name, value }: Placeholders): string {
  const attribute = name(condition.name);
  switch (condition.kind) {
    case 'absent':
      return `attribute_not_exists(${attribute})`;
    case 'equals':
      return `${attribute}=${value(condition.value)}`;
    case 'absentOrAtMost':
      return `(attribute_not_exists(${attribute}) OR ${attribute}<=${value({ N: condition.value })})`;
    case 'absentOrAtLeast':
      return `(attribute_not_exists(${attribute}) OR ${attribute}>=${value({ N: condition.value })})`;
    case 'between':
      return `${attribute} BETWEEN ${value({ N: condition.low })} AND ${value({ N: condition.high })}`;
    case 'lacksMember':
      return `NOT contains(${attribute},${value({ S: condition.member })})`;
  }
}

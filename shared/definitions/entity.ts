import { LIMITS } from '../limits.ts';
import { checkName, DefinitionError } from './error.ts';
import type { FieldValue } from './fields.ts';

/** Something that features describe, found by its join keys: a user by `user_id`. */
export interface Entity<Key extends string = string> {
  readonly name: string;
  readonly description: string;
  /** Fields that identify one entity, in the order in which they make up its key. */
  readonly joinKeys: readonly Key[];
}

export function entity<const Key extends string>(options: {
  readonly name: string;
  readonly description: string;
  readonly joinKeys: readonly [Key, ...Key[]];
}): Entity<Key> {
  checkName('entity', options.name);
  for (const key of options.joinKeys) checkName(`entity ${options.name}: join key`, key);
  if (new Set(options.joinKeys).size !== options.joinKeys.length) {
    throw new DefinitionError(`entity ${options.name}`, 'a join key is named twice');
  }
  return options;
}

/** Thrown when an entity row lacks a join key or holds one that cannot be a key. `field` names it. */
export class EntityKeyError extends Error {
  override readonly name = 'EntityKeyError';
  readonly field: string;

  constructor(field: string, problem: string) {
    super(`${field} ${problem}`);
    this.field = field;
  }
}

/**
 * One text for the join keys of a row, different for different rows: the values, with `%`, `#` and `|` escaped, joined
 * by `|`. @throws EntityKeyError naming the join key that is missing or too long.
 */
export function entityKeyOf(entity: Entity, row: Readonly<Record<string, FieldValue>>): string {
  return entity.joinKeys
    .map((joinKey) => {
      const value = row[joinKey];
      if (value === undefined || value === null || value === '') {
        throw new EntityKeyError(joinKey, `is required: it identifies the ${entity.name}`);
      }
      const text = String(value).replace(/[%#|]/g, encodeURIComponent);
      if (!text.isWellFormed()) throw new EntityKeyError(joinKey, 'must be well-formed Unicode');
      if (Buffer.byteLength(text) > LIMITS.entityKeyBytes / entity.joinKeys.length) {
        throw new EntityKeyError(joinKey, `is too long for a key: at most ${LIMITS.entityKeyBytes} bytes together`);
      }
      return text;
    })
    .join('|');
}

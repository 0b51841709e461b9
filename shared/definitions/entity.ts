import { LIMITS } from '../limits.ts';
import { checkName, DefinitionError } from './error.ts';
import type { FieldValue } from './fields.ts';
import { requireShape, subjectOf, TEXT, TEXTS } from './shape.ts';

/** Something that features describe, found by its join keys: a user by `user_id`. */
export interface Entity<Key extends string = string> {
  readonly kind: 'entity';
  readonly name: string;
  readonly description: string;
  /** Fields that identify one entity, in the order in which they make up its key. */
  readonly joinKeys: readonly Key[];
}

const ENTITY = {
  expected: 'an object with name, description and joinKeys',
  options: {
    name: TEXT,
    description: TEXT,
    joinKeys: {
      expected: 'a list of at least one field, such as ["user_id"]',
      holds: (value: unknown) => Array.isArray(value) && value.length > 0 && TEXTS.holds(value),
    },
  },
};

/** Declares an entity. @throws DefinitionError naming it and the fix. */
export function entity<const Key extends string>(options: {
  readonly name: string;
  readonly description: string;
  readonly joinKeys: readonly [Key, ...Key[]];
}): Entity<Key> {
  const subject = subjectOf('entity', options);
  requireShape(subject, options, ENTITY);
  const { name, description, joinKeys } = options;
  checkName('entity', name);
  for (const key of joinKeys) checkName(`${subject}: join key`, key);
  const twice = joinKeys.find((key, index) => joinKeys.indexOf(key) !== index);
  if (twice !== undefined) throw new DefinitionError(subject, `join key "${twice}" is named twice; remove one`);
  return { kind: 'entity', name, description, joinKeys };
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

/** Whether a row has all join keys of an entity. One without describes no entity, whose values are the empty ones. */
export function namesEntity(entity: Entity, row: Readonly<Record<string, FieldValue>>): boolean {
  return entity.joinKeys.every((joinKey) => (row[joinKey] ?? '') !== '');
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

import { hash } from 'node:crypto';
import type { FieldValue } from '../definitions/fields.ts';

/** One event as the engine sees it: validated, with its identity and its two times. */
export interface WindowEvent {
  readonly id: string;
  /** `idHashOf(id)`, what items keep of the id. */
  readonly idHash: string;
  /** When it happened, milliseconds. */
  readonly timeMillis: number;
  /** When it reached the product, milliseconds. */
  readonly arrivedAtMillis: number;
  readonly values: Readonly<Record<string, FieldValue>>;
}

/** Characters of an id's short name: 72 bits, so that two of 8,192 ids agree by chance with probability 7·10⁻¹⁵. */
const ID_CHARACTERS = 12;

/** A short name for an event id: the beginning of its SHA-256, in base 64. */
export function idHashOf(id: string): string {
  return hash('sha256', id, 'base64url').slice(0, ID_CHARACTERS);
}

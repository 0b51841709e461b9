import { checkName } from './error.ts';
import { optional, TEXT, TEXTS, wholeNumber } from './shape.ts';

/** What views and services have in common: a versioned name, and who answers for it. */
export interface Described {
  readonly name: string;
  readonly version: number;
  /** `name@version`: items, answers and rows carry it. */
  readonly key: string;
  readonly description: string;
  readonly owner: string;
  readonly tags: readonly string[];
}

export interface Description {
  readonly name: string;
  /** 1, 2, …: a changed meaning is a new version. */
  readonly version: number;
  readonly description: string;
  readonly owner: string;
  readonly tags?: readonly string[];
}

/** The options of a `Description`, for the shapes that include it. */
export const DESCRIPTION = {
  name: TEXT,
  version: wholeNumber(1, 1_000_000),
  description: TEXT,
  owner: TEXT,
  tags: optional(TEXTS),
};

/** @throws DefinitionError for a name that cannot be. */
export function described(kind: 'view' | 'service', options: Description): Described {
  const { name, version, description, owner, tags = [] } = options;
  checkName(kind, name);
  return { name, version, key: `${name}@${version}`, description, owner, tags };
}

import { checkName, DefinitionError } from './error.ts';

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

/** @throws DefinitionError for a name or version that cannot be. */
export function described(kind: 'view' | 'service', options: Description): Described {
  const { name, version, description, owner, tags = [] } = options;
  checkName(kind, name);
  requireInteger(`${kind} ${name}`, 'version', version, 1_000_000);
  return { name, version, key: `${name}@${version}`, description, owner, tags };
}

export function requireInteger(subject: string, what: string, value: number, maximum: number): void {
  if (!Number.isInteger(value) || value < 1 || value > maximum) {
    throw new DefinitionError(subject, `${what} is a whole number from 1 to ${maximum}, not ${value}`);
  }
}

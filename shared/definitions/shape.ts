/**
 * Declarations are checked as the untyped data that they are when they are loaded: commands strip types, and TypeScript
 * lets unknown options of inferred types through. Every object of a declaration has a shape; its options are told to be
 * what they must be, and an option that no shape has is refused rather than ignored.
 */
import { closest, distance } from 'fastest-levenshtein';
import { DURATION_EXAMPLES, isDuration } from './duration.ts';
import { DefinitionError } from './error.ts';

/** A kind of value. */
export interface Kind {
  /** What it is, as it follows "must be" and "write": `a duration such as 30d`. */
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}

/** The options of an object, and what the object itself is. */
export interface Shape<Name extends string> {
  readonly expected: string;
  readonly options: Readonly<Record<Name, Kind>>;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== '';

export const TEXT: Kind = { expected: 'a text that is not empty', holds: isText };
export const TEXTS: Kind = listOf({ expected: 'texts that are not empty', holds: isText });
export const DURATION: Kind = { expected: `a duration such as ${DURATION_EXAMPLES}`, holds: isDuration };
export const FLAG: Kind = { expected: 'true or false', holds: (value) => typeof value === 'boolean' };
export const NUMBER: Kind = { expected: 'a finite number', holds: Number.isFinite };

export function optional({ expected, holds }: Kind): Kind {
  return { expected, holds: (value) => value === undefined || holds(value) };
}

export function wholeNumber(minimum: number, maximum: number): Kind {
  const holds = (value: unknown) => Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum;
  return { expected: `a whole number from ${minimum} to ${maximum}`, holds };
}

export function oneOf(values: readonly string[]): Kind {
  return {
    expected: values.map((value) => JSON.stringify(value)).join(' or '),
    holds: (value) => values.some((one) => one === value),
  };
}

/** @param things what the list holds, in the plural. */
export function listOf({ expected: things, holds }: Kind): Kind {
  return { expected: `a list of ${things}`, holds: (value) => Array.isArray(value) && value.every(holds) };
}

/** An object whose keys are names: `{ tx_count: count() }`. */
export function named(example: string): Kind {
  return { expected: `an object such as ${example}`, holds: isObject };
}

/** @param example such a function, as it is written. */
export function callback(example: string): Kind {
  return { expected: `a function such as ${example}`, holds: (value) => typeof value === 'function' };
}

/** What a function of the declaration language has returned. */
export function made(kind: string, maker: string): Kind {
  return { expected: `what ${maker}() returned`, holds: (value) => isObject(value) && value.kind === kind };
}

/** `view user_transactions`; without its name where that is none. */
export function subjectOf(kind: string, options: { readonly name: string }): string {
  return isObject(options) && typeof options.name === 'string' ? `${kind} ${options.name}` : kind;
}

/**
 * Holds an object against its shape.
 * @throws DefinitionError naming `subject`, the option, what it must be and what it is.
 */
export function requireShape<Options extends object>(
  subject: string,
  options: Options,
  shape: Shape<keyof Options & string>,
): void {
  if (!isObject(options)) throw new DefinitionError(subject, `must be ${shape.expected}; got ${shown(options)}`);
  const kinds = Object.entries<Kind>(shape.options);
  const names = kinds.map(([name]) => name);
  // First of all, because a misspelt option is also a missing one.
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new DefinitionError(subject, `"${unknown}" is not an option; ${suggestion(unknown, names, 'options')}`);
  }
  for (const [name, { expected, holds }] of kinds) {
    const value = options[name];
    if (holds(value)) continue;
    throw new DefinitionError(
      subject,
      value === undefined
        ? `${name} is missing; write ${expected}`
        : `${name} must be ${expected}; got ${shown(value)}`,
    );
  }
}

/** How a sentence ends that says that there is no such name. */
export function suggestion(name: string, known: readonly string[], plural: string): string {
  if (known.length === 0) return `there are no ${plural}`;
  const nearest = closest(name, [...known]);
  const isNear = distance(name.toLowerCase(), nearest.toLowerCase()) <= Math.max(name.length, nearest.length) / 3;
  return isNear ? `did you mean "${nearest}"?` : `the ${plural} are ${known.join(', ')}`;
}

/** A value as messages say it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list with ${shown(value[0])}`;
  if (typeof value === 'function') return 'a function';
  return isObject(value) ? 'an object' : String(value);
}

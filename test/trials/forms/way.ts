/** A way in: what its driver is asked, and what it answers. */
import type { Kind, Refused, Value, Written } from './table.ts';

export interface Form {
  readonly kind: Kind;
  readonly label: string;
  readonly written: Written;
  readonly expected: Value | Refused;
}

/** What became of one form. */
export type Outcome =
  | { readonly value: Value }
  /** What the user is told, with the name of the field. */
  | { readonly refusal: string }
  /** Neither: an error that is not for users, or parts of the product that contradict each other. */
  | { readonly broken: string };

export interface Way {
  readonly name: string;
  readonly carrier: keyof Written;
  /** The field, join key or column that a kind is written to; `undefined` where there is none of that kind. */
  readonly fieldOf: (kind: Kind) => string | undefined;
  /** Whether null is refused there. */
  readonly isRequired?: boolean;
  /** Whether the way can carry a form; all, by default. */
  readonly carries?: (form: Form) => boolean;
  /** One outcome per form, in their order. All forms of a call are of one kind. */
  readonly run: (forms: readonly Form[], field: string, folder: string) => Promise<Outcome[]>;
}

export const isRefused = (expected: Form['expected']): expected is Refused =>
  typeof expected === 'object' && expected !== null;

/** A field of its own for each kind. */
export const ownField = (kind: Kind) => `${kind}_field`;

/** One field, for one kind. */
export const only = (wanted: Kind, field: string) => (kind: Kind) => (kind === wanted ? field : undefined);

export const MIDNIGHT = Date.UTC(2026, 0, 1);
/** When requests are answered and records arrive. */
export const CLOCK_MILLIS = Date.UTC(2026, 0, 1, 18);

/** Instants of the day of the trial. What is refused is refused everywhere. */
export const isOfTheDay = ({ expected }: Form) =>
  isRefused(expected) || (typeof expected === 'number' && expected >= MIDNIGHT && expected <= CLOCK_MILLIS);

/** A JSON object whose members are texts of JSON. */
export function jsonObject(members: Readonly<Record<string, string>>): string {
  return `{${Object.entries(members)
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(',')}}`;
}

/** The members of a valid event. */
export const eventMembers = (index: number): Record<string, string> => ({
  id: `"e${index}"`,
  card: `"c${index}"`,
  number: String(index),
  at: String(MIDNIGHT),
});

export const sentence = (problems: readonly { readonly field: string; readonly problem: string }[]) =>
  problems.map(({ field, problem }) => `"${field}" ${problem}`).join('; ');

export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Numbers of every size as numbers, as long as they are exact. */
export function plain(value: unknown): Value {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.getTime();
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

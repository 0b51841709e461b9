/** What decoding a value comes to. */

/** What a value means; null for one that is missing. */
export type Decoded = string | number | boolean | null | Refusal;

/** Why a value means nothing: what it must be, what it was, and the fix. */
export class Refusal {
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

/** How the values of a file are read. */
export interface Reading {
  /** How far ahead of UTC instants are that do not say it. Without it, they are refused. */
  readonly offsetMinutes?: number;
  /** What to do about instants without an offset. */
  readonly offsetFix?: string;
}

/** By the template of all refusals. */
export function refused(expected: string, got: string, fix: string): Refusal {
  return new Refusal(`must be ${expected}; got ${got}: ${fix}`);
}

/** A way in, with the inputs that it is given and what must be true of each outcome. */
import type { Random } from '../../simulation/random.ts';
import { SECRET } from './mangle.ts';
import type { EventMeaning, Values } from './reading.ts';

/** Bytes, and how they are handed over. */
export interface Input {
  readonly way: string;
  readonly bytes: Buffer;
  readonly setting: Readonly<Record<string, string | number | boolean | undefined>>;
}

export interface Judgement {
  readonly isAccepted: boolean;
  /** What is not as it must be, each as a sentence. */
  readonly complaints: readonly string[];
}

export interface Family {
  readonly name: string;
  readonly make: (random: Random) => Input;
  readonly judge: (input: Input) => Promise<Judgement>;
  readonly close?: () => Promise<void>;
}

/** What a schema, a library or a runtime says of itself, and no user should read. */
const RAW =
  /Invalid (input|string|option|ISO|key)|Unrecognized key|expected \w+, received|Too (big|small)|must match pattern|\bError\b|Exception|INTERNAL|is not a function|Cannot (read|convert|set)|array length|call stack|\n\s+at |node:|\[object/;

/** What must be, or what to do. */
const SAYS =
  /must|missing|remove|occurs twice|twice|say |send |give |Send |at most|there (is|are)|name it|add it|rename|write it|Save it|is no row|is not |Look at/i;

/** What is wrong with a refusal as a sentence; `undefined` for a good one. */
export function faultOf(sentence: string): string | undefined {
  if (RAW.test(sentence)) return `is not a sentence of ours: ${sentence}`;
  // Where the line with the names of columns is lost, the first row is taken for it, and is listed.
  if (sentence.replace(/ has no column .* but .*;| has one column, ".*"| has two columns ".*"/s, '').includes(SECRET))
    return `quotes an entity: ${sentence}`;
  return SAYS.test(sentence) ? undefined : `says neither what must be nor what to do: ${sentence}`;
}

export interface Problem {
  readonly field: string;
  readonly problem: string;
}

/** What is wrong with the reasons of a refusal. @param meaning what the event means, where there is one. */
export function* faultsOf(problems: readonly Problem[], meaning: EventMeaning | undefined): Generator<string> {
  if (problems.length === 0) yield 'a refusal has no reason';
  for (const { problem } of problems) {
    const fault = faultOf(problem);
    if (fault !== undefined) yield fault;
  }
  if (meaning === undefined || meaning === 'unknown' || 'values' in meaning) return;
  const named = new Set(problems.map(({ field }) => field));
  if (
    !named.has('') &&
    !meaning.refused.includes('') &&
    !meaning.refused.some((field) => named.has(field) || named.has(`${field.slice(0, 200)}…`))
  ) {
    yield `a refusal names ${[...named].join()} instead of ${meaning.refused.join()}`;
  }
}

/** Where values are not those that they should be. */
export function differenceOf(expected: Values, got: Readonly<Record<string, unknown>>): string | undefined {
  for (const [name, value] of Object.entries(expected)) {
    if (!Object.is(got[name] ?? null, value)) return `${name} must be ${shown(value)}; got ${shown(got[name])}`;
  }
  return undefined;
}

export const shown = (value: unknown) => (Object.is(value, -0) ? '-0' : JSON.stringify(value));

/** One decoder of values: every kind of field in every form, by every way in, against a table that is written by hand. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FILE_WAYS } from './forms/files.ts';
import { REQUEST_WAYS } from './forms/requests.ts';
import { TABLE } from './forms/table.ts';
import { type Form, isRefused, type Outcome, type Way } from './forms/way.ts';
import type { Trial } from './trial.ts';

const FORMS: readonly Form[] = TABLE.map(([kind, label, written, expected]) => ({ kind, label, written, expected }));
const WAYS: readonly Way[] = [...REQUEST_WAYS, ...FILE_WAYS];

/** What a schema or a runtime says of itself, and no user should read. */
const RAW =
  /Invalid (input|string|option|ISO)|expected \w+, received|Too (big|small)|must match pattern|Binder Error|Conversion Error|\n\s+at /;

/** What must be said of a null where there must be a value. */
const MISSING = { saying: /missing|must/ };

/** `undefined` where an outcome is what it must be. */
function complaint(way: Way, form: Form, field: string, outcome: Outcome): string | undefined {
  const isMissing = form.expected === null && way.isRequired === true;
  const expected = isMissing ? MISSING : form.expected;
  if ('broken' in outcome) return `broken: ${outcome.broken}`;
  if (isRefused(expected)) {
    if ('value' in outcome) return `${shown(outcome.value)}`;
    const { refusal } = outcome;
    const isGood = refusal.includes(field) && expected.saying.test(refusal) && !RAW.test(refusal);
    return isGood ? undefined : `refused, but not as it should be: ${refusal}`;
  }
  if ('refusal' in outcome) return `refused: ${outcome.refusal}`;
  return Object.is(outcome.value, expected) ? undefined : shown(outcome.value);
}

const shown = (value: unknown) => (Object.is(value, -0) ? '-0' : JSON.stringify(value));

const line = (text: string) => text.replaceAll(/\s+/g, ' ').slice(0, 240);

/** Evenly spaced, so that a small run sees every kind. */
function sample<Item>(items: readonly Item[], count: number): Item[] {
  const step = Math.max(1, items.length / count);
  return items.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
}

export const forms: Trial = {
  name: 'forms',
  proves: 'A value means the same in every form and by every way in, or is refused with the name of its field.',
  /** @param options.trials how many forms of each way and kind; all by default. */
  async run({ trials = Number.POSITIVE_INFINITY }) {
    const folder = await mkdtemp(join(tmpdir(), 'forms-'));
    const disagreements: string[] = [];
    let checked = 0;
    try {
      for (const way of WAYS) {
        const carried = FORMS.filter(
          (form) => form.written[way.carrier] !== undefined && (way.carries?.(form) ?? true),
        );
        for (const [kind, all] of Map.groupBy(carried, (form) => form.kind)) {
          const field = way.fieldOf(kind);
          if (field === undefined) continue;
          const some = sample(all, trials);
          const outcomes = await way.run(some, field, folder);
          some.forEach((form, index) => {
            checked++;
            const got = complaint(way, form, field, outcomes[index] ?? { broken: 'no outcome' });
            if (got === undefined) return;
            const expected = isRefused(form.expected)
              ? `refused, saying ${form.expected.saying}`
              : shown(form.expected);
            disagreements.push(
              `${way.name} | ${kind} | ${form.label}: ${form.written[way.carrier]} | expected ${expected} | got ${line(got)}`,
            );
          });
        }
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    for (const disagreement of disagreements) console.log(disagreement);
    return {
      ok: disagreements.length === 0 && checked > 0,
      json: {
        kinds: new Set(FORMS.map(({ kind }) => kind)).size,
        ways: WAYS.length,
        forms: FORMS.length,
        checked,
        disagreements: disagreements.length,
      },
    };
  },
};

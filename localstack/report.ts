/** What a local run prints: one line per step, two tables, and what to try next. */

import { randomUUID } from 'node:crypto';
import { relative } from 'node:path';
import { styleText } from 'node:util';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { WORKING_DIRECTORY } from '../shared/registry/working-directory.ts';
import type { Decision, FeaturesResult } from './api-client.ts';
import { shellQuoted } from './env-file.ts';
import type { CallLatency } from './latency.ts';
import type { Transaction } from './traffic.ts';

const LABEL_WIDTH = 10;
/** Stands in a body for the instant of the call. */
const NOW = `<now ${randomUUID()}>`;
const CLEAR_LINE = '\r\u001b[2K';

/** Runs a step, and says what it does while it runs and what came of it when it is done. */
export async function step<T>(options: {
  readonly label: string;
  readonly work: (update: (text: string) => void) => Promise<T>;
  readonly summary: (result: T) => string;
}): Promise<T> {
  const { label, work, summary } = options;
  const startMillis = performance.now();
  const result = await work((text) => showTransient(`  ${label.padEnd(LABEL_WIDTH)} ${styleText('dim', text)}`));
  const seconds = ((performance.now() - startMillis) / 1_000).toFixed(1);
  showTransient('');
  const mark = styleText('green', '✔');
  console.log(`${mark} ${label.padEnd(LABEL_WIDTH)} ${summary(result)} ${styleText('dim', `${seconds} s`)}`);
  return result;
}

/** A line that the next one overwrites; nothing where there is no terminal to overwrite it. */
function showTransient(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`${CLEAR_LINE}${text.slice(0, process.stdout.columns || 80)}`);
}

/** A bar that counts to `total`, and goes away when it is stopped. */
export function progressBar(options: { readonly label: string; readonly total: number }) {
  const bar = new SingleBar(
    {
      format: `  ${options.label.padEnd(LABEL_WIDTH)} {bar} {value} of {total} deliveries applied`,
      clearOnComplete: true,
      hideCursor: true,
      barsize: 30,
    },
    Presets.shades_grey,
  );
  bar.start(options.total, 0);
  return bar;
}

/** Below the folder of the call without it: npm runs its scripts in the folder of the package. */
export function shownPath(path: string): string {
  const below = relative(WORKING_DIRECTORY, path);
  return below.startsWith('..') ? path : below;
}

export function count(number: number): string {
  return number.toLocaleString('en-GB');
}

/** Without rules between rows, and without colours of its own, which it would also write into files. */
const TABLE_STYLE = {
  chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  style: { head: [], border: [] },
};
/** With the other columns, the table fits a terminal of 100 characters. */
const REASON_WIDTH = 30;

const DECISION_COLOURS = { approve: 'green', review: 'yellow', block: 'red' } as const;

/** One live decision, and the transactions of its user that came before it. */
export interface LiveDecision {
  readonly title: string;
  readonly transaction: Transaction;
  readonly earlierCount: number;
  readonly answer: Decision;
}

export function decisionsTable(decisions: readonly LiveDecision[]): string {
  const table = new Table({
    ...TABLE_STYLE,
    head: ['scenario', 'transaction', 'score', 'decision', 'why'].map((name) => styleText('bold', name)),
    colWidths: [null, null, null, null, REASON_WIDTH],
    wordWrap: true,
  });
  for (const { title, transaction, earlierCount, answer } of decisions) {
    const amount = transaction.amount.toFixed(2);
    table.push([
      title,
      earlierCount === 0 ? `${amount}, the first one` : `${amount}, after ${earlierCount} others`,
      answer.score?.toFixed(3) ?? '–',
      styleText(DECISION_COLOURS[answer.decision], answer.decision),
      reasonsOf(answer).join('\n') || 'No rule fires.',
    ]);
  }
  return table.toString();
}

/** The rules that fired, and the score where it is severer than they are. */
function reasonsOf({ rules, decision }: Decision): string[] {
  const reasons = rules.map(({ name, reason }) => `${name}\n${reason}`);
  const isByScore = decision !== 'approve' && rules.every(({ outcome }) => outcome !== decision);
  return isByScore ? [...reasons, `The score is high enough to ${decision}.`] : reasons;
}

/** Features as a matrix: what is computed down, over which window across. */
export function featuresTable(
  { features }: FeaturesResult,
  layout: { readonly features: readonly string[]; readonly windows: readonly string[] },
): string {
  const table = new Table({
    ...TABLE_STYLE,
    head: ['', ...layout.windows.map((name) => styleText('bold', name))],
    colAligns: ['left', ...layout.windows.map(() => 'right' as const)],
  });
  for (const feature of layout.features) {
    table.push([feature, ...layout.windows.map((window) => readable(features[`${feature}_${window}`]))]);
  }
  return table.toString();
}

function readable(value: string | number | boolean | null | undefined): string {
  if (value === null || value === undefined) return '–';
  return typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(2) : String(value);
}

/**
 * A call that every shell takes verbatim once `API` is set.
 * @param nowField a field that says when the call is made, not when it was printed.
 */
export function curlLine(path: string, body: object, nowField?: string): string {
  const told = nowField === undefined ? body : { ...body, [nowField]: NOW };
  const quoted = shellQuoted(JSON.stringify(told)).replace(NOW, `'$(date -u +%FT%TZ)'`);
  return `curl -s "$API${path}" -H 'content-type: application/json' -d ${quoted}`;
}

/** How long calls took, and how much of it was not the product. */
export function latencySentence({ callMillis, serviceMillis }: CallLatency): string {
  return (
    `A call takes ${callMillis.toFixed(0)} ms here, of which the service takes ${serviceMillis.toFixed(0)} ms: ` +
    'the rest is the local endpoint, with up to 50 ms in which it waits for what the function logs'
  );
}

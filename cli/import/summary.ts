import { styleText } from 'node:util';
import Table from 'cli-table3';
import type { EventProblem } from '../../shared/definitions/decode-event.ts';
import { looksMissing } from '../../shared/definitions/forms.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { ARRIVED_AT } from '../../shared/offline/offline-store.ts';
import type { WindowEvent } from '../../shared/windows/event.ts';

/** Where a row was found. */
export interface Place {
  readonly file: string;
  readonly numbered: 'line' | 'row';
  readonly number: number;
}

/** Why rows were put aside. */
export interface Reason {
  readonly field: string;
  readonly problem: string;
  readonly first: Place;
  count: number;
}

export interface ImportSummary {
  readonly accepted: number;
  readonly rejected: number;
  /** The Parquet files of history; none where nothing was written. */
  readonly outputs: readonly string[];
  /** The files of what did not fit: one JSON object per line with its reasons. */
  readonly rejects: readonly string[];
  /** The most frequent first. */
  readonly reasons: readonly Reason[];
  /** What to know of how the files were read. */
  readonly notes: readonly string[];
  /** The first events. */
  readonly preview: { readonly source: EventSource; readonly events: readonly WindowEvent[] };
  /** Why there is no history after all. */
  readonly failure: string | undefined;
}

/** Counts reasons. */
export class Reasons {
  readonly #reasons = new Map<string, Reason>();

  add({ field, problem }: EventProblem, place: Place): void {
    const key = `${field} ${problem}`;
    const known = this.#reasons.get(key);
    if (known === undefined) this.#reasons.set(key, { field, problem, first: place, count: 1 });
    else known.count++;
  }

  byCount(): Reason[] {
    return [...this.#reasons.values()].sort((left, right) => right.count - left.count);
  }
}

const ROUNDED_NUMBER = /^\d+\.0+$|^\d(?:\.\d+)?E\+\d+$/i;
const EXAMPLES_MAX = 3;

/** Watches texts that were hardly meant. */
export class Suspicions {
  readonly #missing = new Map<string, Suspicion>();
  readonly #rounded = new Map<string, Suspicion>();

  look(field: string, text: string): void {
    if (text !== '' && looksMissing(text)) noteIn(this.#missing, field, text);
    else if (ROUNDED_NUMBER.test(text)) noteIn(this.#rounded, field, text);
  }

  notes(): string[] {
    return [
      ...[...this.#missing].map(([field, { count, examples }]) => {
        const fix = [...examples].map((text) => `--null '${text}'`).join(' ');
        return `${countText(count, 'value')} of ${field} ${said(examples)} and were read as text; where they mean that it is missing, say ${fix}`;
      }),
      ...[...this.#rounded].map(
        ([field, { count, examples }]) =>
          `${countText(count, 'value')} of ${field} ${said(examples)}, which look like rounded numbers, and were read as they are; write ids as text or whole numbers`,
      ),
    ];
  }
}

interface Suspicion {
  count: number;
  readonly examples: Set<string>;
}

function noteIn(suspicions: Map<string, Suspicion>, field: string, text: string): void {
  const known = suspicions.get(field) ?? { count: 0, examples: new Set() };
  suspicions.set(field, known);
  known.count++;
  if (known.examples.size < EXAMPLES_MAX) known.examples.add(text);
}

const said = (examples: ReadonlySet<string>) => `say ${[...examples].map((text) => `"${text}"`).join(', ')}`;

/** `1 row`, `1,234 rows`. */
export function countText(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}

const REASONS_MAX = 10;
const PATHS_MAX = 5;

/** The summary, for a terminal. */
export function summaryText(summary: ImportSummary): string {
  const { accepted, rejected, outputs, rejects, reasons, notes } = summary;
  const lines = [`${countText(accepted, 'event')} ${outputs.length > 0 ? 'imported' : 'read, none imported'}`];
  lines.push(...listed('history', outputs));
  if (rejected > 0) {
    lines.push(`${countText(rejected, 'row')} put aside, each with its reason`, ...listed('rejects', rejects));
    const isOneFile = rejects.length === 1 && outputs.length <= 1;
    const width = String(reasons[0]?.count ?? 0).length;
    for (const { field, problem, count, first } of reasons.slice(0, REASONS_MAX)) {
      const subject = field === '' ? `the ${first.numbered}` : field;
      const where = `${first.numbered} ${first.number}${isOneFile ? '' : ` of ${first.file}`}`;
      lines.push(`  ${String(count).padStart(width)}  ${subject} ${problem} (first in ${where})`);
    }
    if (reasons.length > REASONS_MAX) lines.push(`  and ${countText(reasons.length - REASONS_MAX, 'other reason')}`);
  }
  lines.push(...notes.map((note) => `note: ${note}`));
  return lines.join('\n');
}

function listed(what: string, paths: readonly string[]): string[] {
  const lines = paths.slice(0, PATHS_MAX).map((path) => `  ${what}  ${path}`);
  return paths.length > PATHS_MAX ? [...lines, `  and ${countText(paths.length - PATHS_MAX, 'other file')}`] : lines;
}

/** Events as a table, with instants that a person can read. */
export function previewText({ source: { fieldList }, events }: ImportSummary['preview']): string {
  const head = [...fieldList.map(({ name }) => name), ARRIVED_AT];
  const table = new Table({
    head: head.map((name) => styleText('bold', name)),
    style: { head: [], border: [] },
    // No lines between rows.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const instant = (millis: number) => new Date(millis).toISOString();
  for (const { values, arrivedAtMillis } of events) {
    const cells = fieldList.map(({ name, type }) => {
      const value = values[name] ?? null;
      return value === null ? '' : type.kind === 'timestamp' ? instant(Number(value)) : String(value);
    });
    table.push([...cells, instant(arrivedAtMillis)]);
  }
  return table.toString();
}

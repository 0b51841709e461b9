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

/** What to know of how a file was read. */
export interface FileNote {
  readonly kind: keyof typeof SENTENCES;
  /** The column, as it is said. */
  readonly subject: string;
}

const SENTENCES = {
  unread: (columns: string[], files: string) => `columns not read: ${limited(columns)} (${files})`,
  lacking: (columns: string[], files: string) =>
    `no column ${columns.join(', ')} (optional): ${columns.length === 1 ? 'it is' : 'they are'} missing in all events of ${files}`,
  zoneless: (columns: string[], files: string) => `${columns.join(', ')}, without a zone: it is read as UTC (${files})`,
  empty: (_columns: string[], files: string) => `no row in ${files}`,
};

const NAMES_MAX = 20;

const limited = (names: readonly string[]) =>
  [...names.slice(0, NAMES_MAX), ...(names.length > NAMES_MAX ? ['…'] : [])].join(', ');

/** The notes of all files: one for those that are alike. */
export class FileNotes {
  readonly #files = new Map<string, { readonly note: FileNote; readonly files: string[] }>();

  add(file: string, notes: readonly FileNote[]): void {
    for (const note of notes) {
      const key = `${note.kind} ${note.subject}`;
      const known = this.#files.get(key) ?? { note, files: [] };
      this.#files.set(key, known);
      known.files.push(file);
    }
  }

  texts(): string[] {
    const alike = Map.groupBy(this.#files.values(), ({ note, files }) => [note.kind, ...files].join('\n'));
    return [...alike.values()].flatMap((group) => {
      const [{ note, files } = { note: undefined, files: [] }] = group;
      if (note === undefined) return [];
      const others = files.length === 1 ? '' : ` and ${countText(files.length - 1, 'other file')}`;
      return SENTENCES[note.kind](
        group.map((one) => one.note.subject),
        `${files[0]}${others}`,
      );
    });
  }
}

const ROUNDED_NUMBER = /^\d+\.0+$|^\d(?:\.\d+)?E\+\d+$/i;
const EXAMPLES_MAX = 3;

/** Watches texts that were hardly meant. */
export class Suspicions {
  readonly #missing = new Map<string, Suspicion>();
  readonly #rounded = new Map<string, Suspicion>();
  readonly #blank = new Map<string, Suspicion>();
  /** Fields by which events are found. */
  readonly #keys: ReadonlySet<string>;

  constructor(keys: ReadonlySet<string>) {
    this.#keys = keys;
  }

  look(field: string, text: string): void {
    if (text !== '' && looksMissing(text)) noteIn(this.#missing, field, text);
    else if (ROUNDED_NUMBER.test(text)) noteIn(this.#rounded, field, text);
    else if (this.#keys.has(field) && text !== text.trim()) noteIn(this.#blank, field, text);
  }

  notes(): string[] {
    return [
      ...[...this.#missing].map(([field, { count, examples }]) => {
        const fix = [...examples].map((text) => `--null '${text}'`).join(' ');
        return `${countText(count, 'value')} of ${field} ${said(examples)} and were read as text; where they mean that it is missing, say ${fix}`;
      }),
      ...[...this.#rounded].map(
        ([field, { count, examples }]) =>
          `${countText(count, 'value')} of ${field} ${said(examples)}, which look like rounded numbers, and were read as they are: they will not match ${wholeOf(examples)}; write ids as text or whole numbers`,
      ),
      ...[...this.#blank].map(
        ([field, { count, examples }]) =>
          `${countText(count, 'value')} of ${field} ${said(examples)}, with blanks at an end, and were read as they are: they will not match "${[...examples][0]?.trim()}"`,
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

/** The number that the first of them was. */
const wholeOf = ([text = '']: Iterable<string>) => (/e/i.test(text) ? String(Number(text)) : text.replace(/\.0+$/, ''));

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

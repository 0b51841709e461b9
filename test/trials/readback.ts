/**
 * Files that libraries write, against what those libraries read from them again.
 *
 * 1. A declaration and its rows are drawn, and pandas, polars, DuckDB or pyarrow writes them as it pleases.
 * 2. The same library reads its file. What a value means is decided from that, by a table that is written by hand.
 * 3. The commands `import` and `training-set` read the file, too. Every feature must be the one that the naive oracle
 *    computes from 2, and every row that was put aside one that the table refuses.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { main } from '../../cli/main.ts';
import { preparePython } from '../../examples/python-environment.ts';
import { LOCAL_DIRECTORY } from '../../localstack/child-process.ts';
import { agrees, oracleHistoricalFeatures } from '../../localstack/oracle.ts';
import type { HistoryMode } from '../../shared/offline/offline-store.ts';
import { idHashOf, type WindowEvent } from '../../shared/windows/event.ts';
import { Random } from '../simulation/random.ts';
import { readParquet } from '../support/parquet.ts';
import { declared, type FieldPlan, MEMBERS, type Plan, randomPlan, SERVICE } from './readback/plan.ts';
import { ARRIVAL, randomTables, type Tables } from './readback/rows.ts';
import {
  type Circumstances,
  type Meaning,
  meaningOf,
  REFUSED,
  type ReadColumn,
  refusesColumn,
} from './readback/rule.ts';
import type { Trial } from './trial.ts';

const OWN_FILES = join(import.meta.dirname, 'readback');

/** A file as a library wrote it and read it again. */
interface WrittenFile {
  readonly path: string;
  /** What was drawn for it. */
  readonly said: unknown;
  /** What the command line must say of it. */
  readonly arguments: readonly string[];
  readonly columns: Readonly<Record<string, ReadColumn>>;
}

interface Answer {
  readonly library: string;
  readonly format: 'parquet' | 'csv';
  readonly events: WrittenFile;
  readonly spine: WrittenFile;
}

/** One declaration with its rows. */
interface Case {
  readonly seed: number;
  readonly folder: string;
  readonly plan: Plan;
  readonly tables: Tables;
  /** The columns of fields, where files name them otherwise. */
  readonly columns: ReadonlyMap<string, string>;
  readonly mapped: readonly string[];
  readonly timeZone: 'UTC' | '+01:00' | null;
  readonly spineTimeZone: 'UTC' | '+01:00' | null;
  readonly arrival: 'column' | 'event-time';
  readonly mode: HistoryMode;
}

const OFFSETS = { UTC: 0, '+01:00': 60 } as const;

class Figures {
  files = 0;
  rows = 0;
  values = 0;
  refused = 0;
  readonly disagreements: string[] = [];
}

async function randomCase(seed: number, parent: string): Promise<Case> {
  const random = new Random(seed);
  const plan = allowedPlan(random);
  const tables = randomTables(random, plan);
  const usesOwnNames = random.chance(0.2);
  const written = plan.fields.filter(({ name }) => tables.events.some((column) => column.name === name));
  const mapped = random.chance(0.15) ? [random.pick(written).name] : [];
  const columns = new Map(
    plan.fields.map(({ name, from }) => [
      name,
      mapped.includes(name) ? 'another = "name"' : usesOwnNames ? name : from,
    ]),
  );
  const folder = join(parent, String(seed));
  await mkdir(folder);
  return {
    seed,
    folder,
    plan,
    tables,
    columns,
    mapped,
    timeZone: random.pick(['UTC', 'UTC', 'UTC', '+01:00', null]),
    spineTimeZone: random.pick(['UTC', 'UTC', '+01:00', null]),
    arrival: random.chance(0.85) ? 'column' : 'event-time',
    mode: random.pick(['bitemporal', 'bitemporal', 'event-time']),
  };
}

/** Some names clash: a source may not call a field as an option of a decision is called. */
function allowedPlan(random: Random): Plan {
  for (;;) {
    const plan = randomPlan(random);
    try {
      declared(plan);
      return plan;
    } catch (error) {
      if (!(error instanceof Error && error.name === 'DefinitionError')) throw error;
    }
  }
}

/** @throws PythonUnavailableError */
export function readbackPython(): Promise<string> {
  return preparePython(join(LOCAL_DIRECTORY, 'readback-python'), join(OWN_FILES, 'requirements.txt'));
}

async function writtenByLibraries(cases: readonly Case[]): Promise<Answer[]> {
  const python = await readbackPython();
  const lines = cases.map(({ seed, folder, tables, columns }) => {
    const events = tables.events.map((column) => ({ ...column, name: columns.get(column.name) ?? column.name }));
    return JSON.stringify({ seed, folder, events, spine: tables.spine });
  });
  const running = promisify(execFile)(python, [join(OWN_FILES, 'libraries.py')], { maxBuffer: 1 << 30 });
  // Where the process ends before it has read all, its own error says why.
  running.child.stdin?.on('error', () => {});
  running.child.stdin?.end(`${lines.join('\n')}\n`);
  const { stdout } = await running;
  return stdout
    .trimEnd()
    .split('\n')
    .map((line): Answer => JSON.parse(line));
}

interface Said {
  readonly exitCode: number;
  readonly errors: string;
}

async function commanded(commandLine: readonly string[]): Promise<Said> {
  const errors: string[] = [];
  try {
    const exitCode = await main(commandLine, { print: () => {}, printError: (line) => errors.push(line) });
    return { exitCode, errors: errors.join('\n') };
  } catch (error) {
    return { exitCode: 1, errors: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

// --- What the table says of a file ------------------------------------------------------------------------------------

/** An event, or why its row is none. */
type RowOutcome = { readonly event: WindowEvent } | { readonly refused: string };

const FUTURE_TOLERANCE_MILLIS = 300_000;

/** What no kind says: the demands of the schema. */
function fits({ kind, most }: FieldPlan, value: Meaning): boolean {
  if (value === null) return true;
  if (kind === 'identifier') {
    const text = String(value);
    return text.length >= 1 && text.length <= 256 && !/\p{Cc}/u.test(text);
  }
  if (kind === 'enum') return MEMBERS.some((member) => member === value);
  return kind !== 'integer' || Math.abs(Number(value)) <= most;
}

const rowCountOf = ({ columns }: WrittenFile) => Object.values(columns)[0]?.values.length ?? 0;

class Reading {
  readonly #file: WrittenFile;
  readonly #columns: ReadonlyMap<string, string>;
  readonly #circumstances: Circumstances;

  constructor(file: WrittenFile, columns: ReadonlyMap<string, string>, circumstances: Circumstances) {
    this.#file = file;
    this.#columns = columns;
    this.#circumstances = circumstances;
  }

  nameOf({ name }: FieldPlan): string {
    return this.#columns.get(name) ?? name;
  }

  column(field: FieldPlan): ReadColumn | undefined {
    return this.#file.columns[this.nameOf(field)];
  }

  meaning(field: FieldPlan, row: number): Meaning | typeof REFUSED {
    const column = this.column(field);
    return column === undefined ? null : meaningOf(field, column, row, this.#circumstances);
  }

  /** The columns of which a field takes nothing, although there is something. */
  unusable(fields: readonly FieldPlan[]): string[] {
    const rows = [...Array(rowCountOf(this.#file)).keys()];
    return fields
      .filter((field) => {
        const column = this.column(field);
        return (
          column !== undefined && refusesColumn(field, column) && rows.some((row) => this.meaning(field, row) !== null)
        );
      })
      .map((field) => this.nameOf(field));
  }
}

function eventsOf(reading: Reading, rows: number, { plan, arrival }: Case): RowOutcome[] {
  const resolutionMillis = plan.resolution === '1s' ? 1_000 : 1;
  return Array.from({ length: rows }, (_, row): RowOutcome => {
    const values: Record<string, Meaning> = {};
    for (const field of plan.fields) {
      const value = reading.meaning(field, row);
      if (value === REFUSED || !fits(field, value)) return { refused: `${field.name}: its value` };
      if (value === null && field.whenMissing === 'refused') return { refused: `${field.name}: nothing` };
      values[field.name] = value;
    }
    const timeMillis = Number(values[plan.eventTime]);
    const arrived = arrival === 'event-time' ? timeMillis : reading.meaning(ARRIVAL, row);
    if (arrived === REFUSED || arrived === null) return { refused: 'arrived_at' };
    const arrivedAtMillis = Number(arrived);
    if (timeMillis > arrivedAtMillis + FUTURE_TOLERANCE_MILLIS) return { refused: 'of the future' };
    if (timeMillis % resolutionMillis !== 0) return { refused: 'time resolution' };
    return { event: eventOf(plan, values, arrivedAtMillis) };
  });
}

function eventOf(plan: Plan, values: Readonly<Record<string, Meaning>>, arrivedAtMillis: number): WindowEvent {
  const id = String(values[plan.eventId]);
  return { id, idHash: idHashOf(id), timeMillis: Number(values[plan.eventTime]), arrivedAtMillis, values };
}

// --- What the commands make of it -------------------------------------------------------------------------------------

class Checking {
  readonly #case: Case;
  readonly #answer: Answer;
  readonly #figures: Figures;
  readonly #view: ReturnType<typeof declared>['view'];
  readonly #module: string;

  constructor(one: Case, answer: Answer, figures: Figures) {
    this.#case = one;
    this.#answer = answer;
    this.#figures = figures;
    this.#view = declared(one.plan).view;
    this.#module = join(one.folder, 'features.ts');
  }

  async run(): Promise<void> {
    const { plan, folder } = this.#case;
    const { events, spine, format } = this.#answer;
    const maker = pathToFileURL(join(OWN_FILES, 'plan.ts')).href;
    await writeFile(
      this.#module,
      `import { declared } from '${maker}';\nexport const { repository } = declared(${JSON.stringify(plan)});\n`,
    );
    this.#figures.files += 2;
    this.#figures.rows += rowCountOf(events) + rowCountOf(spine);
    const imported = await this.#import();
    if (imported !== undefined) await this.#train('imported', join(folder, 'history'), imported);
    if (format === 'parquet') await this.#trainStraight();
  }

  #disagree(what: string): void {
    const { seed, mode, timeZone, arrival } = this.#case;
    const { library, format, events, spine } = this.#answer;
    const drawn = JSON.stringify({ mode, timeZone, arrival, events: events.said, spine: spine.said });
    this.#figures.disagreements.push(`--trials 1 --seed ${seed} | ${library} ${format} | ${what} | ${drawn}`);
  }

  /** @returns the events that must be in the history; `undefined` where there must be no history, or is none. */
  async #import(): Promise<WindowEvent[] | undefined> {
    const { plan, folder, timeZone, arrival, columns, mapped } = this.#case;
    const { events: file, format } = this.#answer;
    const offset = timeZone === null ? undefined : OFFSETS[timeZone];
    const isCell = format === 'csv';
    const reading = new Reading(file, columns, {
      isCell,
      textOffset: offset,
      typedOffset: isCell ? offset : 0,
    });
    const outcomes = eventsOf(reading, rowCountOf(file), this.#case);
    const accepted = outcomes.flatMap((outcome) => ('event' in outcome ? [outcome.event] : []));
    const read = arrival === 'column' ? [...plan.fields, ARRIVAL] : plan.fields;
    const unusable = isCell ? [] : reading.unusable(read);
    const history = join(folder, 'history');
    const said = await commanded([
      'import',
      `--source=${plan.source}`,
      `--features=${this.#module}`,
      '--max-rejects=100%',
      `--from=${file.path}`,
      `--to=${history}`,
      ...file.arguments,
      ...(timeZone === null ? [] : ['--time-zone', timeZone]),
      ...this.#arrivalArguments(),
      ...mapped.flatMap((name) => ['--map', `${name}=${columns.get(name)}`]),
    ]);
    const isRefused = unusable.length > 0 || accepted.length === 0;
    if (isRefused) {
      this.#figures.refused += outcomes.length;
      const isNamed =
        unusable.length === 0 ? /no row of/ : { test: (text: string) => unusable.some((name) => text.includes(name)) };
      if (said.exitCode !== 2 || !isNamed.test(said.errors))
        this.#disagree(
          `import must refuse ${unusable.join(' or ') || 'every row'}; got ${said.exitCode} ${said.errors}`,
        );
      return undefined;
    }
    if (said.exitCode !== 0) {
      this.#disagree(`import must accept ${accepted.length} rows; got ${said.errors}`);
      return undefined;
    }
    this.#figures.refused += outcomes.length - accepted.length;
    const kept = await readParquet(join(history, '*.parquet'));
    if (kept.length !== accepted.length) {
      this.#disagree(
        `import must accept ${accepted.length} rows; got ${kept.length}: ${await this.#reasons(outcomes)}`,
      );
      return undefined;
    }
    return accepted;
  }

  #arrivalArguments(): string[] {
    const { arrival, columns } = this.#case;
    if (arrival === 'event-time') return ['--arrival', arrival];
    const column = columns.get(ARRIVAL.name) ?? ARRIVAL.name;
    return column === ARRIVAL.name ? [] : ['--arrival', column];
  }

  async #reasons(outcomes: readonly RowOutcome[]): Promise<string> {
    const history = join(this.#case.folder, 'history');
    const names = (await readdir(history)).filter((name) => name.endsWith('.rejects.jsonl'));
    const lines = (await Promise.all(names.map((name) => readFile(join(history, name), 'utf8')))).join('');
    const expected = outcomes.flatMap((outcome, row) =>
      'refused' in outcome ? [`${row + 1} ${outcome.refused}`] : [],
    );
    const got = lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    const shown = got.map(({ line, row, problems }) => `${line ?? row} ${JSON.stringify(problems)}`);
    return `expected without ${expected.join(', ')}; got without ${shown.join(', ').slice(0, 1_500)}`;
  }

  /** The file as it lies there. What it has is not validated, only decoded. */
  async #trainStraight(): Promise<void> {
    const { plan, columns, mode } = this.#case;
    const { events: file } = this.#answer;
    if (plan.fields.some(({ name }) => columns.get(name) !== name)) return;
    const wanted = new Set([
      plan.eventId,
      plan.eventTime,
      ...plan.joinKeys,
      ...plan.features.flatMap(({ field }) => field ?? []),
    ]);
    const fields = plan.fields.filter(({ name }) => wanted.has(name));
    const reading = new Reading(file, columns, this.#trainingCircumstances());
    const read = [...fields, ARRIVAL];
    const rows = [...Array(rowCountOf(file)).keys()];
    const refused = read.filter((field) => rows.some((row) => reading.meaning(field, row) === REFUSED));
    const events = rows.flatMap((row): WindowEvent[] => {
      const values = Object.fromEntries(
        fields.map((field): [string, Meaning] => {
          const value = reading.meaning(field, row);
          return [field.name, value === REFUSED ? null : value];
        }),
      );
      const arrived = reading.meaning(ARRIVAL, row);
      const isThere = values[plan.eventTime] !== null && (mode === 'event-time' || arrived !== null);
      if (arrived === REFUSED) return [];
      return isThere ? [eventOf(plan, values, Number(arrived))] : [];
    });
    await this.#train('straight', file.path, events, refused);
  }

  #trainingCircumstances(): Circumstances {
    const { spineTimeZone } = this.#case;
    return { isCell: false, textOffset: spineTimeZone === null ? undefined : OFFSETS[spineTimeZone], typedOffset: 0 };
  }

  #command(history: string): Promise<Said> {
    const { plan, folder, mode, spineTimeZone } = this.#case;
    return commanded([
      'training-set',
      `--service=${SERVICE}`,
      `--features=${this.#module}`,
      `--mode=${mode}`,
      `--history=${plan.source}=${history}`,
      `--spine=${this.#answer.spine.path}`,
      `--output=${join(folder, 'output.parquet')}`,
      ...(spineTimeZone === null ? [] : ['--time-zone', spineTimeZone]),
    ]);
  }

  /** @param unreadable fields of which history has what the table refuses. */
  async #train(
    name: string,
    history: string,
    events: readonly WindowEvent[],
    unreadable: readonly FieldPlan[] = [],
  ): Promise<void> {
    const { plan, folder, mode } = this.#case;
    const { spine } = this.#answer;
    const reading = new Reading(spine, new Map(), this.#trainingCircumstances());
    const instant = (column: string): FieldPlan => ({ ...ARRIVAL, name: column });
    const keys = plan.fields.filter((field) => plan.joinKeys.includes(field.name));
    const identity = plan.fields.find((field) => field.name === plan.eventId) ?? ARRIVAL;
    const excludes = plan.features.some(({ excludesCurrent }) => excludesCurrent);
    const read = [
      ...keys,
      instant('timestamp'),
      ...(mode === 'bitemporal' ? [{ ...instant('known_at'), whenMissing: 'null' as const }] : []),
      ...(excludes ? [{ ...identity, whenMissing: 'null' as const }] : []),
    ];
    const rows = [...Array(rowCountOf(spine)).keys()];
    const unusable = read.filter((field) =>
      rows.some((row) => {
        const value = reading.meaning(field, row);
        return value === REFUSED || (field.whenMissing === 'refused' && (value === null || value === ''));
      }),
    );
    const refused = [...unusable, ...unreadable];
    const said = await this.#command(history);
    if (refused.length > 0) {
      this.#figures.refused += rows.length;
      if (said.exitCode !== 2 || !refused.some((field) => said.errors.includes(`"${field.name}"`)))
        this.#disagree(
          `${name}: it must be refused for ${refused.map((field) => field.name).join(' or ')}; got ${said.exitCode} ${said.errors}`,
        );
      return;
    }
    if (said.exitCode !== 0) {
      this.#disagree(`${name}: there must be a training set; got ${said.errors}`);
      return;
    }
    const answers = await readParquet(join(folder, 'output.parquet'));
    const meaning = (field: FieldPlan, row: number) => {
      const value = reading.meaning(field, row);
      return value === REFUSED ? null : value;
    };
    const entityOf = (values: Readonly<Record<string, unknown>>) =>
      JSON.stringify(plan.joinKeys.map((key) => values[key]));
    const byEntity = Map.groupBy(events, ({ values }) => entityOf(values));
    for (const row of rows) {
      const entity = entityOf(Object.fromEntries(keys.map((field) => [field.name, meaning(field, row)])));
      const timestampMillis = Number(meaning(instant('timestamp'), row));
      const known = mode === 'bitemporal' ? meaning(instant('known_at'), row) : null;
      const id = excludes ? meaning(identity, row) : null;
      const expected = oracleHistoricalFeatures(this.#view, byEntity.get(entity) ?? [], {
        timestampMillis,
        knownAtMillis: known === null ? timestampMillis : Number(known),
        mode,
        decidedId: id === null ? null : String(id),
      });
      const wrong = this.#view.layout.features.flatMap((feature, index) => {
        this.#figures.values++;
        const answer = answers[row]?.[feature.name];
        const got = typeof answer === 'object' ? null : answer;
        return agrees(feature.aggregate.name, got, expected[index])
          ? []
          : [
              `${feature.name} (${feature.input.fieldName}): expected ${JSON.stringify(expected[index])}, got ${JSON.stringify(got)}`,
            ];
      });
      if (wrong.length > 0) {
        this.#disagree(`${name}: row ${row + 1} of ${entity} at ${timestampMillis}: ${wrong.slice(0, 3).join('; ')}`);
        return;
      }
    }
  }
}

const PROGRESS_EVERY = 25;

export const readback: Trial = {
  name: 'readback',
  proves: 'What pandas, polars, DuckDB and pyarrow write and read again is what import and training-set read.',
  async run({ trials = 300, seed = 1 }) {
    const folder = await mkdtemp(join(tmpdir(), 'readback-'));
    const figures = new Figures();
    try {
      const cases: Case[] = [];
      for (let index = 0; index < trials; index++) cases.push(await randomCase(seed + index, folder));
      const answers = await writtenByLibraries(cases);
      for (const [index, one] of cases.entries()) {
        const answer = answers[index];
        if (answer === undefined) throw new Error(`no library answered for seed ${one.seed}`);
        const before = figures.disagreements.length;
        await new Checking(one, answer, figures).run();
        for (const line of figures.disagreements.slice(before)) console.log(line);
        if ((index + 1) % PROGRESS_EVERY === 0) console.log(`${index + 1} of ${trials} declarations`);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    const { files, rows, values, refused, disagreements } = figures;
    return {
      ok: disagreements.length === 0 && values > 0,
      json: { declarations: trials, files, rows, values, refused, disagreements: disagreements.length },
    };
  },
};

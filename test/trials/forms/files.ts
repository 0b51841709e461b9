/** Ways in that read files: import, history as it lies there, and entity dataframes. */

import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { main } from '../../../cli/main.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { writeParquet } from '../../support/parquet.ts';
import { neededOf } from './requests.ts';
import type { Kind, Value } from './table.ts';
import {
  CLOCK_MILLIS,
  eventMembers,
  type Form,
  isOfTheDay,
  isRefused,
  jsonObject,
  MIDNIGHT,
  messageOf,
  type Outcome,
  only,
  ownField,
  plain,
  sentence,
  type Way,
} from './way.ts';

const FEATURES = join(import.meta.dirname, 'features.ts');

let shared: Promise<DuckDBConnection> | undefined;

async function query(sql: string): Promise<Record<string, unknown>[]> {
  shared ??= DuckDBInstance.create(':memory:').then((instance) => instance.connect());
  return (await (await shared).runAndReadAll(sql)).getRowObjects();
}

const textLiteral = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** A command line. @returns what its user is told, where it did not do what was asked. */
async function commanded(commandLine: readonly string[]): Promise<Outcome | undefined> {
  const errors: string[] = [];
  try {
    const exitCode = await main(commandLine, { print: () => {}, printError: (line) => errors.push(line) });
    return exitCode === 0 ? undefined : { refusal: errors.join('\n') };
  } catch (error) {
    return { broken: messageOf(error) };
  }
}

/** Everything of the command line of `import` that is not a file is said here. */
async function imported(forms: readonly Form[], field: string, file: string, folder: string) {
  const arrival = field === 'arrived_at' ? [] : ['--arrival', 'event-time'];
  const options = ['--source', 'events', '--features', FEATURES, '--max-rejects', '100%', ...arrival];
  const failed = await commanded(['import', ...options, '--from', file, '--to', folder]);
  const refusals = await rejectsOf(folder);
  // Where no row is an event, nothing is written but why.
  if (failed !== undefined && refusals.size === 0) return failed;
  const values =
    failed === undefined
      ? await valuesBy('id', `${folder}/*.parquet`, field, forms[0]?.kind ?? 'text')
      : new Map<string, never>();
  return forms.map((_, index): Outcome => {
    const refusal = refusals.get(`e${index}`);
    if (refusal !== undefined) return { refusal };
    const value = values.get(`e${index}`);
    return value === undefined ? { broken: 'neither imported nor put aside' } : { value };
  });
}

/** The reasons of the rows that were put aside, by their ids. */
async function rejectsOf(folder: string): Promise<Map<string, string>> {
  const files = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.rejects.jsonl'));
  const lines = (await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))).join('').split('\n');
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const [, id] = /"id":"(e\d+)"/.exec(line) ?? [];
      return id === undefined ? [] : [[id, sentence(JSON.parse(line).problems)]];
    }),
  );
}

async function valuesBy(key: string, files: string, column: string, kind: Kind): Promise<Map<string, Value>> {
  const type = kind === 'text' ? 'VARCHAR' : kind === 'boolean' ? 'BOOLEAN' : 'DOUBLE';
  const sql = `SELECT ${key}::VARCHAR AS name, "${column}"::${type} AS value FROM read_parquet(${textLiteral(files)})`;
  return new Map((await query(sql)).map(({ name, value }) => [String(name), plain(value)]));
}

type Attempt = (forms: readonly Form[], folder: string) => Promise<Outcome[] | Outcome>;

/** All at once, and where that ends for all of them, one by one. */
async function together(forms: readonly Form[], folder: string, attempt: Attempt): Promise<Outcome[]> {
  const outcome = await attempt(forms, await mkdtemp(join(folder, 'files-')));
  if (Array.isArray(outcome)) return outcome;
  if (forms.length === 1) return [outcome];
  return (await Promise.all(forms.map((form) => together([form], folder, attempt)))).flat();
}

/** A column of Parquet has one type, so the forms of each type have a file of their own. */
async function byType(forms: readonly Form[], folder: string, attempt: Attempt): Promise<Outcome[]> {
  const types = await query(forms.map(({ written }) => `SELECT typeof(${written.sql}) AS type`).join(' UNION ALL '));
  const outcomes = new Map<Form, Outcome>();
  for (const group of Map.groupBy(forms, (_, index) => String(types[index]?.type)).values()) {
    const found = await together(group, folder, attempt);
    for (const [index, form] of group.entries()) outcomes.set(form, found[index] ?? { broken: 'no outcome' });
  }
  return forms.map((form) => outcomes.get(form) ?? { broken: 'no outcome' });
}

type SqlRow = Readonly<Record<string, string | undefined>>;

const rowsOf = (rows: readonly SqlRow[]) =>
  rows
    .map(
      (row) =>
        `SELECT ${Object.entries(row)
          .map(([name, sql]) => `${sql} AS "${name}"`)
          .join(', ')}`,
    )
    .join(' UNION ALL ');

/** A valid event with nothing in its optional fields, which have their types. */
const sqlEvent = (index: number): SqlRow => ({
  id: `'e${index}'`,
  card: `'c${index}'`,
  number: `${index}::BIGINT`,
  at: `${MIDNIGHT}::BIGINT`,
});
const NOTHING: SqlRow = {
  text_field: 'NULL::VARCHAR',
  boolean_field: 'NULL::BOOLEAN',
  integer_field: 'NULL::BIGINT',
  decimal_field: 'NULL::DECIMAL(18,2)',
  rounded_field: 'NULL::DECIMAL(18,2)',
  double_field: 'NULL::DOUBLE',
  timestamp_field: 'NULL::BIGINT',
};

function importing(suffix: 'csv' | 'jsonl' | 'parquet', fieldOf: Way['fieldOf'], more: Partial<Way> = {}): Way {
  const carrier = ({ csv: 'csv', jsonl: 'json', parquet: 'sql' } as const)[suffix];
  const grouped = suffix === 'parquet' ? byType : together;
  return {
    name: `import, ${suffix}`,
    carrier,
    fieldOf,
    run: (forms, field, folder) =>
      grouped(forms, folder, async (some, place) => {
        const file = join(place, `events.${suffix}`);
        await WRITERS[suffix](file, some, field);
        return imported(some, field, file, join(place, 'history'));
      }),
    ...more,
  };
}

const WRITERS = {
  csv: async (file: string, forms: readonly Form[], field: string) => {
    const lines = forms.map(({ written }, index) =>
      Object.values({ id: `e${index}`, card: `c${index}`, number: index, at: MIDNIGHT, [field]: written.csv }).join(
        ',',
      ),
    );
    const names = Object.keys({ id: 0, card: 0, number: 0, at: 0, [field]: 0 });
    await writeFile(file, `${[names.join(','), ...lines].join('\n')}\n`);
  },
  jsonl: async (file: string, forms: readonly Form[], field: string) => {
    const lines = forms.map(({ written }, index) =>
      jsonObject({ ...eventMembers(index), [field]: written.json ?? '' }),
    );
    await writeFile(file, `${lines.join('\n')}\n`);
  },
  parquet: (file: string, forms: readonly Form[], field: string) =>
    writeParquet(file, rowsOf(forms.map(({ written }, index) => ({ ...sqlEvent(index), [field]: written.sql })))),
};

/** A training set of a spine and a history of events. @returns what went wrong, or where the set lies. */
async function trained(place: string, service: string, spine: readonly SqlRow[], history: readonly SqlRow[]) {
  const [spineFile, historyFile, output] = ['spine', 'history', 'output'].map((name) => join(place, `${name}.parquet`));
  await writeParquet(spineFile ?? '', rowsOf(spine));
  await writeParquet(historyFile ?? '', rowsOf(history));
  const options = ['--features', FEATURES, '--service', service, '--spine', spineFile ?? ''];
  const failed = await commanded([
    'training-set',
    ...options,
    '--history',
    `events=${historyFile}`,
    '--output',
    output ?? '',
  ]);
  return failed ?? { output: output ?? '' };
}

const spineRow = (index: number): SqlRow => ({
  row: String(index),
  id: 'NULL::VARCHAR',
  card: `'c${index}'`,
  timestamp: `${CLOCK_MILLIS}::BIGINT`,
});
const historyRow = (index: number): SqlRow => ({ ...sqlEvent(index), ...NOTHING, arrived_at: `${MIDNIGHT}::BIGINT` });

/** What a column of the training set says of each form. */
async function readBack(made: Outcome | { readonly output: string }, forms: readonly Form[], column: string) {
  if (!('output' in made)) return made;
  const values = await valuesBy('row', made.output, column, forms[0]?.kind ?? 'text');
  return forms.map((_, index): Outcome => ({ value: values.get(String(index)) ?? null }));
}

function history(name: string, fieldOf: Way['fieldOf'], more: Partial<Way> = {}): Way {
  return {
    name,
    carrier: 'sql',
    fieldOf,
    run: (forms, field, folder) =>
      byType(forms, folder, async (some, place) => {
        const spine = some.map((_, index) => spineRow(index));
        const rows = some.map(({ written }, index) => ({ ...historyRow(index), [field]: written.sql }));
        const made = await trained(place, 'cards', spine, rows);
        return readBack(made, some, field === 'at' ? 'seen_at_2d' : `seen_${some[0]?.kind}_2d`);
      }),
    ...more,
  };
}

function spine(
  field: string,
  fieldOf: Way['fieldOf'],
  read: (forms: readonly Form[]) => SpineReading,
  more: Partial<Way> = {},
): Way {
  return {
    name: `training-set, ${field}`,
    carrier: 'sql',
    fieldOf,
    run: (forms, column, folder) =>
      byType(forms, folder, async (some, place) => {
        const { feature, events } = read(some);
        const rows = some.map(({ written }, index) => ({ ...spineRow(index), [column]: written.sql }));
        const made = await trained(place, column === 'number' ? 'numbers' : 'cards', rows, events);
        return readBack(made, some, feature);
      }),
    ...more,
  };
}

/** By which feature of which history a row shows what was understood. */
interface SpineReading {
  readonly feature: string;
  readonly events: readonly SqlRow[];
}

/** An event of each entity that must be found. */
const entitiesOf = (forms: readonly Form[], name: 'card' | 'number') => [
  historyRow(0),
  ...[...new Set(forms.map(({ expected }) => expected))].flatMap((expected, index) => {
    if (isRefused(expected) || expected === null) return [];
    const sql = name === 'card' ? textLiteral(String(expected)) : `${expected}::BIGINT`;
    return [{ ...historyRow(index + 1), [name]: sql }];
  }),
];

/** What no feature shows is shown by a count of events, which is `wanted` where it was understood as it should be. */
function counted(
  name: string,
  fieldOf: Way['fieldOf'],
  { feature, wanted }: { readonly feature: string; readonly wanted: number },
  tables: (form: Form, index: number) => { readonly spine: SqlRow; readonly events: readonly SqlRow[] },
  more: Partial<Way> = {},
): Way {
  return {
    name,
    carrier: 'sql',
    fieldOf,
    run: (forms, _field, folder) =>
      byType(forms, folder, async (some, place) => {
        const made = some.map(tables);
        const output = await trained(
          place,
          'cards',
          made.map(({ spine }) => spine),
          made.flatMap(({ events }) => events),
        );
        const counts = await readBack(
          output,
          some.map((form) => ({ ...form, kind: 'integer' as const })),
          feature,
        );
        if (!Array.isArray(counts)) return counts;
        return counts.map((count, index): Outcome => {
          const { expected } = some[index] ?? { expected: null };
          const isUnderstood = 'value' in count && count.value === wanted && !isRefused(expected);
          return isUnderstood ? { value: expected } : { value: `another one (${JSON.stringify(count)})` };
        });
      }),
    ...more,
  };
}

const instantOf = ({ expected }: Form) => (typeof expected === 'number' ? expected : CLOCK_MILLIS);

/** An event whose arrival is a form, asked for as it was known so long before its instant. */
const arrivedBy = (form: Form, index: number, millisBefore: number) => ({
  spine: { ...spineRow(index), known_at: `${instantOf(form) - millisBefore}::BIGINT` },
  events: [{ ...historyRow(index), arrived_at: form.written.sql }],
});

const spineOfApi = (field: string, fieldOf: Way['fieldOf'], more: Partial<Way> = {}): Way => ({
  name: `POST /training-sets, Parquet, ${field}`,
  carrier: 'sql',
  fieldOf,
  run: (forms, column, folder) =>
    Promise.all(
      forms.map(async (form): Promise<Outcome> => {
        const file = join(await mkdtemp(join(folder, 'spine-')), 'spine.parquet');
        const { row: _row, ...plainRow } = spineRow(0);
        await writeParquet(file, rowsOf([{ ...plainRow, number: '1::BIGINT', [column]: form.written.sql }]));
        return readFile(file)
          .then((bytes) => neededOf(bytes, column))
          .catch((error: unknown) => {
            const isForUser = error instanceof Error && error.name === 'SpineError';
            return isForUser ? { refusal: error.message } : { broken: messageOf(error) };
          });
      }),
    ),
  ...more,
});

export const FILE_WAYS: readonly Way[] = [
  ...(['csv', 'jsonl', 'parquet'] as const).flatMap((suffix) => [
    importing(suffix, ownField),
    importing(suffix, only('timestamp', 'at'), {
      name: `import, ${suffix}, event time`,
      carries: isOfTheDay,
      isRequired: true,
    }),
    importing(suffix, only('timestamp', 'arrived_at'), {
      name: `import, ${suffix}, arrival`,
      carries: isOfTheDay,
      isRequired: true,
    }),
  ]),
  history('history', ownField),
  history('history, event time', only('timestamp', 'at'), { carries: isOfTheDay, isRequired: true }),
  counted(
    'history, arrival',
    only('timestamp', 'arrived_at'),
    { feature: 'n_2d', wanted: 1 },
    (form, index) => arrivedBy(form, index, 0),
    { carries: ({ expected }) => expected !== null },
  ),
  counted(
    'history, a millisecond before the arrival',
    only('timestamp', 'arrived_at'),
    { feature: 'n_2d', wanted: 0 },
    (form, index) => arrivedBy(form, index, 1),
    { carries: ({ expected }) => typeof expected === 'number' && expected > MIDNIGHT },
  ),
  spine('inputs', ownField, ([form]) => ({ feature: `input_${form?.kind}`, events: [historyRow(0)] })),
  spine('card', only('text', 'card'), (forms) => ({ feature: 'seen_card_2d', events: entitiesOf(forms, 'card') }), {
    isRequired: true,
  }),
  spine(
    'number',
    only('integer', 'number'),
    (forms) => ({ feature: 'seen_number_2d', events: entitiesOf(forms, 'number') }),
    { isRequired: true },
  ),
  spine('timestamp', only('timestamp', 'timestamp'), () => ({ feature: 'input_at', events: [historyRow(0)] }), {
    isRequired: true,
  }),
  counted(
    'training-set, known_at',
    only('timestamp', 'known_at'),
    { feature: 'n_2d', wanted: 1 },
    (form, index) => ({
      spine: { ...spineRow(index), known_at: form.written.sql },
      events: [0, 1].map((later) => ({
        ...historyRow(index),
        id: `'e${index}-${later}'`,
        arrived_at: `${instantOf(form) + later}::BIGINT`,
      })),
    }),
    // An event that arrives a millisecond later is the other half of the check.
    { carries: ({ expected }) => expected !== null && expected !== LIMITS.latestInstantMillis },
  ),
  counted('training-set, id', only('text', 'id'), { feature: 'others_2d', wanted: 1 }, (form, index) => ({
    spine: { ...spineRow(index), id: form.written.sql },
    // The decided event is left out, and the other one is not.
    events: [
      { ...historyRow(index), id: "'another'" },
      ...(typeof form.expected === 'string' ? [{ ...historyRow(index), id: textLiteral(form.expected) }] : []),
    ],
  })),
  spineOfApi('inputs', ownField),
  spineOfApi('card', only('text', 'card'), { isRequired: true }),
  spineOfApi('number', only('integer', 'number'), { isRequired: true }),
  spineOfApi('id', only('text', 'id')),
  spineOfApi('timestamp', only('timestamp', 'timestamp'), { carries: isOfTheDay, isRequired: true }),
  spineOfApi('known_at', only('timestamp', 'known_at'), { carries: ({ expected }) => expected !== null }),
];

/** `evaluate` for other domains than the one that ships. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../../cli/main.ts';
import { values, writeParquet } from '../../support/parquet.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 5, 30);
const FEATURES = join(import.meta.dirname, 'logins-features.ts');

let directory: string;
const path = (name: string) => join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'evaluate-cli-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function evaluate(...flags: string[]) {
  const lines: string[] = [];
  const errors: string[] = [];
  const files = ['--report', path('report.html'), '--json', path('report.json'), '--draws', '20'];
  const code = await main(['evaluate', ...files, ...flags], {
    print: (line) => lines.push(line),
    printError: (line) => errors.push(line),
  });
  return { code, output: lines.join('\n'), errors: errors.join('\n') };
}

const report = async () => JSON.parse(await readFile(path('report.json'), 'utf8'));

type Row = readonly (string | number | boolean | null)[];

describe('evaluate --scores', () => {
  async function scores(columns: readonly string[], rows: readonly Row[]) {
    await writeParquet(path('scores.parquet'), values(columns, rows));
    return ['--scores', path('scores.parquet')];
  }

  it('takes any names, true and false, and neither cards nor amounts', async () => {
    const file = await scores(
      ['is_takeover BOOLEAN', 'xgb DOUBLE', 'rival DOUBLE', 'share_7d DOUBLE', 'logins_1h BIGINT'],
      [
        [true, 0.9, 0.3, 0.1, 7],
        [false, 0.2, 0.4, 0.2, 1],
        [false, 0.1, 0.1, 1, 12],
        [null, 0.5, 0.5, 0.5, 3],
        [false, 0.1, null, 0.5, 3],
      ],
    );

    const { code, output, errors } = await evaluate(...file, '--champion', 'xgb', '--challenger', 'rival');

    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('3 rows; is_takeover is true of 1');
    expect(output).toContain('left out: 1 row without a value of is_takeover');
    expect(output).toContain('left out: 1 row that not every model had scored');
    expect(output).toContain('card precision is left out');
    expect(output).toContain('a missed is_takeover costs 1, a false alarm 1');
    expect(output).not.toMatch(/card precision@/);
    const made = await report();
    expect(made).toMatchObject({ rows: 3, frauds: 1, fraudAmount: 1, cards: 0, notes: expect.any(Array) });
    expect(made.models.map(({ quality }: { quality: { aucRoc: number } }) => quality.aucRoc)).toEqual([1, 0.5]);
    expect(made.models[0].cheapest).toMatchObject({ cost: 0, missedFrauds: 0, falseAlarms: 0 });
  });

  it('says which numbers from 0 to 1 it does not compare', async () => {
    const file = await scores(
      ['fraud BIGINT', 'trees@1 DOUBLE', 'xgb DOUBLE', 'margin DOUBLE'],
      [
        [1, 0.9, 0.3, -3],
        [0, 0.2, 0.4, 5],
      ],
    );
    const { code, output } = await evaluate(...file, '--champion', 'trees@1');
    expect(code).toBe(0);
    expect(output).toContain('not compared, though numbers from 0 to 1: xgb; name a model');
  });

  it.each([
    ['TIMESTAMP', "TIMESTAMP '2026-06-01 10:00:00'"],
    ['TIMESTAMPTZ', "TIMESTAMPTZ '2026-06-01 10:00:00+00'"],
    ['milliseconds', String(Date.UTC(2026, 5, 1, 10))],
  ])('ranks cards by day with instants as %s', async (_kind, instant) => {
    const row = (card: string, label: string, score: number, days: number) => {
      const time = instant.includes("'") ? `${instant} + INTERVAL ${days} DAY` : `${instant} + ${days * DAY}`;
      return `SELECT ${time} AS "timestamp", '${card}' AS customer, ${label} AS label, ${score}::DOUBLE AS "m@1", 3.5::DECIMAL(9,2) AS amount`;
    };
    const rows = [
      row('a', '1.0::DOUBLE', 0.9, 0),
      row('b', '0.0', 0.95, 0),
      row('c', '0.0', 0.1, 1),
      row('d', "'NaN'::DOUBLE", 0.4, 1),
    ];
    await writeParquet(path('times.parquet'), rows.join(' UNION ALL '));

    const flags = [
      '--scores',
      path('times.parquet'),
      '--champion',
      'm@1',
      '--card',
      'customer',
      '--cards-checked',
      '1',
    ];
    const { code, output, errors } = await evaluate(...flags);

    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('left out: 1 row without a value of label');
    // Of the first day the honest card is checked, of the second too.
    expect(await report()).toMatchObject({
      rows: 3,
      cards: 3,
      days: 2,
      fraudAmount: 3.5,
      models: [{ quality: { cardPrecision: 0 } }],
    });
  });

  it('tells when, of what and by which command it was made', async () => {
    const file = await scores(
      ['fraud BIGINT', 'a b DOUBLE'],
      [
        [1, 0.9],
        [0, 0.2],
      ],
    );
    await evaluate(...file, '--champion', 'a b', '--threshold', 'a b=0.5');

    const hash = createHash('sha256')
      .update(await readFile(path('scores.parquet')))
      .digest('hex');
    const { madeAt, commandLine, inputs, models } = await report();
    expect(madeAt).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(commandLine).toMatch(/^feature-store evaluate /);
    expect(commandLine).toContain(` --scores ${path('scores.parquet')} --champion 'a b'`);
    expect(inputs).toMatchObject([{ option: '--scores', files: 1, sha256: hash }]);
    expect(models[0].chosen).toMatchObject({ threshold: 0.5, missedFrauds: 0, falseAlarms: 0 });
    const html = await readFile(path('report.html'), 'utf8');
    for (const text of [madeAt, hash, 'a b, chosen', 'nothing refused']) expect(html).toContain(text);
    // Every cell of the table of thresholds says something.
    expect(html).not.toMatch(/<td[^>]*><span><\/span>/);
  });

  const two: readonly Row[] = [
    [1, 0.9],
    [0, 0.2],
  ];
  const columns = ['fraud BIGINT', 'trees@1 DOUBLE'];
  it.each([
    [
      'a margin',
      columns,
      [
        [1, 0.9],
        [0, 0.5],
        [0, 5.6],
      ],
      [],
      'column trees@1: row 3 has the score 5.6; scores must be probabilities from 0 to 1: apply the sigmoid to margins, or divide percentages by 100',
    ],
    [
      'an infinite score',
      columns,
      [
        [1, 'inf'],
        [0, 0.5],
      ],
      [],
      'column trees@1: row 1 has the score inf',
    ],
    [
      'a score that is text',
      ['fraud BIGINT', 'trees@1 VARCHAR'],
      two,
      [],
      'column "trees@1" is VARCHAR; scores must be numbers',
    ],
    [
      'another outcome',
      columns,
      [
        [1, 0.9],
        [2, 0.1],
      ],
      ['--label', 'fraud'],
      'column fraud: row 2 must be 1 or 0',
    ],
    [
      'an outcome in words',
      ['fraud VARCHAR', 'trees@1 DOUBLE'],
      two,
      ['--label', 'fraud'],
      'column "fraud" is VARCHAR; the outcome must be 1 and 0',
    ],
    [
      'no outcome',
      ['amount DOUBLE', 'trees@1 DOUBLE'],
      [
        [3, 0.9],
        [4, 0.2],
      ],
      [],
      'says what became of a row with --label',
    ],
    [
      'two outcomes',
      ['fraud BIGINT', 'trees@1 DOUBLE', 'is_burst BOOLEAN'],
      [
        [1, 0.9, true],
        [0, 0.2, false],
      ],
      [],
      'fraud, is_burst hold 1 and 0',
    ],
    [
      'a label that is not there',
      columns,
      two,
      ['--label', 'stolen'],
      'has no column "stolen"; name what became of a row with --label; it has fraud, trees@1',
    ],
    ['a card that is not there', columns, two, ['--card', 'card'], 'has no column "card"'],
    [
      'a card without a time',
      [...columns, 'card VARCHAR'],
      [
        [1, 0.9, 'a'],
        [0, 0.2, 'b'],
      ],
      ['--card', 'card'],
      'has no column "timestamp"; cards are ranked by day: name the instant with --time',
    ],
    [
      'a row of no card',
      [...columns, 'card VARCHAR', 'timestamp BIGINT'],
      [
        [1, 0.9, 'a', NOW],
        [0, 0.2, null, NOW],
      ],
      ['--card', 'card'],
      'column card: row 2 must say whose row it is',
    ],
    [
      'a time that is none',
      [...columns, 'card VARCHAR', 'timestamp VARCHAR'],
      [
        [1, 0.9, 'a', 'yesterday'],
        [0, 0.2, 'b', '2026-06-01T00:00:00Z'],
      ],
      ['--card', 'card'],
      'column timestamp: row 1 ',
    ],
    [
      'a row without an amount',
      [...columns, 'loss DOUBLE'],
      [
        [1, 0.9, 3],
        [0, 0.2, null],
      ],
      ['--amount', 'loss'],
      'column loss: row 2 must have an amount',
    ],
    ['no rows', columns, [], ['--label', 'fraud'], 'has no rows'],
    ['no known outcome', columns, [[null, 0.9]], ['--label', 'fraud'], 'has no value in "fraud"'],
    [
      'one outcome alone',
      columns,
      [
        [0, 0.9],
        [0, 0.1],
      ],
      [],
      'of 2 rows that all models scored, fraud is true of 0',
    ],
    [
      'a model that is not there',
      columns,
      two,
      ['--challenger', 'xgb@2'],
      'has no scores of xgb@2; it has fraud, trees@1',
    ],
    ['no row that was scored', columns, [[1, null]], ['--label', 'fraud'], 'was scored by all of trees@1'],
    ['a threshold in per cent', columns, two, ['--threshold', 'trees@1=40'], 'write a number from 0 to 1'],
    ['a report that is a folder', columns, two, ['--report', tmpdir()], 'cannot be written (EISDIR)'],
    ['a threshold of nobody', columns, two, ['--threshold', 'xgb=0.4'], '--threshold xgb: that is not compared'],
    [
      'a threshold without a model',
      columns,
      two,
      ['--threshold', '0.4'],
      '--threshold 0.4: write the model and its threshold',
    ],
  ] as const)('refuses %s in one sentence', async (_case, of, rows, flags, reason) => {
    const file = await scores(of, rows as readonly Row[]);
    const { code, errors } = await evaluate(...file, '--champion', 'trees@1', ...flags);
    expect({ code, errors }).toEqual({ code: 2, errors: expect.stringContaining(reason) });
    expect(errors.split('\n')).toHaveLength(1);
  });
});

describe('evaluate --served', () => {
  const VERDICTS = [
    'verdict VARCHAR',
    'login BIGINT',
    'account VARCHAR',
    'is_takeover BOOLEAN',
    'told TIMESTAMPTZ',
    'arrived_at BIGINT',
  ];
  const at = (daysAgo: number) => NOW - daysAgo * DAY;
  const decision = (login: number, score: number, service = 'admission@2', loss?: number) => [
    String(login),
    JSON.stringify({ login, account: `account-${login}`, seen: at(60), loss }),
    JSON.stringify({ 'm@1': score }),
    at(60),
    service,
  ];
  const verdict = (name: string, login: number, isTakeover: boolean | null, daysAgo: number): Row => [
    name,
    login,
    `account-${login}`,
    isTakeover,
    new Date(at(daysAgo)).toISOString(),
    at(daysAgo),
  ];
  const served = (rows: readonly Row[]) =>
    writeParquet(
      path('served.parquet'),
      values(['event_id VARCHAR', 'event VARCHAR', 'scores VARCHAR', 'served_at BIGINT', 'service VARCHAR'], rows),
    );
  const labelled = (rows: readonly Row[]) => writeParquet(path('labels.parquet'), values(VERDICTS, rows));
  const givenFiles = () => [
    '--served',
    path('served.parquet'),
    '--labels',
    path('labels.parquet'),
    '--as-of',
    new Date(NOW).toISOString(),
  ];
  const files = (...more: string[]) => evaluate(...givenFiles(), '--features', FEATURES, '--champion', 'm@1', ...more);

  beforeAll(async () => {
    await served([decision(1, 0.9, undefined, 7), decision(2, 0.2), decision(3, 0.6), decision(4, 0.1)]);
    await labelled([
      verdict('a', 1, true, 20),
      // Taken back.
      verdict('b', 2, true, 20),
      verdict('c', 2, false, 10),
      // Open again.
      verdict('d', 3, true, 20),
      verdict('e', 3, null, 10),
    ]);
  });

  it('takes names from the declarations, and outcomes that are true and false', async () => {
    const { code, output, errors } = await files('--label-source', 'verdicts');

    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('3 rows; is_takeover is true of 1');
    expect(output).toContain('left out: 1 row whose is_takeover is open again');
    expect(output).toContain('there are no amounts');
    expect(await report()).toMatchObject({
      rows: 3,
      frauds: 1,
      cards: 3,
      settings: { names: { label: 'is_takeover', card: 'account' }, falseAlarmCost: 1 },
    });
  });

  it.each([
    [
      'an ambiguous source of labels',
      [],
      'several sources have a field "login": name that of the labels with --label-source: verdicts, appeals',
    ],
    ['a source of labels that is not declared', ['--label-source', 'bans'], 'there is no source "bans"'],
    [
      'an ambiguous outcome',
      ['--label-source', 'appeals'],
      'name the outcome in source appeals with --label; true or false, or whole numbers, are is_upheld, is_paid',
    ],
    [
      'an outcome that is text',
      ['--label-source', 'verdicts', '--label', 'account'],
      '--label account: source verdicts has no such outcome',
    ],
    [
      'a link that is not there',
      ['--label-source', 'verdicts', '--labelled-event', 'session'],
      'source verdicts has no field "session"; name it with --labelled-event; it has verdict, login',
    ],
    [
      'a card that is not there',
      ['--label-source', 'verdicts', '--card', 'user'],
      'source logins has no field "user"; name it with --card; it has login, account',
    ],
    [
      'an amount that is missing somewhere',
      ['--label-source', 'verdicts', '--amount', 'loss'],
      "a served row's event cannot be read: loss",
    ],
    [
      'a service that decided nothing',
      ['--label-source', 'verdicts', '--service', 'hearing'],
      'nothing was scored by a service hearing, but by admission@2',
    ],
    ['only young decisions', ['--label-source', 'verdicts', '--maturity', '90d'], 'no decision is old enough'],
    [
      'labels of other columns',
      ['--label-source', 'verdicts', '--label', 'is_takeover', '--labels', 'served.parquet'],
      'the history of verdicts',
    ],
  ] as const)('refuses %s in one sentence', async (_case, flags, reason) => {
    const { code, errors } = await files(...flags.map((flag) => (flag.endsWith('.parquet') ? path(flag) : flag)));
    expect({ code, errors }).toEqual({ code: 2, errors: expect.stringContaining(reason) });
    expect(errors.split('\n')).toHaveLength(1);
  });

  it('refuses what was served by services that are not declared, or that decide different events', async () => {
    await served([decision(1, 0.9), decision(2, 0.2, 'gone@1')]);
    expect((await files('--label-source', 'verdicts')).errors).toContain(
      'rows were served by gone@1, which is not declared',
    );
    await served([decision(1, 0.9), decision(2, 0.2, 'hearing@1')]);
    expect((await files()).errors).toContain(
      'events of several sources were decided: name one of admission@2, hearing@1',
    );
  });

  it('refuses labels that are about other events, and rows that no model scored', async () => {
    await served([decision(8, 0.9), decision(9, 0.2)]);
    expect((await files('--label-source', 'verdicts')).errors).toContain(
      'is about one of the 2 events that were decided',
    );
    await served([['1', '{}', '{}', at(60), 'admission@2']]);
    expect((await files('--label-source', 'verdicts')).errors).toContain('no model decided');
  });
});

/** Files and streams as others write them, and what must become of each. All values are written by hand. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { count, entity, windowedView } from '../../shared/definitions/index.ts';
import { writeParquet } from '../support/parquet.ts';
import { serve } from '../unit/serve/harness.ts';
import { purchases, repository } from './features.ts';
import {
  AN_HOUR_LATER,
  column,
  csvOf,
  FIXTURES,
  importFile,
  importSql,
  importText,
  landed,
  landedEarly,
  NOON,
  place,
  purchase,
  streamed,
  train,
  union,
} from './outside.ts';

const MINIMUM = 'id,card,amount,at';
const jsonEvent = (members: string) => `{"id":"a","card":"c1","amount":1.5,"at":${NOON}${members}}`;

describe('names of columns that we use ourselves', () => {
  const history = union(
    landed({ card: "'A'", amount: '10::DECIMAL(9,2)' }),
    landed({ id: "'b'", card: "'B'", amount: '20::DECIMAL(9,2)' }),
    landed({ id: "'c'", card: "'C'", amount: '30::DECIMAL(9,2)' }),
  );

  it.each([
    ['numbers, one twice', "(11, 'A'), (11, 'B'), (5, 'C')", [10, 20, 30]],
    ['a null', "(NULL, 'A'), (1, 'B')", [10, 20]],
    ['another order', "(2, 'A'), (1, 'B'), (3, 'C')", [10, 20, 30]],
    ['texts', "('x', 'A'), ('y', 'B')", [10, 20]],
  ])('hands a column "rowid" through: %s', async (_, rows, totals) => {
    const spine = `SELECT rowid, card, 'd' AS id, ${AN_HOUR_LATER} FROM (VALUES ${rows}) t(rowid, card)`;
    const made = await train('by_card', spine, { purchases: history });
    expect(column(made.rows, 'total_1d')).toEqual(totals);
    expect(made.rows[0]).toHaveProperty('rowid');
  });

  it('writes as many rows as the spine has, where "rowid" is always the same', async () => {
    const spine = `SELECT 0 AS rowid, chr(64 + i::INTEGER) AS card, 'd' AS id, 1.0 AS amount, ${AN_HOUR_LATER} FROM range(1, 4) t(i)`;
    const made = await train('with_inputs', spine, { purchases: history });
    expect(column(made.rows, 'total_1d')).toEqual([10, 20, 30]);
  });
});

describe('options that are unknown', () => {
  const common = { name: 'v', version: 1, description: 'd', owner: 'o', ttl: '30d' } as const;
  const card = entity({ name: 'card', description: 'd', joinKeys: ['card'] });

  it.each([
    ['ofset', { length: '1d', hop: '1h', ofset: '1d' }],
    ['timezone', { length: '1d', hop: '1h', timezone: 'Europe/Berlin' }],
  ] as const)('refuses %s of a window', (option, window) => {
    const declare = () =>
      windowedView({ ...common, entity: card, source: purchases, windows: { day: window }, features: { n: count() } });
    expect(declare).toThrow(option);
  });

  it('refuses lane of a view', () => {
    const options = {
      ...common,
      entity: card,
      source: purchases,
      windows: { day: '1d' },
      features: { n: count() },
      lane: 8,
    } as const;
    expect(() => windowedView(options)).toThrow('lane');
  });
});

describe('keys of whole numbers', () => {
  const history = `SELECT 'r1' AS trip, 42::BIGINT AS card_no, NULL::BIGINT AS depot, ${NOON}::BIGINT AS at, ${NOON}::BIGINT AS arrived_at`;

  it.each([['41.6::DOUBLE'], ['42.4::DOUBLE'], ['41.60::DECIMAL(9,2)'], ["'41.7'"], ["'4_2'"], ["' 42 '"], ["'042'"]])(
    'refuses %s, which is not 42',
    async (key) => {
      const made = await train('by_card_no', `SELECT ${key} AS card_no, ${AN_HOUR_LATER}`, { trips: history });
      expect(made).toMatchObject({ isRefused: true, said: expect.stringContaining('card_no') });
    },
  );

  it.each([['42::DOUBLE'], ['42.00::DECIMAL(9,2)'], ["'42'"]])('takes %s, which is 42', async (key) => {
    const made = await train('by_card_no', `SELECT ${key} AS card_no, ${AN_HOUR_LATER}`, { trips: history });
    expect(column(made.rows, 'trips_1d')).toEqual([1]);
  });

  it('refuses 12.4 beside 12.0, naming its row', async () => {
    const spine = `SELECT * , ${AN_HOUR_LATER} FROM (VALUES (12.0::DOUBLE), (12.4::DOUBLE)) t(card_no)`;
    const made = await train('by_card_no', spine, { trips: history });
    expect(made.isRefused).toBe(true);
    expect(made.said).toMatch(/row 2/);
  });
});

describe('CSV', () => {
  const HEADER = 'id,card,shop,amount,at';
  const lines = (number: number) =>
    Array.from({ length: number }, (_, index) => `r${index},c,Rome,1.5,${NOON + index}`);

  it.each([[20_000], [20_479], [25_000]])('reads a quote that comes after %i rows', async (rows) => {
    const quoted = `q,c,"Rome, Lazio",1.5,${NOON}`;
    const { events, aside } = await importText('late.csv', csvOf(HEADER, ...lines(rows), quoted));
    expect([events.length, aside.length]).toEqual([rows + 1, 0]);
    expect(events.at(-1)).toMatchObject({ shop: 'Rome, Lazio' });
  });

  it('takes late quotes off the value', async () => {
    const quoted = `q,"c1","5"" pipe",1.5,${NOON}`;
    const { events } = await importText('late.csv', csvOf(HEADER, ...lines(20_500), quoted));
    expect(events.at(-1)).toMatchObject({ card: 'c1', shop: '5" pipe' });
  });

  it.each([[2], [25_000]])('puts a short line after %i rows aside', async (rows) => {
    const content = csvOf(HEADER, ...lines(rows), 'short,c', `last,c,Rome,1.5,${NOON}`);
    const { events, aside } = await importText('short.csv', content);
    expect([events.length, aside.length]).toEqual([rows + 1, 1]);
  });
});

describe('ids that are numbers', () => {
  const IDS = ['4000123412341234', '4000123412341234567', '4000000000000000000', '12', '42', '1795292668348461056'];

  it.each(IDS)('counts the JSON number %s as its digits, in the stream', (id) => {
    expect(streamed(purchases, `{"id":"a","card":${id},"amount":1,"at":${NOON}}`)).toMatchObject({ card: id });
  });

  it('counts them by import of JSON Lines as well', async () => {
    const lines = IDS.map((id, index) => `{"id":"e${index}","card":${id},"amount":1,"at":${NOON}}`);
    expect(column((await importText('ids.jsonl', csvOf('', ...lines))).events, 'card')).toEqual(IDS);
  });

  it('refuses one with a point everywhere', async () => {
    const text = `{"id":"a","card":1.0000000000000000,"amount":1,"at":${NOON}}`;
    expect(streamed(purchases, text)).toContain('card');
    expect((await importText('point.jsonl', text)).aside).toHaveLength(1);
  });

  it('refuses a column of doubles', async () => {
    const sql = union(
      purchase({ card: '42::DOUBLE' }),
      purchase({ card: '9007199254740993::DOUBLE' }),
      purchase({ card: '1e17::DOUBLE' }),
    );
    const { events, aside, isRefused, said } = await importSql(sql);
    expect(events).toEqual([]);
    expect(isRefused ? said : aside.join('\n')).toContain('card');
    expect(isRefused || aside.length === 3).toBe(true);
  });

  it('keeps what CSV says of such a column', async () => {
    const content = csvOf(MINIMUM, `a,4000123412341234.0,1.00,${NOON}`, `b,6.01E+15,1.00,${NOON}`);
    expect(column((await importText('ids.csv', content)).events, 'card')).toEqual(['4000123412341234.0', '6.01E+15']);
  });
});

describe('arrivals', () => {
  it.each([
    ['microseconds', 1_000],
    ['nanoseconds', 1_000_000],
  ])('are known where they are %s', async (_, factor) => {
    const arrived = `${BigInt(NOON + 1_000) * BigInt(factor)}::BIGINT`;
    const { events } = await importSql(purchase({ arrived_at: arrived }), ['--arrival', 'arrived_at']);
    expect(column(events, 'arrived_at')).toEqual([NOON + 1_000]);
    const made = await train('by_card', `SELECT 'c1' AS card, NULL::VARCHAR AS id, ${AN_HOUR_LATER}`, {
      purchases: landed({ arrived_at: arrived }),
    });
    expect(column(made.rows, 'n_1d')).toEqual([1]);
  });

  it.each([['12/03/2026 00:00:05 GMT'], ['foo 2027'], ['batch 12']])('are not "%s"', async (arrival) => {
    const content = csvOf(`${MINIMUM},arrived_at`, `a,c,1,${NOON},${arrival}`);
    const { events, aside } = await importText('arrivals.csv', content, ['--arrival', 'arrived_at']);
    expect([events.length, aside.length]).toEqual([0, 1]);
    expect(aside[0]).toContain('arrived_at');
  });
});

describe('Parquet types for text', () => {
  it('makes the same text of a DATE as CSV has', async () => {
    const parquet = await importSql(purchase({ shop: "DATE '2026-01-01'" }));
    const csv = await importText('dates.csv', csvOf(`${MINIMUM},shop`, `a,c1,1.50,${NOON},2026-01-01`));
    expect([...column(parquet.events, 'shop'), ...column(csv.events, 'shop')]).toEqual(['2026-01-01', '2026-01-01']);
  });

  it('keeps a birthday', async () => {
    expect(column((await importSql(purchase({ shop: "DATE '1990-05-17'" }))).events, 'shop')).toEqual(['1990-05-17']);
  });

  it.each([["['a', 'b']"], ["{'no': 1}"]])('refuses %s as a card', async (sql) => {
    const { events, aside, isRefused, said } = await importSql(purchase({ card: sql }));
    expect(events).toEqual([]);
    expect(isRefused ? said : aside.join('\n')).toContain('card');
  });

  it('reads DECIMAL(50,2) as it is, or refuses it', async () => {
    const { events, isRefused, said } = await importFile(join(FIXTURES, 'decimal256.parquet'));
    if (isRefused) expect(said).toContain('amount');
    else expect(column(events, 'amount')).toEqual([12.5, 0.99, -3]);
  });

  it('hands a DECIMAL(50,2) of a spine through as it is, or refuses it', async () => {
    const made = await train('by_card', join(FIXTURES, 'decimal256-spine.parquet'), { purchases: landed() }).catch(
      () => undefined,
    );
    expect(made).toBeDefined();
    if (made?.isRefused) expect(made.said).toContain('limit_eur');
    else expect(column(made?.rows ?? [], 'limit_eur').map(Number)).toEqual([12.5]);
  });
});

describe('a key that may be missing', () => {
  const trip = (id: string, depot: string) =>
    `SELECT '${id}' AS trip, ${id === 'r1' ? 1 : 2}::BIGINT AS card_no, ${depot}::BIGINT AS depot, ${NOON}::BIGINT AS at, ${NOON}::BIGINT AS arrived_at`;

  it('has the same values in a training set as in a decision', async () => {
    const { clock, post } = serve({ repository });
    clock.nowMillis = NOON;
    const { body } = await post('/services/by_depot/decide', { trip: 'p', card_no: 2, at: NOON });
    expect(body.features).toMatchObject({ depot_trips_1d: 0, trips_1d: 1 });
    const spine = `SELECT *, ${AN_HOUR_LATER} FROM (VALUES (1, 42), (2, NULL)) t(card_no, depot)`;
    const made = await train('by_depot', spine, { trips: union(trip('r1', '42'), trip('r2', 'NULL')) });
    expect(made.rows).toMatchObject([
      { card_no: 1, trips_1d: 1, depot_trips_1d: 1 },
      { card_no: 2, trips_1d: 1, depot_trips_1d: 0 },
    ]);
  });

  it('may be null in POST /features', async () => {
    const { post } = serve({ repository });
    const { status, body } = await post('/features', { service: 'by_depot', entities: [{ card_no: 2, depot: null }] });
    expect(status).toBe(200);
    expect(body.results[0].features.depot_trips_1d).toBe(0);
  });
});

describe('instants in ISO 8601', () => {
  const TEXTS = [
    '2026-01-01T12:00Z',
    '2026-01-01T13:00+01:00',
    '2026-01-01T13:00:00+0100',
    '2026-01-01T13:00:00+01',
    '2026-01-01t12:00:00z',
  ];

  it.each(TEXTS)('takes %s from the stream, from CSV and in a spine', async (text) => {
    expect(streamed(purchases, `{"id":"a","card":"c","amount":1,"at":"${text}"}`)).toMatchObject({ at: NOON });
    const { events } = await importText('times.csv', csvOf(MINIMUM, `a,c,1,${text}`));
    expect(column(events, 'at')).toEqual([NOON]);
    const spine = `SELECT 'c1' AS card, 'a' AS id, '${text}' AS timestamp`;
    const made = await train('with_inputs', spine, { purchases: landed() });
    expect(column(made.rows, 'hour')).toEqual([NOON]);
  });

  it('takes milliseconds as text', () => {
    expect(streamed(purchases, `{"id":"a","card":"c","amount":1,"at":"${NOON}"}`)).toMatchObject({ at: NOON });
  });
});

describe('optional fields that no file has yet', () => {
  it('are null', async () => {
    const made = await train('by_card', `SELECT 'c1' AS card, 'x' AS id, ${AN_HOUR_LATER}`, {
      purchases: landedEarly(),
    });
    expect(made.rows).toMatchObject([{ n_1d: 1, total_1d: 1.5, last_shop_1d: null }]);
  });

  it('are null in the files that lack them', async () => {
    const folder = await place();
    await writeParquet(join(folder, 'old.parquet'), landedEarly());
    await writeParquet(join(folder, 'new.parquet'), landed({ id: "'b'", card: "'c2'", shop: "'x'" }));
    const spine = `SELECT *, 'x' AS id, ${AN_HOUR_LATER} FROM (VALUES ('c1'), ('c2')) t(card)`;
    const made = await train('by_card', spine, { purchases: folder });
    expect(column(made.rows, 'last_shop_1d')).toEqual([null, 'x']);
  });
});

describe('numbers and truth values as others print them', () => {
  it.each([
    ['0.00001::DOUBLE', 0.00001],
    ['0.00005::DOUBLE', 0.00005],
    ['0.5::DOUBLE', 0.5],
  ])('reads %s into a decimal', async (sql, value) => {
    expect(column((await importSql(purchase({ rate: sql }))).events, 'rate')).toEqual([value]);
  });

  it.each([
    ['1E3', 1000],
    ['.5', 0.5],
    ['+5', 5],
    ['5.', 5],
    ['1e+05', 100_000],
    ['1e-05', 0.00001],
  ])('reads the cell %s into a decimal', async (cell, value) => {
    const { events } = await importText('rates.csv', csvOf(`${MINIMUM},rate`, `a,c,1,${NOON},${cell}`));
    expect(column(events, 'rate')).toEqual([value]);
  });

  it.each([
    ['1e-5', 0.00001],
    ['1E2', 100],
  ])('reads the JSON number %s into a decimal', (text, value) => {
    expect(streamed(purchases, jsonEvent(`,"rate":${text}`))).toMatchObject({ rate: value });
  });

  it.each([
    ['True', true],
    ['False', false],
    ['TRUE', true],
    ['true', true],
    ['1', true],
    ['0', false],
  ])('reads the cell %s into a truth value', async (cell, value) => {
    const { events } = await importText('flags.csv', csvOf(`${MINIMUM},contactless`, `a,c,1,${NOON},${cell}`));
    expect(column(events, 'contactless')).toEqual([value]);
  });

  it.each(['NaN', 'NA', '\\N', 'NULL', ''])('reads the cell "%s" of a whole number as missing', async (cell) => {
    const { events } = await importText('missing.csv', csvOf(`${MINIMUM},items`, `a,c,1,${NOON},${cell}`));
    expect(column(events, 'items')).toEqual([null]);
  });

  it('reads NaN of Parquet as missing', async () => {
    expect(column((await importSql(purchase({ distance: "'NaN'::DOUBLE" }))).events, 'distance')).toEqual([null]);
  });

  it('keeps ids that say "missing", and says so', async () => {
    const ids = ['nan', 'NULL', '\\N'];
    const { events, said } = await importText(
      'ids.csv',
      csvOf(MINIMUM, ...ids.map((id, index) => `${index},${id},1,${NOON}`)),
    );
    expect(column(events, 'card')).toEqual(ids);
    expect(said).toContain('--null');
  });

  it('takes them for missing when told so', async () => {
    const { events, aside } = await importText('ids.csv', csvOf(MINIMUM, `a,NA,1,${NOON}`, `b,c,1,${NOON}`), [
      '--null',
      'NA',
    ]);
    expect(column(events, 'card')).toEqual(['c']);
    expect(aside[0]).toContain('card');
  });
});

describe('folders whose names look like columns', () => {
  it.each([
    ['at=2026-01-01', '/day.csv'],
    ['card=c9', '/day.csv'],
  ])('reads the columns of the file below %s', async (folder, name) => {
    const at = '2026-01-01T09:30:00Z';
    const { events } = await importText(`${folder}${name}`, csvOf(MINIMUM, `a,c1,1,${at}`));
    expect(events).toMatchObject([{ card: 'c1', at: Date.UTC(2026, 0, 1, 9, 30) }]);
  });

  it('reads the columns of history and spine below card=c9', async () => {
    const folder = join(await place(), 'card=c9');
    await mkdir(folder);
    await writeParquet(join(folder, 'h.parquet'), landed());
    await writeParquet(
      join(folder, 'spine.parquet'),
      `SELECT *, 'x' AS id, ${AN_HOUR_LATER} FROM (VALUES ('c1'), ('c9')) t(card)`,
    );
    const made = await train('by_card', join(folder, 'spine.parquet'), { purchases: join(folder, 'h.parquet') });
    expect(made.rows).toMatchObject([
      { card: 'c1', n_1d: 1 },
      { card: 'c9', n_1d: 0 },
    ]);
  });
});

describe('bytes that are not what the file should have', () => {
  it('takes no text that is not UTF-8', async () => {
    const lines = ['José', 'Josè'].map((card, index) => `{"id":"${index}","card":"${card}","amount":1,"at":${NOON}}`);
    const latin1 = Buffer.from(csvOf('', ...lines).trimStart(), 'latin1');
    const { events, isRefused, aside, said } = await importText('latin1.jsonl', latin1);
    expect(events).toEqual([]);
    expect(isRefused ? said : aside.join('\n')).toContain('UTF-8');
    expect(streamed(purchases, latin1.subarray(0, latin1.indexOf(10)))).toContain('UTF-8');
  });

  it('says in a sentence that pages cannot be read', async () => {
    const file = join(await place(), 'old.parquet');
    await writeParquet(file, purchase({ shop: "repeat('abcdefgh', 50)" }), ', COMPRESSION lz4_raw');
    // The codec LZ4_RAW (7) becomes the older LZ4 (5), which other readers know.
    const bytes = await readFile(file);
    const codec = bytes.lastIndexOf(Buffer.from('amount\x15\x0e', 'latin1'));
    expect(codec).toBeGreaterThan(0);
    bytes[codec + 'amount'.length + 1] = 0x0a;
    await writeFile(file, bytes);
    const { isRefused, said, events } = await importFile(file);
    expect([isRefused, events]).toEqual([true, []]);
    expect(said).not.toMatch(/\n\s+at /);
  });
});

describe('endings of JSON files', () => {
  it.each(['a.ndjson', 'a.json', 'a.jsonl'])('reads %s line by line', async (name) => {
    expect(column((await importText(name, `${jsonEvent('')}\n`)).events, 'id')).toEqual(['a']);
  });

  it('reads the events of an array', async () => {
    const { aside, isRefused, events } = await importText('a.jsonl', `[${jsonEvent('')},\n${jsonEvent('')}]\n`);
    expect([isRefused, events.length, aside.length]).toEqual([false, 2, 0]);
  });
});

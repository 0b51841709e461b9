/** The same mistakes in what other programs write. All values are written by hand. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeParquet } from '../support/parquet.ts';
import { serve } from '../unit/serve/harness.ts';
import { purchases, repository, trips, visits } from './features.ts';
import {
  AN_HOUR_LATER,
  column,
  csvOf,
  FIXTURES,
  type Imported,
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
const fromCsv = (field: string, cell: string) =>
  importText('cells.csv', csvOf(`${MINIMUM},${field}`, `a,c1,1.5,${NOON},${cell}`));
const fromJson = (field: string, json: string) => importText('lines.jsonl', `${jsonEvent(`,"${field}":${json}`)}\n`);
const fromSql = (field: string, sql: string) => importSql(purchase({ [field]: sql }));

/** Nothing was imported, and the field is named, whether the file was refused or the row put aside. */
function expectRefusal({ events, aside, isRefused, said }: Imported, field: string): void {
  expect(events).toEqual([]);
  expect(isRefused || aside.length > 0).toBe(true);
  expect(isRefused ? said : aside.join('\n')).toContain(field);
}

describe('names that programs give to columns', () => {
  const history = union(
    landed({ card: "'A'", amount: '10::DECIMAL(9,2)' }),
    landed({ id: "'b'", card: "'B'", amount: '20::DECIMAL(9,2)' }),
  );

  it.each([
    ['ROWID', 'Oracle'],
    ['row', 'the tables of features'],
    ['code', 'the tables of entities'],
    ['number', 'rows in order'],
    ['instant', 'rows in order'],
    ['known', 'rows in order'],
    ['key0', 'the tables of entities'],
    ['s', 'aliases'],
    ['filename', 'DuckDB and Spark'],
    ['file_row_number', 'DuckDB'],
    ['__index_level_0__', 'pandas'],
    ['_c0', 'Spark'],
    ['Unnamed: 0', 'pandas'],
    ['...1', 'R'],
    ['ctid', 'Postgres'],
    ['_rowid_', 'SQLite'],
    ['event_date', 'partitions of history'],
    ['arrived_at', 'history'],
  ])('hands a column "%s" of a spine through, as %s have it', async (name) => {
    const spine = `SELECT v AS "${name}", card, 'x' AS id, ${AN_HOUR_LATER} FROM (VALUES (7, 'B'), (7, 'A'), (3, 'B')) t(v, card)`;
    const made = await train('by_card', spine, { purchases: history });
    expect(made.rows.map((row) => [Number(row[name]), row.card, row.total_1d])).toEqual([
      [7, 'B', 20],
      [7, 'A', 10],
      [3, 'B', 20],
    ]);
  });

  it.each(['rowid', 'code', 'filename', 'e', 'h', 'value'])('reads history beside a column "%s"', async (name) => {
    const spine = `SELECT 'c1' AS card, 'x' AS id, ${AN_HOUR_LATER}`;
    const made = await train('by_card', spine, { purchases: landed({ [name]: "'zz'" }) });
    expect(column(made.rows, 'n_1d')).toEqual([1]);
  });

  it('imports and reads fields named rowid, code, instant, known and filename', async () => {
    const content = csvOf('rowid,code,instant,known,filename', `7,A,${NOON},k,f`, `3,B,${NOON},l,g`);
    const { events } = await importText('loads.csv', content, [], 'loads');
    expect(events).toMatchObject([
      { rowid: '7', code: 'A', filename: 'f' },
      { rowid: '3', code: 'B', filename: 'g' },
    ]);
    const loads = `SELECT '7' AS rowid, 'A' AS code, ${NOON}::BIGINT AS instant, 'k' AS known, 'f' AS filename, ${NOON}::BIGINT AS arrived_at`;
    const made = await train('by_code', `SELECT 'A' AS code, ${AN_HOUR_LATER}`, { loads });
    expect(made.rows).toMatchObject([{ loads_1d: 1, last_known_1d: 'k', last_filename_1d: 'f' }]);
  });
});

describe('values whose types others choose', () => {
  it.each([
    ['NUMBER(38,0) of Snowflake', '4000123412341234567::DECIMAL(38,0)', '4000123412341234567'],
    ['DECIMAL(20,0) of Spark', '18446744073709551615::DECIMAL(20,0)', '18446744073709551615'],
    ['BIGINT UNSIGNED of MySQL', '18446744073709551615::UBIGINT', '18446744073709551615'],
    ['INT of ClickHouse', '12::UINTEGER', '12'],
    ['uuid of Postgres', "'0190a5f0-1111-4222-8333-444455556666'::UUID", '0190a5f0-1111-4222-8333-444455556666'],
    ['Enum8 of ClickHouse', "'gold'::ENUM('gold')", 'gold'],
    ['DATE of BigQuery', "DATE '2026-02-28'", '2026-02-28'],
  ])('reads %s into text', async (_, sql, value) => {
    expect(column((await fromSql('shop', sql)).events, 'shop')).toEqual([value]);
  });

  it('reads categories of polars and large strings of Arrow', async () => {
    const { events } = await importFile(join(FIXTURES, 'categories.parquet'));
    expect([column(events, 'card'), column(events, 'shop')]).toEqual([
      ['c1', 'c2', 'c1'],
      ['x', 'x', 'x'],
    ]);
  });

  it.each([
    ['NUMBER without a scale of Oracle', '42::DECIMAL(38,10)'],
    ['bytes of Impala, which are no UTF-8 by type', "'abc'::BLOB"],
    ['a TIMESTAMP of Spark', "TIMESTAMP '2026-01-01 00:00:00'"],
    ['ids of R, whose integers became double', '100000::DOUBLE'],
    ['a FLOAT of TensorFlow', '12::FLOAT'],
    ['a repeated field of BigQuery', "['a']"],
    ['a TIME of SQL Server', "TIME '08:00:00'"],
  ])('refuses %s as text', async (_, sql) => {
    expectRefusal(await fromSql('shop', sql), 'shop');
  });

  it.each([
    ['{"S":"x"}', 'DynamoDB'],
    ['{"$oid":"65a1"}', 'MongoDB'],
    ['{"string":"x"}', 'Avro'],
    ['["x"]', 'Elasticsearch'],
    ['true', 'YAML'],
    ['1.0', 'pandas'],
  ])('refuses %s as text, as %s writes it', async (json) => {
    expectRefusal(await fromJson('shop', json), 'shop');
    expect(typeof streamed(purchases, jsonEvent(`,"shop":${json}`))).toBe('string');
  });

  it.each<[field: string, json: string, value: number | boolean, writer: string]>([
    ['items', '"42"', 42, 'INT64 of BigQuery and protobuf'],
    ['items', '4.2e1', 42, 'Jackson'],
    ['contactless', '"true"', true, 'Hive'],
    ['contactless', '1', true, 'SQLite'],
    ['contactless', '0', false, 'MySQL'],
    ['rate', '"1E-5"', 0.00001, 'BigDecimal of Java'],
    ['rate', '1E+3', 1000, 'decimal of Python'],
    ['distance', '"12.5"', 12.5, 'numeric of node-postgres'],
  ])('reads %s %s from JSON as %s: %s', async (field, json, value) => {
    expect(streamed(purchases, jsonEvent(`,"${field}":${json}`))).toMatchObject({ [field]: value });
    expect(column((await fromJson(field, json)).events, field)).toEqual([value]);
  });

  it.each<[field: string, cell: string, value: string | number | boolean | null, writer: string]>([
    ['contactless', 't', true, 'COPY of Postgres'],
    ['contactless', 'f', false, 'COPY of Postgres'],
    ['contactless', 'TRUE', true, 'write.csv of R'],
    ['contactless', '\\N', null, 'INTO OUTFILE of MySQL'],
    ['contactless', 'True', true, 'SQL Server Management Studio'],
    ['items', 'NA', null, 'write.csv of R'],
    ['items', '<NA>', null, 'pandas'],
    ['items', '7.0', 7, 'pandas, for a column with a gap'],
    ['items', '1E3', 1000, 'a spreadsheet'],
    ['distance', 'nan', null, 'numpy'],
    ['distance', '1.5E-05', 0.000015, 'SAS'],
    ['rate', '1e-08', 1e-8, 'Python'],
    ['rate', '.25', 0.25, 'Oracle'],
    ['shop', 'NA', 'NA', 'Namibia'],
    ['shop', '00123', '00123', 'SAP'],
    ['shop', 'NULL', 'NULL', 'bcp'],
  ])('reads %s %s from CSV as %s: %s', async (field, cell, value) => {
    expect(column((await fromCsv(field, cell)).events, field)).toEqual([value]);
  });

  it.each([
    ['contactless', 'yes', 'Salesforce'],
    ['contactless', 'WAHR', 'a German spreadsheet'],
    ['items', '1.234.567', 'a German spreadsheet'],
    ['items', '12.5', 'a spreadsheet'],
    ['rate', '"1,000.00"', 'a report'],
    ['rate', '"0,25"', 'write.csv2 of R'],
    ['rate', '$5', 'money of Postgres'],
    ['distance', '#DIV/0!', 'a spreadsheet'],
    ['distance', '1.#INF', 'Visual C'],
    ['distance', 'Infinity', 'Postgres'],
  ])('puts %s %s of CSV aside, as %s has it', async (field, cell) => {
    expectRefusal(await fromCsv(field, cell), field);
  });

  it('reads FLOAT16 of Arrow', async () => {
    expect(column((await importFile(join(FIXTURES, 'float16.parquet'))).events, 'amount')).toEqual([0.5, 12.25, -1]);
  });
});

describe('identities', () => {
  it.each([
    ['a CHAR(10) with its blanks, of Oracle', '"c1        "', 'c1        '],
    ['leading zeros, of SAP', '"0000004711"', '0000004711'],
    [
      'a UUID in capitals, of SQL Server',
      '"0190A5F0-1111-4222-8333-444455556666"',
      '0190A5F0-1111-4222-8333-444455556666',
    ],
    ['decomposed, of macOS', '"e\u0301"', 'e\u0301'],
    ['a negative hash, of Java', '-9223372036854775808', '-9223372036854775808'],
    ['a hash, of xxhash', '18446744073709551615', '18446744073709551615'],
    ['a tab', '"a\\tb"', undefined],
  ])('is the same in the stream, in import and in /features: %s', async (_, json, card) => {
    const text = `{"id":"a","card":${json},"amount":1,"at":${NOON}}`;
    const imported = await importText('ids.jsonl', `${text}\n`);
    const answer = await serve({ repository }).post('/features', `{"service":"by_card","entities":[{"card":${json}}]}`);
    if (card === undefined) {
      expect(streamed(purchases, text)).toContain('card');
      expect([imported.events.length, imported.aside.length, answer.status]).toEqual([0, 1, 400]);
    } else {
      expect(streamed(purchases, text)).toMatchObject({ card });
      expect(column(imported.events, 'card')).toEqual([card]);
      expect(answer.body.results?.[0].entity).toEqual({ card });
    }
  });

  const tripOf = (key: string) =>
    `SELECT 'r1' AS trip, ${key} AS card_no, NULL::BIGINT AS depot, ${NOON}::BIGINT AS at, ${NOON}::BIGINT AS arrived_at`;
  const spineOf = (key: string) => `SELECT ${key} AS card_no, ${AN_HOUR_LATER}`;

  it.each([
    ['9007199254740993::BIGINT', 'beyond what JavaScript holds'],
    ['9007199254740993::DOUBLE', 'rounded by pandas'],
    ["'0x2A'", 'hexadecimal'],
    ["'4 2'", 'grouped by French'],
    ["'+42'", 'of a telephone'],
    ['true', 'a flag'],
    ["DATE '2026-01-01'", 'a date'],
  ])('refuses the whole number %s, %s, in a spine', async (key) => {
    const made = await train('by_card_no', spineOf(key), { trips: tripOf('42::BIGINT') });
    expect(made).toMatchObject({ isRefused: true, said: expect.stringContaining('card_no') });
  });

  it.each([
    ['41.6::DOUBLE', 'pandas'],
    ["'4_2'", 'Python'],
    ['42.4::DECIMAL(9,2)', 'Oracle'],
  ])('refuses the whole number %s of %s in history', async (key) => {
    const made = await train('by_card_no', spineOf('42::BIGINT'), { trips: tripOf(key) });
    expect(made).toMatchObject({ isRefused: true, said: expect.stringContaining('card_no') });
  });

  it.each([
    ['42::UTINYINT', 'ClickHouse'],
    ['42::DECIMAL(38,0)', 'Snowflake'],
    ['42::DOUBLE', 'pandas'],
    ["'42.0'", 'text of pandas'],
    ["'4.2e1'", 'a spreadsheet'],
  ])('takes the whole number %s of %s in a spine and in history', async (key) => {
    const made = await train('by_card_no', spineOf(key), { trips: tripOf(key) });
    expect(column(made.rows, 'trips_1d')).toEqual([1]);
  });

  it('takes a text key in the form of its digits by all ways', async () => {
    const history = union(landed({ card: "'42'" }), landed({ id: "'b'", card: "'042'" }));
    const spine = `SELECT 42::BIGINT AS card, 'x' AS id, ${AN_HOUR_LATER}`;
    expect(column((await train('by_card', spine, { purchases: history })).rows, 'n_1d')).toEqual([1]);
  });
});

describe('instants', () => {
  const texts = [
    ['Postgres', '2026-01-01 12:00:00+00'],
    ['Postgres, with microseconds', '2026-01-01 12:00:00.000999+00'],
    ['BigQuery', '2026-01-01 12:00:00 UTC'],
    ['Go, in UTC', '2026-01-01 12:00:00 +0000 UTC'],
    ['Go, elsewhere', '2026-01-01 13:00:00 +0100 CET'],
    ['Java, on whole minutes', '2026-01-01T12:00Z'],
    ['Java, with its zone', '2026-01-01T13:00:00+01:00[Europe/Berlin]'],
    ['.NET', '2026-01-01T12:00:00.0000000Z'],
    ['.NET, with an offset', '2026-01-01T13:00:00.0000000+01:00'],
    ['SQL Server', '2026-01-01 13:00:00.0000000 +01:00'],
    ['protobuf', '2026-01-01T12:00:00.000000001Z'],
    ['Snowflake', '2026-01-01 04:00:00.000 -0800'],
    ['Ruby', '2026-01-01 12:00:00 UTC'],
    ['Python', '2026-01-01 12:00:00+00:00'],
    ['strftime %z', '2026-01-01T17:30:00+0530'],
    ['log4j', '2026-01-01T12:00:00,000Z'],
    ['milliseconds in a text', '1767268800000'],
    ['microseconds in a text, as Debezium', '1767268800000000'],
  ] as const;

  it.each(texts)('of %s are noon, everywhere: %s', async (_, text) => {
    const decoded = streamed(purchases, `{"id":"a","card":"c1","amount":1,"at":"${text}"}`);
    const csv = await importText('a.csv', csvOf(MINIMUM, `a,c1,1,"${text}"`));
    const json = await importText('a.jsonl', `{"id":"a","card":"c1","amount":1,"at":"${text}"}\n`);
    const spine = `SELECT 'c1' AS card, 'x' AS id, '${text}' AS timestamp`;
    const made = await train('with_inputs', spine, { purchases: landed({ at: `'${text}'`, arrived_at: `'${text}'` }) });
    expect(decoded).toMatchObject({ at: NOON });
    expect([...column(csv.events, 'at'), ...column(json.events, 'at')]).toEqual([NOON, NOON]);
    expect(made.rows).toMatchObject([{ hour: NOON, n_1d: 1 }]);
  });

  it.each([
    ['JavaScript, for people', 'Thu Jan 01 2026 12:00:00 GMT+0000'],
    ['HTTP', 'Thu, 01 Jan 2026 12:00:00 GMT'],
    ['Oracle', '01-JAN-26 12.00.00.000000 PM'],
    ['a spreadsheet', '1/2/2026 12:00'],
    ['SAS', '01JAN2026:12:00:00'],
    ['nothing of MySQL', '0000-00-00 00:00:00'],
    ['nothing of .NET', '0001-01-01T00:00:00Z'],
    ['for ever, of SAP', '9999-12-31T23:59:59Z'],
    ['for ever, of Postgres', 'infinity'],
    ['a leap second', '2016-12-31T23:59:60Z'],
    ['seconds in a text', '1767268800'],
    ['a serial number of a spreadsheet', '46023.5'],
    ['a name for a zone', '2026-01-01T12:00:00 Europe/Paris'],
  ])('are refused everywhere: %s', async (_, text) => {
    const arrival = ['--arrival', 'arrived_at'];
    expect(streamed(purchases, `{"id":"a","card":"c1","amount":1,"at":"${text}"}`)).toMatch(/^at .*must/);
    expectRefusal(await importText('a.csv', csvOf(MINIMUM, `a,c1,1,"${text}"`)), 'at');
    const late = csvOf(`${MINIMUM},arrived_at`, `a,c1,1,${NOON},"${text}"`);
    expectRefusal(await importText('b.csv', late, arrival), 'arrived_at');
    for (const name of ['timestamp', 'known_at']) {
      const columns = { timestamp: `${NOON}::BIGINT`, known_at: `${NOON}::BIGINT`, [name]: `'${text}'` };
      const spine = `SELECT 'c1' AS card, 'x' AS id, ${columns.timestamp} AS timestamp, ${columns.known_at} AS known_at`;
      const made = await train('by_card', spine, { purchases: landed() });
      expect(made).toMatchObject({ isRefused: true, said: expect.stringContaining(name) });
    }
  });

  it.each([
    ['microseconds of Debezium', '1767268800000000::BIGINT'],
    ['nanoseconds of pandas', '1767268800000000000::BIGINT'],
    ['microseconds of polars', "TIMESTAMP '2026-01-01 12:00:00'"],
    ['nanoseconds of Arrow', "'2026-01-01 12:00:00'::TIMESTAMP_NS"],
    ['a zone of Arrow', "'2026-01-01 13:00:00+01'::TIMESTAMPTZ"],
    ['NUMBER(38,0) of Snowflake', '1767268800000::DECIMAL(38,0)'],
    ['doubles of R', '1767268800000::DOUBLE'],
  ])('of Parquet are noon as event time, arrival, timestamp and known_at: %s', async (_, sql) => {
    const { events } = await importSql(purchase({ at: sql, arrived_at: sql }), ['--arrival', 'arrived_at']);
    expect(events).toMatchObject([{ at: NOON, arrived_at: NOON }]);
    const spine = `SELECT 'c1' AS card, 'x' AS id, ${sql} AS timestamp, ${sql} AS known_at`;
    const arrivals = union(
      landed({ at: `${NOON}::BIGINT`, arrived_at: `${NOON}::BIGINT` }),
      landed({ id: "'b'", at: `${NOON}::BIGINT`, arrived_at: `${NOON + 1}::BIGINT` }),
    );
    expect(column((await train('by_card', spine, { purchases: arrivals })).rows, 'n_1d')).toEqual([1]);
    const straight = landed({ at: sql, arrived_at: sql });
    expect(column((await train('by_card', spine, { purchases: straight })).rows, 'n_1d')).toEqual([1]);
  });

  it.each([
    ['seconds of Kafka Connect', '1767268800::BIGINT'],
    ['seconds of SAS, since 1960', '2082888000::DOUBLE'],
    ['days of SAS', '24107::DOUBLE'],
    ['ticks of .NET', '639028656000000000::BIGINT'],
    ['seconds with a fraction of Python', '1767268800.5::DOUBLE'],
    ['days of a spreadsheet', '46023.5::DOUBLE'],
    ['seconds of Cocoa, since 2001', '788961600::BIGINT'],
    ['the epoch of a lost value', "TIMESTAMP '1970-01-01 00:00:00'"],
  ])('of Parquet are refused as event time, arrival and known_at: %s', async (_, sql) => {
    expectRefusal(await importSql(purchase({ at: sql })), 'at');
    expectRefusal(await importSql(purchase({ arrived_at: sql }), ['--arrival', 'arrived_at']), 'arrived_at');
    const spine = `SELECT 'c1' AS card, 'x' AS id, ${AN_HOUR_LATER}, ${sql} AS known_at`;
    const made = await train('by_card', spine, { purchases: landed() });
    expect(made).toMatchObject({ isRefused: true, said: expect.stringContaining('known_at') });
  });

  it('reads INT96 of Spark', async () => {
    const { events } = await importFile(join(FIXTURES, 'int96.parquet'));
    expect(column(events, 'at')).toEqual([NOON, NOON + 1, NOON + 2]);
  });

  it.each(['2026-01-01 12:00:00', '2026-01-01T12:00:00', '2026-01-01 12:00:00.000'])(
    'without an offset are read in the zone that is told: %s',
    async (text) => {
      const content = csvOf(MINIMUM, `a,c1,1,${text}`);
      const refused = await importText('a.csv', content);
      expectRefusal(refused, 'at');
      expect(refused.aside.join('') + refused.said).toContain('--time-zone');
      const { events } = await importText('a.csv', content, ['--time-zone', '+01:00']);
      expect(column(events, 'at')).toEqual([NOON - 3_600_000]);
    },
  );
});

describe('CSV as other programs write it', () => {
  const row = (id: string) => `${id},c1,1.5,${NOON}`;

  it.each([
    ['a byte order mark, of a spreadsheet', `\ufeff${csvOf(MINIMUM, row('a'))}`],
    ['CRLF', `${MINIMUM}\r\n${row('a')}\r\n`],
    ['no newline at its end', `${MINIMUM}\n${row('a')}`],
    ['quotes around everything, of R', csvOf('"id","card","amount","at"', `"a","c1","1.5","${NOON}"`)],
    ['numbers of rows in front, of R and pandas', csvOf(`"",${MINIMUM}`, `"1",${row('a')}`)],
    ['blank lines at its end', `${csvOf(MINIMUM, row('a'))}\n\n`],
  ])('reads a file with %s', async (_, content) => {
    const { events, aside } = await importText('a.csv', content);
    expect([events.length, aside.length]).toEqual([1, 0]);
    expect(events).toMatchObject([{ id: 'a', card: 'c1', amount: 1.5, at: NOON }]);
  });

  it('reads a newline between quotes, of an address', async () => {
    const content = csvOf(`${MINIMUM},shop`, `${row('a')},"Main Street\n12"`, `${row('b')},x`);
    expect(column((await importText('a.csv', content)).events, 'shop')).toEqual(['Main Street\n12', 'x']);
  });

  it('tells an empty text from nothing, as COPY of Postgres does', async () => {
    const content = csvOf(`${MINIMUM},shop`, `${row('a')},""`, `${row('b')},`);
    expect(column((await importText('a.csv', content)).events, 'shop')).toEqual(['', null]);
  });

  it('puts a line with a comma too many aside, of a program that does not quote', async () => {
    const { events, aside } = await importText(
      'a.csv',
      csvOf(`${MINIMUM},shop`, `${row('a')},x`, `${row('b')},Rome, Lazio`),
    );
    expect([events.length, aside.length]).toEqual([1, 1]);
  });

  it('does not lose what comes after a quote that nobody closes', async () => {
    const lines = Array.from({ length: 50 }, (_, index) => `${row(`r${index}`)},x`);
    const result = await importText('a.csv', csvOf(`${MINIMUM},shop`, ...lines, `${row('q')},"5`, ...lines));
    // Either the file is refused, or what cannot be read is put aside and the lines before it are there.
    expect(result.isRefused || (result.events.length >= 50 && result.aside.length >= 1)).toBe(true);
  });

  it.each([
    ['"sep=;" of a spreadsheet', `sep=;\n${csvOf(MINIMUM, row('a')).replaceAll(',', ';')}`],
    ['tabs', csvOf(MINIMUM, row('a')).replaceAll(',', '\t')],
    ['semicolons, of write.csv2', csvOf(MINIMUM, row('a')).replaceAll(',', ';')],
    ['bars, of bcp', csvOf(MINIMUM, row('a')).replaceAll(',', '|')],
    ['UTF-16, of a spreadsheet', Buffer.from(`\ufeff${csvOf(MINIMUM, row('a'))}`, 'utf16le')],
  ])('reads a file with %s, or says what it must be', async (_, content) => {
    const { events, isRefused, said } = await importText('a.csv', content);
    if (isRefused) expect(said).not.toMatch(/\n\s+at |Binder Error/);
    else expect(events).toMatchObject([{ id: 'a', card: 'c1', amount: 1.5, at: NOON }]);
  });

  it('does not take a byte of Windows-1252 for a letter, however late', async () => {
    const lines = Array.from({ length: 25_000 }, (_, index) => row(`r${index}`));
    const content = Buffer.from(csvOf(MINIMUM, ...lines, `z,Jos\u00e9,1,${NOON}`), 'latin1');
    const { events, aside, isRefused } = await importText('a.csv', content);
    expect(isRefused || (events.length === 25_000 && aside.length === 1)).toBe(true);
  });

  it.each([
    ['nothing at all', ''],
    ['no column that is needed', 'x,y\n1,2\n'],
  ])('says of a file with %s what it must have', async (_, content) => {
    expect((await importText('a.csv', content)).isRefused).toBe(true);
  });
});

describe('fields that are absent', () => {
  const spine = `SELECT 'c1' AS card, 'x' AS id, ${AN_HOUR_LATER}`;

  it('reads columns of the type null, of Arrow', async () => {
    const { events } = await importFile(join(FIXTURES, 'null-type.parquet'));
    expect(events[0]).toMatchObject({ id: 'a', shop: null, contactless: null, items: null });
  });

  it('reads a column of nulls that a writer made INTEGER, in history', async () => {
    const history = landed({ shop: 'NULL::INTEGER', contactless: 'NULL::INTEGER' });
    expect((await train('by_card', spine, { purchases: history })).rows).toMatchObject([
      { n_1d: 1, last_shop_1d: null },
    ]);
  });

  it.each([
    ['a member is absent, as protobuf leaves out what is empty', ''],
    ['a member is null, as Jackson writes it', ',"channel":null'],
  ])('takes a nullable field by stream and import where %s', async (_, member) => {
    const text = `{"id":"a","card":"c1","at":${NOON}${member}}`;
    expect(typeof streamed(visits, text)).toBe('object');
    const { events } = await importText('a.jsonl', `${text}\n`, [], 'visits');
    expect(events).toMatchObject([{ id: 'a', channel: null }]);
  });

  it('imports CSV and Parquet without the column of a nullable field', async () => {
    const csv = await importText('a.csv', csvOf('id,card,at', `a,c1,${NOON}`), [], 'visits');
    const parquet = await importSql(`SELECT 'a' AS id, 'c1' AS card, ${NOON}::BIGINT AS at`, [], 'visits');
    expect([...csv.events, ...parquet.events]).toMatchObject([{ channel: null }, { channel: null }]);
  });

  it.each([
    ['optional', ',"shop":null', purchases],
    ['optional', ',"items":null', purchases],
  ])('takes JSON null of an %s field: %s', (_, member, source) => {
    expect(typeof streamed(source, jsonEvent(member))).toBe('object');
  });

  it('reads history of files of different age, of pandas', async () => {
    const folder = await place();
    await writeParquet(join(folder, '2025.parquet'), landedEarly());
    await writeParquet(join(folder, '2026.parquet'), landed({ id: "'b'", at: `${NOON + 1}::BIGINT`, shop: "'x'" }));
    const made = await train('by_card', spine, { purchases: folder });
    expect(made.rows).toMatchObject([{ n_1d: 2, last_shop_1d: 'x' }]);
  });

  it('reads history without a nullable field', async () => {
    const history = `SELECT 'a' AS id, 'c1' AS card, ${NOON}::BIGINT AS at, ${NOON}::BIGINT AS arrived_at`;
    const made = await train('by_visit', `SELECT 'c1' AS card, ${AN_HOUR_LATER}`, { visits: history });
    expect(made.rows).toMatchObject([{ visits_1d: 1, last_channel_1d: null }]);
  });

  it('still refuses history without a field that is required', async () => {
    const history = `SELECT 'a' AS id, 'c1' AS card, ${NOON}::BIGINT AS at, ${NOON}::BIGINT AS arrived_at`;
    const made = await train('by_card', spine, { purchases: history });
    expect(made).toMatchObject({ isRefused: true, said: expect.stringContaining('amount') });
  });
});

describe('keys that are null', () => {
  const trip = (id: string, depot: string) =>
    `SELECT '${id}' AS trip, 1::BIGINT AS card_no, ${depot}::BIGINT AS depot, ${NOON}::BIGINT AS at, ${NOON}::BIGINT AS arrived_at`;
  const history = union(trip('r1', '42'), trip('r2', 'NULL'));

  it.each([
    ['a whole number, of Arrow', 'NULL::BIGINT'],
    ['a text, of CSV', 'NULL::VARCHAR'],
    ['a decimal, of Snowflake', 'NULL::DECIMAL(38,0)'],
    ['a double, of pandas', 'NULL::DOUBLE'],
    ['the type that DuckDB gives to nulls', 'NULL'],
  ])('of an optional field have empty values: %s', async (_, key) => {
    const made = await train('by_depot', `SELECT 1 AS card_no, ${key} AS depot, ${AN_HOUR_LATER}`, { trips: history });
    expect(made.rows).toMatchObject([{ trips_1d: 2, depot_trips_1d: 0 }]);
  });

  it('are counted for nobody else', async () => {
    const made = await train('by_depot', `SELECT 1 AS card_no, 42 AS depot, ${AN_HOUR_LATER}`, { trips: history });
    expect(made.rows).toMatchObject([{ trips_1d: 2, depot_trips_1d: 1 }]);
  });

  it('may be left out of POST /features, as protobuf does', async () => {
    const { status, body } = await serve({ repository }).post('/features', {
      service: 'by_depot',
      entities: [{ card_no: 1 }],
    });
    expect([status, body.results?.[0].features.depot_trips_1d]).toEqual([200, 0]);
  });

  it('are taken from the stream', () => {
    expect(typeof streamed(trips, `{"trip":"a","card_no":1,"depot":null,"at":${NOON}}`)).toBe('object');
  });

  it.each(['NULL::BIGINT', 'NULL::VARCHAR', "''"])('of a required field are refused: %s', async (key) => {
    const made = await train('by_card_no', `SELECT ${key} AS card_no, ${AN_HOUR_LATER}`, { trips: history });
    expect(made).toMatchObject({ isRefused: true, said: expect.stringContaining('card_no') });
  });

  it('of a required field are refused by POST /features', async () => {
    const { status, body } = await serve({ repository }).post('/features', {
      service: 'by_card_no',
      entities: [{ card_no: null }],
    });
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ field: 'entities[0].card_no', problem: expect.stringMatching(/missing/) }]);
  });
});

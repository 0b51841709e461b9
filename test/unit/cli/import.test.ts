import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../../cli/main.ts';
import { makeTrainingSet } from '../../../cli/training-set.ts';
import { readParquet, writeParquet } from '../../support/parquet.ts';

const T = Date.UTC(2026, 0, 1);
const FEATURES = join(import.meta.dirname, 'import-features.ts');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

const path = (name: string) => join(folder, name);

async function write(name: string, content: string | Uint8Array): Promise<string> {
  await mkdir(dirname(path(name)), { recursive: true });
  await writeFile(path(name), content);
  return path(name);
}

async function runImport(...options: string[]) {
  const [output, errors]: [string[], string[]] = [[], []];
  const terminal = { print: (line: string) => output.push(line), printError: (line: string) => errors.push(line) };
  const to = ['--source', 'payments', '--features', FEATURES, '--to', path('history'), '--arrival', 'event-time'];
  const code = await main(['import', ...to, ...options], terminal);
  return { code, output: output.join('\n'), errors: errors.join('\n') };
}

/** The rows of a file of history, without nulls and arrivals. */
async function history(name: string) {
  const rows = await readParquet(path(`history/${name}.parquet`));
  return rows.map(({ arrived_at: _arrival, ...row }) =>
    Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)),
  );
}

async function rejects(name: string) {
  const lines = (await readFile(path(`history/${name}.rejects.jsonl`), 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}

/** Imports a text, and says what became of its rows. */
async function imported(name: string, content: string | Uint8Array, ...options: string[]) {
  const from = await write(name, content);
  const { code, output, errors } = await runImport('--from', from, '--max-rejects', '99%', ...options);
  const stem = name.replace(/\..*/, '');
  return {
    code,
    output: output.replaceAll(folder, ''),
    errors: errors.replaceAll(folder, ''),
    rows: code === 0 ? await history(stem) : [],
    rejects: existsSync(path(`history/${stem}.rejects.jsonl`)) ? await rejects(stem) : [],
  };
}

const row = (more: object = {}) => ({ id: 'a', card: 'c', at: String(T), ...more });

describe('CSV as it is written by', () => {
  it.each([
    [
      'pandas',
      `id,card,at,amount,chip,units\na,c,2026-01-01 00:00:00+00:00,1e-02,True,3.0\n`,
      [],
      row({ amount: '0.01', chip: true, units: '3' }),
    ],
    ['pandas, of what is missing', `id,card,at,amount,ratio,chip\na,c,${T},,nan,NaN\n`, [], row()],
    [
      "R's write.csv",
      `"","id","card","at","amount","note"\n"1","a","c","2026-01-01T00:00:00Z",1e+05,NA\n`,
      ['--null', 'NA'],
      row({ amount: '100000.00' }),
    ],
    ['Postgres COPY', `id,card,at,chip,note\na,c,2026-01-01 00:00:00+00,t,""\n`, [], row({ chip: true, note: '' })],
    [
      'MySQL',
      `"a","c","2026-01-01 00:00:00","say \\"x\\"",\\N\n`,
      ['--escape', '\\', '--header', 'id,card,at,note,units', '--time-zone', 'UTC'],
      row({ note: 'say "x"' }),
    ],
    [
      'Excel',
      `\uFEFFid;card;at;amount\r\na;c;2026-01-01T00:00:00Z;12.50\r\n`,
      ['--delimiter', ';'],
      row({ amount: '12.50' }),
    ],
    ['Excel, with its own line', `sep=;\r\nid;card;at\r\na;c;2026-01-01T00:00:00Z\r\n`, ['--delimiter', ';'], row()],
    [
      'Spark',
      `id,card,at,note\na,c,2026-01-01T00:00:00.000Z,"x \\"y\\""\n`,
      ['--escape', '\\'],
      row({ note: 'x "y"' }),
    ],
    ['polars', `id,card,at\na,c,2026-01-01T01:00:00.000000+0100\n`, [], row()],
    ['Go', `id,card,at\na,c,2026-01-01 00:00:00.123456789 +0000 UTC\n`, [], row({ at: String(T + 123) })],
    [
      'a tool for tabs',
      `id\tcard\tat\tnote\na\tc\t${T}\t5" pipe\n`,
      ['--delimiter', '\\t', '--quote', ''],
      row({ note: '5" pipe' }),
    ],
    ['producers, by their names of fields', `id,cardNumber,at\na,c,${T}\n`, [], row()],
    ['a program for texts', `id,card,at\na,c,${T}\n`, [], row(), 'x.txt'],
    ['a program for tabs', `id\tcard\tat\na\tc\t${T}\n`, [], row(), 'x.tsv'],
    ['somebody with names of his own', `nr,card,at\na,c,${T}\n`, ['--map', 'id=nr'], row()],
    ['somebody without an offset', `id,card,at\na,c,2026-01-01T01:00\n`, ['--time-zone', '+01:00'], row()],
    ['a program in C', `id,card,at,note\na,c,${T},x\0y\n`, [], row({ note: 'x\0y' })],
  ])('%s', async (_tool, content, options, expected, name = 'x.csv') => {
    const { errors, rows } = await imported(name, content, ...options);
    expect({ errors, rows }).toEqual({ errors: '', rows: [expected] });
  });

  it('a writer of another encoding', async () => {
    const text = `id,card,at\na,José,${T}\n`;
    expect((await imported('l.csv', Buffer.from(text, 'latin1'), '--encoding', 'latin1')).rows).toEqual([
      row({ card: 'José' }),
    ]);
    const utf16 = Buffer.from(`\uFEFF${text}`, 'utf16le');
    expect((await imported('u.csv', utf16, '--encoding', 'utf-16le')).rows).toEqual([row({ card: 'José' })]);
    expect((await imported('v.csv', utf16)).errors).toContain(
      '/v.csv begins as utf-16le text does; say --encoding utf-16le',
    );
  });
});

describe('lines of CSV that cannot be read', () => {
  it('are put aside with their number, and the rest goes on', async () => {
    const bad = Buffer.concat([
      Buffer.from(
        `id,card,at,note\na1,c,${T},"two\nlines"\r\nshort,c\n\nlong,c,${T},x,y\nq,c,${T},a "b" c\nz,c,${T},"b" c\n`,
      ),
      Buffer.from([0x4a, 0x6f, 0x73, 0xe9, 0x0a]),
      Buffer.from(`a2,c,${T},"5"" pipe"\nnever,"closed,${T},x\na3,c,${T},`),
    ]);
    const { rows, rejects: aside, output } = await imported('x.csv', bad);
    expect(rows.map(({ id, note }) => [id, note])).toEqual([
      ['a1', 'two\nlines'],
      ['a2', '5" pipe'],
      ['a3', undefined],
    ]);
    expect(aside.map(({ line, problems }) => [line, problems[0].problem.split('.')[0]])).toEqual([
      [4, 'must have 4 fields; got 2'],
      [6, 'must have 4 fields; got 5'],
      [7, 'must have quotes around all of a field; got one within it'],
      [8, 'must have the delimiter after a closing quote; got other text'],
      [9, 'must be UTF-8 text; got other bytes'],
      [11, 'must close the quote that it opens; got none that does'],
    ]);
    expect(output).toContain(
      '1  the line must have 4 fields; got 2. Quote fields that have the delimiter in them (first in line 4)',
    );
  });

  it('may come late, as may the first quote', async () => {
    const lines = Array.from({ length: 30_000 }, (_, index) => `r${index},c,${T},\n`);
    lines.splice(25_000, 0, `q,"c, d",${T},\n`, 'short\n', `n,c,${T},"x\ny"\n`);
    const { output, rows, rejects: aside } = await imported('late.csv', `id,card,at,note\n${lines.join('')}`);
    expect(output).toContain('30,002 events imported');
    expect(aside).toMatchObject([{ line: 25_003 }]);
    expect([rows[25_000], rows[25_001]]).toMatchObject([{ card: 'c, d' }, { note: 'x\ny' }]);
  });
});

it('many bad lines take time in proportion to them', async () => {
  const lines = Array.from(
    { length: 100_000 },
    (_, index) => `r${index},c,${T},${index % 10 === 0 ? '5" tv' : 'tv'}\n`,
  );
  const before = process.cpuUsage();
  const { output } = await imported('x.csv', `id,card,at,note\n${lines.join('')}`);
  expect(output).toContain('90,000 events imported');
  await imported('x.json', `[{"id":"${'\\"'.repeat(300_000)}`);
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(10);
}, 60_000);

describe('a file is refused in one sentence', () => {
  it.each([
    ['other delimiters', 'x.csv', 'id;card;at\na;c;1\n', [], `has one column: say --delimiter ';'`],
    [
      "Excel's line for another delimiter",
      'x.csv',
      'sep=;\nid;card\n',
      [],
      "begins with Excel's line sep=;: say --delimiter ';'",
    ],
    [
      'two columns of one name',
      'x.csv',
      'id,card,card,at\n',
      [],
      'has two columns "card"; give one of them another name',
    ],
    [
      'no header',
      'x.csv',
      `4111,Jo,${T}\n`,
      [],
      'has 3 columns, and none that is wanted in its first line; if that is a row, say --header a,b,c',
    ],
    [
      'a line without end',
      'x.csv.gz',
      gzipSync(Buffer.alloc(20 << 20, 'x')),
      [],
      '/x.csv.gz must have lines of at most 16 MB; line 1 is longer',
    ],
    ['no row', 'x.csv', 'id,card,at\n', [], 'there is no row; nothing was imported'],
    ['nothing', 'x.csv', '', [], 'there is no row; nothing was imported'],
    ['no event', 'x.csv', `id,card,at\n,,\n`, [], 'no row of /x.csv is an event'],
    ['gzip by another name', 'x.csv', gzipSync('id,card,at\n'), [], 'is compressed by gzip; name it so'],
    ['another thing named gzip', 'x.csv.gz', 'id,card,at\n', [], '/x.csv.gz cannot be read: incorrect header check'],
    ['a workbook', 'x.csv', Buffer.from('504b03041400', 'hex'), [], 'is a workbook or a ZIP archive'],
    ['another suffix', 'x.xlsx', 'x', [], 'must be .parquet, .csv, .tsv, .txt, .jsonl, .ndjson or .json'],
    [
      'a pretty-printed object',
      'x.json',
      '{\n  "id": "a"\n}\n',
      [],
      'must have a JSON object on each line, or be one array',
    ],
    ['an array that breaks off', 'x.json', '[{"id":"a"},', [], 'got an array that breaks off'],
    ['an unknown field of --map', 'x.csv', 'id\n', ['--map', 'x=y'], 'write field=column'],
    [
      'a mapped column that is nowhere',
      'x.jsonl',
      `{"id":"a","card":"c","at":${T}}`,
      ['--map', 'note=nte'],
      'has no "nte" in any object',
    ],
    ['the name of a zone', 'x.csv', 'id\n', ['--time-zone', 'Europe/Paris'], 'must be UTC or an offset such as +01:00'],
    ['an unknown encoding', 'x.csv', 'id\n', ['--encoding', 'x'], 'must be an encoding such as utf-8'],
    ['a wide delimiter', 'x.csv', 'id\n', ['--delimiter', '||'], 'must be one character'],
    ['a wrong --max-rejects', 'x.csv', 'id\n', ['--max-rejects', 'many'], 'must be a count such as 100'],
    ['Parquet that is none', 'x.parquet', 'PAR1', [], '/x.parquet cannot be read'],
  ])('%s', async (_case, name, content, options, message) => {
    const { code, errors } = await imported(name, content, ...options);
    expect({ code, errors }).toEqual({ code: 2, errors: expect.stringContaining(message) });
    expect(errors.trim().split('\n')).toHaveLength(1);
    const left = existsSync(path('history')) ? await readdir(path('history')) : [];
    expect(left.filter((file) => !file.endsWith('.rejects.jsonl'))).toEqual([]);
  });
});

describe('JSON', () => {
  const event = (more = '') => `{"id":"a","card":4000123412341234567,"at":${T}${more}}`;
  const read = row({ card: '4000123412341234567' });

  it.each([
    ['lines', 'x.ndjson', `${event()}\n`],
    ['lines that end otherwise', 'x.json', `\r\n${event()}\r\n\n`],
    ['an array', 'x.json', `[\n${event()}]\n`],
    ['a pretty array', 'x.jsonl', `[\n  ${event().replaceAll(',', ',\n')}\n]`],
    ['compressed lines', 'x.jsonl.gz', gzipSync(`${event()}\n`)],
  ])('%s', async (_case, name, content) => {
    expect(await imported(name, content)).toMatchObject({ errors: '', rows: [read] });
  });

  it('puts single lines aside', async () => {
    const lines = [
      event(),
      event(',"id":"b"'),
      '{"id":',
      event(',"ratio":NaN'),
      '2026-01-01 INFO started',
      event(',"note":["x"]'),
      event(',"amount":1.500000000000000001'),
      event(',"at":"2026-01-01"').replace(`"at":${T},`, ''),
    ];
    const content = Buffer.concat([
      Buffer.from(`${lines.join('\n')}\n`),
      Buffer.from(event(',"note":"\xe9"'), 'latin1'),
    ]);
    const { rows, rejects: aside } = await imported('x.jsonl', content);
    expect(rows).toEqual([read]);
    expect(aside.map(({ line, problems: [{ field, problem }] }) => `${line} ${field} ${problem}`)).toEqual([
      expect.stringContaining('2  has "id" twice'),
      expect.stringContaining('3  must be one JSON object in UTF-8; got JSON that breaks off'),
      expect.stringContaining('4  must be one JSON object in UTF-8; got a bare NaN or Infinity'),
      expect.stringContaining('5  must be one JSON object in UTF-8; got text that is not JSON'),
      expect.stringContaining('6 note must be a text'),
      expect.stringContaining('7 amount must have at most 2 digits'),
      expect.stringContaining(
        '8 at must be an instant; got one without an offset from UTC: add Z, or say --time-zone UTC',
      ),
      expect.stringContaining('9  must be UTF-8 text'),
    ]);
  });
});

describe('Parquet', () => {
  const parquet = async (columns: string, options = '', name = 'x.parquet') => {
    await write(name, '');
    await writeParquet(path(name), `SELECT ${columns}`, options);
    return path(name);
  };
  const BASE = `'a' AS id, 'c' AS card, ${T} AS "at"`;

  it.each([
    [
      'UBIGINT',
      `'a' AS id, 18446744073709551615::UBIGINT AS card, ${T}::UBIGINT AS "at"`,
      row({ card: '18446744073709551615' }),
    ],
    [
      'whole decimals',
      `'a' AS id, 4000123412341234567::DECIMAL(38,0) AS card, ${T} AS "at"`,
      row({ card: '4000123412341234567' }),
    ],
    [
      'UUID and ENUM',
      `uuid '11111111-1111-4111-8111-111111111111' AS id, 'c'::ENUM('c') AS card, ${T} AS "at"`,
      row({ id: '11111111-1111-4111-8111-111111111111' }),
    ],
    [
      'decimals',
      `${BASE}, 12.50::DECIMAL(20,4) AS amount, 0.1::DECIMAL(5,3) AS ratio`,
      row({ amount: '12.50', ratio: 0.1 }),
    ],
    [
      'floats',
      `${BASE}, 0.1::FLOAT AS amount, 1e-5::DOUBLE AS ratio, 3::DOUBLE AS units`,
      row({ amount: '0.10', ratio: 1e-5, units: '3' }),
    ],
    [
      'a large float',
      `${BASE}, 3::FLOAT AS units, 83776488::DOUBLE::FLOAT AS amount`,
      row({ amount: '83776488.00', units: '3' }),
    ],
    ['a text that begins as a file does', `${BASE}, chr(65279) || 'x' AS note`, row({ note: '\ufeffx' })],
    ['a type without values', `${BASE}, 'nan'::DOUBLE AS note, NULL::DATE AS chip`, row()],
    ['NaN', `${BASE}, 'nan'::FLOAT AS amount, 'nan'::DOUBLE AS ratio`, row()],
    ['flags', `${BASE}, 1::TINYINT AS chip`, row({ chip: true })],
    [
      'dates',
      `'a' AS id, 'c' AS card, DATE '2026-01-01' AS "at", DATE '1990-05-17' AS note`,
      row({ note: '1990-05-17' }),
    ],
    [
      'nanoseconds',
      `'a' AS id, 'c' AS card, TIMESTAMP_NS '2026-01-01 00:00:00.123999999' AS "at"`,
      row({ at: String(T + 123) }),
    ],
    ['zones', `'a' AS id, 'c' AS card, TIMESTAMPTZ '2026-01-01 01:00:00+01' AS "at"`, row()],
    ['text with NUL', `${BASE}, 'x' || chr(0) || 'y' AS note`, row({ note: 'x\0y' })],
    ['a column of nulls, whatever its type', `${BASE}, NULL::DOUBLE AS note`, row()],
  ])('%s', async (_case, columns, expected) => {
    expect(await runImport('--from', await parquet(columns))).toMatchObject({ code: 0, errors: '' });
    expect(await history('x')).toEqual([expected]);
  });

  it.each([
    [
      'ids as doubles',
      `'a' AS id, 42::DOUBLE AS card, ${T} AS "at"`,
      `column "card" must be a text; got DOUBLE. Write ids as text or whole numbers (pandas: astype('Int64'))`,
    ],
    ['lists', `${BASE}, ['x'] AS note`, 'column "note" must be a text; got VARCHAR[]. Write it as text'],
    ['bytes', `${BASE}, 'x'::BLOB AS note`, 'got BLOB. Write it as text (Spark: spark.sql.parquet.binaryAsString)'],
    ['flags for instants', `'a' AS id, 'c' AS card, true AS "at"`, 'column "at" must be an instant'],
    [
      'a wanted column that is not there',
      `'a' AS id, ${T} AS "at"`,
      'has no column "cardNumber" but id, at; name it with --map card=COLUMN',
    ],
  ])('%s are refused', async (_case, columns, message) => {
    expect(await runImport('--from', await parquet(columns))).toEqual({
      code: 2,
      output: '',
      errors: expect.stringContaining(message),
    });
  });

  it('reads its own columns, not those of its folder, also with wildcards in its name', async () => {
    const from = await parquet(BASE, '', 'card=c9/x[1]*.parquet');
    await runImport('--from', from);
    expect(await history('x[1]*')).toEqual([row()]);
  });

  it('reads timestamps without a zone as UTC, and says so', async () => {
    const from = await parquet(`'a' AS id, 'c' AS card, TIMESTAMP '2026-01-01' AS "at"`);
    expect((await runImport('--from', from)).output).toContain('"at" is TIMESTAMP, without a zone: it is read as UTC');
    expect(await history('x')).toEqual([row()]);
  });

  it('puts infinite instants and halves of units aside', async () => {
    const rows = [
      `'a' AS id, 'c' AS card, 'infinity'::TIMESTAMPTZ AS "at", 1 AS units`,
      `SELECT 'b', 'c', TIMESTAMPTZ '2026-01-01', 1.5`,
      `SELECT 'd', 'c', TIMESTAMPTZ '2026-01-01', 2`,
    ];
    await runImport('--from', await parquet(rows.join(' UNION ALL ')), '--max-rejects', '2');
    expect(await history('x')).toMatchObject([{ id: 'd', units: '2' }]);
    expect(await rejects('x')).toMatchObject([
      { row: 1, problems: [{ field: 'at' }] },
      { problems: [{ field: 'units' }] },
    ]);
  });
});

/** Parquet that DuckDB does not write. */
function written(
  schema: Parameters<typeof parquetWriteBuffer>[0]['schema'],
  columns: Readonly<Record<string, unknown>>,
) {
  const columnData = Object.entries(columns).map(([name, value]) => ({ name, data: [value] }));
  return new Uint8Array(parquetWriteBuffer({ columnData, ...(schema && { schema }) }));
}

it('Parquet whose columns DuckDB would read wrongly is refused', async () => {
  const alike = written(undefined, { id: 'a', card: 'c', at: BigInt(T), Note: 'x', note: 'y' });
  expect((await imported('x.parquet', alike)).errors).toContain('the columns "Note" and "note" differ by case alone');
  const wide = written(
    [
      { name: 'root', num_children: 4 },
      { name: 'id', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
      { name: 'card', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
      { name: 'at', type: 'INT64' },
      {
        name: 'amount',
        type: 'FIXED_LEN_BYTE_ARRAY',
        type_length: 21,
        converted_type: 'DECIMAL',
        precision: 50,
        scale: 2,
      },
    ],
    { id: 'a', card: 'c', at: BigInt(T), amount: 1250n },
  );
  expect((await imported('x.parquet', wide)).errors).toContain(
    'column "amount" must have decimals of at most 38 digits; got 50. Cast it to decimal128',
  );
});

it('Parquet keeps a byte order mark that a text begins with', async () => {
  const card = '\ufeff\ufeffc';
  await writeParquet(path('x.parquet'), `SELECT 'e' AS id, '${card}' AS card, ${T} AS at`);
  expect(await runImport('--from', path('x.parquet'))).toMatchObject({ code: 0 });
  await writeParquet(path('hex.parquet'), `SELECT hex(card) AS card FROM read_parquet('${path('history/x.parquet')}')`);
  expect(await readParquet(path('hex.parquet'))).toEqual([{ card: 'EFBBBFEFBBBF63' }]);
});

it('Parquet that breaks off leaves nothing', async () => {
  await write('x.parquet', '');
  await writeParquet(
    path('x.parquet'),
    `SELECT 'a' || i AS id, 'c' AS card, ${T} AS "at" FROM range(100000) r(i)`,
    ', COMPRESSION gzip',
  );
  const bytes = await readFile(path('x.parquet'));
  bytes.fill(0x55, 5_000, 50_000);
  const { code, errors } = await imported('x.parquet', bytes);
  expect({ code, errors }).toEqual({ code: 2, errors: expect.stringContaining('/x.parquet cannot be read') });
  expect(await readdir(path('history'))).toEqual([]);
});

describe('many files', () => {
  const csv = (id: string) => `id,card,at\n${id},c,${T}\n`;
  const ids = async (name: string) => (await history(name)).map(({ id }) => id);

  it('become a file of history each, and replace what was made of them before', async () => {
    const [first, second] = [
      await write('a/x.csv', csv('a')),
      await write('b/x.jsonl', `{"id":"b","card":"c","at":${T}}`),
    ];
    await write('a/more.csv.gz', gzipSync(csv('m')));
    await write('a/_SUCCESS', '');
    expect((await runImport('--from', path('a'), '--from', second)).output).toContain('3 events imported');
    expect((await readdir(path('history'))).sort()).toEqual(['more.parquet', 'x-2.parquet', 'x.parquet']);
    await writeFile(first, csv('a2'));
    expect((await runImport('--from', path('a/*.csv'), '--from', second)).code).toBe(0);
    expect([await ids('x'), await ids('x-2')]).toEqual([['a2'], ['b']]);
    expect((await runImport('--from', path('c/*.csv'))).errors).toContain(
      'that is .parquet, .csv, .tsv, .txt, .jsonl, .ndjson or .json, the texts perhaps with .gz',
    );
    expect((await runImport('--from', path('c.csv'))).errors).toMatch(/there is no file .*c\.csv \[request\]$/);
  });

  it('are imported all or none', async () => {
    const files = [await write('a.csv', csv('a')), await write('b.csv', 'id,card,at\n,,\n')];
    const { code, output, errors } = await runImport('--from', ...files);
    expect({ code, output, errors }).toEqual({
      code: 2,
      output: expect.stringContaining('1 event read, none imported'),
      errors: expect.stringContaining('b.csv is an event; nothing was imported'),
    });
    expect(await readdir(path('history'))).toEqual(['b.rejects.jsonl']);
  });

  it('become history beside each other, also if they are imported at once', async () => {
    const files = [await write('a/x.csv', csv('a')), await write('b/x.csv', `${csv('b')},,\n`)];
    const results = await Promise.all(
      [...files, ...files].map((file) => runImport('--from', file, '--max-rejects', '1')),
    );
    expect(results.map(({ code, errors }) => [code, errors])).toEqual(Array(4).fill([0, '']));
    expect([...(await ids('x')), ...(await ids('x-2'))].sort()).toEqual(['a', 'b']);
    expect(await readdir(path('history'))).toHaveLength(3);
  });

  it('do not take the names of what cannot be read', async () => {
    await mkdir(path('history/y.parquet'), { recursive: true });
    await write('history/x.parquet', 'PAR1');
    expect(await runImport('--from', await write('x.csv', csv('a')), await write('y.csv', csv('b')))).toMatchObject({
      code: 0,
      errors: '',
    });
    expect([await ids('x-2'), await ids('y-2')]).toEqual([['a'], ['b']]);
  });

  it('of a folder are those that import did not make', async () => {
    const from = await write('history/in.csv', `${csv('a')},,\n`);
    await runImport('--from', from, '--max-rejects', '1');
    expect((await readdir(path('history'))).sort()).toEqual(['in.csv', 'in.parquet', 'in.rejects.jsonl']);
    expect((await runImport('--from', path('history'), '--max-rejects', '1')).output).toContain('1 event imported');
  });

  it('may be empty, if not all are', async () => {
    await write('a/one.csv', csv('a'));
    await write('a/none.csv', 'id,card,at\n');
    expect(await runImport('--from', path('a'))).toMatchObject({
      code: 0,
      output: expect.stringMatching(/note: no row in .*none.csv/),
    });
  });
});

describe('rows that are put aside', () => {
  const lines = [
    'id,card,at,amount',
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((id) => `${id},c,${T},1`),
    `9,c,${T},x`,
    `,c,${T},y`,
  ];

  it('are counted by reason, and too many of them are refused', async () => {
    const from = await write('x.csv', lines.join('\n'));
    const { code, output, errors } = await runImport('--from', from);
    expect({ code, errors }).toEqual({
      code: 2,
      errors: expect.stringContaining('2 of 10 rows were put aside, which is more than --max-rejects allows'),
    });
    expect(output).toMatch(
      /^ {2}2 {2}amount must be a number .* \(first in line 10\)\n {2}1 {2}id is missing \(null\); it is required/m,
    );
    expect(errors).toContain('Mend the file, or say --max-rejects 2');
    const most = await write('most.csv', `id,card,at\na,c,${T}\n,,\n`);
    expect((await runImport('--from', most)).errors).toMatch(/nothing was imported. Look at the reasons \[request\]$/);
    await rm(path('history/most.rejects.jsonl'));
    expect((await rejects('x'))[0]).toMatchObject({ file: from, line: 10, content: { id: '9', amount: 'x' } });
    expect((await runImport('--from', from, '--max-rejects', '2')).code).toBe(0);
    expect(await history('x')).toHaveLength(8);
  });

  it('are forgotten once the file is mended', async () => {
    const from = await write('x.csv', lines.join('\n'));
    await runImport('--from', from);
    await writeFile(from, lines.slice(0, 9).join('\n'));
    expect((await runImport('--from', from)).code).toBe(0);
    expect(await readdir(path('history'))).toEqual(['x.parquet']);
  });
});

it('a dry run shows the first events, and writes nothing', async () => {
  const from = await write(
    'x.csv',
    `id,card,at\n${Array.from({ length: 30 }, (_, index) => `id-${index},c,${T}\n`).join('')}`,
  );
  const { code, output } = await runImport('--from', from, '--dry-run');
  expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('30 events read, none imported') });
  expect(output.match(/id-\d+/g)).toHaveLength(20);
  expect(output).not.toContain('├');
  expect(output).toContain('2026-01-01T00:00:00.000Z');
  expect(existsSync(path('history'))).toBe(false);
});

it('texts that were hardly meant are imported, and told', async () => {
  const content = `id,card,at\na,NULL,${T}\nb,nan,${T}\nc,4000.0,${T}\nd,6.01E+15,${T}\n`;
  const { output, rows } = await imported('x.csv', content);
  expect(rows).toHaveLength(4);
  expect(output).toContain(
    `2 values of cardNumber say "NULL", "nan" and were read as text; where they mean that it is missing, say --null 'NULL' --null 'nan'`,
  );
  expect(output).toContain(
    '2 values of cardNumber say "4000.0", "6.01E+15", which look like rounded numbers, and were read as they are: they will not match 4000;',
  );
  expect((await imported('x.csv', content, '--null', 'NULL', '--null', 'nan')).rows).toHaveLength(2);
});

describe('a field is read from one column', () => {
  const both = 'has both "cardNumber" and "card"; say which with --map card=COLUMN';

  it.each([
    ['x.csv', `uuid,id,at\nu1,card1,${T}\n`],
    ['x.jsonl', `{"uuid":"u1","id":"card1","at":${T}}`],
  ])('its own, where another field is called so by producers: %s', async (name, content) => {
    const { rows } = await imported(name, content, '--source', 'swaps');
    expect(rows).toEqual([{ id: 'u1', card: 'card1', at: String(T) }]);
  });

  it.each([
    ['x.csv', `id,cardNumber,card,at\na,c,other,${T}\n`],
    ['x.jsonl', `{"id":"a","card":"other","cardNumber":"c","at":${T}}`],
    ['x.json', `{"id":"a","cardNumber":"c","at":${T}}\n{"id":"b","card":"other","at":${T}}`],
  ])('the one that is mapped, where there are two: %s, line %#', async (name, content) => {
    expect(await imported(name, content)).toMatchObject({ code: 2, errors: expect.stringContaining(both) });
    expect((await imported(name, content, '--map', 'card=cardNumber')).rows[0]).toEqual(row());
  });
});

it('keys with blanks at an end are told, and other texts are not', async () => {
  const { output } = await imported('x.csv', `id,card,at,note\na,c1 ,${T},n \n`);
  expect(output).toContain(
    '1 value of cardNumber say "c1 ", with blanks at an end, and were read as they are: they will not match "c1"',
  );
  expect(output).not.toContain('of note');
});

it('what is not read and what is not there is told once, also in a dry run', async () => {
  const rest = 'amount,ratio,units,chip';
  for (const name of ['x', 'y', 'z']) await write(`a/${name}.csv`, `id,card,at,${rest},b 1,\n${name},c,${T},,,,,,\n`);
  await write(
    'a/z.jsonl',
    `{"id":"a","card":"c","at":${T},"more":1}\n{"id":"b","card":"c","at":${T},"note":"n","odd":1}`,
  );
  const { output } = await runImport('--from', path('a'), '--dry-run');
  expect(
    output
      .replaceAll(folder, '')
      .split('\n')
      .filter((line) => line.startsWith('note: ')),
  ).toEqual([
    'note: columns not read: b 1, "" (/a/x.csv and 2 other files)',
    'note: no column "note" (optional): it is missing in all events of /a/x.csv and 2 other files',
    'note: columns not read: more, odd (/a/z.jsonl)',
    'note: no column "amount", "ratio", "units", "chip" (optional): they are missing in all events of /a/z.jsonl',
  ]);
});

it.each([
  ['1E+15', '1000000000000000'],
  ['1.5E+0', '1.5'],
  [`${'9'.repeat(400)}.0`, '9'.repeat(400)],
])('says what %s will not match', async (text, whole) => {
  const { output } = await imported('x.csv', `id,card,at\na,${text},${T}\n`);
  expect(output).toContain(`they will not match ${whole};`);
});

describe('arrivals', () => {
  it.each([
    ['milliseconds', String(T + 7)],
    ['microseconds', String((T + 7) * 1_000)],
    ['nanoseconds', `${T + 7}000000`],
    ['text with an offset', '2026-01-01T01:00:00.007+01:00'],
  ])('may be %s', async (_case, arrived) => {
    const { errors } = await imported('x.csv', `id,card,at,seen\na,c,${T},${arrived}\n`, '--arrival', 'seen');
    expect(errors).toBe('');
    expect(await readParquet(path('history/x.parquet'))).toMatchObject([{ arrived_at: String(T + 7) }]);
  });

  it.each(['12/03/2026 00:00:05 GMT', 'foo 2027', '2026-01-01 12:00:01', '1767225600', ''])(
    'may not be %j',
    async (arrived) => {
      const { code, rejects: aside } = await imported(
        'x.csv',
        `id,card,at,seen\na,c,${T},${arrived}\n`,
        '--arrival',
        'seen',
      );
      expect({ code, aside }).toMatchObject({ code: 2, aside: [{ problems: [{ field: 'seen' }] }] });
    },
  );
});

describe('S3', () => {
  const objects: Record<string, string | Buffer> = {};
  const mock = mockClient(S3Client);
  beforeEach(() => {
    process.env.AWS_REGION = 'eu-central-1';
    for (const key of Object.keys(objects)) delete objects[key];
    mock.reset();
    mock.on(ListObjectsV2Command).callsFake(({ Prefix }) => ({
      Contents: Object.keys(objects)
        .filter((key) => key.startsWith(Prefix))
        .map((Key) => ({ Key })),
    }));
    mock.on(GetObjectCommand).callsFake(({ Key }) => ({ Body: Readable.from([objects[Key]]) }));
  });

  it('imports objects, prefixes and globs', async () => {
    for (const key of ['in/a.csv', 'in/day=1/b.csv', 'in/day=1/_SUCCESS', 'index.csv'])
      objects[key] = `id,card,at\n${key},c,${T}\n`;
    expect((await runImport('--from', 's3://bucket/in')).output).toContain('2 events imported');
    expect((await readdir(path('history'))).sort()).toEqual(['a.parquet', 'b.parquet']);
    expect((await runImport('--from', 's3://bucket/in*.csv', '--from', 's3://bucket/in/*.csv')).output).toContain(
      '2 events imported',
    );
    expect((await readdir(path('history'))).sort()).toEqual(['a.parquet', 'b.parquet', 'index.parquet']);
    expect(await runImport('--from', 's3://bucket/out/')).toMatchObject({
      code: 2,
      errors: expect.stringContaining('there is nothing at s3://bucket/out/'),
    });
  });

  it('makes a training set of history that lies there', async () => {
    await runImport('--from', await write('x.csv', `id,card,at\na,c,${T}\n`));
    await writeParquet(path('spine.parquet'), `SELECT 'c' AS card, ${T + 1_000} AS "timestamp"`);
    objects['h/event_date=2026-01-01/x.parquet'] = await readFile(path('history/x.parquet'));
    objects['spine.parquet'] = await readFile(path('spine.parquet'));
    const errors: string[] = [];
    const options = [
      '--spine',
      's3://bucket/spine.parquet',
      '--history',
      'payments=s3://bucket/h',
      '--output',
      path('out.parquet'),
    ];
    const code = await main(['training-set', '--service', 'paying', '--features', FEATURES, ...options], {
      print: () => {},
      printError: (line) => errors.push(line),
    });
    expect({ code, errors }).toEqual({ code: 0, errors: [] });
    expect(await readParquet(path('out.parquet'))).toMatchObject([{ card: 'c', n_1d: 1 }]);
  });
});

it('a training set has the values of files, whatever their folders are called', async () => {
  await runImport('--from', await write('x.csv', `id,card,at\na,c,${T}\n`));
  await mkdir(path('read/card=other'), { recursive: true });
  await rename(path('history/x.parquet'), path('read/card=other/x.parquet'));
  await writeParquet(path('spine.parquet'), `SELECT 'c' AS card, ${T + 1_000} AS "timestamp"`);
  await makeTrainingSet({
    service: 'paying',
    features: FEATURES,
    mode: 'bitemporal',
    spine: path('spine.parquet'),
    history: [`payments=${path('read')}`],
    output: path('out.parquet'),
  });
  expect(await readParquet(path('out.parquet'))).toMatchObject([{ card: 'c', n_1d: 1 }]);
});

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import * as z from 'zod';
import { MARK } from '../../../../localstack/history/own-folder.ts';
import { decimal, eventSource, eventTime, identifier } from '../../../../shared/definitions/index.ts';
import { streamDelivery } from '../../../../shared/offline/deliveries.ts';
import { queryRows, withDuckDb } from '../../../../shared/offline/embedded/duckdb.ts';

/** A source with a field of every kind. */
export const everything = eventSource({
  name: 'everything',
  description: 'A field of every kind.',
  owner: 'tests',
  schema: z.strictObject({
    event_id: identifier(),
    at: eventTime(),
    note: z.string().optional(),
    flag: z.boolean().optional(),
    whole: z.int().optional(),
    ratio: z.number().optional(),
    money: decimal({ scale: 2 }).optional(),
    fine: decimal({ scale: 15 }).optional(),
  }),
  eventId: 'event_id',
  eventTime: 'at',
  partitionKey: 'event_id',
  allowedLateness: '5s',
});

export const delivery = streamDelivery(everything);

/** A row as it is handed over. */
export function row(id: string, values: Readonly<Record<string, unknown>> = {}) {
  return { event_id: id, at: 1_780_000_000_000, arrived_at: 1_780_000_000_001, ...PARTITION, ...values };
}
export const PARTITION = { event_date: '2026-05-28', event_hour: '20' };

/** Somewhere to land. @param use gets the folder of the history. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'lander-'));
  try {
    await use(join(directory, 'history'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Keys of all files below a folder but its mark, in order. */
export async function keysBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name !== MARK)
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)).split(sep).join('/'))
    .sort();
}

/** Rows of a prefix in the order of a column, every value as text. */
export async function landedRows(folder: string, prefix: string, order: string) {
  const files = join(folder, prefix, '**', '*.parquet');
  return withDuckDb({}, async (connect) => {
    const connection = await connect();
    const [[found] = []] = await queryRows(connection, 'SELECT count(*) FROM glob($1)', [files]);
    if (Number(found) === 0) return [];
    const sql = `SELECT COLUMNS(*)::VARCHAR FROM read_parquet($1, hive_partitioning = true, hive_types_autocast = false) ORDER BY ${order}`;
    return (await connection.runAndReadAll(sql, [files])).getRowObjectsJS();
  });
}

/** Names and types of the columns inside the files of a prefix. */
export async function columnsInFiles(folder: string, prefix: string): Promise<unknown[][]> {
  const sql = 'SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet($1, hive_partitioning = false))';
  const files = join(folder, prefix, '**', '*.parquet');
  return withDuckDb({}, async (connect) => queryRows(await connect(), sql, [files]));
}

export interface ErrorLine {
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly rawData: string;
}

/** The lines of all error files, by key, with their original bytes as text. */
export async function errorLines(folder: string): Promise<(ErrorLine & { readonly key: string })[]> {
  const keys = (await keysBelow(folder)).filter((key) => key.startsWith('errors/'));
  const files = await Promise.all(keys.map(async (key) => ({ key, text: await readFile(join(folder, key), 'utf8') })));
  return files.flatMap(({ key, text }) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => {
        const parsed: ErrorLine = JSON.parse(line);
        return { ...parsed, key, rawData: Buffer.from(parsed.rawData, 'base64').toString() };
      }),
  );
}

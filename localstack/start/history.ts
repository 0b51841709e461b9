/** Whether everything that was sent and answered is history, and whether training sets of it are right. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { labels, transactions } from '../../shared/features/fraud.ts';
import {
  decidedDelivery,
  type HistoryDelivery,
  rowLogDelivery,
  streamDelivery,
} from '../../shared/offline/deliveries.ts';
import { queryRows, withDuckDb } from '../../shared/offline/embedded/duckdb.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import { makeTrainingSet } from '../api-client.ts';
import type { Deployment } from '../deploy.ts';
import type { LocalHistory } from '../history/local-history.ts';
import { differences, oracleOfDecision } from '../oracle.ts';
import { count, shownPath, step } from '../report.ts';
import { ProofFailedError, requireEqual } from './proof.ts';
import { lastOfUsers, type Scene } from './scene.ts';

const LANDED_WITHIN_MILLIS = 30_000;

/** Rows that must be there. */
export interface Expected {
  readonly transactions: number;
  readonly labels: number;
  readonly decided: number;
  readonly answers: number;
}

/** @throws ProofFailedError when rows are missing, or are there more than once. */
export async function proveLanded(history: LocalHistory, expected: Expected): Promise<void> {
  const wanted: [HistoryDelivery, number][] = [
    [streamDelivery(transactions), expected.transactions],
    [streamDelivery(labels), expected.labels],
    [decidedDelivery(transactions), expected.decided],
    [rowLogDelivery(ROW_LOGS.served), expected.answers],
  ];
  await step({
    label: 'History',
    work: async () => {
      const untilMillis = Date.now() + LANDED_WITHIN_MILLIS;
      for (;;) {
        await history.flush();
        const missing: string[] = [];
        for (const [delivery, rows] of wanted) {
          const landed = await landedRows(history.folder, delivery);
          if (landed !== rows)
            missing.push(`${landed} of ${rows} rows ${delivery.fileNameBeginning}… below ${delivery.prefix}`);
        }
        if (missing.length === 0) return;
        if (Date.now() > untilMillis) throw new ProofFailedError(`Not everything has landed: ${missing.join(', ')}`);
        await delay(500);
      }
    },
    summary: () => {
      const events = expected.transactions + expected.labels + expected.decided;
      return `${count(events)} events and ${count(expected.answers)} answers landed as Parquet, below ${shownPath(history.folder)}`;
    },
  });
}

/** Rows in the files of a delivery. */
export async function landedRows(folder: string, { prefix, fileNameBeginning }: HistoryDelivery): Promise<number> {
  const files = join(folder, prefix, '**', `${fileNameBeginning}*.parquet`);
  return withDuckDb({}, async (connect) => {
    const connection = await connect();
    const [[found] = []] = await queryRows(connection, 'SELECT count(*) FROM glob($1)', [files]);
    if (Number(found) === 0) return 0;
    const [[rows] = []] = await queryRows(connection, 'SELECT count(*) FROM read_parquet($1)', [files]);
    return Number(rows);
  });
}

/** The newest transaction of every user, with all of its features at its instant. @throws ProofFailedError with examples. */
export async function proveTrainingSet({ apiUrl }: Deployment, scene: Scene): Promise<void> {
  await step({
    label: 'Training',
    work: async () => {
      const spine = lastOfUsers(scene);
      const knownAt = Date.now();
      const made = await rowsOf(
        await makeTrainingSet(
          apiUrl,
          spine.map((transaction) => ({ ...transaction, known_at: knownAt })),
        ),
      );
      let features = 0;
      const found = spine.flatMap((transaction, index) => {
        const expected = oracleOfDecision(transaction, scene);
        features = Object.keys(expected).length;
        return differences(transaction.transaction_id, expected, made[index] ?? {});
      });
      if (made.length !== spine.length)
        throw new ProofFailedError(`The training set has ${made.length} rows instead of ${spine.length}`);
      requireEqual(found, spine.length * features);
      return { rows: spine.length, features };
    },
    summary: ({ rows, features }) =>
      `${count(rows)} rows with ${features} features by POST /training-sets equal the oracle's`,
  });
}

/** The rows of a small Parquet file, in its order. */
async function rowsOf(content: Uint8Array): Promise<Record<string, string | number | boolean | null>[]> {
  const folder = await mkdtemp(join(tmpdir(), 'training-set-'));
  try {
    const file = join(folder, 'rows.parquet');
    await writeFile(file, content);
    return await withDuckDb({}, async (connect) => {
      const read = await (await connect()).runAndReadAll('SELECT * FROM read_parquet($1)', [file]);
      return read.getRowObjects().map((row) => {
        const values = Object.entries(row).map(([name, value]) => [name, plain(value)]);
        return Object.fromEntries(values);
      });
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function plain(value: unknown): string | number | boolean | null {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return value;
  // Features have no other types.
  return null;
}

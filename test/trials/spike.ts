/** AMOUNT_SPIKE at its edge: a payment against three times the mean of the payments before it, wherever it is computed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { startTrino, whyNoTrino } from '../../localstack/trino.ts';
import type { FieldValue } from '../../shared/definitions/fields.ts';
import { fraudDetection, labels, transactions } from '../../shared/features/fraud.ts';
import { EmbeddedOfflineStore } from '../../shared/offline/embedded/embedded-offline-store.ts';
import { DUCKDB, type SqlDialect, TRINO, tableName, textLiteral } from '../../shared/offline/sql/dialect.ts';
import { historyQuery } from '../../shared/offline/sql/history-query.ts';
import { createTrinoTable } from '../support/trino-table.ts';
import { NOW_MILLIS, ruleNames, serve } from '../unit/serve/harness.ts';
import type { Trial } from './trial.ts';

const RULE = 'AMOUNT_SPIKE';
const AMOUNTS = [29.99, 30, 30.01, 10_000, 1_000_000];
const RANDOM_CARDS = 200;
const SPINE_COLUMNS = ['transaction_id', 'user_id', 'merchant_id', 'amount', 'timestamp'];

/** One card: what it paid before, in cents, and what it pays now. */
interface Card {
  readonly user: string;
  readonly before: readonly number[];
  readonly cents: number;
  /** By the definition, in whole numbers: `amount > 3 · (sum / count)`. */
  readonly fires: boolean;
}

function card(user: string, before: readonly number[], cents: number): Card {
  const sum = before.reduce((total, amount) => total + amount, 0);
  return { user, before, cents, fires: before.length > 0 && cents * before.length > 3 * sum };
}

function cards(drawnCount: number): Card[] {
  const fixed = Array.from({ length: 6 }, (_, count) =>
    AMOUNTS.map((amount) => card(`card-${count}-${amount}`, Array(count).fill(1_000), Math.round(amount * 100))),
  ).flat();
  let seed = 7;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const drawn = Array.from({ length: drawnCount }, (_, index) => {
    const before = Array.from({ length: 2 + random(4) }, () => 1 + random(100_000));
    // As near to three times the mean as cents allow, on either side.
    const edge = Math.floor((3 * before.reduce((total, cents) => total + cents, 0)) / before.length);
    return card(`random-${index}`, before, edge + random(3) - 1);
  });
  return [...fixed, ...drawn];
}

const timeOf = (position: number) => NOW_MILLIS + position * 10_000;

/** The payments of a card in order; the last one is decided. */
function paymentsOf({ user, before, cents }: Card) {
  return [...before, cents].map((amount, position) => ({
    transaction_id: `${user}-${position}`,
    user_id: user,
    merchant_id: 'shop',
    amount: amount / 100,
    timestamp: timeOf(position),
  }));
}

async function online(all: readonly Card[]): Promise<Map<string, boolean>> {
  const patient = 60_000;
  const { predict, clock } = serve({ deadlines: { decision: patient, features: patient } });
  const fired = new Map<string, boolean>();
  for (const one of all) {
    for (const payment of paymentsOf(one)) {
      clock.nowMillis = payment.timestamp;
      fired.set(one.user, ruleNames(await predict(payment)).includes(RULE));
    }
  }
  return fired;
}

/** What the rule says of rows of a training set. */
function firedOf(columns: readonly string[], rows: readonly (readonly unknown[])[]): Map<string, boolean> {
  const rule = fraudDetection.rules.find(({ name }) => name === RULE);
  if (rule === undefined) throw new Error(`there is no rule ${RULE}`);
  return new Map(
    rows.map((values) => {
      const row = Object.fromEntries(columns.map((name, index) => [name, values[index] as FieldValue]));
      return [String(row.user_id), rule.fires({ ...row, amount: Number(row.amount) })];
    }),
  );
}

function tablesSql(all: readonly Card[]) {
  const line = (values: readonly (string | number)[]) =>
    `(${values.map((value) => (typeof value === 'number' ? value : textLiteral(value))).join(', ')})`;
  const payments = all.flatMap((one) => paymentsOf(one));
  const decided = all.flatMap((one) => paymentsOf(one).slice(-1));
  const rowsOf = (rows: typeof payments) =>
    rows.map((row, index) =>
      line([index, row.transaction_id, row.user_id, row.merchant_id, row.amount, row.timestamp]),
    );
  const select = (rows: typeof payments) =>
    'SELECT n::BIGINT n, transaction_id, user_id, merchant_id, amount::DOUBLE amount, timestamp::BIGINT "timestamp", timestamp::BIGINT arrived_at ' +
    `FROM (VALUES ${rowsOf(rows).join(', ')}) t(n, transaction_id, user_id, merchant_id, amount, timestamp)`;
  return {
    transactions: `SELECT * EXCLUDE n FROM (${select(payments)})`,
    labels: `SELECT 'l' label_id, 't' transaction_id, 'u' user_id, 'elsewhere' merchant_id, 0::BIGINT is_fraud, ${NOW_MILLIS}::BIGINT labelled_at, ${NOW_MILLIS}::BIGINT arrived_at`,
    spine: `SELECT * EXCLUDE arrived_at FROM (${select(decided)})`,
  };
}

function querySql(dialect: SqlDialect): string {
  return historyQuery({
    service: fraudDetection,
    mode: 'bitemporal',
    dialect,
    spine: { table: tableName('spine'), columns: SPINE_COLUMNS, rowNumber: 'n' },
    history: { [transactions.name]: tableName('transactions'), [labels.name]: tableName('labels') },
  });
}

async function sweep(files: Readonly<Record<string, string>>, directory: string): Promise<Map<string, boolean>> {
  const output = join(directory, 'output.parquet');
  await new EmbeddedOfflineStore().getHistoricalFeatures({
    service: fraudDetection,
    mode: 'bitemporal',
    spine: files.spine ?? '',
    history: { transactions: files.transactions ?? '', labels: files.labels ?? '' },
    output,
  });
  const connection = await (await DuckDBInstance.create()).connect();
  const result = await connection.runAndReadAll('SELECT * FROM read_parquet($1)', [output]);
  return firedOf(result.columnNames(), result.getRows());
}

async function trino(tables: Readonly<Record<string, string>>): Promise<Map<string, boolean>> {
  const connection = await (await DuckDBInstance.create()).connect();
  const server = await startTrino();
  try {
    await server.query('CREATE SCHEMA hive.default');
    for (const [name, select] of Object.entries(tables)) await createTrinoTable(server, connection, name, select);
    const { columns, rows } = await server.query(querySql(TRINO));
    return firedOf(columns, rows);
  } finally {
    await server.stop();
  }
}

export const spike: Trial = {
  name: 'spike',
  proves: 'AMOUNT_SPIKE fires exactly above three times the mean before, online and in every engine of training sets',
  async run({ trials = RANDOM_CARDS }) {
    const all = cards(trials);
    const tables = tablesSql(all);
    const directory = await mkdtemp(join(tmpdir(), 'spike-'));
    try {
      const connection = await (await DuckDBInstance.create()).connect();
      const files: Record<string, string> = {};
      for (const [name, select] of Object.entries(tables)) {
        files[name] = join(directory, `${name}.parquet`);
        await connection.run(`CREATE TABLE ${tableName(name)} AS ${select}`);
        await connection.run(`COPY ${tableName(name)} TO ${textLiteral(files[name])} (FORMAT parquet)`);
      }
      const inDuckDb = await connection.runAndReadAll(querySql(DUCKDB));
      const whyNot = trials < RANDOM_CARDS ? 'A small run.' : await whyNoTrino();
      const engines: Record<string, Map<string, boolean>> = {
        online: await online(all),
        sweep: await sweep(files, directory),
        duckdb: firedOf(inDuckDb.columnNames(), inDuckDb.getRows()),
        ...(whyNot === undefined && { trino: await trino(tables) }),
      };
      const mismatchesBy = Object.fromEntries(
        Object.entries(engines).map(([engine, fired]) => {
          const wrong = all.filter(({ user, fires }) => fired.get(user) !== fires);
          for (const { user } of wrong.slice(0, 3)) process.stderr.write(`${engine}: ${user} is wrong\n`);
          return [engine, wrong.length];
        }),
      );
      const mismatches = Object.values(mismatchesBy).reduce((sum, count) => sum + count, 0);
      const firing = all.filter(({ fires }) => fires).length;
      return {
        ok: mismatches === 0 && firing > 0 && firing < all.length,
        json: {
          mismatches,
          mismatchesBy,
          cards: all.length,
          firing,
          ...(whyNot !== undefined && { notRun: { trino: whyNot } }),
        },
      };
    } finally {
      await rm(directory, { recursive: true });
    }
  },
};

/**
 * The model where it decides: test transactions through a deployed `/predict_fraud`, against what Python says about them.
 *
 * 1. Some users of every pattern are chosen, each with the week before, so that all their windows are as they were.
 * 2. Every user's transactions move by whole days, so that the last one lies within the last day: windows move by parts of
 *    a day, so all features stay what they were.
 * 3. They are decided and counted one after the other. Those of the test split must have Python's scores.
 * 4. What was served lands as rows, with the challengers' scores. These must be Python's too.
 */
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import pMap from 'p-map';
import * as z from 'zod';
import { untilModelDecides } from '../../localstack/activate-model.ts';
import { decide } from '../../localstack/api-client.ts';
import type { Deployment } from '../../localstack/deploy.ts';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';
import { type Folder, TrainingError } from './pipeline.ts';
import { DAY_MILLIS, type Pattern, type SimulatedTransaction, type Simulation } from './simulate.ts';

/** The longest window of a user's features, and the step by which it moves. */
const CONTEXT_MILLIS = 8 * DAY_MILLIS;
const USERS_AT_ONCE = 4;
const PATTERNS_SHOWN: readonly Pattern[] = [
  'stolen card',
  'card testing',
  'account takeover',
  'shopping tour',
  'small purchases',
  'large purchase',
];

export interface DeployedScore {
  readonly transaction: SimulatedTransaction;
  readonly python: number;
  readonly deployed: number | null;
  readonly decision: string;
}

/** What came of it. */
export interface DeployedScores {
  readonly scores: readonly DeployedScore[];
  /** Transactions decided, those before the tested ones included. */
  readonly decided: number;
}

/** Decides `count` test transactions. */
export async function scoreDeployed(options: {
  readonly deployment: Deployment;
  readonly simulation: Simulation;
  readonly folder: Folder;
  readonly model: string;
  readonly count: number;
}): Promise<DeployedScores> {
  const { deployment, simulation, folder, model, count } = options;
  const pythonScores = await scoresOf(folder, model);
  await untilModelDecides(deployment.apiUrl, model);
  const chosen = chooseUsers(simulation, pythonScores, count);
  const nowMillis = Date.now();
  const scored = await pMap(
    chosen,
    async ({ context, tested }) => {
      const last = tested.at(-1)?.timestamp ?? 0;
      const shiftMillis = Math.floor((nowMillis - last) / DAY_MILLIS) * DAY_MILLIS;
      const scores: DeployedScore[] = [];
      for (const transaction of [...context, ...tested]) {
        const { arrived_at: _arrivedAt, pattern: _pattern, timestamp, ...event } = transaction;
        const { decision, score, event_status } = await decide(deployment.apiUrl, {
          ...event,
          timestamp: timestamp + shiftMillis,
        });
        // What happened days ago is counted, though nobody would believe it of a live event.
        if (event_status !== 'applied' && event_status !== 'skewed')
          throw new TrainingError(`${transaction.transaction_id} was ${event_status}`);
        const python = pythonScores.get(transaction.transaction_id);
        if (python !== undefined && tested.includes(transaction)) {
          scores.push({ transaction, python, deployed: score, decision });
        }
      }
      return scores;
    },
    { concurrency: USERS_AT_ONCE },
  );
  const decided = chosen.reduce((sum, { context, tested }) => sum + context.length + tested.length, 0);
  return { scores: scored.flat(), decided };
}

async function scoresOf(folder: Folder, model: string): Promise<ReadonlyMap<string, number>> {
  const connection = await (await DuckDBInstance.create()).connect();
  const sql = `SELECT transaction_id, "${model}" FROM read_parquet(${textLiteral(folder.scores)})`;
  const rows = (await connection.runAndReadAll(sql)).getRows();
  connection.closeSync();
  return new Map(rows.map(([id, score]) => [String(id), Number(score)]));
}

interface ChosenUser {
  /** What comes before, for the windows. */
  readonly context: readonly SimulatedTransaction[];
  readonly tested: readonly SimulatedTransaction[];
}

/** One user of each pattern after the other, each with the transactions of that day, until there are enough. */
function chooseUsers(
  { transactions }: Simulation,
  scored: ReadonlyMap<string, number>,
  count: number,
): readonly ChosenUser[] {
  const byUser = Map.groupBy(transactions, ({ user_id }) => user_id);
  const test = transactions.filter(({ transaction_id }) => scored.has(transaction_id));
  const byPattern = PATTERNS_SHOWN.map((pattern) => [
    ...Map.groupBy(
      test.filter((transaction) => transaction.pattern === pattern),
      ({ user_id }) => user_id,
    ),
  ]);
  const chosen = new Map<string, ChosenUser>();
  let testedCount = 0;
  for (let turn = 0; testedCount < count; turn++) {
    const [userId, [first] = []] = byPattern[turn % byPattern.length]?.[Math.floor(turn / byPattern.length)] ?? [];
    if (turn > count * byPattern.length)
      throw new TrainingError(`there are fewer than ${count} such test transactions`);
    if (userId === undefined || first === undefined || chosen.has(userId)) continue;
    const own = (byUser.get(userId) ?? []).filter(({ timestamp }) => timestamp >= first.timestamp - CONTEXT_MILLIS);
    const context = own.filter(({ timestamp }) => timestamp < first.timestamp);
    const tested = own
      .filter(({ transaction_id, timestamp }) => {
        const sinceFirst = timestamp - first.timestamp;
        return scored.has(transaction_id) && sinceFirst >= 0 && sinceFirst < DAY_MILLIS;
      })
      .slice(0, count - testedCount);
    testedCount += tested.length;
    chosen.set(userId, { context, tested });
  }
  return [...chosen.values()];
}

/** What was served of a challenger, against Python. */
export interface ServedScores {
  readonly model: string;
  readonly compared: number;
  readonly greatestDifference: number;
}

/**
 * Compares the challengers' scores of the tested transactions.
 * @param options.served folder of what was served.
 * @returns one entry for each model.
 */
export async function compareServed(options: {
  readonly folder: Folder;
  readonly served: string;
  readonly models: readonly string[];
  readonly made: DeployedScores;
}): Promise<ServedScores[]> {
  const { folder, served, models, made } = options;
  const tested = made.scores.map(({ transaction }) => textLiteral(transaction.transaction_id)).join(', ');
  const connection = await (await DuckDBInstance.create()).connect();
  const sql = `SELECT event_id, scores FROM read_parquet(${textLiteral(join(served, '**', '*.parquet'))})
    WHERE event_id IN (${tested}) AND event_status IN ('applied', 'skewed')`;
  const rows = (await connection.runAndReadAll(sql)).getRows();
  connection.closeSync();
  const compared: ServedScores[] = [];
  for (const model of models) {
    const python = await scoresOf(folder, model);
    const differences = rows.map(([id, scores]) =>
      Math.abs(
        (Scores.parse(JSON.parse(String(scores)))[model] ?? Number.NaN) - (python.get(String(id)) ?? Number.NaN),
      ),
    );
    compared.push({ model, compared: differences.length, greatestDifference: Math.max(...differences) });
  }
  return compared;
}

const Scores = z.record(z.string(), z.number());

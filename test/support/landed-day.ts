/**
 * What a local run has landed, read back row by row, and the referees of what commands make of it: the naive oracle for
 * features, and counts over all pairs for scores.
 */
import { join } from 'node:path';
import * as z from 'zod';
import type { Evaluation } from '../../cli/evaluation/evaluate.ts';
import { oracleHistoricalFeatures } from '../../localstack/oracle.ts';
import type { EventSource, WindowedView } from '../../shared/definitions/index.ts';
import { labels, merchantRisk, transactions, userTransactions } from '../../shared/features/fraud.ts';
import { withDuckDb } from '../../shared/offline/embedded/duckdb.ts';
import { historyPrefixOf } from '../../shared/offline/history-schema.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import { idHashOf, type WindowEvent } from '../../shared/windows/event.ts';
import { values, writeParquet } from './parquet.ts';

type Value = string | number | boolean | null;

/** A row of a spine. */
export interface SpineRow {
  readonly event: WindowEvent;
  readonly knownAtMillis: number;
}

/** A decision that a model scored, and what became of it. */
export interface ScoredDecision {
  readonly score: number;
  readonly isFraud: boolean;
}

export interface Answer {
  readonly servedAtMillis: number;
  readonly eventId: string | null;
  readonly scores: Readonly<Record<string, number>>;
}

const Scores = z.record(z.string(), z.number());

export class LandedDay {
  readonly transactions: readonly WindowEvent[];
  readonly labels: readonly WindowEvent[];
  readonly answers: readonly Answer[];
  readonly served: string;
  readonly labelsFolder: string;
  readonly #transactionsFolder: string;

  private constructor(folder: string, landed: Pick<LandedDay, 'transactions' | 'labels' | 'answers'>) {
    ({ transactions: this.transactions, labels: this.labels, answers: this.answers } = landed);
    this.#transactionsFolder = join(folder, historyPrefixOf(transactions));
    this.labelsFolder = join(folder, historyPrefixOf(labels));
    this.served = join(folder, ROW_LOGS.served.prefix);
  }

  /** @param folder of the history. */
  static async read(folder: string): Promise<LandedDay> {
    return withDuckDb({}, async (connect) => {
      const connection = await connect();
      const rowsOf = async (prefix: string, columns: string) => {
        const files = join(folder, prefix, '**', '*.parquet');
        return (await connection.runAndReadAll(`SELECT ${columns} FROM read_parquet($1)`, [files])).getRowObjects();
      };
      const eventsOf = async (source: EventSource, columns: string) =>
        (await rowsOf(historyPrefixOf(source), columns)).map((row) => eventOf(source, row));
      const answers = await rowsOf(ROW_LOGS.served.prefix, 'served_at, event_id, scores');
      return new LandedDay(folder, {
        transactions: await eventsOf(transactions, '* REPLACE (amount::DOUBLE AS amount)'),
        labels: await eventsOf(labels, '*'),
        answers: answers.map(({ served_at, event_id, scores }) => ({
          servedAtMillis: Number(served_at),
          eventId: typeof event_id === 'string' ? event_id : null,
          scores: typeof scores === 'string' ? Scores.parse(JSON.parse(scores)) : {},
        })),
      });
    });
  }

  /** For commands that take the history of every source. */
  get historyFlags(): string[] {
    return ['--history', `transactions=${this.#transactionsFolder}`, '--history', `labels=${this.labelsFolder}`];
  }

  get transactionsFlags(): string[] {
    return ['--history', `transactions=${this.#transactionsFolder}`];
  }

  /**
   * Transactions as rows of a spine: half of them the newest, the others from the whole day. Every second one is asked as it
   * was known when it arrived, the others as they are known now.
   */
  spine(count: number, nowMillis: number): SpineRow[] {
    const inOrder = [...new Map(this.transactions.map((event) => [event.id, event])).values()].sort(
      (left, right) => right.timeMillis - left.timeMillis,
    );
    const newest = inOrder.slice(0, Math.ceil(count / 2));
    const others = inOrder.slice(newest.length);
    const step = Math.max(1, Math.floor(others.length / Math.max(1, count - newest.length)));
    const chosen = [...newest, ...others.filter((_, index) => index % step === 0)].slice(0, count);
    return chosen.map((event, index) => ({
      event,
      knownAtMillis: index % 2 === 0 ? nowMillis : event.arrivedAtMillis,
    }));
  }

  /** Every feature of every row that is not the oracle's, and how many rows each feature has something to say of. */
  compare(rows: readonly SpineRow[], made: readonly Readonly<Record<string, unknown>>[]) {
    const differences: string[] = [];
    const filled = new Map<string, number>();
    if (made.length !== rows.length) differences.push(`${made.length} rows instead of ${rows.length}`);
    let compared = 0;
    for (const [index, row] of rows.entries()) {
      for (const [feature, expected] of this.#oracle(row)) {
        compared++;
        const actual = plain(made[index]?.[feature]);
        filled.set(feature, (filled.get(feature) ?? 0) + (expected === null || expected === 0 ? 0 : 1));
        if (actual !== expected) differences.push(`${row.event.id} ${feature} is ${actual}, and should be ${expected}`);
      }
    }
    const silent = [...filled].filter(([, count]) => count === 0).map(([feature]) => feature);
    return { rows: made.length, compared, differences, silent };
  }

  #oracle({ event, knownAtMillis }: SpineRow): Map<string, Value> {
    const at = { timestampMillis: event.timeMillis, knownAtMillis, mode: 'bitemporal', decidedId: event.id } as const;
    const of = (view: WindowedView, deliveries: readonly WindowEvent[], key: string) => {
      const ofEntity = deliveries.filter((other) => other.values[key] === event.values[key]);
      const found = oracleHistoricalFeatures(view, ofEntity, at);
      return view.features.map(({ name }, index): [string, Value] => [name, found[index] ?? null]);
    };
    const features = new Map([
      ...of(userTransactions, this.transactions, 'user_id'),
      ...of(merchantRisk, this.labels, 'merchant_id'),
    ]);
    const average = features.get('avg_amount_1h');
    const ratio = typeof average === 'number' ? Number(event.values.amount) / average : null;
    features.set('amount_to_avg_ratio', ratio);
    features.set('is_burst', Number(features.get('tx_count_1min')) > 3);
    return features;
  }

  /** Every decision that a model scored, once, with the latest label that had arrived by an instant. */
  scoredBy(model: string, asOfMillis: number): ScoredDecision[] {
    const first = new Map<string, Answer>();
    for (const answer of this.answers.toSorted((left, right) => left.servedAtMillis - right.servedAtMillis)) {
      if (answer.eventId !== null && Object.keys(answer.scores).length > 0 && !first.has(answer.eventId))
        first.set(answer.eventId, answer);
    }
    return [...first].flatMap(([id, { scores }]) => {
      const score = scores[model];
      if (score === undefined) return [];
      const said = this.labels
        .filter((label) => label.values.transaction_id === id && label.arrivedAtMillis <= asOfMillis)
        .sort((left, right) => left.timeMillis - right.timeMillis || left.arrivedAtMillis - right.arrivedAtMillis);
      return [{ score, isFraud: said.at(-1)?.values.is_fraud === 1 }];
    });
  }
}

function eventOf(source: EventSource, found: Readonly<Record<string, unknown>>): WindowEvent {
  const row = Object.fromEntries(Object.entries(found).map(([name, value]) => [name, plain(value) ?? null]));
  const id = String(row[source.eventId]);
  return {
    id,
    idHash: idHashOf(id),
    timeMillis: Number(row[source.eventTime]),
    arrivedAtMillis: Number(row.arrived_at),
    values: row,
  };
}

/** As the features have it: no number of ours is beyond 2^53. */
function plain(value: unknown): Value | undefined {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  // Big integers are text where rows are read as JSON.
  return typeof value === 'string' && /^\d+$/.test(value)
    ? Number(value)
    : typeof value === 'string'
      ? value
      : undefined;
}

/** The Parquet file of a spine. */
export async function writeSpine(file: string, rows: readonly SpineRow[]): Promise<void> {
  const columns = [
    'transaction_id VARCHAR',
    'user_id VARCHAR',
    'merchant_id VARCHAR',
    'amount DOUBLE',
    'timestamp BIGINT',
    'known_at BIGINT',
  ];
  const cells = rows.map(({ event: { id, values: of, timeMillis }, knownAtMillis }) => [
    id,
    String(of.user_id),
    String(of.merchant_id),
    Number(of.amount),
    timeMillis,
    knownAtMillis,
  ]);
  await writeParquet(file, values(columns, cells));
}

/** The same as `POST /training-sets` takes it. */
export function spineBody(rows: readonly SpineRow[]): object[] {
  return rows.map(({ event: { id, values: of, timeMillis }, knownAtMillis }) => ({
    transaction_id: id,
    user_id: of.user_id,
    merchant_id: of.merchant_id,
    amount: of.amount,
    timestamp: timeMillis,
    known_at: knownAtMillis,
  }));
}

/** All pairs of a fraud and an honest one: how often the fraud has the higher score; a tie is half. */
export function naiveAuc(scored: readonly ScoredDecision[]): number {
  let [wins, pairs] = [0, 0];
  for (const fraud of scored.filter(({ isFraud }) => isFraud)) {
    for (const honest of scored.filter(({ isFraud }) => !isFraud)) {
      pairs++;
      wins += fraud.score > honest.score ? 1 : fraud.score === honest.score ? 0.5 : 0;
    }
  }
  return wins / pairs;
}

/** A threshold that tells some from others: the score in the middle. */
export function middleScore(scored: readonly ScoredDecision[]): number {
  return scored.map(({ score }) => score).sort((left, right) => left - right)[Math.floor(scored.length / 2)] ?? 0.5;
}

/** What an evaluation says otherwise than a naive count. */
export function evaluationDifferences(
  evaluation: Evaluation,
  scored: readonly ScoredDecision[],
  threshold: number,
): string[] {
  const [model] = evaluation.models;
  const frauds = scored.filter(({ isFraud }) => isFraud);
  const compared: [string, number | undefined, number][] = [
    ['rows', evaluation.rows, scored.length],
    ['frauds', evaluation.frauds, frauds.length],
    ['missed frauds', model?.chosen?.missedFrauds, frauds.filter(({ score }) => score <= threshold).length],
    [
      'false alarms',
      model?.chosen?.falseAlarms,
      scored.filter(({ score, isFraud }) => !isFraud && score > threshold).length,
    ],
  ];
  const found = compared.filter(([, actual, expected]) => actual !== expected);
  const auc = model?.quality.aucRoc ?? Number.NaN;
  if (!(Math.abs(auc - naiveAuc(scored)) < 1e-12)) found.push(['AUC', auc, naiveAuc(scored)]);
  return found.map(([name, actual, expected]) => `${name}: ${actual} instead of ${expected}`);
}

/**
 * What became of transactions, as it was known at an instant: the truth that models are trained on and measured by.
 *
 * 1. Of a transaction's labels that had arrived by then, the latest holds: a chargeback that was taken back is none.
 * 2. A transaction is mature when it is older than the time in which labels come. Younger ones say nothing yet, even when
 *    they have a label: those labelled so soon are not like the others.
 * 3. A mature transaction without a label is honest. Some are frauds that nobody reported, and no data know better.
 */
import { ARRIVED_AT } from '../offline-store.ts';
import { textLiteral } from '../sql/dialect.ts';

export interface Maturity {
  /** When it is asked; labels that arrived later are not known. */
  readonly asOfMillis: number;
  /** How old a transaction must be then. */
  readonly maturityMillis: number;
}

/** @returns a query of `transaction_id` and `is_fraud` for every transaction that had a label. */
export function latestLabelsSql(labels: string, { asOfMillis }: Pick<Maturity, 'asOfMillis'>): string {
  return `SELECT transaction_id, arg_max(is_fraud, (labelled_at, ${ARRIVED_AT}, label_id))::INTEGER AS is_fraud
    FROM read_parquet(${textLiteral(labels)}, hive_partitioning = false) WHERE ${ARRIVED_AT} <= ${asOfMillis} GROUP BY transaction_id`;
}

/**
 * Rows with what became of them.
 * @param rows a query with `transaction_id` and the instants `timestamp`; its columns stay.
 * @param labels Parquet files of the source `labels`, as a glob.
 */
export function maturedRowsSql(rows: string, labels: string, maturity: Maturity): string {
  return `SELECT mature.*, coalesce(known.is_fraud, 0) AS is_fraud
    FROM (SELECT * FROM (${rows}) AS every WHERE "timestamp" <= ${maturity.asOfMillis - maturity.maturityMillis}) AS mature
    LEFT JOIN (${latestLabelsSql(labels, maturity)}) AS known USING (transaction_id)`;
}

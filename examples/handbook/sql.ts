/** The handbook's files, read as our history and our spines. */
import { join } from 'node:path';
import { textLiteral } from '../../shared/offline/sql/dialect.ts';

/** Every transaction as an event of history that arrived at its own instant. */
export function historySql(directory: string): string {
  return `SELECT TRANSACTION_ID AS transaction_id, CUSTOMER_ID AS customer_id, TERMINAL_ID AS terminal_id, TX_AMOUNT AS amount,
    TX_FRAUD AS fraud, epoch_ms(TX_DATETIME) AS at, epoch_ms(TX_DATETIME) AS arrived_at
    FROM read_parquet(${textLiteral(join(directory, 'transactions.parquet'))})`;
}

/** The transactions whose features are published, as rows of a spine; `n` numbers them. */
export function spineSql(directory: string): string {
  return `SELECT TRANSACTION_ID AS n, TRANSACTION_ID AS transaction, CUSTOMER_ID AS customer_id, TERMINAL_ID AS terminal_id,
    epoch_ms(TX_DATETIME) AS timestamp
    FROM read_parquet(${textLiteral(join(directory, 'transactions.parquet'))}) WHERE TRANSACTION_ID IN
    (SELECT TRANSACTION_ID FROM read_parquet(${textLiteral(join(directory, 'expected_features.parquet'))}))`;
}

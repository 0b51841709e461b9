/**
 * The adapter for Athena over Trino, the engine inside it: SQL, tables and Parquet files are those of AWS. Only UNLOAD is
 * Athena's own: the query inside it runs here, and what it answers is put where UNLOAD would.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateTableCommand, type CreateTableCommandInput, DeleteTableCommand, GlueClient } from '@aws-sdk/client-glue';
import { mockClient } from 'aws-sdk-client-mock';
import type { LocalTrino, TrinoResult } from '../../localstack/trino.ts';
import { AthenaOfflineStore } from '../../shared/offline/athena/athena-offline-store.ts';
import { type Cell, type Column, columnsOf, openParquet, parquetOf } from '../../shared/offline/athena/columns.ts';
import { objectOf } from '../../shared/offline/athena/s3-objects.ts';
import type { HistoricalRequest } from '../../shared/offline/offline-store.ts';
import { MemoryBucket } from './memory-bucket.ts';

const BUCKET = 'history';
const OUTPUT = 'output.parquet';
const SPINE_KEY = 'scratch/spine/spine.parquet';

let attempts = 0;

/** The columns of the training set. `history` names tables of the catalog `hive`, schema `default`. */
export async function athenaTrainingSet(
  trino: LocalTrino,
  request: Pick<HistoricalRequest, 'service' | 'mode' | 'history'> & { readonly spine: readonly Column[] },
): Promise<Column[]> {
  const bucket = new MemoryBucket();
  bucket.objects.set('spine.parquet', parquetOf(request.spine));
  const client = new GlueClient({ region: 'eu-central-1' });
  const glue = mockClient(client);
  glue.on(CreateTableCommand).callsFake((input) => createTable(trino, bucket, input));
  glue.on(DeleteTableCommand).callsFake(({ Name }) => trino.query(`DROP TABLE "${Name}"`));
  const execute = async (sql: string) => {
    const [, query = '', key = ''] = /^UNLOAD \(\n(.+)\n\) TO 's3:\/\/history\/(.+?)' WITH/s.exec(sql) ?? [];
    bucket.objects.set(`${key}part-1`, parquetOf(columnsIn(await trino.query(query))));
    return { queryId: 'query', bytesScanned: 0, reused: false };
  };
  const store = new AthenaOfflineStore({
    queries: { execute, run: () => Promise.reject(new Error('answers are unloaded')) },
    glue: client,
    s3: bucket.client,
    database: 'default',
    scratch: `s3://${BUCKET}/scratch/`,
    attemptId: `attempt-${attempts++}`,
    sqlEngine: 'trino',
    clock: Date.now,
  });
  await store.getHistoricalFeatures({
    ...request,
    spine: `s3://${BUCKET}/spine.parquet`,
    output: `s3://${BUCKET}/${OUTPUT}`,
  });
  return columnsOf(await openParquet(await objectOf(bucket.client, { bucket: BUCKET, key: OUTPUT })));
}

async function createTable(trino: LocalTrino, { objects }: MemoryBucket, input: CreateTableCommandInput) {
  const { Name = '', StorageDescriptor } = input.TableInput ?? {};
  await mkdir(join(trino.dataDirectory, Name));
  await writeFile(join(trino.dataDirectory, Name, 'spine.parquet'), objects.get(SPINE_KEY) ?? '');
  const columns = (StorageDescriptor?.Columns ?? []).map(
    (column) => `"${column.Name}" ${column.Type === 'string' ? 'varchar' : column.Type}`,
  );
  const location = `external_location = 'local:///${Name}', format = 'PARQUET'`;
  await trino.query(`CREATE TABLE "${Name}" (${columns.join(', ')}) WITH (${location})`);
  return {};
}

/** What a query answered, as columns of the types of its values. */
function columnsIn({ columns, rows }: TrinoResult): Column[] {
  return columns.map((name, index) => {
    const cells: Cell[] = rows.map((row) => row[index] ?? null);
    if (name === 'spine_row') return { name, kind: 'integer', cells: cells.map((cell) => BigInt(Number(cell))) };
    const type = typeof cells.find((cell) => cell !== null);
    return { name, kind: type === 'string' ? 'text' : type === 'boolean' ? 'boolean' : 'double', cells };
  });
}

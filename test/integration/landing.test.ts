/**
 * History on MiniStack: stream → deployed function → Parquet in the bucket, and what the functions say → Parquet.
 *
 * Two things differ from AWS and are asserted elsewhere. The emulator hands no metadata of the stream to the function, which then takes
 * Firehose's own time of arrival (the stream's: `test/unit/land-events`). And it drops the records that the function
 * refuses, instead of keeping them below the error prefix (the prefix: `test/infra/history.test.ts`); so here the deployed
 * function is asked directly, and the error prefix is seen with a conversion that fails.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { DuckDBInstance } from '@duckdb/node-api';
import type { FirehoseTransformationResult } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FeaturesAnswer, PredictAnswer } from '../../functions/serve/schemas.ts';
import { TRAINING_SETS_PREFIX } from '../../functions/training-sets/constants.ts';
import type { TrainingSetAnswer } from '../../functions/training-sets/schemas.ts';
import { freePort, LOCAL_DIRECTORY, type LocalServer } from '../../localstack/child-process.ts';
import { type Deployment, deployLocally } from '../../localstack/deploy.ts';
import { clientConfigurationOf } from '../../localstack/endpoint.ts';
import { startMiniStack } from '../../localstack/ministack.ts';
import { toLambdaEvent } from '../../localstack/poller.ts';
import { fraudDetection, labels as labelsSource, transactions } from '../../shared/features/fraud.ts';
import { EmbeddedOfflineStore } from '../../shared/offline/embedded/embedded-offline-store.ts';
import { historyErrorPrefixOf, historyPrefixOf, historySchema } from '../../shared/offline/history-schema.ts';
import type { HistoryMode } from '../../shared/offline/offline-store.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import { readParquet, values, writeParquet } from '../support/parquet.ts';
import { firehoseEventOf } from '../unit/land-events/fixtures.ts';

const EVENTS = 36;
const HOUR_MILLIS = 3_600_000;
const startedAtMillis = Date.now();

const POISONS = ['{', '{"transaction_id":"refused"}', JSON.stringify({ ...event(0), amount: '0.001' })];

/** Amounts and times in every form in which producers may write them, over more than a day. */
function event(index: number) {
  const timeMillis = startedAtMillis - index * 0.8 * HOUR_MILLIS;
  const cents = index === 0 ? 999_999_999_999_999n : BigInt(index) ** 7n;
  const amount = `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`;
  return {
    transaction_id: `landed-${String(index).padStart(2, '0')}`,
    user_id: `user-${index % 5}-\u{1f600}"\\`,
    merchant_id: `merchant-${index % 3}`,
    amount: index % 2 === 0 ? amount : Number(amount),
    timestamp: index % 3 === 0 ? new Date(timeMillis).toISOString() : Math.floor(timeMillis),
  };
}

function expectedRow(index: number) {
  const { amount, timestamp, ...texts } = event(index);
  const instant = new Date(timestamp);
  return {
    ...texts,
    amount: Number(amount).toFixed(2),
    timestamp: String(instant.getTime()),
    event_date: instant.toISOString().slice(0, 10),
    event_hour: instant.toISOString().slice(11, 13),
  };
}

/** What is in a column of JSON text. */
function jsonOf(column: unknown): unknown {
  if (typeof column !== 'string') throw new TypeError('the column holds no text');
  return JSON.parse(column);
}

describe('history on MiniStack', () => {
  let server: LocalServer | undefined;
  let deployment: Deployment;
  let s3: S3Client;
  let kinesis: KinesisClient;
  let directory: string;

  beforeAll(async () => {
    const workspace = join(LOCAL_DIRECTORY, 'landing');
    directory = await mkdtemp(join(tmpdir(), 'landing-'));
    server = await startMiniStack({ port: await freePort(), directory: workspace });
    const { endpoint } = server;
    deployment = await deployLocally({ endpoint, directory: workspace, landsHistory: true, onProgress: () => {} });
    s3 = new S3Client({ ...clientConfigurationOf(endpoint), forcePathStyle: true });
    kinesis = new KinesisClient(clientConfigurationOf(endpoint));
  }, 180_000);

  afterAll(async () => {
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function put(contents: readonly (string | object)[]): Promise<void> {
    const { FailedRecordCount } = await kinesis.send(
      new PutRecordsCommand({
        StreamName: deployment.streamNames[transactions.name],
        Records: contents.map((content) => ({
          Data: Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)),
          PartitionKey: 'user',
        })),
      }),
    );
    expect(FailedRecordCount ?? 0).toBe(0);
  }

  async function keysBelow(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { Contents = [] } of paginateListObjectsV2(
      { client: s3 },
      { Bucket: deployment.historyBucketName, Prefix: prefix },
    )) {
      keys.push(...Contents.flatMap(({ Key }) => Key ?? []));
    }
    return keys;
  }

  async function untilBelow(prefix: string, count: number): Promise<string[]> {
    for (;;) {
      const keys = await keysBelow(prefix);
      if (keys.length >= count) return keys;
      await delay(200);
    }
  }

  async function bytesOf(key: string): Promise<Uint8Array> {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: deployment.historyBucketName, Key: key }));
    if (Body === undefined) throw new Error(`${key} has no content`);
    return Body.transformToByteArray();
  }

  /** Every row of these files of a prefix, all values as text, and the types that the files themselves have. */
  async function readHistory(keys: readonly string[], prefix: string, order: string) {
    for (const key of keys) {
      const file = join(directory, key);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, await bytesOf(key));
    }
    const connection = await (await DuckDBInstance.create()).connect();
    const files = `read_parquet('${directory}/${prefix}**/*.parquet', hive_partitioning = true, hive_types_autocast = false)`;
    const rows = await connection.runAndReadAll(`SELECT COLUMNS(*)::VARCHAR FROM ${files} ORDER BY ${order}`);
    const types = await connection.runAndReadAll(`SELECT column_name, column_type FROM (DESCRIBE FROM ${files})`);
    connection.closeSync();
    return { rows: rows.getRowObjectsJS(), types: types.getRowsJS() };
  }

  it('lands every event as it was, in the partition of its time, a duplicate twice, and no poison', async () => {
    // Prepare
    const events = Array.from({ length: EVENTS }, (_, index) => event(index));
    const expected = [...events.keys(), 1].sort((left, right) => left - right).map(expectedRow);

    // Act
    await put([...events.slice(0, 20), ...POISONS, ...events.slice(20), event(1)]);
    const keys = await untilBelow(historyPrefixOf(transactions), expected.length);
    const landedAtMillis = Date.now();
    const { rows, types } = await readHistory(keys, historyPrefixOf(transactions), 'transaction_id');

    // Assess
    expect(rows).toEqual(expected.map((row) => ({ ...row, arrived_at: expect.stringMatching(/^\d+$/) })));
    for (const { arrived_at } of rows) {
      expect(Number(arrived_at)).toBeGreaterThanOrEqual(startedAtMillis);
      expect(Number(arrived_at)).toBeLessThanOrEqual(landedAtMillis);
    }
    expect(types).toEqual([
      ['transaction_id', 'VARCHAR'],
      ['user_id', 'VARCHAR'],
      ['merchant_id', 'VARCHAR'],
      ['amount', 'DECIMAL(18,2)'],
      ['timestamp', 'BIGINT'],
      ['arrived_at', 'BIGINT'],
      ['event_date', 'VARCHAR'],
      ['event_hour', 'VARCHAR'],
    ]);
    for (const key of keys) {
      expect(key).toMatch(/^raw\/transactions\/event_date=\d{4}-\d\d-\d\d\/event_hour=\d\d\/landed-[^/]+\.parquet$/);
    }
  });

  async function post<Answer>(path: string, body: object, status = 200): Promise<Answer> {
    const response = await fetch(`${deployment.apiUrl}${path}`, { method: 'POST', body: JSON.stringify(body) });
    expect(response.status).toBe(status);
    return (await response.json()) as Answer;
  }

  it('keeps what was answered, and the decided event with the arrival by which it was counted', async () => {
    // Prepare
    const { served } = ROW_LOGS;
    const decided = { ...event(0), transaction_id: 'decided', user_id: 'decided-\u{1f600}"', amount: '12.50' };

    // Act
    const beforeMillis = Date.now();
    const decision = await post<PredictAnswer>('/predict_fraud', decided);
    const read = await post<FeaturesAnswer>('/features', {
      features: ['user_transactions:tx_count_1h', 'user_transactions:total_amount_1h'],
      entities: [{ user_id: decided.user_id }, { user_id: 'nobody' }],
    });
    const afterMillis = Date.now();

    // Assess
    const keys = await untilBelow(served.prefix, 3);
    for (const key of keys) {
      expect(key).toMatch(/^served_rows\/event_date=\d{4}-\d\d-\d\d\/event_hour=\d\d\/landed-[^/]+\.parquet$/);
    }
    const { rows, types } = await readHistory(keys, served.prefix, 'route DESC, entity');
    expect(types.map(([name]) => name)).toEqual(
      [...served.schema.columns, ...served.schema.partitionColumns].map(({ name }) => name),
    );
    const [ofDecision, ofKnown, ofNobody] = rows;
    expect(ofDecision).toMatchObject({
      route: 'predict_fraud',
      caller: null,
      registry_version: deployment.registryVersion,
      service: decision.service,
      event_id: 'decided',
      event_status: decision.event_status,
      decision: decision.decision,
    });
    expect(jsonOf(ofDecision?.features)).toEqual(decision.features);
    expect(jsonOf(ofDecision?.event)).toMatchObject({ transaction_id: 'decided', amount: 12.5 });
    expect(jsonOf(ofDecision?.entity)).toMatchObject({ user_id: decided.user_id });
    expect(ofKnown).toMatchObject({ route: 'features', service: null, event_id: null, event: null, decision: null });
    expect([ofKnown, ofNobody].map((row) => jsonOf(row?.features))).toEqual(
      read.results.map((result) => result.features),
    );
    for (const { served_at } of rows) {
      expect(Number(served_at)).toBeGreaterThanOrEqual(beforeMillis);
      expect(Number(served_at)).toBeLessThanOrEqual(afterMillis);
    }

    const raw = historyPrefixOf(transactions);
    const { event_date, event_hour } = expectedRow(0);
    const ofEvent = await untilBelow(`${raw}event_date=${event_date}/event_hour=${event_hour}/decided-`, 1);
    const history = await readHistory(ofEvent, raw, 'transaction_id');
    const landed = history.rows.filter(({ transaction_id }) => transaction_id === 'decided');
    expect(landed).toEqual([
      {
        transaction_id: 'decided',
        user_id: decided.user_id,
        merchant_id: decided.merchant_id,
        amount: '12.50',
        timestamp: expectedRow(0).timestamp,
        arrived_at: expect.stringMatching(/^\d+$/),
        event_date,
        event_hour,
      },
    ]);
    expect(Number(landed[0]?.arrived_at)).toBeGreaterThanOrEqual(beforeMillis);
    expect(Number(landed[0]?.arrived_at)).toBeLessThanOrEqual(Number(ofDecision?.served_at));
  });

  it('keeps what features become by the events of the stream', async () => {
    // Prepare
    const { features } = ROW_LOGS;
    const arrivedAtMillis = Date.now();
    const consumed = [event(0), { ...event(0), transaction_id: 'second', amount: 2.5 }].map((content, index) => ({
      sequenceNumber: String(index),
      partitionKey: 'user',
      data: Buffer.from(JSON.stringify({ ...content, user_id: 'streamed', amount: 2.5 })),
      arrivedAtMillis,
    }));

    // Act
    const name = deployment.consumerFunctionNames[transactions.name];
    const response = await fetch(`${deployment.endpoint}/2015-03-31/functions/${name}/invocations`, {
      method: 'POST',
      body: JSON.stringify(toLambdaEvent('arn:aws:kinesis:us-east-1:000000000000:stream/any', 'shard-0', consumed)),
    });

    // Assess
    expect(await response.json()).toEqual({ batchItemFailures: [] });
    const { rows } = await readHistory(await untilBelow(features.prefix, 1), features.prefix, 'emitted_at');
    expect(rows).toEqual([
      expect.objectContaining({
        registry_version: deployment.registryVersion,
        view: 'user_transactions@1',
        entity: '{"user_id":"streamed"}',
        as_of: expectedRow(0).timestamp,
        arrived_at: String(arrivedAtMillis),
        event_date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
      }),
    ]);
    expect(jsonOf(rows[0]?.features)).toMatchObject({ tx_count_1h: 2, total_amount_1h: 5 });
  });

  async function untilEnded(id: string): Promise<TrainingSetAnswer> {
    for (;;) {
      const response = await fetch(`${deployment.apiUrl}/training-sets/${id}`);
      expect(response.status).toBe(200);
      const answer = (await response.json()) as TrainingSetAnswer;
      if (answer.state === 'succeeded' || answer.state === 'failed') return answer;
      await delay(200);
    }
  }

  it.each<HistoryMode>(['bitemporal', 'event-time'])('makes training sets as the embedded engine, %s', async (mode) => {
    // Prepare
    const label = `"it's"; DROP TABLE raw_transactions --`;
    const rows = Array.from({ length: 12 }, (_, index) => {
      const { transaction_id, user_id, amount, timestamp } = event(index);
      const labelled = { [label]: index % 4 === 0 ? null : `=1${label}` };
      return { ...labelled, transaction_id, user_id, amount: Number(amount), timestamp };
    });
    const spine = [...rows, { ...rows[0], user_id: 'nobody' }].map(({ timestamp, ...row }) => ({
      ...row,
      timestamp: new Date(Number(new Date(timestamp ?? 0))).toISOString(),
      merchant_id: 'merchant-1',
      known_at: Date.now(),
    }));

    // Act
    const { id } = await post<TrainingSetAnswer>('/training-sets', { service: 'fraud_detection', mode, spine }, 202);
    const answer = await untilEnded(id);

    // Assess
    expect(answer).toMatchObject({ id, state: 'succeeded', service: fraudDetection.key, mode, rows: spine.length });
    const [made, wanted, embeddedSpine, labels] = ['made', 'wanted', 'spine', 'labels'].map((name) =>
      join(directory, `${name}-${mode}.parquet`),
    ) as [string, string, string, string];
    const download = await fetch(answer.download_url ?? '');
    await writeFile(made, Buffer.from(await download.arrayBuffer()));
    await writeFile(embeddedSpine, await bytesOf(`${TRAINING_SETS_PREFIX}${id}/spine.parquet`));
    const raw = historyPrefixOf(transactions);
    await readHistory(await keysBelow(raw), raw, 'transaction_id');
    const { columns } = historySchema(labelsSource);
    await writeParquet(
      labels,
      values(
        columns.map(({ name, hiveType }) => `${name} ${hiveType}`),
        [],
      ),
    );
    const embedded = await new EmbeddedOfflineStore().getHistoricalFeatures({
      service: fraudDetection,
      mode,
      spine: embeddedSpine,
      history: { transactions: `${directory}/${raw}**/*.parquet`, labels },
      output: wanted,
    });
    const wantedRows = await readParquet(wanted);
    expect(await readParquet(made)).toEqual(wantedRows);
    // Not all are empty: the newest event of some user is known and in time in every mode.
    expect(wantedRows.some(({ tx_count_24h }) => Number(tx_count_24h) > 0)).toBe(true);
    const { columns: madeColumns, rows: madeRows } = answer.manifest ?? {};
    expect({ columns: madeColumns, rows: madeRows }).toEqual({ columns: embedded.columns, rows: embedded.rows });
  });

  it('refuses poison with its original bytes', async () => {
    const name = deployment.landingFunctionNames[transactions.name];
    const response = await fetch(`${deployment.endpoint}/2015-03-31/functions/${name}/invocations`, {
      method: 'POST',
      body: JSON.stringify(firehoseEventOf(...POISONS)),
    });
    const { records } = (await response.json()) as FirehoseTransformationResult;
    expect(records).toEqual(
      POISONS.map((content, index) => ({
        recordId: `record-${index}`,
        result: 'ProcessingFailed',
        data: Buffer.from(content).toString('base64'),
      })),
    );
  });

  it('keeps what cannot be converted below the error prefix of its kind', async () => {
    // Without its table nothing can be converted.
    await fetch(deployment.endpoint, {
      method: 'POST',
      headers: { 'X-Amz-Target': 'AWSGlue.DeleteTable', 'Content-Type': 'application/x-amz-json-1.1' },
      body: JSON.stringify({ DatabaseName: 'feature_store_local', Name: historySchema(transactions).tableName }),
    });
    await put([event(2)]);
    const [key = ''] = await untilBelow(historyErrorPrefixOf(transactions), 1);
    expect(key).toMatch(/^errors\/raw\/transactions\/format-conversion-failed\/\d{4}\/\d\d\/\d\d\//);
    const { rawData } = JSON.parse(Buffer.from(await bytesOf(key)).toString());
    expect(JSON.parse(Buffer.from(rawData, 'base64').toString())).toMatchObject({ transaction_id: 'landed-02' });
  });
});

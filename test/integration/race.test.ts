import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHandler, type ServeHandler } from '../../functions/serve/app.ts';
import { CachedViews } from '../../functions/serve/cached-views.ts';
import { HEDGE_AFTER_MILLIS } from '../../functions/serve/constants.ts';
import { DefaultPolicies } from '../../functions/serve/decision-policies.ts';
import { GuardedStore } from '../../functions/serve/guarded-store.ts';
import { type StreamRecord, updateWindows } from '../../functions/update-windows/update-windows.ts';
import { userTransactions } from '../../shared/features/fraud.ts';
import { repository } from '../../shared/features/index.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { API } from '../support/api-description.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import { httpRequest } from '../unit/serve/harness.ts';

const REQUESTS = 50;

describe('decisions that race for one user on DynamoDB Local', () => {
  let table: Awaited<ReturnType<typeof startTestTable>>;
  let handler: ServeHandler;
  let store: DynamoDbOnlineStore;
  const nowMillis = Date.now();
  let attempt = 0;

  beforeAll(async () => {
    table = await startTestTable();
    store = new DynamoDbOnlineStore({ client: table.client, tableName: TEST_TABLE });
    handler = createHandler({
      store: new GuardedStore(store, { hedgeAfterMillis: HEDGE_AFTER_MILLIS }),
      cachedViews: new CachedViews({ clock: () => nowMillis }),
      policies: new DefaultPolicies(),
      // A busy machine may take its time: what is shown here is that nothing is lost, not how fast.
      deadlines: { decision: 30_000, features: 30_000 },
      repository,
      api: API,
      stream: { put: () => Promise.reject(new Error('nothing is published here')) },
      clock: () => nowMillis,
      logger: { error: console.error, warn: console.error },
      metrics: { answered: () => {}, nulls: () => {}, age: () => {}, decided: () => {} },
      probes: [],
    });
    // The first calls of a new table are slow enough to be taken for lost, which is another test.
    await predict(0, { user_id: 'warm-up' });
  });
  afterAll(() => table?.stop());

  const transaction = (index: number) => ({
    transaction_id: `raced-${attempt}-${index}`,
    user_id: `raced-${attempt}`,
    merchant_id: `merchant-${index % 7}`,
    amount: 10 + index / 100,
    timestamp: nowMillis - 1_000 + (index % 20),
  });

  async function predict(index: number, changes: object = {}) {
    const body = JSON.stringify({ ...transaction(index), ...changes });
    const { statusCode, body: text } = await handler(httpRequest('POST', '/predict_fraud', { body }));
    expect(statusCode).toBe(200);
    return JSON.parse(text ?? '') as { features: Record<string, number>; event_status: string };
  }

  async function readCount(): Promise<number> {
    const body = JSON.stringify({
      features: ['user_transactions:tx_count_1h'],
      entities: [{ user_id: `raced-${attempt}` }],
    });
    const { body: text } = await handler(httpRequest('POST', '/features', { body }));
    return JSON.parse(text ?? '').results[0].features.tx_count_1h;
  }

  it('each see another number of transactions; the stream then delivers them in vain', async () => {
    attempt++;
    const answers = await Promise.all(Array.from({ length: REQUESTS }, (_, index) => predict(index)));
    const counts = answers.map(({ features }) => features.tx_count_1h).sort((left = 0, right = 0) => left - right);
    expect(counts).toEqual(Array.from({ length: REQUESTS }, (_, index) => index + 1));

    const records = Array.from({ length: REQUESTS }, (_, index): StreamRecord => {
      const data = Buffer.from(JSON.stringify(transaction(index)));
      return { sequenceNumber: String(index), partitionKey: `raced-${attempt}`, data, arrivedAtMillis: nowMillis };
    });
    const refuse = () => Promise.reject(new Error('a transaction was refused'));
    const { source } = userTransactions;
    const ports = { source, views: [userTransactions], store, quarantine: { put: refuse } };
    for (let delivery = 0; delivery < 2; delivery++) {
      const { counts: outcomes } = await updateWindows(records, ports);
      expect(outcomes).toMatchObject({ received: REQUESTS, duplicate: REQUESTS, applied: 0, failed: 0 });
    }
    expect(await readCount()).toBe(REQUESTS);

    const virtual = await predict(REQUESTS, { mode: 'read-only' });
    expect(virtual.features.tx_count_1h).toBe(REQUESTS + 1);
    expect(virtual.event_status).toBe('read-only');
    expect(await readCount()).toBe(REQUESTS);
  });
});

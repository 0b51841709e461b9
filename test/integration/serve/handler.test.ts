import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ServeHandler } from '../../../functions/serve/app.ts';
import { API } from '../../support/api-description.ts';
import { startTestTable, TEST_TABLE } from '../../support/dynamodb.ts';
import { httpRequest, transaction } from '../../unit/serve/harness.ts';

/** The function as it is deployed, composed from its environment, over DynamoDB Local. There is no Kinesis. */
let handler: ServeHandler;
let table: Awaited<ReturnType<typeof startTestTable>>;

beforeAll(async () => {
  table = await startTestTable();
  const environment = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL: table.endpoint,
    POWERTOOLS_METRICS_DISABLED: 'true',
    // No answer depends on how busy the machine is.
    DEADLINE_MILLIS: '120000',
    ONLINE_TABLE_NAME: TEST_TABLE,
    API: JSON.stringify(API),
    STREAM_NAMES: '{"transactions":"transactions-stream","labels":"labels-stream"}',
  };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  ({ handler } = await import('../../../functions/serve/handler.ts'));
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await table.stop();
});

async function post(path: string, body: unknown) {
  const answer = await handler(httpRequest('POST', path, { body: JSON.stringify(body) }));
  return { status: answer.statusCode, body: JSON.parse(answer.body ?? '') };
}

const now = (fields: Readonly<Record<string, unknown>> = {}) => transaction({ timestamp: Date.now(), ...fields });

describe('the deployed handler over DynamoDB Local', () => {
  it('decides, counts once, and reads back what it counted', async () => {
    const reader = `reader-${randomUUID()}`;
    const event = now({ user_id: reader });
    expect((await post('/predict_fraud', { ...event, mode: 'read-only' })).body.features.tx_count_1h).toBe(1);
    expect((await post('/predict_fraud', event)).body.event_status).toBe('applied');
    expect((await post('/predict_fraud', event)).body.event_status).toBe('duplicate');
    const { body } = await post('/features', {
      service: 'fraud_detection',
      entities: [
        { user_id: reader, merchant_id: 'merchant-1' },
        { user_id: 'nobody', merchant_id: 'merchant-1' },
      ],
    });
    expect(body.results[0]).toMatchObject({ status: 'found', features: { tx_count_1h: 1, avg_amount_1h: 10 } });
    expect(body.results[1]).toMatchObject({ status: 'unknown', features: { tx_count_1h: 0, avg_amount_1h: null } });
  });

  it('says which dependency fails', async () => {
    const answer = await handler(httpRequest('GET', '/health'));
    expect(answer.statusCode).toBe(503);
    expect(JSON.parse(answer.body ?? '').checks).toMatchObject({
      online_store: { status: 'ok' },
      stream_transactions: { status: 'failed' },
    });
  });
});

/** One answer that stalls in its body must not hold what comes after it: neither a configuration nor a shard. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { clientConfiguration } from '../../functions/aws-clients.ts';
import { S3ObjectStore } from '../../functions/s3-object-store.ts';
import { StoredPolicies } from '../../functions/serve/decision-policies.ts';
import { updateWindows } from '../../functions/update-windows/update-windows.ts';
import { transactions, userTransactions } from '../../shared/features/fraud.ts';
import { repository } from '../../shared/features/index.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { withRetries } from '../../shared/online/retry.ts';
import { answerJson, connectionTo, type Loopback, type Respond, STALLS, startLoopback } from '../support/loopback.ts';
import { MemoryQuarantine, recordsOf, transaction } from './update-windows/fixtures.ts';

/** Short enough to be waited for; whoever is late for it on a busy machine is tried again. */
const ATTEMPT_MILLIS = 250;
const PATIENT = { timeout: 60_000 };

let server: Loopback;
beforeEach(async () => {
  server = await startLoopback(answerJson({}));
});
afterEach(() => server.stop());

const configurationOf = (endpoint: string) => ({
  ...clientConfiguration({ requestTimeoutMillis: ATTEMPT_MILLIS }),
  ...connectionTo(endpoint),
});

/** Answers the first request so, and all others as they should be. */
const firstStalls =
  (stall: Respond, respond: Respond): Respond =>
  (response, request) =>
    (server.requests.length === 1 ? stall : respond)(response, request);

describe.each(Object.entries(STALLS))('when one answer stalls %s', (_name, stall) => {
  it('the configuration of decisions is renewed all the same', async () => {
    const [service] = repository.services;
    if (service === undefined) throw new Error('a service is shipped');
    const objects: Readonly<Record<string, object>> = { 'active.json': { version: 7 }, '000007.json': {} };
    server.respond = firstStalls(stall, (response, { path }) => {
      const [, name = ''] = /\/([^/?]+)(\?|$)/.exec(path) ?? [];
      response.end(JSON.stringify(objects[name]));
    });
    let nowMillis = 0;
    const policies = new StoredPolicies({
      store: new S3ObjectStore({
        client: new S3Client({ ...configurationOf(server.endpoint), forcePathStyle: true }),
        bucketName: 'b',
      }),
      repository,
      clock: () => nowMillis,
      logger: { error: () => {}, warn: () => {} },
    });
    await vi.waitFor(async () => {
      nowMillis += 60_000;
      expect((await policies.policyOf(service)).configurationVersion).toBe(7);
    }, PATIENT);
  });

  it('a batch is counted within the same invocation', async () => {
    server.respond = firstStalls(stall, answerJson({ Attributes: {} }));
    const client = new DynamoDBClient(configurationOf(server.endpoint));
    const quarantine = new MemoryQuarantine();
    const { counts } = await updateWindows(recordsOf(transaction()), {
      source: transactions,
      views: [userTransactions],
      store: withRetries(new DynamoDbOnlineStore({ client, tableName: 't' }), {
        signal: new AbortController().signal,
      }),
      quarantine,
    });
    expect(counts).toMatchObject({ received: 1, applied: 1, failed: 0 });
    expect(server.requests.length).toBeGreaterThanOrEqual(2);
  });

  it('a read has its item', async () => {
    server.respond = firstStalls(stall, answerJson({ Item: { h: { N: '1' } } }));
    const client = new DynamoDBClient(configurationOf(server.endpoint));
    const store = withRetries(new DynamoDbOnlineStore({ client, tableName: 't' }), {
      signal: new AbortController().signal,
    });
    expect(await store.get(['k'])).toEqual([{ h: { N: '1' } }]);
  });
});

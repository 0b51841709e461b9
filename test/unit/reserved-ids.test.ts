import { describe, expect, it } from 'vitest';
import { ENV } from '../../functions/constants.ts';
import { isProduction } from '../../functions/environment.ts';
import { landEvents } from '../../functions/land-events/land-events.ts';
import { SERVE_TIMEOUT_SECONDS, SLOW_ANSWER_MILLIS } from '../../functions/serve/constants.ts';
import { openApiDocument } from '../../functions/serve/openapi.ts';
import { GivenPolicies } from '../../functions/testing/options.ts';
import { updateWindows } from '../../functions/update-windows/update-windows.ts';
import { decodeEvent } from '../../shared/definitions/decode-event.ts';
import { transactions } from '../../shared/features/fraud.ts';
import { repository } from '../../shared/features/index.ts';
import { eventSource, z } from '../../shared/index.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import { MemoryOnlineStore } from '../../shared/online/memory/memory-store.ts';
import { FORCED_OUTCOMES, type ForcedOutcome, withoutRefusedIds } from '../../shared/reserved-ids.ts';
import { API } from '../support/api-description.ts';
import { CollectingSink } from '../support/rows.ts';
import { smallModelPackage } from '../support/small-model.ts';
import { NOW_MILLIS, serve, transaction } from './serve/harness.ts';

const idsOf = (what: string) => [`feature-store-test:${what}`, `feature-store-test:${what}:order 7: a`];

/** The API of a stage, with a model that scores 0.5 or so, its rows, and what was waited for. */
function stage(production: boolean | undefined, { hasModel = true } = {}) {
  const pauses: number[] = [];
  const sink = new CollectingSink();
  const model = smallModelPackage(repository, { intercept: -0.5 });
  const api = serve({
    ...(production !== undefined && { production }),
    policies: new GivenPolicies(repository, { clock: NOW_MILLIS, ...(hasModel && { model }) }),
    pause: async (millis) => pauses.push(millis),
    rows: { sink, waits: true },
  });
  return { ...api, pauses, sink };
}

const everyOutcome = FORCED_OUTCOMES.flatMap((what) => idsOf(what).map((id) => [what, id] as const));

describe('an id that forces an outcome, in a stage that is not production', () => {
  it.each(everyOutcome)('%s: is decided so (%s)', async (what, id) => {
    const api = stage(false);
    const ordinary = await api.predict(transaction({ user_id: 'other' }));
    const { status, body } = await api.predict(transaction({ transaction_id: id }));
    expect(status).toBe(200);
    expect(body).toMatchObject({ transaction_id: id, forced: what });
    expect(ordinary.body).not.toHaveProperty('forced');
    const expected: Record<ForcedOutcome, object> = {
      approve: { decision: 'approve', score: expect.any(Number), degraded: [], event_status: 'applied' },
      review: { decision: 'review', score: expect.any(Number), degraded: [], event_status: 'applied' },
      block: { decision: 'block', score: expect.any(Number), degraded: [], event_status: 'applied' },
      degraded: {
        decision: 'review',
        score: null,
        event_status: 'unknown',
        degraded: [
          { what: 'view', name: 'user_transactions@1' },
          { what: 'view', name: 'merchant_risk@1' },
        ],
      },
      slow: { decision: ordinary.body.decision, score: ordinary.body.score, degraded: [], event_status: 'applied' },
      'model-missing': {
        decision: 'review',
        score: null,
        model: null,
        event_status: 'applied',
        degraded: [{ what: 'model', name: 'small@1' }],
      },
    };
    expect(body).toMatchObject(expected[what]);
    expect(api.pauses).toEqual(what === 'slow' ? [SLOW_ANSWER_MILLIS] : []);
    // Counted as usual, unless the store did not answer.
    const { body: read } = await api.features({
      service: 'fraud_detection',
      entities: [{ user_id: 'user-1', merchant_id: 'merchant-1' }],
    });
    expect(read.results[0].features.tx_count_1min).toBe(what === 'degraded' ? 0 : 1);
  });

  it('evaluates rules as usual, whose outcome the forced one replaces', async () => {
    const api = stage(false);
    const { body } = await api.predict(transaction({ transaction_id: 'feature-store-test:approve', amount: 5_000 }));
    expect(body).toMatchObject({ decision: 'approve', rules: [{ name: 'LARGE_FIRST_TX', outcome: 'review' }] });
  });

  it('says that a forced block is fraud exactly where no score says otherwise', async () => {
    const event = transaction({ transaction_id: 'feature-store-test:block' });
    expect((await stage(false, { hasModel: false }).predict(event)).body).toMatchObject({
      score: null,
      is_fraud: true,
    });
    expect((await stage(false).predict(event)).body).toMatchObject({ is_fraud: false });
  });

  it('makes a model missing also where none decides', async () => {
    const api = stage(false, { hasModel: false });
    const { body } = await api.predict(transaction({ transaction_id: 'feature-store-test:model-missing' }));
    expect(body).toMatchObject({ decision: 'review', degraded: [{ what: 'model', name: 'fraud_detection@1' }] });
  });

  it.each(everyOutcome)('%s: is published like any other event (%s)', async (_what, id) => {
    const api = stage(false);
    expect((await api.events(transaction({ transaction_id: id }))).status).toBe(202);
    expect(api.stream.records.map(({ text }) => JSON.parse(text).transaction_id)).toEqual([id]);
  });

  it('leaves its answer in the log under that id, and what was not counted out of the history', async () => {
    const api = stage(false);
    await api.predict(transaction({ transaction_id: 'feature-store-test:block' }));
    await api.predict(transaction({ transaction_id: 'feature-store-test:degraded' }));
    expect(api.sink.of(ROW_LOGS.served.schema.tableName).map((row) => [row.event_id, row.decision])).toEqual([
      ['feature-store-test:block', 'block'],
      ['feature-store-test:degraded', 'review'],
    ]);
    expect(api.sink.of('raw_transactions').map((row) => row.transaction_id)).toEqual(['feature-store-test:block']);
  });

  it.each(['', 'allow', 'Block', 'block ', ':block'])('that says "%s" is refused with the list', async (what) => {
    const api = stage(false);
    const event = transaction({ transaction_id: `feature-store-test:${what}` });
    const problem = 'approve, review, block, degraded, slow, model-missing';
    for (const { status, body } of [await api.predict(event), await api.events(event)]) {
      expect(status).toBe(400);
      expect(body.errors).toEqual([{ field: 'transaction_id', problem: expect.stringContaining(problem) }]);
    }
    expect(api.stream.records).toEqual([]);
  });

  it('waits less than the function may take', () => {
    expect(SLOW_ANSWER_MILLIS).toBeLessThan(SERVE_TIMEOUT_SECONDS * 1_000);
    expect(SLOW_ANSWER_MILLIS).toBeGreaterThan(SERVE_TIMEOUT_SECONDS * 500);
  });
});

describe.each([true, undefined])('an id that forces an outcome, in production (%s)', (production) => {
  it.each([...everyOutcome, ['unknown', 'feature-store-test:unknown'] as const])(
    '%s: is refused (%s)',
    async (_what, id) => {
      const api = stage(production);
      const event = transaction({ transaction_id: id });
      for (const { status, headers, body } of [
        await api.predict(event),
        await api.post('/predict_fraud', { ...event, mode: 'read-only' }),
        await api.events(event),
        await api.events({ events: [transaction(), event] }),
      ]) {
        expect(status).toBe(400);
        expect(headers['content-type']).toBe('application/problem+json');
        expect(body.errors).toEqual([
          {
            field: expect.stringMatching(/^(events\[1\]\.)?transaction_id$/),
            problem: expect.stringContaining('in production give the event another id'),
          },
        ]);
      }
      expect(api.stream.records).toEqual([]);
      expect(api.sink.rows).toEqual([]);
      expect(api.pauses).toEqual([]);
    },
  );

  it('does not concern ids that only contain the words', async () => {
    const ids = ['feature-store-test', 'a feature-store-test:block', 'FEATURE-STORE-TEST:block'];
    for (const id of ids)
      expect((await stage(production).predict(transaction({ transaction_id: id }))).status).toBe(200);
  });
});

describe('the stream', () => {
  const record = (id: string) => ({
    sequenceNumber: id,
    partitionKey: 'user-1',
    data: Buffer.from(JSON.stringify(transaction({ transaction_id: id }))),
    arrivedAtMillis: NOW_MILLIS,
  });
  const records = ['ordinary', 'feature-store-test:block', 'feature-store-test:unknown'].map(record);

  it.each([
    [true, [records[1], records[2]], 1],
    [undefined, [records[1], records[2]], 1],
    [false, [records[2]], 2],
  ])(
    'in production (%s): quarantines what the API refuses, and does not land it',
    async (production, refused, applied) => {
      const more = production === undefined ? {} : { production };
      const views = repository.views.filter(({ source }) => source === transactions);
      const { counts, quarantined } = await updateWindows(records, {
        source: transactions,
        views,
        store: new MemoryOnlineStore(),
        quarantine: { put: async () => undefined },
        ...more,
      });
      expect(counts).toMatchObject({ applied, quarantined: refused.length, failed: 0 });
      expect(quarantined.map(({ sequenceNumber, problems }) => [sequenceNumber, problems[0]?.field])).toEqual(
        refused.map((one) => [one?.sequenceNumber, 'transaction_id']),
      );
      const landings = landEvents(transactions, records, more);
      expect(landings.map(({ ok }) => ok)).toEqual(records.map((one) => !refused.includes(one)));
    },
  );
});

describe('a stage', () => {
  it('is production unless its environment says that it is not', () => {
    const before = process.env[ENV.production];
    const said = [undefined, '', 'true', 'no', 'false'].map((value) => {
      if (value === undefined) delete process.env[ENV.production];
      else process.env[ENV.production] = value;
      return isProduction();
    });
    if (before === undefined) delete process.env[ENV.production];
    else process.env[ENV.production] = before;
    expect(said).toEqual([true, true, true, true, false]);
  });

  it('tells of these ids in its OpenAPI document unless it is production', () => {
    const document = (production?: boolean) =>
      JSON.stringify(openApiDocument(repository, API, production === undefined ? {} : { production }));
    for (const production of [true, undefined]) expect(document(production)).not.toMatch(/feature-store-test|forced/);
    for (const what of FORCED_OUTCOMES) expect(document(false)).toContain(what);
    const { components } = JSON.parse(document(false));
    expect(components.schemas.FraudDetectionV1Decision.properties.forced.enum).toEqual(FORCED_OUTCOMES);
  });

  it('names the field as producers call it', () => {
    const source = eventSource({
      name: 'events',
      description: 'Events.',
      owner: 'tests',
      schema: z.strictObject({ event_id: z.string(), account_id: z.string(), at: transactions.schema.shape.timestamp }),
      eventId: 'event_id',
      eventTime: 'at',
      partitionKey: 'account_id',
      allowedLateness: '5s',
      fields: { event_id: { from: 'uid' } },
    });
    const event = { uid: 'feature-store-test:block', account_id: 'a', at: NOW_MILLIS };
    const decoded = withoutRefusedIds(source, decodeEvent(source, event, NOW_MILLIS), { production: true });
    expect(decoded).toMatchObject({ ok: false, problems: [{ field: 'uid' }] });
  });
});

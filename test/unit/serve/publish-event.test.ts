import { describe, expect, it } from 'vitest';
import { EventStreamUnavailableError } from '../../../functions/serve/ports.ts';
import { decodeEventBytes } from '../../../shared/definitions/decode-event.ts';
import { labels as labelsSource, transactions } from '../../../shared/features/fraud.ts';
import { repository } from '../../../shared/features/index.ts';
import { label, NOW_MILLIS, serve, transaction } from './harness.ts';

describe('POST /events/{source}', () => {
  it('publishes one event under its partition key', async () => {
    const { events, stream } = serve();
    const event = transaction({ user_id: 'user-7' });
    const { status, body } = await events(event);
    expect(status).toBe(202);
    expect(body).toEqual({ accepted: 1, registry_version: repository.registryVersion });
    expect(stream.records.map(({ partitionKey }) => partitionKey)).toEqual(['user-7']);
    expect(JSON.parse(stream.records[0]?.text ?? '')).toEqual(event);
  });

  it('publishes 500 events in one call, in order', async () => {
    const { events, stream } = serve();
    const sent = Array.from({ length: 500 }, () => transaction());
    expect((await events({ events: sent })).body.accepted).toBe(500);
    expect(stream.calls).toBe(1);
    expect(stream.records.map(({ text }) => JSON.parse(text))).toEqual(sent);
  });

  it('writes text that the consumer decodes to the same event, digit by digit', async () => {
    const { events, stream } = serve();
    const text = JSON.stringify(transaction({ amount: 0, merchant_id: 'Zoë 🍰' })).replace(
      '"amount":0',
      '"amount":1234567890123.450000000000',
    );
    expect((await events(text)).status).toBe(202);
    const decoded = decodeEventBytes(transactions, Buffer.from(stream.records[0]?.text ?? ''), NOW_MILLIS);
    expect(decoded).toMatchObject({ ok: true, event: { values: { amount: 1234567890123.45, merchant_id: 'Zoë 🍰' } } });
  });

  it('refuses the whole when one event is wrong, naming every fault', async () => {
    const { events, stream } = serve();
    const { status, body } = await events({
      events: [
        transaction(),
        transaction({ amount: -1 }),
        transaction(),
        { ...transaction(), extra: 1, user_id: 7.5 },
        5,
      ],
    });
    expect(status).toBe(400);
    expect(body.errors.map(({ field }: { field: string }) => field)).toEqual([
      'events[1].amount',
      'events[3].user_id',
      'events[3].extra',
      'events[4]',
    ]);
    expect(stream.calls).toBe(0);
  });

  it.each([
    ['no events', { events: [] }, 'events'],
    ['501 events', { events: Array(501).fill(transaction()) }, 'events'],
    ['events that are no list', { events: { 0: transaction() } }, 'events'],
    ['something beside the events', { events: [transaction()], source: 'transactions' }, 'source'],
  ])('refuses %s', async (_what, request, field) => {
    const { status, body } = await serve().events(request);
    expect(status).toBe(400);
    expect(body.errors[0].field).toBe(field);
  });

  it('lists 100 faults, however many there are, and says how many', async () => {
    const { body } = await serve().events({ events: Array(500).fill({}) });
    expect(body.errors).toHaveLength(100);
    expect(body.detail).toContain('and 2499 more');
  });

  it('refuses an unknown source, listing those that exist', async () => {
    const { status, body } = await serve().events(transaction(), 'orders');
    expect(status).toBe(404);
    expect(body.type).toBe('urn:feature-store:problem:unknown-source');
    expect(body.detail).toBe('There are: POST /events/transactions, POST /events/labels.');
  });

  it('sends again what the stream did not accept, and nothing else', async () => {
    const { events, stream } = serve();
    stream.refusals = [2, new EventStreamUnavailableError('gone'), 1, 0];
    const sent = Array.from({ length: 5 }, () => transaction());
    expect((await events({ events: sent })).body.accepted).toBe(5);
    expect(stream.calls).toBe(4);
    expect(stream.records.map(({ text }) => JSON.parse(text).transaction_id)).toEqual(
      sent.map((event) => event.transaction_id),
    );
  });

  it('says how many were accepted when the stream refuses to the end', async () => {
    const { events, stream } = serve({ timeout: () => AbortSignal.timeout(50) });
    stream.refusals = [2, 2];
    const { status, body, headers } = await events({ events: Array.from({ length: 5 }, () => transaction()) });
    expect(status).toBe(503);
    expect(headers['retry-after']).toBe('1');
    expect(body).toMatchObject({
      type: 'urn:feature-store:problem:events-not-accepted',
      accepted: 3,
      not_accepted: 2,
    });
  });

  it('answers 500 when the stream refuses the request itself', async () => {
    const { events, stream, logged } = serve();
    stream.refusals = [new Error('no such stream')];
    expect((await events(transaction())).status).toBe(500);
    expect(logged).toHaveLength(1);
  });
});

describe('POST /events/labels', () => {
  it('publishes one label on the stream of labels, under its merchant', async () => {
    const { events, stream } = serve();
    const sent = label({ merchant_id: 'merchant-7' });
    const { status, body } = await events(sent, 'labels');
    expect(status).toBe(202);
    expect(body).toEqual({ accepted: 1, registry_version: repository.registryVersion });
    expect(stream.sources).toEqual(['labels']);
    expect(stream.records.map(({ partitionKey }) => partitionKey)).toEqual(['merchant-7']);
    const decoded = decodeEventBytes(labelsSource, Buffer.from(stream.records[0]?.text ?? ''), NOW_MILLIS);
    expect(decoded).toMatchObject({ ok: true, event: { id: sent.label_id, values: { is_fraud: 1 } } });
  });

  it('refuses the whole when one label is wrong, naming every fault', async () => {
    const { events, stream } = serve();
    const wrong = [
      label({ is_fraud: 2 }),
      label({ is_fraud: true }),
      label({ is_fraud: 0.5 }),
      label({ labelled_at: NOW_MILLIS + 1 }),
      transaction(),
    ];
    const { status, body } = await events({ events: [label(), ...wrong] }, 'labels');
    expect(status).toBe(400);
    expect(body.errors.map(({ field }: { field: string }) => field)).toEqual(
      expect.arrayContaining([
        'events[1].is_fraud',
        'events[2].is_fraud',
        'events[3].is_fraud',
        'events[4].labelled_at',
        'events[5].label_id',
      ]),
    );
    expect(stream.calls).toBe(0);
  });

  it('takes no label by the path of transactions, whatever the request says beside the path', async () => {
    const { post, stream } = serve();
    for (const query of [undefined, { source: 'labels' }]) {
      expect((await post('/events/transactions', label(), query)).status).toBe(400);
      expect((await post('/events/transactions', { source: 'labels', events: [label()] }, query)).status).toBe(400);
    }
    expect(stream.calls).toBe(0);
  });
});

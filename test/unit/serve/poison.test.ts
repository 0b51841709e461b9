import { describe, expect, it } from 'vitest';
import type { MemoryOnlineStore } from '../../../shared/online/memory/memory-store.ts';
import { httpRequest, NOW_MILLIS, serve, transaction } from './harness.ts';

const DAY = 86_400_000;

/** The body of a transaction with the JSON text of one member replaced. */
const withMember = (name: string, text: string): string =>
  JSON.stringify(transaction({ [name]: '#' })).replace('"#"', () => text);

const without = (name: string): string => JSON.stringify(transaction({ [name]: undefined }));

/** What is wrong, the body, and the field that the answer must name. */
const REFUSED: readonly (readonly [what: string, body: string, field: string])[] = [
  ['a missing id', without('transaction_id'), 'transaction_id'],
  ['a missing time', without('timestamp'), 'timestamp'],
  ['a missing amount', without('amount'), 'amount'],
  ['an additional field', withMember('merchant_id', '"m","country":"DE"'), 'country'],
  ['a field called __proto__', withMember('merchant_id', '"m","__proto__":{"admin":true}'), '__proto__'],
  ['a field called constructor', withMember('merchant_id', '"m","constructor":1'), 'constructor'],
  ['a field twice', withMember('amount', '1,"amount":2'), 'amount'],
  ['an amount that is an object', withMember('amount', '{}'), 'amount'],
  ['an amount that is null', withMember('amount', 'null'), 'amount'],
  ['an amount that is true', withMember('amount', 'true'), 'amount'],
  ['the text NaN for an amount', withMember('amount', '"NaN"'), 'amount'],
  ['the text Infinity for an amount', withMember('amount', '"Infinity"'), 'amount'],
  ['an amount that overflows', withMember('amount', '1e999'), 'amount'],
  ['a negative amount', withMember('amount', '-0.01'), 'amount'],
  ['three digits after the point', withMember('amount', '1.005'), 'amount'],
  ['an amount of 40 digits', withMember('amount', '1'.repeat(40)), 'amount'],
  ['an amount of 40 digits as text', withMember('amount', `"${'1'.repeat(40)}"`), 'amount'],
  ['digits that a double drops', withMember('amount', '0.10000000000000000001'), 'amount'],
  ['an empty id', withMember('transaction_id', '""'), 'transaction_id'],
  ['an id of 10 KB', withMember('transaction_id', `"${'i'.repeat(10_240)}"`), 'transaction_id'],
  ['a user of 10 KB', withMember('user_id', `"${'u'.repeat(10_240)}"`), 'user_id'],
  ['a lone surrogate', withMember('user_id', '"\\ud83c"'), 'user_id'],
  ['a control character', withMember('user_id', '"a\\u0000b"'), 'user_id'],
  ['a time 5 min 1 ms ahead', withMember('timestamp', String(NOW_MILLIS + 300_001)), 'timestamp'],
  ['a time in the year 9999', withMember('timestamp', '"9999-12-31T00:00:00Z"'), 'timestamp'],
  ['a time in the year 12000', withMember('timestamp', String(Date.UTC(12_000, 0))), 'timestamp'],
  ['a time before 2000', withMember('timestamp', '"1999-12-31T23:59:59Z"'), 'timestamp'],
  ['a time in seconds', withMember('timestamp', '1769860800'), 'timestamp'],
  ['a time of fractions', withMember('timestamp', '1769860800000.5'), 'timestamp'],
  ['a time without an offset', withMember('timestamp', '"2026-01-31T12:00:00"'), 'timestamp'],
  ['a list', '[]', ''],
  ['null', 'null', ''],
  ['a number', '5', ''],
  ['nothing', '', ''],
];

const NOT_JSON: readonly (readonly [what: string, body: string])[] = [
  ['broken JSON', '{"user_id": "4711'],
  ['NaN', withMember('amount', 'NaN')],
  ['two values', '{} {}'],
  ['nesting beyond any stack', '['.repeat(60_000)],
  ['a closed nesting with a long number', `${'['.repeat(30_000)}1234567890123456789${']'.repeat(30_000)}`],
];

describe.each([
  ['/predict_fraud', 200],
  ['/services/fraud_detection/decide', 200],
  ['/events/transactions', 202],
])('POST %s', (path, accepted) => {
  it.each(REFUSED)('refuses %s, naming the field', async (_what, body, field) => {
    const { post, store, stream, logged } = serve();
    const answer = await post(path, body);
    expect(answer.status).toBe(400);
    expect(answer.body.type).toBe('urn:feature-store:problem:validation');
    expect(answer.body.errors.map((error: { field: string }) => error.field)).toContain(field);
    expect((store as MemoryOnlineStore).size).toBe(0);
    expect(stream.calls).toBe(0);
    expect(logged).toEqual([]);
  });

  it.each(NOT_JSON)('refuses %s', async (_what, body) => {
    const answer = await serve().post(path, body);
    expect(answer.status).toBe(400);
    expect(answer.body.detail).not.toContain('4711');
    expect(answer.body.type).toMatch(/invalid-json|validation/);
  });

  it.each([
    ['no alphabet of base 64', '{"user_id"}!'],
    ['a cut-off base 64', Buffer.from('{"a":1}').toString('base64').slice(0, -1)],
    ['no UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]).toString('base64')],
  ])('refuses %s', async (_what, body) => {
    const answer = await serve().call(httpRequest('POST', path, { body, isBase64Encoded: true }));
    expect(answer.status).toBe(400);
    expect(answer.body.type).toBe('urn:feature-store:problem:invalid-json');
  });

  it('refuses a body above 1 MB, encoded or not', async () => {
    const body = JSON.stringify({ user_id: 'u'.repeat(1024 * 1024) });
    const encoded = Buffer.from(body).toString('base64');
    const { call } = serve();
    for (const request of [
      httpRequest('POST', path, { body }),
      httpRequest('POST', path, { body: encoded, isBase64Encoded: true }),
    ]) {
      const answer = await call(request);
      expect(answer.status).toBe(413);
      expect(answer.body.type).toBe('urn:feature-store:problem:body-too-large');
    }
  });

  it('answers within bounds, however many fields are wrong', async () => {
    const body = JSON.stringify(Object.fromEntries(Array.from({ length: 3_000 }, (_, number) => [`f${number}`, 1])));
    const answer = await serve().post(path, body);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body).length).toBeLessThan(20_000);
  });

  it.each([
    ['text beyond the basic plane', withMember('user_id', '"Zoë 🍰 𝒳"')],
    ['an escaped surrogate pair', withMember('user_id', '"\\ud83c\\udf70"')],
    ['separators of keys', withMember('user_id', '"a|b#c%d"')],
    ['an amount of 15 digits', withMember('amount', '9999999999999.99')],
    ['nothing to pay', withMember('amount', '-0')],
    ['a time 5 min ahead', withMember('timestamp', String(NOW_MILLIS + 300_000))],
    ['a time of years ago', withMember('timestamp', String(NOW_MILLIS - 4_000 * DAY))],
    ['a byte of space around', ` ${JSON.stringify(transaction())}\n`],
  ])('accepts %s', async (_what, body) => {
    expect((await serve().post(path, body)).status).toBe(accepted);
  });
});

describe('a list of events', () => {
  it('is refused for a key that an event has twice', async () => {
    const { events, stream } = serve();
    const event = JSON.stringify(transaction());
    const answer = await events(`{"events":[${event},{"user_id":"another",${event.slice(1)}]}`);
    expect([answer.status, stream.calls]).toEqual([400, 0]);
    expect(answer.body.errors).toEqual([
      { field: 'events[1].user_id', problem: 'occurs twice; say which value is meant' },
    ]);
  });
});

describe('what is wrong with a request', () => {
  it.each([
    ['/predict_fraud', { ...transaction(), mode: 'dry-run' }, 'mode', 'must be one of "apply", "read-only"'],
    ['/predict_fraud', { ...transaction(), explain: '3' }, 'explain', 'must be a number'],
    ['/predict_fraud', { ...transaction(), explain: 0.5 }, 'explain', 'must be a whole number'],
    ['/predict_fraud', { ...transaction(), explain: 21 }, 'explain', 'must be at most 20'],
    ['/features', { service: 1, entities: [{}] }, 'service', 'must be a text'],
    ['/features', { service: 'fraud_detection', entities: 'x' }, 'entities', 'must be a list'],
    ['/features', { service: 'fraud_detection', entities: [] }, 'entities', 'must have at least 1 entries'],
    ['/features', { service: 'fraud_detection' }, 'entities', 'is missing; it is required'],
    ['/features', { service: 'fraud_detection', entities: [1] }, 'entities[0]', 'must be an object'],
    ['/features', [], '', 'must be an object'],
  ])('of POST %s %j is said in our words: %s %s', async (path, body, field, problem) => {
    const answer = await serve().post(path, body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toContainEqual({ field, problem });
  });
});

describe('a decision', () => {
  it.each([
    ['an unknown mode', { mode: 'dry-run' }, 'mode'],
    ['a service, which its path says', { service: 'fraud_detection' }, 'service'],
  ])('refuses %s', async (_what, options, field) => {
    const answer = await serve().predict({ ...transaction(), ...options });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].field).toBe(field);
  });

  it('refuses a body above 64 KB', async () => {
    const answer = await serve().predict(`${JSON.stringify(transaction())}${' '.repeat(64 * 1024)}`);
    expect(answer.status).toBe(413);
  });
});

describe('the function', () => {
  it('answers 500, and no internals, for what is no request of API Gateway', async () => {
    const { handler } = serve();
    const answer = await handler({ Records: [] } as never);
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('httpMethod');
  });
});

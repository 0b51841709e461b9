import { FirehoseClient, PutRecordBatchCommand } from '@aws-sdk/client-firehose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clientConfiguration } from '../../../../functions/aws-clients.ts';
import { FirehoseRowSink, PUT_LIMITS } from '../../../../functions/row-sink.ts';
import type { RefusedRecord } from '../../../../localstack/history/lander.ts';
import { type RowServer, startRowServer } from '../../../../localstack/history/row-server.ts';
import type { HistoryDelivery } from '../../../../shared/offline/deliveries.ts';
import { connectionTo } from '../../../support/loopback.ts';
import { delivery, row } from './fixtures.ts';

const NAME = 'raw_everything';
const landed: { readonly to: HistoryDelivery; readonly row: unknown }[] = [];
const originals: string[] = [];
const refused: { readonly to: HistoryDelivery; readonly record: RefusedRecord }[] = [];

function start(): Promise<RowServer> {
  return startRowServer({
    deliveries: new Map([[NAME, delivery]]),
    lander: {
      land: (to, rows, bytes = []) => {
        landed.push(...rows.map((found) => ({ to, row: found })));
        originals.push(...bytes.map((original) => Buffer.from(original).toString()));
      },
      refuse: (to, records) => refused.push(...records.map((record) => ({ to, record }))),
    },
  });
}

describe('Firehose of a local run', () => {
  let server: RowServer;

  beforeAll(async () => {
    server = await start();
  });
  beforeEach(() => {
    landed.length = 0;
    refused.length = 0;
  });
  afterAll(() => server.stop());

  async function post(body: string, headers: Readonly<Record<string, string>> = {}) {
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { 'x-amz-target': 'Firehose_20150804.PutRecordBatch', ...headers },
      body,
    });
    const answer: unknown = await response.json();
    return { status: response.status, answer };
  }

  const batch = (...data: string[]) =>
    JSON.stringify({
      DeliveryStreamName: NAME,
      Records: data.map((text) => ({ Data: Buffer.from(text).toString('base64') })),
    });

  it('takes rows as functions hand them over, by the endpoint that the SDK knows for Firehose alone', async () => {
    const report = { lost: () => {}, refused: () => {} };
    const client = new FirehoseClient({
      ...connectionTo(server.url),
      ...clientConfiguration({ requestTimeoutMillis: 5_000 }),
    });
    const sink = new FirehoseRowSink({ client, streamNames: { [NAME]: NAME }, report });
    const rows = [row('a', { note: 'é \u{1f600}' }), row('b')];
    for (const one of rows) sink.add(NAME, one);
    await sink.send();
    expect(landed).toEqual(rows.map((one) => ({ to: delivery, row: one })));
    expect(refused).toEqual([]);
  });

  it('answers every record with an id of its own', async () => {
    const client = new FirehoseClient(connectionTo(server.url));
    const Records = [row('a'), row('b')].map((one) => ({ Data: Buffer.from(`${JSON.stringify(one)}\n`) }));
    const answer = await client.send(new PutRecordBatchCommand({ DeliveryStreamName: NAME, Records }));
    expect(answer.FailedPutCount).toBe(0);
    expect(new Set(answer.RequestResponses?.map(({ RecordId }) => RecordId)).size).toBe(2);
  });

  it('takes a record that is not JSON, and has it refused with its original bytes', async () => {
    originals.length = 0;
    const good = [` ${JSON.stringify(row('good'))}`, `${JSON.stringify(row('also good'))}\n`];
    const { status } = await post(batch(good[0] ?? '', '{"half', good[1] ?? ''));
    expect(status).toBe(200);
    expect(originals).toEqual(good);
    expect(landed.map((one) => one.row)).toEqual([row('good'), row('also good')]);
    expect(refused.map(({ record }) => [record.kind, Buffer.from(record.data).toString()])).toEqual([
      ['format-conversion-failed', '{"half'],
    ]);
  });

  it.each<[string, string, Readonly<Record<string, string>>, string]>([
    ['another operation', batch('{}'), { 'x-amz-target': 'Firehose_20150804.PutRecord' }, 'UnknownOperationException'],
    ['a body that is not JSON', '{', {}, 'SerializationException'],
    ['a body without records', JSON.stringify({ DeliveryStreamName: NAME }), {}, 'InvalidArgumentException'],
    ['no records', batch(), {}, 'InvalidArgumentException'],
    ['too many records', batch(...Array<string>(PUT_LIMITS.records + 1).fill('{}')), {}, 'InvalidArgumentException'],
    [
      'data that are not base64',
      `{"DeliveryStreamName":"${NAME}","Records":[{"Data":"{}"}]}`,
      {},
      'InvalidArgumentException',
    ],
    ['too many bytes', batch('x'.repeat(PUT_LIMITS.bytes + 100_000)), {}, 'InvalidArgumentException'],
    ['a table that is not there', batch('{}').replace(NAME, 'raw_nothing'), {}, 'ResourceNotFoundException'],
  ])('refuses %s, and lands nothing of it', async (_, body, headers, code) => {
    expect(await post(body, headers)).toEqual({ status: 400, answer: expect.objectContaining({ __type: code }) });
    expect([landed, refused]).toEqual([[], []]);
  });

  it('refuses what is not a POST', async () => {
    expect((await fetch(server.url)).status).toBe(400);
  });

  it('names the tables that there are', async () => {
    const { answer } = await post(batch('{}').replace(NAME, 'raw_nothing'));
    expect(answer).toMatchObject({ message: expect.stringContaining(NAME) });
  });

  it('once it is gone, refuses connections, so that no function waits for a deadline', async () => {
    const gone = await start();
    await gone.stop();
    const reasons: string[] = [];
    const report = {
      lost: () => {},
      refused: (_: string, { reason }: { readonly reason: string }) => reasons.push(reason),
    };
    // A deadline that never ends: only a refused connection does.
    const client = new FirehoseClient(connectionTo(gone.url));
    const timeout = () => new AbortController().signal;
    const sink = new FirehoseRowSink({ client, streamNames: { [NAME]: NAME }, report, timeout });
    sink.add(NAME, row('a'));
    await sink.send();
    expect(reasons).toHaveLength(1);
  });
});

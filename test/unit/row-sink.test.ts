import { FirehoseClient, PutRecordBatchCommand, type PutRecordBatchCommandOutput } from '@aws-sdk/client-firehose';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ROW_METRICS } from '../../functions/constants.ts';
import { FirehoseRowSink, PUT_LIMITS } from '../../functions/row-sink.ts';
import { rowReport, rowSinkFromEnvironment } from '../../functions/row-sink-from-environment.ts';

const firehose = mockClient(FirehoseClient);
beforeEach(() => {
  firehose.reset();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** What is waited for comes, however busy the machine is. */
const PATIENT = { timeout: 60_000 };

const PARTITION = { event_date: '2026-03-01', event_hour: '12' };
const row = (number: number, padding = '') => ({ ...PARTITION, number, padding });

function sinkOver(
  options: { readonly waitingBytesMax?: number; readonly timeout?: (millis: number) => AbortSignal } = {},
) {
  const reports: unknown[][] = [];
  const sink = new FirehoseRowSink({
    client: new FirehoseClient({ region: 'eu-central-1' }),
    streamNames: { served_rows: 'served-stream', feature_rows: 'feature-stream' },
    report: {
      lost: (table, rows) => reports.push(['lost', table, rows]),
      refused: (table, { rows, reason }) => reports.push(['refused', table, rows, reason]),
    },
    ...options,
  });
  return { sink, reports };
}

/** Numbers of the rows of each put, in order. */
function puts(streamName = 'served-stream'): number[][] {
  return firehose
    .commandCalls(PutRecordBatchCommand, { DeliveryStreamName: streamName })
    .map(({ args: [{ input }] }) => (input.Records ?? []).map(({ Data }) => JSON.parse(String(Data)).number));
}

/** Takes all records but those at these places. */
function answering(records: readonly unknown[] = [], refusedPlaces: readonly number[] = []) {
  return {
    FailedPutCount: refusedPlaces.length,
    RequestResponses: records.map((_, place) =>
      refusedPlaces.includes(place) ? { ErrorCode: 'ServiceUnavailableException' } : { RecordId: `record-${place}` },
    ),
  } satisfies Partial<PutRecordBatchCommandOutput>;
}

const takesAll = () =>
  firehose.on(PutRecordBatchCommand).callsFake((input: { Records?: unknown[] }) => answering(input.Records));

describe('sending', () => {
  it('puts what waits in one request per table, a line of JSON per row', async () => {
    takesAll();
    const { sink } = sinkOver();
    for (let number = 0; number < 3; number++) sink.add('served_rows', row(number));
    sink.add('feature_rows', row(9));
    await sink.send();
    expect(puts()).toEqual([[0, 1, 2]]);
    expect(puts('feature-stream')).toEqual([[9]]);
    const [call] = firehose.commandCalls(PutRecordBatchCommand, { DeliveryStreamName: 'feature-stream' });
    expect(String(call?.args[0].input.Records?.[0]?.Data)).toBe(`${JSON.stringify(row(9))}\n`);
    await sink.send();
    expect(firehose.commandCalls(PutRecordBatchCommand)).toHaveLength(2);
  });

  it('keeps to what one request takes, in records and in bytes', async () => {
    takesAll();
    const { sink } = sinkOver();
    for (let number = 0; number < PUT_LIMITS.records + 1; number++) sink.add('served_rows', row(number));
    for (let number = 0; number < 9; number++) sink.add('feature_rows', row(number, 'x'.repeat(600 * 1024)));
    await sink.send();
    expect(puts().map(({ length }) => length)).toEqual([500, 1]);
    expect(puts('feature-stream')).toEqual([
      [0, 1, 2, 3, 4, 5],
      [6, 7, 8],
    ]);
  });

  it('puts one request at a time, and takes along what comes meanwhile', async () => {
    const answers: (() => void)[] = [];
    firehose.on(PutRecordBatchCommand).callsFake(async (input: { Records?: unknown[] }) => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return answering(input.Records);
    });
    const { sink } = sinkOver();
    sink.add('served_rows', row(0));
    const first = sink.send();
    await vi.waitFor(() => expect(answers).toHaveLength(1), PATIENT);
    sink.add('served_rows', row(1));
    const second = sink.send();
    sink.add('served_rows', row(2));
    expect(puts()).toEqual([[0]]);
    answers[0]?.();
    await vi.waitFor(() => expect(answers).toHaveLength(2), PATIENT);
    answers[1]?.();
    await Promise.all([first, second]);
    expect(puts()).toEqual([[0], [1, 2]]);
  });
});

describe('what is refused', () => {
  it('is put again with the next rows, at its place, and alone', async () => {
    firehose
      .on(PutRecordBatchCommand)
      .resolvesOnce(answering([0, 1, 2], [0, 2]))
      .callsFake((input: { Records?: unknown[] }) => answering(input.Records));
    const { sink, reports } = sinkOver();
    for (let number = 0; number < 3; number++) sink.add('served_rows', row(number));
    await sink.send();
    expect(reports).toEqual([['refused', 'served_rows', 2, 'ServiceUnavailableException']]);
    sink.add('served_rows', row(3));
    await sink.send();
    expect(puts()).toEqual([
      [0, 1, 2],
      [0, 2, 3],
    ]);
    await sink.send();
    expect(puts()).toHaveLength(2);
  });

  it('waits when the stream does not answer, without failing whoever sends', async () => {
    firehose
      .on(PutRecordBatchCommand)
      .rejectsOnce(Object.assign(new Error('secret'), { name: 'TimeoutError' }))
      .callsFake((input: { Records?: unknown[] }) => answering(input.Records));
    const { sink, reports } = sinkOver();
    sink.add('served_rows', row(0));
    await expect(sink.send()).resolves.toBeUndefined();
    expect(reports).toEqual([['refused', 'served_rows', 1, 'TimeoutError']]);
    await sink.send();
    expect(puts()).toEqual([[0], [0]]);
  });

  it('is what a put that never ended would have taken; later sends go on', async () => {
    const deadlines: AbortController[] = [];
    firehose
      .on(PutRecordBatchCommand)
      .callsFakeOnce(() => new Promise(() => {}))
      .callsFake((input: { Records?: unknown[] }) => answering(input.Records));
    const { sink, reports } = sinkOver({
      timeout: () => {
        const deadline = new AbortController();
        deadlines.push(deadline);
        return deadline.signal;
      },
    });
    sink.add('served_rows', row(0));
    const [first, second] = [sink.send(), sink.send()];
    deadlines[0]?.abort();
    await Promise.all([first, second]);
    expect(reports).toEqual([['refused', 'served_rows', 1, 'AbortError']]);
    sink.add('served_rows', row(1));
    await sink.send();
    expect(puts()).toEqual([[0], [0, 1]]);
  });

  it('does not keep the rows of other tables', async () => {
    firehose.on(PutRecordBatchCommand, { DeliveryStreamName: 'served-stream' }).rejects(new Error('down'));
    firehose
      .on(PutRecordBatchCommand, { DeliveryStreamName: 'feature-stream' })
      .callsFake((input: { Records?: unknown[] }) => answering(input.Records));
    const { sink, reports } = sinkOver();
    sink.add('served_rows', row(0));
    sink.add('feature_rows', row(1));
    await sink.send();
    await sink.send();
    expect(puts('feature-stream')).toEqual([[1]]);
    expect(reports).toHaveLength(2);
  });
});

describe('what is lost', () => {
  it('is the oldest of more rows than may wait, and counted', async () => {
    firehose.on(PutRecordBatchCommand).rejectsOnce(new Error('down'));
    const bytes = Buffer.byteLength(`${JSON.stringify(row(0))}\n`);
    const { sink, reports } = sinkOver({ waitingBytesMax: 3 * bytes });
    for (let number = 0; number < 3; number++) sink.add('served_rows', row(number));
    await sink.send();
    for (let number = 3; number < 5; number++) sink.add('served_rows', row(number));
    expect(reports.slice(1)).toEqual([
      ['lost', 'served_rows', 1],
      ['lost', 'served_rows', 1],
    ]);
    takesAll();
    await sink.send();
    expect(puts().at(-1)).toEqual([2, 3, 4]);
  });

  it('is the oldest, too, when refused rows come back to a full queue', async () => {
    let refuse = () => {};
    firehose.on(PutRecordBatchCommand).callsFakeOnce(async () => {
      await new Promise<void>((resolve) => {
        refuse = resolve;
      });
      throw new Error('down');
    });
    const bytes = Buffer.byteLength(`${JSON.stringify(row(0))}\n`);
    const { sink, reports } = sinkOver({ waitingBytesMax: 3 * bytes });
    for (let number = 0; number < 2; number++) sink.add('served_rows', row(number));
    const sent = sink.send();
    await vi.waitFor(() => expect(puts()).toHaveLength(1), PATIENT);
    for (let number = 2; number < 4; number++) sink.add('served_rows', row(number));
    refuse();
    await sent;
    expect(reports).toContainEqual(['lost', 'served_rows', 1]);
    takesAll();
    await sink.send();
    expect(puts().at(-1)).toEqual([1, 2, 3]);
  });

  it('is a row that no record can hold, or that has no stream, and none of its neighbours', async () => {
    takesAll();
    const { sink, reports } = sinkOver();
    sink.add('served_rows', row(0, 'x'.repeat(PUT_LIMITS.recordBytes)));
    sink.add('raw_transactions', row(1));
    sink.add('served_rows', row(2));
    await sink.send();
    expect(reports).toEqual([
      ['lost', 'served_rows', 1],
      ['lost', 'raw_transactions', 1],
    ]);
    expect(puts()).toEqual([[2]]);
  });
});

describe('the sink of the environment', () => {
  it('is none where history is not landed', () => {
    expect(rowSinkFromEnvironment({ serviceName: 'serve', logger: { warn: () => {} } })).toBeUndefined();
  });

  it('sends to the streams that the environment names', async () => {
    takesAll();
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    vi.stubEnv('ROW_STREAM_NAMES', '{"served_rows":"stream-of-rows"}');
    const sink = rowSinkFromEnvironment({ serviceName: 'serve', logger: { warn: () => {} } });
    sink?.add('served_rows', row(0));
    await sink?.send();
    expect(puts('stream-of-rows')).toEqual([[0]]);
  });

  it('counts what is refused and lost by table, and warns without values', () => {
    const written: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
    const warnings: unknown[] = [];
    const logger = { warn: (...line: unknown[]) => warnings.push(line) };
    const report = rowReport({ serviceName: 'serve', logger });
    report.refused('served_rows', { rows: 4, reason: 'TimeoutError' });
    report.lost('raw_transactions', 2);
    const lines = written.join('').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { service: 'serve', table: 'served_rows', [ROW_METRICS.rowsRefused]: 4 },
      { service: 'serve', table: 'raw_transactions', [ROW_METRICS.rowsLost]: 2 },
    ]);
    expect(warnings).toMatchObject([
      [expect.any(String), { table: 'served_rows', rows: 4, reason: 'TimeoutError' }],
      [expect.any(String), { table: 'raw_transactions', rows: 2 }],
    ]);
  });
});

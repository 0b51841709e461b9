import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { RefusedRecord } from '../../../../localstack/history/lander.ts';
import { landStreamed, openLocalHistory } from '../../../../localstack/history/local-history.ts';
import { landedRows } from '../../../../localstack/start/prove.ts';
import { transactions } from '../../../../shared/features/fraud.ts';
import { streamDelivery } from '../../../../shared/offline/deliveries.ts';
import { aggregated } from '../../../support/kpl.ts';
import { NOW_MILLIS, recordsOf, transaction } from '../../update-windows/fixtures.ts';

const HOUR_MILLIS = 3_600_000;
const eventOf = (id: string, behindMillis = 0) =>
  JSON.stringify(transaction({ transaction_id: id, timestamp: NOW_MILLIS - behindMillis }));
const together = (...texts: string[]) => aggregated(texts.map((data) => ({ partitionKey: 'user-1', data })));

it('lands each event of an aggregated record in its own hour, and keeps what is none apart', () => {
  const rows: unknown[] = [];
  const refused: RefusedRecord[] = [];
  const lander = {
    land: (_delivery: unknown, landed: readonly unknown[]) => void rows.push(...landed),
    refuse: (_delivery: unknown, records: readonly RefusedRecord[]) => void refused.push(...records),
  };
  landStreamed(lander, {
    source: transactions,
    delivery: streamDelivery(transactions),
    records: recordsOf(together(eventOf('a'), '{', eventOf('b', HOUR_MILLIS)), together(eventOf('c')).subarray(0, -1)),
  });
  expect(rows).toMatchObject([
    { transaction_id: 'a', event_hour: '12' },
    { transaction_id: 'b', event_hour: '11' },
  ]);
  expect(refused.map(({ data }) => Buffer.from(data))).toEqual([
    Buffer.from('{'),
    together(eventOf('c')).subarray(0, -1),
  ]);
});

it('lands what is read by declarations that are being replaced', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'land-streamed-'));
  const errors: unknown[] = [];
  const repository = { sources: [transactions], services: [] };
  const history = await openLocalHistory({ directory, repository, onError: (error) => errors.push(error) });
  try {
    // Loaded again after an edit, the same source is another object.
    await history.declare({ sources: [{ ...transactions }], services: [] });
    history.landStreamed(transactions, recordsOf(eventOf('a')));
    await history.flush();
    expect(await landedRows(history.folder, streamDelivery(transactions))).toBe(1);
    expect(errors).toEqual([]);
  } finally {
    await history.close();
    await rm(directory, { recursive: true, force: true });
  }
});

import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import { DUCKDB } from '../../../shared/offline/sql/dialect.ts';
import { historyQuery } from '../../../shared/offline/sql/history-query.ts';
import { sweepEntity } from '../../../shared/offline/sweep/sweep-view.ts';
import { idHashOf, type WindowEvent } from '../../../shared/windows/event.ts';
import { everyAggregateView, START_MILLIS } from '../../support/arbitraries.ts';
import { historySql, oracleAnswers, serviceOf, spineSql } from '../../support/sql-history.ts';

/** By code point the second is the lesser; by UTF-16, as JavaScript's `<` compares, it is the greater. */
const [GREATER, LESSER] = ['\u{1f600}', '\u{ff5e}'];

const SPINE = ['account_id', 'timestamp', 'known_at'];
const view = everyAggregateView({
  windows: [{ length: '1h', hop: '1s' }],
  lateness: '2s',
  lanes: 1,
  filtered: false,
  endpoints: true,
});

function event(id: string, secondsLater: number, arrivedLaterMillis = 0): WindowEvent {
  return {
    id,
    idHash: idHashOf(id),
    timeMillis: START_MILLIS + secondsLater * 1_000,
    arrivedAtMillis: START_MILLIS + 60_000 + arrivedLaterMillis,
    values: { account_id: 'acc', amount: 1, quantity: 1, label: id, flag: true, ratio: 1 },
  };
}

describe('of two events so far apart that the older one is late when it is counted second', () => {
  it.each([
    ['arrived at one instant, and the older one has the lesser id: both count', LESSER, GREATER, 0, 2],
    ['arrived at one instant, and the newer one has the lesser id: both count', GREATER, LESSER, 0, 2],
    ['the older one arrived a millisecond later: it is late', LESSER, GREATER, 1, 1],
  ])('%s, in every computation', async (_, older, newer, laterMillis, counted) => {
    const row = { timestampMillis: START_MILLIS + 60_000, knownAtMillis: START_MILLIS + 61_000 };
    const deliveries = [event(older, 0, laterMillis), event(newer, 30)];
    const tables = { deliveries: new Map([['acc', deliveries]]), spine: [{ account: 'acc', decidedId: null, ...row }] };
    const connection = await (await DuckDBInstance.create()).connect();
    const queried = await connection.runAndReadAll(
      historyQuery({
        service: serviceOf(view),
        mode: 'bitemporal',
        dialect: DUCKDB,
        spine: { table: `(${spineSql(tables)})`, columns: SPINE, rowNumber: 'row' },
        history: { test_events: `(${historySql(tables, 'DOUBLE')})` },
      }),
    );
    const [oracle] = oracleAnswers(view, tables, { mode: 'bitemporal', hasKnownAt: true });
    const [swept] = sweepEntity(view, deliveries, [row], 'bitemporal');
    const count = view.features.findIndex(({ name }) => name === 'count_w0');
    expect({
      oracle: oracle?.[count],
      swept: swept?.[count],
      sql: queried.getRows()[0]?.[SPINE.length + count],
    }).toEqual({
      oracle: counted,
      swept: counted,
      sql: counted,
    });
  });
});

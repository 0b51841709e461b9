import { expect, it } from 'vitest';
import * as z from 'zod';
import {
  count,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  windowedView,
} from '../../../../shared/definitions/index.ts';
import { queryRows, withDuckDb } from '../../../../shared/offline/embedded/duckdb.ts';
import { DUCKDB } from '../../../../shared/offline/sql/dialect.ts';
import { historyQuery } from '../../../../shared/offline/sql/history-query.ts';

const common = { description: 'Of this test.', owner: 'tests' } as const;
const stays = eventSource({
  ...common,
  name: 'stays',
  schema: z.strictObject({ stay: identifier(), guest: identifier(), agent: z.string().optional(), at: eventTime() }),
  eventId: 'stay',
  eventTime: 'at',
  partitionKey: 'guest',
  allowedLateness: '1h',
});
const agents = windowedView({
  ...common,
  name: 'agents',
  version: 1,
  entity: entity({ name: 'agent', description: 'Who booked.', joinKeys: ['agent'] }),
  source: stays,
  windows: { '1d': '1d' },
  features: { agent_stays: count(), agent_stays_before: count({ excludesCurrent: true }) },
  ttl: '7d',
});
const service = featureService({ ...common, name: 'bookings', version: 1, views: [agents], decides: stays });

it.each(['bitemporal', 'event-time'] as const)(
  'rows that name no entity have empty values in SQL, %s',
  async (mode) => {
    const at = Date.UTC(2026, 0, 1);
    const sql = historyQuery({
      service,
      mode,
      dialect: DUCKDB,
      spine: {
        table: `(SELECT * FROM (VALUES (0, 's1', 'a', ${at}, ${at}), (1, 's2', NULL, ${at}, ${at}), (2, NULL, NULL, ${at}, ${at}))
        AS rows_asked (n, stay, agent, "timestamp", known_at))`,
        columns: ['stay', 'agent', 'timestamp', 'known_at'],
        rowNumber: 'n',
      },
      history: {
        stays: `(SELECT * FROM (VALUES ('s1', 'g', 'a', ${at}, ${at}), ('s2', 'g', NULL, ${at}, ${at})) AS h (stay, guest, agent, "at", arrived_at))`,
      },
    });
    await withDuckDb({}, async (connect) => {
      const rows = await queryRows(await connect(), sql);
      expect(rows.map((row) => row.slice(-2))).toEqual([
        [1, 0],
        [0, 0],
        [0, 0],
      ]);
    });
  },
);

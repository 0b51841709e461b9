import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../cli/main.ts';
import { agrees, countedInHistory, oracleFeatures } from '../../localstack/oracle.ts';
import { applyEvents } from '../../shared/online/apply-events.ts';
import { backfillEntity } from '../../shared/online/backfill.ts';
import { countsOnline } from '../../shared/online/counts-online.ts';
import { DynamoDbOnlineStore } from '../../shared/online/dynamodb/dynamodb-store.ts';
import { itemKeysOf } from '../../shared/online/item-key.ts';
import { idHashOf, type WindowEvent } from '../../shared/windows/event.ts';
import { readWindows } from '../../shared/windows/read.ts';
import { Random } from '../simulation/random.ts';
import { everyAggregateView, type ViewChoice } from '../support/arbitraries.ts';
import { startTestTable, TEST_TABLE } from '../support/dynamodb.ts';
import { writeParquet } from '../support/parquet.ts';
import { historySql } from '../support/sql-history.ts';

const LIVE_FROM = Date.now() - 30 * 60_000;
const CHOICE: ViewChoice = {
  windows: [
    { length: '1min', hop: '1s' },
    { length: '1h', hop: '1min' },
    { length: '6h', hop: '5min' },
  ],
  lateness: '1h',
  lanes: 1,
  filtered: false,
  endpoints: true,
};

/** An hour's deliveries, one every twenty seconds, with the view going live in the middle; every fifth comes again later. */
function deliveriesOf(account: string, seed: number): WindowEvent[] {
  const random = new Random(seed);
  const deliveries: WindowEvent[] = [];
  for (let at = LIVE_FROM - 30 * 60_000; at < LIVE_FROM + 30 * 60_000 - 1_000; at += 20_000) {
    const known = random.chance(0.2) && deliveries.length > 0 ? random.pick(deliveries) : undefined;
    const id = `${account}-${at}`;
    const values = {
      event_id: id,
      account_id: account,
      at: at - random.integer(0, 60_000),
      amount: random.integer(1, 10_000) / 100,
      quantity: random.integer(0, 9),
      label: random.pick(['a', 'b', 'c']),
      flag: random.chance(0.5),
      ratio: random.integer(-1_000, 1_000) / 64,
    };
    deliveries.push(
      known
        ? { ...known, arrivedAtMillis: at }
        : { id, idHash: idHashOf(id), timeMillis: values.at, arrivedAtMillis: at, values },
    );
  }
  return deliveries;
}

describe('backfill on DynamoDB Local', () => {
  let table: Awaited<ReturnType<typeof startTestTable>>;
  let store: DynamoDbOnlineStore;
  let directory: string;

  beforeAll(async () => {
    table = await startTestTable();
    store = new DynamoDbOnlineStore({ client: table.client, tableName: TEST_TABLE });
    directory = await mkdtemp(join(tmpdir(), 'backfill-dynamodb-test-'));
  });
  afterAll(async () => {
    await table?.stop();
    await rm(directory, { recursive: true });
  });

  async function expectOracle(view: ReturnType<typeof everyAggregateView>, account: string, deliveries: WindowEvent[]) {
    const items = (await store.get(itemKeysOf(view, account))).filter((item) => item !== undefined);
    const reading = readWindows(view.layout, items, LIVE_FROM);
    // The allowed lateness is so long that nothing is late, whoever came first.
    const expected = oracleFeatures(view, countedInHistory(view, deliveries, Infinity), reading.asOfMillis);
    const differences = view.layout.features.flatMap(({ name, aggregate }, index) =>
      agrees(aggregate.name, reading.values[index], expected[index])
        ? []
        : [{ name, answer: reading.values[index], expected: expected[index] }],
    );
    expect(differences).toEqual([]);
    expect(reading.values[view.layout.features.findIndex(({ name }) => name === 'count_w2')]).toBeGreaterThan(120);
  }

  it.each([1, 3])(
    'races with live updates of the same entity, in %i lanes, and every event is counted once',
    async (lanes) => {
      const view = everyAggregateView({ ...CHOICE, lanes, liveFromMillis: LIVE_FROM });
      const account = `raced-${lanes}`;
      const deliveries = deliveriesOf(account, lanes);
      const live = deliveries.filter((event) => countsOnline(view, event));
      const entity = { entityKey: account, events: countedInHistory(view, deliveries, LIVE_FROM) };
      const outcomes: string[] = [];
      const writers = [0, 1, 2].map(async (writer) => {
        const own = live.filter((_, index) => index % 3 === writer);
        for (const [index, event] of own.entries()) {
          await applyEvents(store, view, account, [event], { everyEvents: 2, minimumBytesFreed: 0 });
          // In the middle of it, and twice at once.
          if (index === 10 && writer < 2) {
            const items = await backfillEntity({ store, clock: Date.now }, view, entity);
            outcomes.push(...items.map(({ outcome }) => outcome));
          }
        }
      });
      await Promise.all(writers);
      expect(outcomes.toSorted()).toEqual([...Array(lanes).fill('done'), ...Array(lanes).fill('written')]);
      await expectOracle(view, account, deliveries);
    },
  );

  it('is a command, which does nothing the second time', async () => {
    const view = everyAggregateView({ ...CHOICE, liveFromMillis: LIVE_FROM });
    const accounts = new Map(['one', 'two', 'three'].map((name, index) => [name, deliveriesOf(name, 10 + index)]));
    await writeParquet(join(directory, 'history.parquet'), historySql({ deliveries: accounts, spine: [] }, 'DOUBLE'));
    const root = (path: string) => JSON.stringify(resolve(import.meta.dirname, '../..', path));
    const features = join(directory, 'features.ts');
    await writeFile(
      features,
      `import { everyAggregateView } from ${root('test/support/arbitraries.ts')};
       import { featureRepository } from ${root('shared/registry/manifest.ts')};
       const view = everyAggregateView(${JSON.stringify({ ...CHOICE, liveFromMillis: LIVE_FROM })});
       export const repository = featureRepository({ views: [view], services: [] });`,
    );
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
    const run = async (tableName: string) => {
      const lines: string[] = [];
      const terminal = { print: (line: string) => lines.push(line), printError: (line: string) => lines.push(line) };
      const source = ['--history', `test_events=${directory}`, '--features', features, '--view', 'test_view'];
      const where = ['--table', tableName, '--endpoint', table.endpoint, '--landing-delay', '1min'];
      const code = await main(['backfill', ...source, ...where], terminal);
      return { code, output: lines.join('\n') };
    };
    try {
      const first = await run(TEST_TABLE);
      expect(first).toMatchObject({
        code: 0,
        output: expect.stringMatching(/^3 items written, with \d+ events; 3 ent/),
      });
      const second = await run(TEST_TABLE);
      expect(second).toMatchObject({
        code: 0,
        output: expect.stringMatching(/^0 items written.*\n {2}3 done before$/),
      });
      const wrong = await run('elsewhere');
      expect(wrong).toMatchObject({ code: 2, output: expect.stringContaining('table elsewhere cannot be used') });
    } finally {
      vi.unstubAllEnvs();
    }
    for (const [account, deliveries] of accounts) {
      const live = deliveries.filter((event) => countsOnline(view, event));
      await applyEvents(store, view, account, live);
      await expectOracle(view, account, deliveries);
    }
  });
});

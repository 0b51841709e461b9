import { describe, expect, it } from 'vitest';
import { FeatureRows } from '../../../functions/update-windows/feature-rows.ts';
import { count, windowedView } from '../../../shared/definitions/index.ts';
import { transactions, user, userTransactions } from '../../../shared/features/fraud.ts';
import { OnlineStoreRequestError } from '../../../shared/online/store.ts';
import { definitionVersions, featureRepository } from '../../../shared/registry/manifest.ts';
import { CollectingSink } from '../../support/rows.ts';
import { consumer, NOW_MILLIS, recordsOf, transaction } from './fixtures.ts';

const laned = windowedView({
  name: 'laned',
  version: 1,
  description: 'As the other, in lanes.',
  owner: 'tests',
  entity: user,
  source: transactions,
  windows: { '1h': '1h' },
  features: { laned_count: count() },
  ttl: '1d',
  lanes: 3,
});
const views = [userTransactions, laned];
const repository = featureRepository({ views, services: [] });
const EMITTED_MILLIS = NOW_MILLIS + 400;

function keeping() {
  const sink = new CollectingSink();
  const featureLog = new FeatureRows({ repository, sink, now: () => EMITTED_MILLIS });
  const rows = () =>
    sink
      .of('feature_rows')
      .map((row) => ({ ...row, entity: JSON.parse(String(row.entity)), features: JSON.parse(String(row.features)) }));
  return { ...consumer({ views, featureLog }), sink, rows };
}

describe('the row of an updated entity', () => {
  it('has the features as they are served at its newest event', async () => {
    const { consume, features, rows } = keeping();
    await consume(
      recordsOf(
        transaction({ transaction_id: 'a', timestamp: NOW_MILLIS - 2_000 }),
        transaction({ transaction_id: 'b', amount: 7.25 }),
      ),
    );
    expect(rows()).toEqual([
      {
        event_date: '2026-03-01',
        event_hour: '12',
        emitted_at: EMITTED_MILLIS,
        registry_version: repository.registryVersion,
        view: 'user_transactions@1',
        definition: definitionVersions(repository)['user_transactions@1'],
        entity: { user_id: 'user-1' },
        as_of: NOW_MILLIS,
        arrived_at: NOW_MILLIS,
        features: await features({ user_id: 'user-1' }),
      },
    ]);
    expect(rows()[0]?.features).toMatchObject({ tx_count_1h: 2, total_amount_1h: 19.75 });
  });

  it('comes once per entity and batch, and again with the next batch', async () => {
    const { consume, rows } = keeping();
    const of = (id: string, user_id: string) => transaction({ transaction_id: id, user_id });
    await consume(recordsOf(of('1', 'a'), of('2', 'b'), of('3', 'a')));
    await consume(recordsOf(of('4', 'a')));
    expect(rows().map(({ entity, features }) => [entity.user_id, features.tx_count_1h])).toEqual([
      ['a', 2],
      ['b', 1],
      ['a', 3],
    ]);
  });

  it('does not come where nothing was counted: duplicates, late events, failures', async () => {
    const { consume, store, sink } = keeping();
    await consume(recordsOf(transaction()));
    sink.rows.length = 0;
    await consume(
      recordsOf(transaction(), transaction({ transaction_id: 'late', timestamp: NOW_MILLIS - 60_000 }), 'garbage'),
    );
    store.before = () => {
      throw new OnlineStoreRequestError('forbidden');
    };
    await consume(recordsOf(transaction({ transaction_id: 'failed' })));
    expect(sink.rows).toEqual([]);
  });

  it('does not come of a view with lanes, of which an update returns one', async () => {
    const { consume, store, sink } = keeping();
    await consume(recordsOf(transaction()));
    expect(store.updatedKeys.some((key) => key.startsWith('laned@1'))).toBe(true);
    expect(sink.of('feature_rows').map(({ view }) => view)).toEqual(['user_transactions@1']);
  });
});

describe('a failure to make a row', () => {
  it('is reported, and counts every record of the batch as before', async () => {
    const { consume } = consumer({
      featureLog: {
        updated: () => {
          throw new TypeError('a defect');
        },
      },
    });
    const result = await consume(recordsOf(transaction(), transaction({ transaction_id: 'b', user_id: 'b' })));
    expect(result.failedSequenceNumbers).toEqual([]);
    expect(result.counts).toMatchObject({ applied: 2, failed: 0 });
    expect(result.errors).toEqual([expect.any(TypeError), expect.any(TypeError)]);
  });
});

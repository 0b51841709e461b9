import { expect, it } from 'vitest';
import { changesOf } from '../../../localstack/start/changes.ts';
import type { Aggregation } from '../../../shared/definitions/aggregations.ts';
import { transactions, user } from '../../../shared/features/fraud.ts';
import { count, featureRepository, featureService, max, sum, windowedView } from '../../../shared/index.ts';

function repositoryOf(
  features: Record<string, Aggregation<'count', undefined> | Aggregation<'max', 'amount'>>,
  limit = 3,
) {
  const view = windowedView({
    name: 'spending',
    version: 1,
    description: 'What a user spends.',
    owner: 'payments',
    entity: user,
    source: transactions,
    windows: { '1h': '1h' },
    features: { total: sum('amount'), ...features },
    ttl: '1d',
  });
  const service = featureService({
    name: 'check',
    version: 1,
    description: 'Whether to look at it.',
    owner: 'payments',
    views: [view],
    decides: transactions,
    derived: { is_large: ({ total_1h }) => total_1h.isGreaterThan(limit) },
    rules: { LARGE: { when: ({ is_large }) => is_large, reason: 'It is large.', outcome: 'review' } },
  });
  return featureRepository({ views: [view], services: [service] });
}

it.each([
  ['added', {}, { tx_count: count() }, ['+ spending@1:tx_count_1h: fills from now on']],
  ['deleted', { tx_count: count() }, {}, ['- spending@1:tx_count_1h']],
  [
    'renamed',
    { largest: max('amount') },
    { max_amount: max('amount') },
    ['~ spending@1:largest_1h: is called spending@1:max_amount_1h now, and keeps its values'],
  ],
  [
    'replaced by another',
    { largest: max('amount') },
    { tx_count: count() },
    ['- spending@1:largest_1h', '+ spending@1:tx_count_1h: fills from now on'],
  ],
  ['computed otherwise', { value: max('amount') }, { value: count() }, ['~ spending@1:value_1h: is defined otherwise']],
])('tells of a feature that was %s', (_, before, after, lines) => {
  expect(changesOf(repositoryOf(before), repositoryOf(after))).toEqual(lines);
});

it('tells of a derived feature that is defined otherwise', () => {
  expect(changesOf(repositoryOf({}, 3), repositoryOf({}, 4))).toEqual(['~ check@1:is_large: is defined otherwise']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testStore } from 'fraud-feature-store/testing';
import { repository } from './features.ts';

test('a second login from another country is reviewed', async () => {
  const store = testStore(repository, { clock: '2026-01-05T12:00:00Z' });
  await store.send('logins', { login_id: 'l1', account_id: 'a1', country: 'DE', at: store.now() });
  store.advance('24h');

  const { features } = await store.features('login_check', { account_id: 'a1' });
  assert.equal(features.country_before_30d, 'DE');

  const login = { login_id: 'l2', account_id: 'a1', country: 'FR', at: store.now() };
  const decision = await store.decide('login_check', login);
  assert.equal(decision.decision, 'review');
  assert.deepEqual(
    decision.rules.map(({ name }) => name),
    ['NEW_COUNTRY'],
  );
});

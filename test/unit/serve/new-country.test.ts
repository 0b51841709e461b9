import { describe, expect, it } from 'vitest';
import { repository } from '../../../examples/new-country/features.ts';
import { NOW_MILLIS, serve } from './harness.ts';

describe('the example of a new country', () => {
  it('compares a login with the one before it, and not with itself', async () => {
    const { predict, clock } = serve({ repository });
    const answers: unknown[] = [];
    for (const [index, country] of ['DE', 'DE', 'FR', 'FR', 'DE'].entries()) {
      clock.nowMillis = NOW_MILLIS + index * 3_600_000;
      const { body } = await predict({ login_id: `l${index}`, account_id: 'a', country, at: clock.nowMillis });
      answers.push([body.features.country_before_30d, body.features.is_new_country, body.decision]);
    }
    expect(answers).toEqual([
      [null, null, 'approve'],
      ['DE', false, 'approve'],
      ['DE', true, 'review'],
      ['FR', false, 'approve'],
      ['FR', true, 'review'],
    ]);
  });

  it('cannot tell the country before a repeated login, and decides by `degraded`', async () => {
    const { predict } = serve({ repository });
    await predict({ login_id: 'l0', account_id: 'a', country: 'DE', at: NOW_MILLIS });
    const login = { login_id: 'l1', account_id: 'a', country: 'DE', at: NOW_MILLIS + 1 };
    expect((await predict(login)).body.decision).toBe('approve');
    expect((await predict(login)).body).toMatchObject({
      decision: 'review',
      event_status: 'duplicate',
      degraded: [{ what: 'feature', name: 'country_before_30d' }],
    });
  });
});

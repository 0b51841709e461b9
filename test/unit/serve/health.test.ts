import { describe, expect, it } from 'vitest';
import { repository } from '../../../shared/features/index.ts';
import { serve } from './harness.ts';

const works = { name: 'online_store', check: async () => undefined };

describe('GET /health', () => {
  it('answers ok with the time of every check', async () => {
    const { status, body } = await serve({ probes: [works, { ...works, name: 'stream_transactions' }] }).get('/health');
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'ok',
      registry_version: repository.registryVersion,
      checks: {
        online_store: { status: 'ok', latency_ms: expect.any(Number) },
        stream_transactions: { status: 'ok', latency_ms: expect.any(Number) },
      },
    });
  });

  it('answers 503 naming what failed, without saying why', async () => {
    const cause = new Error('arn:aws:kinesis:eu-central-1:123456789012:stream/secret');
    const { get, logged, metrics } = serve({
      probes: [works, { name: 'stream_transactions', check: () => Promise.reject(cause) }],
    });
    const { status, body } = await get('/health');
    expect(status).toBe(503);
    expect(body.status).toBe('failed');
    expect(body.checks.online_store.status).toBe('ok');
    expect(body.checks.stream_transactions.status).toBe('failed');
    expect(JSON.stringify(body)).not.toContain('secret');
    expect(logged).toMatchObject([{ details: { check: 'stream_transactions', error: ['Error'] } }]);
    expect(metrics.requests).toMatchObject([{ route: 'health', status: 503 }]);
  });

  it('does not wait for a check that never ends', async () => {
    const { status, body } = await serve({
      probes: [works, { name: 'stuck', check: () => new Promise(() => undefined) }],
      timeout: () => AbortSignal.timeout(0),
    }).get('/health');
    expect(status).toBe(503);
    expect(body.checks.stuck.status).toBe('failed');
  });
});

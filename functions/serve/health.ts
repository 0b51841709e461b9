import { SERVE_DEADLINES } from './constants.ts';
import { errorNames } from './describe-error.ts';
import type { HealthProbe, ServePorts } from './ports.ts';
import type { HealthAnswer } from './schemas.ts';

/** `GET /health`: every dependency, asked at once. Why one failed is logged, not answered. */
export async function checkHealth(ports: ServePorts): Promise<HealthAnswer> {
  const { probes, repository, logger } = ports;
  const checks = await Promise.all(
    probes.map(async (probe) => {
      const startedAt = performance.now();
      const failure = await failureOf(probe, ports);
      if (failure !== undefined)
        logger.warn('a health check failed', { check: probe.name, error: errorNames(failure) });
      const status: 'ok' | 'failed' = failure === undefined ? 'ok' : 'failed';
      return [probe.name, { status, latency_ms: Math.round((performance.now() - startedAt) * 100) / 100 }] as const;
    }),
  );
  return {
    status: checks.every(([, { status }]) => status === 'ok') ? 'ok' : 'failed',
    registry_version: repository.registryVersion,
    checks: Object.fromEntries(checks),
  };
}

class ProbeTimeoutError extends Error {
  override readonly name = 'ProbeTimeoutError';
}

async function failureOf(probe: HealthProbe, { deadlines, timeout }: ServePorts): Promise<unknown> {
  const deadlineMillis = deadlines?.probe ?? SERVE_DEADLINES.probe;
  const signal = timeout?.(deadlineMillis) ?? AbortSignal.timeout(deadlineMillis);
  const late = new Promise<never>((_resolve, reject) => {
    const refuse = () => reject(new ProbeTimeoutError(`no answer within ${deadlineMillis} ms`));
    signal.addEventListener('abort', refuse, { once: true });
  });
  try {
    await Promise.race([probe.check(), late]);
    return undefined;
  } catch (error) {
    return error ?? new Error('the probe failed without a reason');
  }
}

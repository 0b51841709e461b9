/** What a call costs on a local endpoint, and what the product has of it. */
import { median } from 'simple-statistics';
import { decide } from './api-client.ts';

const CALLS = 9;

/** Medians. */
export interface CallLatency {
  /** From the request to the answer, as a caller sees it. */
  readonly callMillis: number;
  /** What the answers say: `latency_ms`. */
  readonly serviceMillis: number;
}

/** Decides an event some times without counting it. */
export async function measureCalls(apiUrl: string, path: string, event: object): Promise<CallLatency> {
  const calls: number[] = [];
  const services: number[] = [];
  for (let call = 0; call < CALLS; call++) {
    const startMillis = performance.now();
    const { latency_ms } = await decide(apiUrl, event, { path, mode: 'read-only' });
    calls.push(performance.now() - startMillis);
    services.push(latency_ms);
  }
  return { callMillis: median(calls), serviceMillis: median(services) };
}

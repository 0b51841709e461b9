/** What a call costs on a local endpoint, and what the product has of it. */
import { median } from 'simple-statistics';
import { decide } from './api-client.ts';
import type { Transaction } from './traffic.ts';

const CALLS = 9;

/** Medians. */
export interface CallLatency {
  /** From the request to the answer, as a caller sees it. */
  readonly callMillis: number;
  /** What the answers say: `latency_ms`. */
  readonly serviceMillis: number;
}

/** Decides a transaction some times without counting it. */
export async function measureCalls(apiUrl: string, transaction: Transaction): Promise<CallLatency> {
  const calls: number[] = [];
  const services: number[] = [];
  for (let call = 0; call < CALLS; call++) {
    const startMillis = performance.now();
    const { latency_ms } = await decide(apiUrl, transaction, 'read-only');
    calls.push(performance.now() - startMillis);
    services.push(latency_ms);
  }
  return { callMillis: median(calls), serviceMillis: median(services) };
}

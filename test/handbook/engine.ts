/** What engines that compute the handbook's features are asked and answer. */
import type { Handbook } from '../../examples/handbook/published.ts';
import type { Value } from '../../shared/expressions/index.ts';

/** What an engine answers for the transactions whose features are published, by the names of our features. */
export interface Answers {
  readonly byTransaction: ReadonlyMap<number, Readonly<Record<string, Value | undefined>>>;
  /** Of computing the features; starting a server and loading tables is not in it. */
  readonly seconds: number;
  /** Of this process, or of the query where a server runs it. */
  readonly peakMemoryMegabytes: number;
}

/** A way to compute the handbook's features. */
export type Engine = (handbook: Handbook) => Promise<Answers>;

/** Most memory that this process has ever had. */
export function peakMemoryMegabytes(): number {
  return Math.round(process.resourceUsage().maxRSS / 1_024);
}

export function secondsSince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) / 100) / 10;
}

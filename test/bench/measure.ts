/** Timing of operations in turn, so that what is compared meets the same machine in the same minute. */

export interface Timing {
  readonly p50Millis: number;
  readonly p99Millis: number;
}

/** Value of rank `quantile` of unsorted numbers. */
export function rank(values: readonly number[], quantile: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? Number.NaN;
}

export function round(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}

/** Runs the operations one after the other, again and again, and times each. Rounds of the warm-up do not count. */
export async function timeInTurn<Name extends string>(
  operations: Readonly<Record<Name, (round: number) => Promise<unknown>>>,
  { rounds, warmUp }: { readonly rounds: number; readonly warmUp: number },
): Promise<Record<Name, Timing>> {
  const entries = Object.entries(operations) as [Name, (round: number) => Promise<unknown>][];
  const times = new Map<Name, number[]>(entries.map(([name]) => [name, []]));
  for (let index = 0; index < warmUp + rounds; index++) {
    for (const [name, operation] of entries) {
      const startedAt = performance.now();
      await operation(index);
      if (index >= warmUp) times.get(name)?.push(performance.now() - startedAt);
    }
  }
  return Object.fromEntries(
    [...times].map(([name, values]) => [name, { p50Millis: rank(values, 0.5), p99Millis: rank(values, 0.99) }]),
  ) as Record<Name, Timing>;
}

/** Microseconds of CPU of one call of a synchronous function: the median over batches of calls. */
export function microsecondsPerCall(call: () => unknown, { batches = 40, calls = 200 } = {}): number {
  for (let warm = 0; warm < 5 * calls; warm++) call();
  const perCall = Array.from({ length: batches }, () => {
    const before = process.cpuUsage();
    for (let index = 0; index < calls; index++) call();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / calls;
  });
  return rank(perCall, 0.5);
}

import { DefinitionError } from './error.ts';

const UNIT_MILLIS = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A length of time as people write it: `'5s'`, `'1min'`, `'24h'`, `'7d'`. */
export type Duration = `${number}${keyof typeof UNIT_MILLIS}`;

const DURATION = /^(\d+)(ms|s|min|h|d)$/;

export const DURATION_EXAMPLES = '500ms, 5s, 1min, 24h or 7d';

/** Milliseconds in a duration; `undefined` for what is not one. */
function millisOf(value: unknown): number | undefined {
  const [, amount, unit] = (typeof value === 'string' ? DURATION.exec(value) : null) ?? [];
  const millis = Number(amount) * UNIT_MILLIS[unit as keyof typeof UNIT_MILLIS];
  return Number.isSafeInteger(millis) ? millis : undefined;
}

export function isDuration(value: unknown): value is Duration {
  return millisOf(value) !== undefined;
}

/** Milliseconds in a duration. @throws DefinitionError naming `subject` when it is not a whole number with a unit. */
export function parseDuration(subject: string, duration: Duration): number {
  const millis = millisOf(duration);
  if (millis !== undefined) return millis;
  throw new DefinitionError(
    subject,
    `"${duration}" is not a duration; write a whole number and a unit, such as ${DURATION_EXAMPLES}`,
  );
}

/** The shortest exact way to write a length of time: 90,000 → `90s`, 3,600,000 → `1h`. */
export function formatDuration(millis: number): Duration {
  const unit = (['d', 'h', 'min', 's'] as const).find((candidate) => millis % UNIT_MILLIS[candidate] === 0) ?? 'ms';
  return `${millis / UNIT_MILLIS[unit]}${unit}`;
}

/** The least length of time that people would write and that is not shorter: 30.5 days → `31d`, 3,665 s → `62min`. */
export function roundUpDuration(millis: number): Duration {
  const unit = (['d', 'h', 'min', 's'] as const).find((candidate) => millis >= 2 * UNIT_MILLIS[candidate]) ?? 'ms';
  return `${Math.ceil(millis / UNIT_MILLIS[unit])}${unit}`;
}

const ROUND_DURATIONS: readonly Duration[] = [
  '1ms', '2ms', '5ms', '10ms', '20ms', '50ms', '100ms', '200ms', '500ms',
  '1s', '2s', '5s', '10s', '15s', '20s', '30s',
  '1min', '2min', '5min', '10min', '15min', '20min', '30min',
  '1h', '2h', '3h', '4h', '6h', '8h', '12h', '1d',
]; // biome-ignore format: a table

/** The default hop of a window: the largest round duration that divides it and is at most a sixtieth of it. */
export function defaultHopMillis(windowMillis: number): number {
  const millis = ROUND_DURATIONS.map((duration) => parseDuration('round duration', duration));
  return millis.findLast((hop) => hop <= windowMillis / 60 && windowMillis % hop === 0) ?? 1;
}
